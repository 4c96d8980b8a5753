"""`hub rules`: which rules are in force, is a text right, what would it have raised, who changed what, and back."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hub.cli.stack import database
from hub.errors import HubError
from hub.logs import configure_logging
from hub.plugins import OffersRuleTools, load_plugs, offering
from hub.settings import load_settings

if TYPE_CHECKING:  # a help text must not wait for all of it
    from hub.principal import Principal
    from hub.rulebook.service import Rulebook

app = typer.Typer(
    help="规则：查看、检查、历史试跑、版本、回退。Rules: see, check, try on history, versions, roll back.\n\n"
    "hub rules check my-rule.yaml 先检查 first; hub rules backtest my-rule.yaml --days 30 再试跑 then;\n"
    "启用在网页“规则”里做 it is enabled on the Rules page.\n\n"
    "每个小区有自己的版本，用 --community 指明 each community has versions of its own: name it with --community.",
    no_args_is_help=True,
)
Result = TypeVar("Result")

_Community = Annotated[str, typer.Option(help="小区代码，只有一个时可省 community code; default: the only one")]
_Rule = Annotated[str, typer.Argument(help="规则代号 id of the rule, as `hub rules list` shows it")]
_File = Annotated[
    Path, typer.Argument(help="只含一条规则的 YAML 文件 a YAML file of one rule", exists=True, dir_okay=False)
]


def _with_book(community: str, work: "Callable[[Rulebook, Principal], Awaitable[Result]]") -> Result:
    settings = load_settings(os.environ)
    configure_logging(settings.log_format)

    from hub.cli.rulestore import rulebook

    async def run(conninfo: str) -> Result:
        async with rulebook(conninfo, community) as (book, who):
            return await work(book, who)

    with database(settings) as conninfo:
        return asyncio.run(run(conninfo))


def _text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{file}: 不是 UTF-8 文本。Not UTF-8 text: {error}") from error


def line_of(row: Mapping[str, Any]) -> str:
    """One rule in one line."""
    state = "草稿 draft" if row["source"] == "draft" else "启用 on" if row["enabled"] else "停用 off"
    file = row["file"] + ("（未试跑 untested）" if row["untested"] else "")
    if row["pack"]:
        file = row["pack"] + ("（未升版本 changed, same version）" if row["pack_changed"] else "")
    version = file if row["source"] == "file" else f"v{row['version'] or row['draft']}"
    return f"{row['rule']:<32} {row['priority']:<8} {state:<10} {version:<20} {row['count']:>6}  {row['title']['zh']}"


@app.command("list")
def list_command(community: _Community = "") -> None:
    """所有规则：优先级、状态、来源、30 天报警数。Every rule: priority, state, source, alarms in 30 days."""
    for row in _with_book(community, lambda book, who: book.rules(who)):
        typer.echo(line_of(row))


@app.command("show")
def show_command(rule: _Rule, community: _Community = "") -> None:
    """生效的规则文本。The text in force."""
    row = _with_book(community, lambda book, who: book.show(who, rule))
    typer.echo(f"# {line_of(row)}")
    typer.echo(row["text"], nl=False)


@app.command("check")
def check_command(
    file: _File,
    language: Annotated[str, typer.Option(help="en 或 or zh；默认随终端 default: the terminal's")] = "",
) -> None:
    """检查一条规则并运行其示例，不需要数据库。Check a rule and run its examples; needs no database.

    退出码 exit code 1：有问题或示例未通过 something is wrong, or an example fails.
    """
    from hub.cli.check import preferred_language
    from hub.cli.tools import catalog_of

    kinds = catalog_of(load_settings(os.environ)).kinds
    tools = offering(load_plugs(), OffersRuleTools)[0]
    text = _text_of(file)
    found, problems = tools.parse_rule(text, kinds)
    for problem in problems:
        typer.echo(problem.render(language or preferred_language(os.environ)).replace("rule:", f"{file}:", 1))
    if found is None:
        raise typer.Exit(1)
    outcomes = tools.run_rule_examples(text, kinds)
    for one in outcomes:
        typer.echo(f"{'✓' if one.passed else '✕'} {one.name}{': ' + one.detail if one.detail else ''}")
    raise typer.Exit(0 if all(one.passed for one in outcomes) else 1)


@app.command("test")
def test_command(
    pack: Annotated[str, typer.Argument(help="规则包名或规则文件 name of a rule pack, or of a file: doors.yaml")],
) -> None:
    """运行一个规则包全部规则的示例，不需要数据库。Run the examples of all rules of a pack; needs no database.

    退出码 exit code 1：示例未通过，或没有这个包 an example fails, or there is no such pack.
    """
    from hub.app import config_roots
    from hub.cli.tools import catalog_of

    settings = load_settings(os.environ)
    kinds = catalog_of(settings).kinds
    tools = offering(load_plugs(), OffersRuleTools)[0]
    texts = tools.rule_texts(config_roots(settings))
    mine = [one for one in texts if pack in (one.file, one.pack, one.pack.partition(" ")[0])]
    failed = not mine
    for one in mine:
        for outcome in tools.run_rule_examples(one.text, kinds):
            failed |= not outcome.passed
            detail = f": {outcome.detail}" if outcome.detail else ""
            typer.echo(f"{'✓' if outcome.passed else '✕'} {one.rule}: {outcome.name}{detail}")
    if not mine:
        known = ", ".join(sorted({one.pack or one.file for one in texts}))
        typer.echo(f"没有规则包 no rule pack {pack!r}: {known}", err=True)
    raise typer.Exit(1 if failed else 0)


@app.command("backtest")
def backtest_command(
    file: _File,
    days: Annotated[int, typer.Option(min=1, max=31, help="试跑最近几天 the last so many days")] = 30,
    community: _Community = "",
) -> None:
    """在已保存的数据上试跑：过去会产生哪些报警。Try a rule on stored history: which alarms it would have raised.

    试跑有记录，之后可在网页启用这份文本。It is recorded, so that this text can be enabled on the page.
    """

    text = _text_of(file)

    async def work(book: "Rulebook", who: "Principal") -> dict[str, Any]:
        one = await book.start_backtest(who, text, days)
        assert one.task is not None
        await one.task
        if one.state != "done":
            raise HubError(f"the back-test {one.state}: {one.error}")
        return one.result

    result = _with_book(community, work)
    for raised in result["raised"]:
        cost = f"  {raised['cost_fen'] / 100:.2f} 元" if raised["cost_fen"] is not None else ""
        typer.echo(f"{raised['from']}  {raised['to'] or '—':<32}  {raised['device']:<24} {raised['text']['zh']}{cost}")
    if not result["seen"]:
        typer.echo("没有看到历史数据，启用时须确认。No history seen: enabling it asks for your word.")
    typer.echo(
        f"{days} 天会产生 {result['alarms']} 次报警，实际 {result['really']} 次，相同 {result['same']} 次。"
        f"It would have raised {result['alarms']} alarms in {days} days; really {result['really']}, "
        f"{result['same']} alike.  {result['hash'][:16]}"
    )


@app.command("versions")
def versions_command(
    rule: _Rule,
    diff: Annotated[str, typer.Option(help="比较两版 compare two, as 2:3")] = "",
    community: _Community = "",
) -> None:
    """一条规则的全部版本，或两版之差。The versions of a rule, newest first, or what differs between two."""
    if diff:
        old, _, new = diff.partition(":")
        if not (old.isdecimal() and new.isdecimal()):
            raise typer.BadParameter("two versions are expected, as 2:3")
        text = _with_book(community, lambda book, who: book.diff(who, rule, int(old), int(new)))
        typer.echo(text or "两版相同 both are alike")
        return
    row = _with_book(community, lambda book, who: book.show(who, rule))
    for one in row["versions"]:
        mark = "*" if one["digest"] == row["digest"] else " "
        when = f"{one['at']:%Y-%m-%d %H:%M}Z"
        typer.echo(f"{mark} {one['version']:>4}  {one['source']:<5} {when}  {one['author']}  {one['note']}")


@app.command("rollback")
def rollback_command(
    rule: _Rule,
    version: Annotated[int, typer.Argument(min=1, help="要恢复的版本 the version to go back to")],
    note: Annotated[str, typer.Option(help="原因 why")] = "",
    community: _Community = "",
) -> None:
    """回退到旧版本（记为新版本）。Put an old version in force, as a new one. A running hub takes it at its next reload.

    退出码 exit code 2：没有这个版本，或它没有试跑过 no such version, or it was never tried.
    """
    row = _with_book(community, lambda book, who: book.roll_back(who, rule, version, note))
    typer.echo(line_of(row))
