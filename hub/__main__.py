"""`hub`: the command line. `hub --help` lists what it can do."""

import os
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from hub.catalog.problems import CatalogError
from hub.cli.check import check_command, preferred_language
from hub.cli.run import configure_logging
from hub.errors import HubError
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


def _settings() -> Settings:
    settings = load_settings(os.environ)
    configure_logging(settings.log_format)
    return settings


def _duration(text: str) -> float:
    try:
        return float(parse_duration(text).total_seconds())  # type: ignore[attr-defined]
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


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


def main() -> None:
    """Entry point: known troubles are one clear line and exit code 2, not a stack of frames."""
    try:
        app()
    except (HubError, CatalogError, psycopg.Error, OSError, ValueError) as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
