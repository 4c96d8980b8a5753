"""One rule: its text with live checks, its examples, its trial on stored history, and its versions."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element

from api.pages.rule_trial import TrialPanel
from api.pages.view import View
from api.pages.widgets import Table, box, diff, panel, tag
from hub.errors import Refused
from hub.live import Change
from hub.rulebook.model import MAX_TEXT, digest, normal
from hub.store.database import Row

TEMPLATE = """rule: my-rule
title: {zh: 规则名称, en: Name of the rule}
when: {kinds: [pump]}
threshold: {point: pressure, above: 600, for: 30s, clear: {below: 560}}
priority: medium
text:
  zh: $device（$place）压力 $value，超过 $limit。
  en: $device ($place) has $value, over $limit.
procedure:
  zh: |
    1. 先做什么。
  en: |
    1. What to do first.
examples:
  - name: Over the limit for half a minute is an alarm
    steps:
      - {at: 0s, point: {pressure: 650}}
      - {at: 40s, expect: [raised]}
  - name: Below it nothing is told
    steps:
      - {at: 0s, point: {pressure: 500}}
"""
"""A small rule that works, to begin with."""

_DAYS = (7, 14, 30)
_REFUSALS = {
    "invalid_rule": "rules.e_invalid", "examples_fail": "rules.e_examples", "not_backtested": "rules.try_first",
    "no_history": "rules.e_unseen",
    "busy": "rules.e_busy", "too_many": "rules.e_many",
    "wrong_rule": "rules.e_wrong", "too_long": "rules.e_invalid",
}  # fmt: skip
_SOURCES = {"file": "rules.from_file", "page": "rules.from_page", "api": "rules.from_api"}


class RuleEditor(Element, component="static/rule_editor.js"):
    """The text of a rule. Event: edited (the text, when typing rests)."""

    def __init__(self, text: str, **props: Any) -> None:
        super().__init__()
        self._props.update(props | {"given": {"text": text, "turn": 0}, "problems": [], "most": MAX_TEXT})

    def give(self, text: str) -> None:
        """Another text in place of what was typed."""
        self._props["given"] = {"text": text, "turn": self._props["given"]["turn"] + 1}
        self.update()

    def tell(self, problems: list[dict[str, Any]]) -> None:
        self._props["problems"] = problems
        self.update()


class RulePanel:
    """One open rule. `row` None: a new one."""

    def __init__(self, view: View, row: Row | None, close: Callable[..., Awaitable[None]]) -> None:
        self._view = view
        self._book = view.hub.rulebook
        self._row = row
        self._close = close
        self._text = row["text"] if row is not None else TEMPLATE

    async def build(self) -> None:
        view, t, row = self._view, self._view.t, self._row
        with panel(view.pick(row["title"]) if row is not None else t("rules.new")):
            with box("actions"):
                tag("button", t("rules.back"), "ghost", type="button").on("click", self._act(self._close))
                self._switch = box("")
            self._marks = box("rule-marks")
            self._editor = RuleEditor(
                self._text, label=t("rules.text"), word=t("rules.line"), fine=t("rules.fine"),
                readonly=not view.may("configure"),
            )  # fmt: skip
            self._editor.on("edited", lambda event: self._act(self._edited)(event.args))
            if view.may("configure"):
                self._buttons()
        with panel(t("rules.examples")):
            self._examples = Table(
                [("mark", t("rules.result"), "chip"), ("name", t("rules.example")), ("detail", t("device.detail"))], [],
                t("rules.examples_hint"),
            )  # fmt: skip
        with panel(t("rules.backtest")):
            self._trial = TrialPanel(view, self._check)
            self._trial.build()
        with panel(t("rules.versions")):
            self._versions = Table(
                [
                    ("version", t("rules.version"), "num"), ("source", t("rules.source")),
                    ("author", t("rules.author")), ("at", t("rules.at"), "num"),
                    ("note", t("rules.note_column")), ("do", t("rules.do"), "actions"),
                ], [], t("rules.no_versions"),
            )  # fmt: skip
            self._versions.on("action", lambda event: self._act(self._version_action)(event.args))
            self._diff = box("")
        self._show_row()
        await self._check()

    def _buttons(self) -> None:
        t = self._view.t
        with box("actions form"):
            tag("button", t("rules.run_examples"), "ghost", type="button").on("click", self._act(self._run_examples))
            with box("field", "label"):
                tag("span", t("rules.period"))
                choice = box("search", "select")
                with choice:
                    for days in _DAYS:
                        here = {"selected": "true"} if days == _DAYS[-1] else {}
                        tag("option", f"{days} {t('time.days')}", "", value=str(days), **here)
                self._days = _DAYS[-1]
                choice.on("change", self._chosen, js_handler="(e) => emit(e.target.value)")
            tag("button", t("rules.run_backtest"), "ghost", type="button").on("click", self._act(self._run_backtest))
            tag("button", t("rules.save"), "ghost", type="button").on("click", self._act(self._ask_save))
            self._enable = tag("button", t("rules.enable"), "solid", type="button").on(
                "click", self._act(self._ask_enable)
            )

    def _act(self, work: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """A handler that tells a refusal of the rulebook in its own words."""

        async def told(*arguments: Any) -> None:
            try:
                await work(*arguments)
            except Refused as error:
                if error.code not in _REFUSALS:
                    raise
                ui.notify(self._view.t(_REFUSALS[error.code]), type="negative", position="top", timeout=6000)

        return self._view.act(told)

    def _chosen(self, event: Any) -> None:
        self._days = int(event.args) if str(event.args) in map(str, _DAYS) else _DAYS[-1]

    def _show_row(self) -> None:
        """Marks, switch and versions of the rule as it is kept."""
        view, t, row = self._view, self._view.t, self._row
        self._marks.clear()
        self._switch.clear()
        if row is None:
            return
        state = "rules.draft" if row["source"] == "draft" else "rules.on" if row["enabled"] else "rules.off"
        file = f"{t('rules.from_file')} {row['file'].removesuffix('.yaml')}"
        source = file if row["source"] == "file" else f"{t('rules.version')} {row['version'] or row['draft']}"
        with self._marks:
            untested = (t("rules.untested"),) if row["untested"] else ()
            for text in (t(state), *untested, row["rule"], source, f"{t('rules.count')}: {row['count']:,}"):
                tag("span", text, "chip")
        if view.may("configure") and row["source"] != "draft":
            with self._switch:
                word, work = (
                    (t("rules.switch_off"), self._ask_off) if row["enabled"] else (t("rules.switch_on"), self._on)
                )
                tag("button", word, "ghost", type="button").on("click", self._act(work))
        versions = row["versions"]
        self._versions.show([self._version_cells(one, one is not versions[-1]) for one in versions])

    def _version_cells(self, one: Row, has_older: bool) -> dict[str, Any]:
        view, t = self._view, self._view.t
        actions = [("edit", t("rules.load"))]
        if has_older:
            actions.append(("diff", t("rules.diff")))
        assert self._row is not None
        if view.may("configure") and one["digest"] != self._row["digest"]:
            actions.append(("back", t("rules.roll_back")))
        author = t("rules.from_file") if one["author"].startswith("system:") else view.person(one["author"])
        return {
            "id": one["version"], "version": one["version"], "source": t(_SOURCES[one["source"]]), "author": author,
            "at": view.stamp(one["at"]), "note": one["note"] or "—", "do": actions,
        }  # fmt: skip

    # -- the text ------------------------------------------------------------------------------------------------

    async def _edited(self, text: object) -> None:
        if isinstance(text, str):
            self._text = text[: MAX_TEXT + 1]
            await self._check()

    async def _check(self) -> None:
        """Say what is wrong, by line; enabling waits for a trial of exactly this text."""
        view = self._view
        text = self._text
        _, problems = await self._book.validate(text)
        if text != self._text:
            return  # typed on meanwhile: the next check tells
        language = "zh" if view.language.startswith("zh") else "en"
        told = [
            {"line": one.line, "message": one.render(language).removeprefix(f"{one.file}:{one.line}: ")}
            for one in problems
        ]
        self._editor.tell(told)
        if view.may("configure"):
            ready = not problems and self._trial.tried == digest(normal(self._text))
            self._enable._props["aria-disabled"] = "false" if ready else "true"
            self._enable.classes(add="" if ready else "waiting", remove="waiting" if ready else "")
            self._enable.update()

    async def _run_examples(self, _: object = None) -> None:
        t = self._view.t
        self._examples.show(
            [
                {
                    "id": number,
                    "mark": {"mark": "✓" if one.passed else "✕", "tone": "done" if one.passed else "ill",
                             "text": t("rules.passed") if one.passed else t("rules.failed")},
                    "name": one.name, "detail": one.detail or "—", "tone": "" if one.passed else "ill",
                }
                for number, one in enumerate(await self._book.examples(self._text))
            ]
        )  # fmt: skip

    async def _run_backtest(self, _: object = None) -> None:
        await self._trial.start(self._text, self._days)

    async def told(self, changes: list[Change]) -> None:
        """How far the trial is, and its end."""
        await self._trial.told(changes)

    # -- coming into force ---------------------------------------------------------------------------------------

    async def _ask_save(self, _: object = None) -> None:
        view, t, text = self._view, self._view.t, self._text

        async def do(note: str) -> None:
            saved = await self._book.save(await view.who(), text, note)
            await self._again(saved["rule"])

        view.ask(t("rules.save"), t("rules.save_hint"), t("rules.save"), self._act(do), field=t("rules.note_column"))

    async def _ask_enable(self, _: object = None) -> None:
        view, t, text, unseen = self._view, self._view.t, self._text, not self._trial.seen
        if self._trial.tried != digest(normal(text)):
            ui.notify(t("rules.try_first"), type="warning", position="top")
            return

        async def do(note: str) -> None:
            who = await view.who()
            row = self._row
            if row is not None and row["digest"] == digest(normal(text)):
                await self._book.enable(who, row["rule"], unseen=unseen)
                await self._again(row["rule"])
                return
            if not all(one.passed for one in await self._book.examples(text)):
                raise Refused("examples_fail", "its own examples do not pass", 409)
            saved = await self._book.save(who, text, note)
            await self._book.enable(who, saved["rule"], saved["version"], unseen=unseen)
            await self._again(saved["rule"])

        hint = t("rules.enable_unseen") if unseen else t("rules.enable_hint")
        view.ask(t("rules.enable"), hint, t("rules.enable"), self._act(do), field=t("rules.note_column"))

    async def _on(self, _: object = None) -> None:
        assert self._row is not None
        await self._book.enable(await self._view.who(), self._row["rule"])
        await self._again(self._row["rule"])

    async def _ask_off(self, _: object = None) -> None:
        view, t, row = self._view, self._view.t, self._row
        assert row is not None

        async def do(note: str) -> None:
            await self._book.disable(await view.who(), row["rule"], note)
            await self._again(row["rule"])

        word = t("rules.switch_off")
        view.ask(word, t("rules.off_hint"), word, self._act(do), field=t("command.reason"),
                 needed=t("error.reason_required"))  # fmt: skip

    async def _again(self, rule: str) -> None:
        """Show the rule as it is kept now; what is being typed stays."""
        self._row = await self._book.show(self._view.principal, rule)
        self._show_row()

    # -- versions ------------------------------------------------------------------------------------------------

    async def _version_action(self, argument: object) -> None:
        number, action = argument if isinstance(argument, list) and len(argument) == 2 else (0, "")
        row, view, t = self._row, self._view, self._view.t
        if row is None or not isinstance(number, int) or number not in {one["version"] for one in row["versions"]}:
            return
        if action == "edit":
            self._text = (await self._book.version(view.principal, row["rule"], number))["text"]
            self._editor.give(self._text)
            await self._check()
        elif action == "diff":
            older = max(one["version"] for one in row["versions"] if one["version"] < number)
            self._show_diff(await self._book.diff(view.principal, row["rule"], older, number))
        elif action == "back":

            async def do(note: str) -> None:
                await self._book.roll_back(await view.who(), row["rule"], number, note)
                await self._again(row["rule"])
                assert self._row is not None
                self._text = self._row["text"]
                self._editor.give(self._text)
                await self._check()

            title = f"{t('rules.roll_back')}: {t('rules.version')} {number}"
            view.ask(
                title, t("rules.roll_back_hint"), t("rules.roll_back"), self._act(do), field=t("rules.note_column")
            )

    def _show_diff(self, text: str) -> None:
        self._diff.clear()
        with self._diff:
            diff(text, self._view.t("rules.diff"), self._view.t("rules.alike"))
