"""`python -m simulators`: run a simulated community against a real broker and real Modbus clients."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hub.catalog.devices import LocalIds, build_devices
from hub.catalog.load import load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.clock import SystemClock
from hub.errors import Misconfigured
from hub.model import Device
from hub.vocabulary.base import parse_duration
from hub.vocabulary.modbus import ModbusBus
from hub.vocabulary.sites import SiteFile
from simulators.community import Community
from simulators.faults import default_scenario, describe
from simulators.plant import Plant
from simulators.station import Broker
from simulators.timeline import SECOND
from simulators.truth_log import TruthLog

app = typer.Typer(add_completion=False)


class Options(msgspec.Struct, frozen=True):
    """What a run is told."""

    truth: Path
    seed: int
    speed: float
    seconds: float | None
    language: str
    faults: bool
    broker: Broker | None
    modbus: bool

    def say(self, at: float, zh: str, en: str) -> None:
        """One line of progress: minutes and seconds since the start, and what happens."""
        text = zh if self.language.startswith("zh") else en
        sys.stdout.write(f"{int(at) // 60:02d}:{int(at) % 60:02d}  {text}\n")
        sys.stdout.flush()


def _seconds(text: str) -> float:
    try:
        return float(parse_duration(text).total_seconds())  # type: ignore[attr-defined]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def main(
    mqtt: Annotated[str, typer.Option(help="broker, mqtt://user:password@host:1883", envvar="HUB_MQTT_URL")],
    truth: Annotated[Path, typer.Option(help="file the truth is appended to")],
    site: Annotated[str, typer.Option(help="community code")] = "demo",
    config: Annotated[list[Path] | None, typer.Option(help="configuration folders, later ones win")] = None,
    seed: Annotated[int, typer.Option(help="the same seed tells the same story")] = 7,
    speed: Annotated[float, typer.Option(min=1.0, max=10_000.0, help="above 1 it needs --for")] = 1.0,
    duration: Annotated[float | None, typer.Option("--for", parser=_seconds, help="60s, 5m; default: for ever")] = None,
    only: Annotated[str, typer.Option(help="mqtt or modbus; default: both")] = "",
    language: Annotated[str, typer.Option(help="zh or en")] = "zh",
    faults: Annotated[bool, typer.Option(help="let things go wrong")] = True,
) -> None:
    """Run the community of a site until Ctrl-C or for a time, and write down what really happened.

    At speed 1 the plant's time is the clock's. At a higher speed its story begins in the past and ends now, so that no
    device is ever ahead of the hub's clock; rules that wait (30 s over pressure) mean nothing then.
    退出码：0 正常；1 有消息未被确认；2 配置或参数有误。Exit codes: 0 good; 1 messages no broker took; 2 wrong options.
    """
    if only not in ("", "mqtt", "modbus"):
        raise typer.BadParameter("mqtt or modbus", param_hint="--only")
    if speed > 1 and duration is None:
        raise typer.BadParameter("a speed above 1 needs --for", param_hint="--speed")
    for noisy in ("pymodbus", "mqtt"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)  # our own lines say it, once
    try:
        site_file, devices = _load(config or [packaged_config()], site)
        broker = None if only == "modbus" else Broker.parse(mqtt)
        options = Options(truth, seed, speed, duration, language, faults, broker, only != "mqtt")
        left = asyncio.run(_run(options, site_file, devices))
    except (CatalogError, Misconfigured) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(1 if left else 0)


def _load(roots: list[Path], site: str) -> tuple[SiteFile, list[Device]]:
    catalog = load_catalog(roots, os.environ)
    if site not in catalog.sites:
        raise Misconfigured(f"there is no site {site!r}; there are: {', '.join(sorted(catalog.sites)) or 'none'}")
    devices = build_devices(catalog, LocalIds()).values()
    return catalog.sites[site], [device for device in devices if device.community == site]


async def _run(options: Options, site: SiteFile, devices: list[Device]) -> int:
    clock, stop = SystemClock(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    now = clock.now_us()
    start = now - round((options.seconds or 0.0) * (options.speed - 1.0) * SECOND)
    options.truth.parent.mkdir(parents=True, exist_ok=True)
    with options.truth.open("a", encoding="utf-8") as file:
        community = Community(
            Plant(devices, options.seed, start),
            clock,
            TruthLog(file, start, options.seed),
            options.say,
            broker=options.broker,
            buses={name: bus for name, bus in site.buses.items() if isinstance(bus, ModbusBus) and options.modbus},
            speed=options.speed,
        )
        name = site.community.name
        options.say(0, f"{name.zh}：{len(devices)} 台设备", f"{name.en}: {len(devices)} devices")
        if options.faults:
            _announce(options, community, devices)
        left = await community.run(stop, options.seconds)
    options.say((clock.now_us() - now) / SECOND, f"结束，未确认消息 {left} 条", f"ended, unacknowledged: {left}")
    return left


def _announce(options: Options, community: Community, devices: list[Device]) -> None:
    scenario = default_scenario(devices)
    community.schedule(scenario)
    for (offset, zh), (_, en) in zip(describe(scenario, "zh"), describe(scenario, "en"), strict=True):
        options.say(offset, f"将发生：{zh}", f"will happen: {en}")


if __name__ == "__main__":
    app()
