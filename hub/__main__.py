"""`hub`: the command line. `hub --help` lists what it can do."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import psycopg
import psycopg_pool
import typer

from hub.catalog.problems import CatalogError
from hub.cli import audit, rules
from hub.cli.check import check_command, preferred_language
from hub.cli.docs import docs_command
from hub.cli.stack import running_broker
from hub.clock import SystemClock
from hub.errors import BadFrame, HubError
from hub.logs import configure_logging
from hub.principal import Role
from hub.settings import Settings, load_settings
from hub.vocabulary.base import parse_duration

app = typer.Typer(
    help="智慧小区物联集成中枢 Community Hub：设备接入、报警、指令、工单、账单。\n\n"
    "退出码 exit codes: 0 好 fine, 1 结果不符 the answer is no, 2 用法或环境有误 wrong use or environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("check")(check_command)
app.command("docs")(docs_command)
app.add_typer(audit.app, name="audit")
app.add_typer(rules.app, name="rules")


def _settings() -> Settings:
    settings = load_settings(os.environ)
    configure_logging(settings.log_format)
    return settings


def _duration(text: str) -> float:
    try:
        return float(parse_duration(text).total_seconds())  # type: ignore[attr-defined]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


accounts = typer.Typer(help="账号 accounts", no_args_is_help=True)
app.add_typer(accounts, name="account")

_Community = Annotated[str, typer.Option(help="community code; default: the only one")]
_Language = Annotated[str, typer.Option(help="zh or en; default: the terminal's")]


@app.command("run")
def run_command() -> None:
    """运行中枢，直到 Ctrl-C。Run the hub until Ctrl-C; embedded servers where no URL is set."""
    from hub.cli.run import run

    raise typer.Exit(run(_settings()))


@app.command("demo")
def demo_command(
    duration: Annotated[
        float | None, typer.Option("--for", parser=_duration, help="60s, 5m; default: for ever")
    ] = None,
    seed: Annotated[int, typer.Option(help="the same seed tells the same story")] = 7,
    language: _Language = "",
) -> None:
    """演示：模拟整个小区，不需要硬件。Simulate a whole community, no hardware needed."""
    from hub.cli.demo import demo

    raise typer.Exit(demo(_settings(), duration, seed, language or preferred_language(os.environ)))


@app.command("verify")
def verify_command(
    truth: Annotated[Path, typer.Option(help="truth log of the simulator", exists=True, dir_okay=False)],
    community: Annotated[str, typer.Option(help="community code")] = "demo",
    language: _Language = "",
) -> None:
    """对照真相记录核对数据库。Compare what really happened with what the hub stored."""
    from hub.cli.stack import database
    from hub.cli.verify import verify

    with database(_settings()) as conninfo:
        report = verify(conninfo, truth, community)
    typer.echo(report.render(language or preferred_language(os.environ)))
    raise typer.Exit(0 if report.ok else 1)


@app.command("decode")
def decode_command(
    profile: Annotated[str, typer.Argument(help="profile id, such as heyue-dc200")],
    topic: Annotated[str, typer.Option(help="MQTT topic, or 'unit=1 holding 0+20'; default: the profile's first")] = "",
    as_hex: Annotated[bool, typer.Option("--hex", help="the payload is written as hexadecimal digits")] = False,
) -> None:
    """解码一条报文（标准输入）。Decode a payload from standard input: JSON lines, or why not (exit code 1)."""
    from hub.cli.tools import catalog_of, decode

    raw = sys.stdin.buffer.read(1_048_577)
    payload = bytes.fromhex(raw.decode("ascii")) if as_hex else raw
    try:
        for line in decode(catalog_of(_settings()), profile, topic, payload, SystemClock()):
            typer.echo(line)
    except BadFrame as error:
        typer.echo(f"dead letter: {error}", err=True)
        raise typer.Exit(1) from error


@app.command("read")
def read_command(
    device: Annotated[str, typer.Argument(help="device id of the site")],
    timeout: Annotated[float | None, typer.Option(parser=_duration, help="how long to wait; default: 10s")] = None,
) -> None:
    """直接读一台设备。Read one device now, past the running hub: JSON lines."""
    from hub.cli.tools import catalog_of, read

    settings = _settings()
    for line in asyncio.run(read(catalog_of(settings, running_broker(settings)), device, timeout or 10.0)):
        typer.echo(line)


@app.command("write")
def write_command(
    device: Annotated[str, typer.Argument(help="device id of the site")],
    command: Annotated[str, typer.Argument(help="open, close, start, stop …")],
    reason: Annotated[str, typer.Option(help="why; the device may log it")] = "commissioning",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """直接向一台设备发指令。Give one device a command now. Exit code 0 only when the device showed the effect."""
    from hub.cli.tools import catalog_of, write

    if not yes:
        typer.confirm(f"{command} {device}?", abort=True)
    settings = _settings()
    done, seen = asyncio.run(write(catalog_of(settings, running_broker(settings)), device, command, reason))
    typer.echo(("confirmed: " if done else "not confirmed: ") + seen, err=not done)
    raise typer.Exit(0 if done else 1)


@app.command("explain")
def explain_command(
    number: Annotated[str, typer.Argument(help="event id or frame key (hexadecimal), or with --bill a bill line")],
    bill: Annotated[bool, typer.Option("--bill", help="the number is a bill line's")] = False,
    community: _Community = "",
) -> None:
    """来龙去脉。An event: raw bytes, decoding, storage, rules, effects. A bill line: sum, readings, raw frames."""
    from hub.cli.explain import explain, explain_bill
    from hub.cli.stack import database
    from hub.cli.tools import catalog_of

    settings = _settings()
    catalog = catalog_of(settings)
    with database(settings) as conninfo:
        if bill:
            typer.echo(asyncio.run(explain_bill(settings, conninfo, catalog, community, int(number))))
            return
        for line in explain(conninfo, catalog, UUID(number)):
            typer.echo(line)


@accounts.command("add")
def account_add_command(
    name: Annotated[str, typer.Argument(help="sign-in name")],
    role: Annotated[Role, typer.Option(help="what the account may do")],
    community: _Community = "",
) -> None:
    """新建账号并显示一次口令。Make an account; its drawn password is shown this once."""
    from hub.cli.accounts import add
    from hub.cli.stack import database
    from hub.cli.tools import catalog_of

    settings = _settings()
    with database(settings) as conninfo:
        made = asyncio.run(add(settings, conninfo, catalog_of(settings), community, name, role))
    typer.echo(f"{made.name}  /  {made.password}")


def main() -> None:
    """Entry point: known troubles are one clear line and exit code 2, not a stack of frames."""
    try:
        app()
    except psycopg_pool.PoolTimeout as error:
        typer.echo(
            f"数据库连不上，请看 HUB_DATABASE_URL。The database of HUB_DATABASE_URL cannot be reached: {error}",
            err=True,
        )
        sys.exit(2)
    except (HubError, CatalogError, psycopg.Error, OSError, ValueError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
