"""The rulebook over HTTP: read rules, check a text, try it on history, put a version in force, roll back."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from api.auth import Who
from api.hub import hub_of
from api.problems import RESPONSES
from api.schemas import In, TwoLanguages, Words
from hub.catalog.problems import Problem
from hub.rulebook.model import MAX_DAYS, MAX_TEXT
from hub.rulebook.service import Rulebook

router = APIRouter(prefix="/rules", tags=["rules"], responses=RESPONSES)

RuleName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,47}$", description="a rule's id")]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Yaml = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)]


class RuleRow(BaseModel):
    rule: str
    title: TwoLanguages
    kinds: list[str]
    condition: str
    priority: Literal["critical", "high", "medium", "low"]
    life_safety: bool
    work_order: bool
    enabled: bool
    source: Literal["file", "page", "draft"]
    version: int | None
    draft: int | None
    untested: bool
    count: int
    file: str
    problem: str
    changed_at: datetime | None
    changed_by: str | None


class VersionRow(BaseModel):
    version: int
    digest: str
    source: Literal["file", "page", "api"]
    author: str
    at: datetime
    note: str


class VersionText(VersionRow):
    text: str


class BacktestRow(BaseModel):
    id: int
    digest: str
    since: datetime
    until: datetime
    at: datetime
    actor: str
    alarms: int
    result_hash: str


class RuleDetail(RuleRow):
    text: str
    digest: str
    versions: list[VersionRow]
    backtests: list[BacktestRow]


class RuleTextIn(In):
    text: Yaml


class SaveIn(RuleTextIn):
    note: Words = ""


class BacktestIn(RuleTextIn):
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 30


class EnableIn(In):
    """`unseen`: I know that no history exists to try it on."""

    version: Version | None = None
    unseen: bool = False


class NoteIn(In):
    note: Words = ""


class RollBackIn(NoteIn):
    version: Version


class WrongLine(BaseModel):
    """One thing wrong with a text; `line` from 1."""

    line: int
    field: str
    found: str
    expected: str
    suggestion: str | None
    message: TwoLanguages


class Checked(BaseModel):
    """`rule` is null where the text cannot be used."""

    rule: str | None
    problems: list[WrongLine]


class ExampleOut(BaseModel):
    name: str
    passed: bool
    detail: str


class BacktestOut(BaseModel):
    id: int
    rule: str
    days: int
    state: Literal["running", "done", "failed", "cancelled"]
    progress: float
    error: str
    result: dict[str, Any]


class DiffOut(BaseModel):
    old: int
    new: int
    diff: str


def _book(request: Request) -> Rulebook:
    return hub_of(request).rulebook


def wrong_line(problem: Problem) -> WrongLine:
    """A problem of a text without the file's name, which a person's text has not."""
    message = {"zh": problem.render("zh"), "en": problem.render("en")}
    head = f"{problem.file}:{problem.line}: "
    return WrongLine(
        line=problem.line, field=problem.field, found=problem.found, expected=problem.expected,
        suggestion=problem.suggestion, message={key: text.removeprefix(head) for key, text in message.items()},
    )  # fmt: skip


@router.get("")
async def rules(request: Request, who: Who) -> list[RuleRow]:
    """Every rule as it is in this community: what is in force, whether enabled, alarms of the last 30 days."""
    return [RuleRow.model_validate(row) for row in await _book(request).rules(who)]


@router.post("/check")
async def check_rule(request: Request, who: Who, body: RuleTextIn) -> Checked:
    """Read a rule's text (engineer, admin); what is wrong with it, by line. Nothing is kept."""
    who.require("configure")
    found, problems = await _book(request).validate(body.text)
    return Checked(rule=found.rule if found else None, problems=[wrong_line(problem) for problem in problems])


@router.post("/examples")
async def run_examples(request: Request, who: Who, body: RuleTextIn) -> list[ExampleOut]:
    """Run a text's own examples (engineer, admin)."""
    who.require("configure")
    found = await _book(request).examples(body.text)
    return [ExampleOut(name=one.name, passed=one.passed, detail=one.detail) for one in found]


@router.post("/backtests", status_code=202)
async def start_backtest(request: Request, who: Who, body: BacktestIn) -> BacktestOut:
    """Try a text on the community's stored history (engineer, admin). One at a time; ask for its state by its id."""
    one = await _book(request).start_backtest(who, body.text, body.days)
    return BacktestOut.model_validate(one.shown())


@router.get("/backtests/{backtest_id}")
async def backtest(request: Request, who: Who, backtest_id: Version) -> BacktestOut:
    """How far a back-test is, or what it found. Kept until 20 more have run or the hub stops."""
    return BacktestOut.model_validate(_book(request).backtests.show(who, backtest_id).shown())


@router.delete("/backtests/{backtest_id}")
async def cancel_backtest(request: Request, who: Who, backtest_id: Version) -> BacktestOut:
    """Stop it (engineer, admin)."""
    who.require("configure")
    return BacktestOut.model_validate(_book(request).backtests.cancel(who, backtest_id).shown())


@router.post("", status_code=201)
async def save_rule(request: Request, who: Who, body: SaveIn) -> VersionText:
    """Keep a text as a new version of this community (engineer, admin). It is not in force yet."""
    return VersionText.model_validate(await _book(request).save(who, body.text, body.note, "api"))


@router.get("/{rule}")
async def rule(request: Request, who: Who, rule: RuleName) -> RuleDetail:
    """One rule with the text in force, its versions and its latest back-tests."""
    return RuleDetail.model_validate(await _book(request).show(who, rule))


@router.get("/{rule}/versions/{version}")
async def rule_version(request: Request, who: Who, rule: RuleName, version: Version) -> VersionText:
    """One version with its text."""
    return VersionText.model_validate(await _book(request).version(who, rule, version))


@router.get("/{rule}/diff")
async def rule_diff(
    request: Request, who: Who, rule: RuleName, old: Annotated[int, Query(ge=1)], new: Annotated[int, Query(ge=1)]
) -> DiffOut:
    """Unified diff of two versions."""
    return DiffOut(old=old, new=new, diff=await _book(request).diff(who, rule, old, new))


@router.post("/{rule}/enable")
async def enable_rule(request: Request, who: Who, rule: RuleName, body: EnableIn | None = None) -> RuleDetail:
    """Put a version in force, or switch the rule on again (engineer, admin). 409 until its text was tried, and
    where the trial saw no history unless `unseen` says that this is known."""
    given = body or EnableIn()
    return RuleDetail.model_validate(await _book(request).enable(who, rule, given.version, unseen=given.unseen))


@router.post("/{rule}/disable")
async def disable_rule(request: Request, who: Who, rule: RuleName, body: NoteIn) -> RuleDetail:
    """Switch it off, with the reason (engineer, admin). Its live alarms return."""
    return RuleDetail.model_validate(await _book(request).disable(who, rule, body.note))


@router.post("/{rule}/roll-back")
async def roll_back_rule(request: Request, who: Who, rule: RuleName, body: RollBackIn) -> RuleDetail:
    """Put an old version's text in force as a new version (engineer, admin)."""
    return RuleDetail.model_validate(await _book(request).roll_back(who, rule, body.version, body.note))
