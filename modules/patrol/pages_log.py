"""The patrol log: is any corner without a guard (无死角), how rounds ended, and the log as a file."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from modules.patrol.pages_round import pictures
from modules.patrol.service import Covered, Patrols
from modules.patrol.words import PROVED_LATER, STATES, UNKNOWN_PERSON, Text, names_of

_TITLE = {"zh": "巡更记录", "en": "Patrol log"}
_PERIODS: dict[int, Text] = {
    1: {"zh": "近 1 天", "en": "1 day"},
    7: {"zh": "近 7 天", "en": "7 days"},
    30: {"zh": "近 30 天", "en": "30 days"},
}
_SAYS: dict[str, Text] = {
    "period": {"zh": "时段", "en": "Period"},
    "coverage": {"zh": "巡更点覆盖（无死角）", "en": "Coverage of checkpoints"},
    "results": {"zh": "各计划完成情况", "en": "How rounds ended"},
    "photos": {"zh": "照片（最近 200 张）", "en": "Photographs (the latest 200)"},
    "export": {"zh": "导出", "en": "Export"},
    "since": {"zh": "从（含）", "en": "From (included)"},
    "until": {"zh": "到（含）", "en": "To (included)"},
    "percent": {"zh": "覆盖率", "en": "Coverage"},
    "unseen": {"zh": "无人到过的点", "en": "Checkpoints nobody saw"},
    "rounds": {"zh": "班次", "en": "Rounds"},
    "missed": {"zh": "漏巡", "en": "Missed"},
    "no_plan": {"zh": "不在路线上", "en": "on no route"},
    "none": {"zh": "还没有设置巡更点（见“计划”页）。", "en": "No checkpoints are set yet (see the page Plans)."},
    "no_rounds": {"zh": "这段时间没有已结束的班次。", "en": "No round was closed in this time."},
    "patrols": {"zh": "巡更", "en": "Patrols"},
}
_COVERAGE: dict[str, tuple[Text, str]] = {
    "name": ({"zh": "巡更点", "en": "Checkpoint"}, ""),
    "place": ({"zh": "位置", "en": "Place"}, ""),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "percent": ({"zh": "覆盖率", "en": "Coverage"}, "num"),
    "done": ({"zh": "到点/应到", "en": "Done/planned"}, "num"),
    "late": ({"zh": "超时", "en": "Late"}, "num"),
    "unanswered": ({"zh": "未检项", "en": "Not inspected"}, "num"),
    "days": ({"zh": "有人/应巡天数", "en": "Days seen/planned"}, "num"),
    "last": ({"zh": "最近一次", "en": "Last seen"}, "num"),
    "by": ({"zh": "人员", "en": "Guard"}, ""),
}
_SEEN: Text = {"zh": "有人到过", "en": "Seen"}
_UNSEEN: Text = {"zh": "死角", "en": "Not seen"}


def add_pages(shell: Any, patrols: Patrols) -> None:
    async def build(view: Any, _: int | None) -> None:
        await LogPage(view, patrols).build()

    shell.add_below("/patrol/log", "/patrols", build)


class LogPage:
    """One open log."""

    def __init__(self, view: Any, patrols: Patrols) -> None:
        self._view = view
        self._patrols = patrols
        self._days = 7
        self._today: date = view.now().astimezone(ZoneInfo(view.zone)).date()

    async def build(self) -> None:
        view = self._view
        self._people = await self._patrols.names(view.principal)
        self._names = names_of(self._patrols.file(view.principal), view.language)
        self._places = await view.places()
        with view.head(view.pick(_TITLE)), view.box("figures"):
            with view.box("segmented", role="group", aria_label=view.pick(_SAYS["period"])):
                self._buttons = {
                    days: view.tag("button", view.pick(text), type="button").on("click", self._chooser(days))
                    for days, text in _PERIODS.items()
                }
            view.tag("a", view.pick(_SAYS["patrols"]), "ghost", href="/patrols")
        self._tiles = view.box("tiles")
        with view.panel(view.pick(_SAYS["coverage"])):
            columns = [(key, view.pick(title), sort) for key, (title, sort) in _COVERAGE.items()]
            self._coverage = view.table(columns, [], view.pick(_SAYS["none"]))
        with view.panel(view.pick(_SAYS["results"])):
            columns = [("plan", view.pick(_SAYS["rounds"]), "")]
            columns += [(state, view.pick(word), "num") for state, (_, _, word) in STATES.items() if state in _CLOSED]
            columns.append(("proved_later", view.pick(PROVED_LATER), "num"))
            self._results = view.table(columns, [], view.pick(_SAYS["no_rounds"]))
        self._pictures = None
        if view.may("work"):
            with view.panel(view.pick(_SAYS["photos"])):
                self._pictures = view.pictures()
        self._paint_export()
        await self._show()

    def _paint_export(self) -> None:
        """A plain form: the browser fetches the file itself."""
        view = self._view
        week = self._today - timedelta(days=6)
        with view.panel(view.pick(_SAYS["export"])), view.box("actions form", "form", method="get", target="_blank"):
            for name, day in (("since", week), ("until", self._today)):
                with view.box("field", "label"):
                    view.tag("span", view.pick(_SAYS[name]))
                    view.box("search", "input", type="date", name=name, value=day.isoformat(), required="true")
            for form, text in (("csv", "CSV"), ("xlsx", "Excel")):
                view.tag("button", text, "ghost", type="submit", formaction=f"/api/v1/patrol/log.{form}")

    def _chooser(self, days: int) -> Callable[..., Any]:
        async def choose(_: object = None) -> None:
            self._days = days
            await self._show()

        return self._view.act(choose)  # type: ignore[no-any-return]

    async def _show(self) -> None:
        view = self._view
        for days, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if days == self._days else "false"
            button.update()
        covered = await self._patrols.coverage(view.principal, self._days)
        results = await self._patrols.results(view.principal, self._days)
        self._coverage.show([self._cells(one) for one in covered])
        self._results.show([
            {"id": plan, "plan": self._names.get(f"plan:{plan}", plan)}
            | {name: str(counts.get(name, 0)) for name in (*_CLOSED, "proved_later")}
            for plan, counts in results.items()
        ])  # fmt: skip
        self._paint_tiles(covered, results)
        if self._pictures is not None:
            self._pictures.show(
                pictures(view, self._names, await self._patrols.photographs(view.principal, self._days))
            )

    def _paint_tiles(self, covered: list[Covered], results: dict[str, dict[str, int]]) -> None:
        view = self._view
        planned, done = sum(one.planned for one in covered), sum(one.done for one in covered)
        unseen = sum(one.unseen for one in covered)
        missed = sum(counts.get("missed", 0) for counts in results.values())
        rounds = sum(counts.get(state, 0) for counts in results.values() for state in _CLOSED)
        percent = f"{100 * done / planned:.1f} %" if planned else "—"
        self._tiles.clear()
        with self._tiles:
            for name, text, ill in (
                ("percent", percent, False), ("unseen", str(unseen), unseen > 0), ("rounds", f"{rounds:,}", False),
                ("missed", str(missed), missed > 0),
            ):  # fmt: skip
                with view.box("tile ill" if ill else "tile"):
                    view.tag("span", view.pick(_SAYS[name]), "muted")
                    view.tag("b", text)

    def _cells(self, one: Covered) -> dict[str, Any]:
        view = self._view
        place, percent = one.checkpoint.place, one.percent
        somebody = view.pick(UNKNOWN_PERSON) if one.last_at else "—"
        tone = {"mark": "✕" if one.unseen else "✓", "tone": "ill" if one.unseen else "done"}
        return {
            "id": one.checkpoint.id, "name": one.checkpoint.name.get(view.language),
            "place": self._places.get(place, place),
            "state": {**tone, "text": view.pick(_UNSEEN if one.unseen else _SEEN)},
            "percent": view.pick(_SAYS["no_plan"]) if percent is None else f"{percent} %",
            "done": f"{one.done}/{one.planned}", "late": str(one.late), "unanswered": str(one.unanswered),
            "days": f"{one.days_seen}/{one.days}",
            "last": view.stamp(one.last_at) if one.last_at else "—",
            "by": (self._people.get(one.last_by) or view.person(one.last_by)) if one.last_by else somebody,
        }  # fmt: skip


_CLOSED = ("complete", "late", "incomplete", "missed")
