"""`python -m simulators`: run a simulated community against a real broker and real Modbus clients."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

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
from simulators.community import Community, device_of
from simulators.faults import default_scenario, describe
from simulators.plant import Plant
from simulators.station import Broker
from simulators.timeline import SECOND
from simulators.truth_log import TruthLog

app = typer.Typer(add_completion=False)


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

    At speed 1 the plant's time is the clock's. At a higher speed its day begins in the past, so that it ends now: no
    device is ever ahead of the hub's clock. 退出码：0 正常；1 有消息未被确认；2 配置或参数有误。
    """
    if only not in ("", "mqtt", "modbus"):
        raise typer.BadParameter("mqtt or modbus", param_hint="--only")
    if speed > 1 and duration is None:
        raise typer.BadParameter("a speed above 1 needs --for", param_hint="--speed")
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
    try:
        site_file, devices = _load(config or [packaged_config()], site)
        broker = Broker.parse(mqtt) if only != "modbus" else None
        left = asyncio.run(
            _run(site_file, devices, truth, broker, only != "mqtt", seed, speed, duration, language, faults)
        )
    except (CatalogError, Misconfigured) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(1 if left else 0)


def _load(roots: list[Path], site: str) -> tuple[SiteFile, list[Device]]:
    catalog = load_catalog(roots, os.environ)
    if site not in catalog.sites:
        raise Misconfigured(f"there is no site {site!r}; there are: {', '.join(sorted(catalog.sites)) or 'none'}")
    return catalog.sites[site], device_of(build_devices(catalog, LocalIds()), site)


async def _run(
    site: SiteFile,
    devices: list[Device],
    truth: Path,
    broker: Broker | None,
    modbus: bool,
    seed: int,
    speed: float,
    duration: float | None,
    language: Literal["zh", "en"] | str,
    faults: bool,
) -> int:
    zh = language.startswith("zh")
    clock = SystemClock()
    now = clock.now_us()
    start = now if duration is None else now - round(duration * (speed - 1.0) * SECOND)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    truth.parent.mkdir(parents=True, exist_ok=True)
    with truth.open("a", encoding="utf-8") as file:
        plant = Plant(devices, seed, start)
        buses = {name: bus for name, bus in site.buses.items() if isinstance(bus, ModbusBus) and modbus}
        community = Community(
            plant,
            clock,
            TruthLog(file, start, seed),
            lambda at, zh_line, en_line: _line(at, zh_line if zh else en_line),
            broker=broker,
            buses=buses,
            speed=speed,
        )
        _line(0, f"{site.community.name.get(language)}: {len(devices)} {'台设备' if zh else 'devices'}")
        if faults:
            scenario = default_scenario(devices)
            community.schedule(scenario)
            for offset, text in describe(scenario, language):
                _line(offset, f"{'将发生：' if zh else 'will happen: '}{text}")
        left = await community.run(stop, duration)
    _line((clock.now_us() - now) / SECOND, f"{'结束，未确认' if zh else 'ended, unacknowledged'}: {left}")
    return left


def _line(at: float, text: str) -> None:
    sys.stdout.write(f"{int(at) // 60:02d}:{int(at) % 60:02d}  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app()
