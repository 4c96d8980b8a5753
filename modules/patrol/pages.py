"""Patrols on a screen: the rounds of a day. No logic: it shows what the service gives."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from hub.store.database import Row
from modules.patrol import pages_log, pages_phone, pages_plans, pages_round
from modules.patrol.pages_round import chip, columns, expected, proofs, remarks
from modules.patrol.service import Patrols
from modules.patrol.widgets import Timeline, share_of_day
from modules.patrol.words import STATES, UNKNOWN_PERSON, Text

_TITLE = {"zh": "巡更", "en": "Patrols"}
_SAYS: dict[str, Text] = {
    "check_in": {"zh": "打卡", "en": "Check in"},
    "log": {"zh": "巡更记录", "en": "Patrol log"},
    "plans": {"zh": "计划", "en": "Plans"},
    "codes": {"zh": "二维码", "en": "QR codes"},
    "before": {"zh": "前一天", "en": "Day before"},
    "after": {"zh": "后一天", "en": "Day after"},
    "timeline": {"zh": "当日时间轴", "en": "The day"},
    "rounds": {"zh": "巡更班次", "en": "Rounds"},
    "none": {
        "zh": "这一天没有已开始的巡更。路线、时间和巡更点在“计划”页设置。",
        "en": "No round of this day has begun. Routes, times and checkpoints are set on the page Plans.",
    },
    "ill": {"zh": "异常", "en": "Exceptions"},
    "more": {"zh": "更多", "en": "More"},
    "export": {"zh": "导出 CSV", "en": "Export CSV"},
    "all": {"zh": "全部", "en": "All"},
}  # fmt: skip
_COLUMNS: dict[str, tuple[Text, str]] = {
    "begins": ({"zh": "开始", "en": "Begins"}, "link"),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "plan": ({"zh": "计划", "en": "Plan"}, ""),
    "expected": ({"zh": "应巡", "en": "Expected"}, ""),
    "done": ({"zh": "到点", "en": "Done"}, "num"),
    "proof": ({"zh": "证明", "en": "Proof"}, ""),
    "people": ({"zh": "人员", "en": "Guard"}, ""),
    "flags": ({"zh": "备注", "en": "Remarks"}, ""),
}
_ILL = ("overdue", "incomplete", "missed", "late")
_MORE = 60
_TURN_S = 30.0
_WIDTH = 2400
_SETTLE_S = 0.5


def add_pages(shell: Any, patrols: Patrols) -> None:
    """The day, one round, the log, the check-in, the codes."""

    async def build_day(view: Any, _: int | None) -> None:
        await DayPage(view, patrols).build()

    shell.add("/patrols", _TITLE, "directions_walk", 35, build_day)
    pages_round.add_pages(shell, patrols)
    pages_log.add_pages(shell, patrols)
    pages_plans.add_pages(shell, patrols)
    pages_phone.add_pages(shell, patrols)


class DayPage:
    """One open day of rounds."""

    def __init__(self, view: Any, patrols: Patrols) -> None:
        self._view = view
        self._patrols = patrols
        self._zone = ZoneInfo(view.zone)
        self._chosen: date | None = None  # none: today, whichever day that is by now
        self._painted = self._today()
        self._only_ill = False
        self._most = _MORE

    async def build(self) -> None:
        view = self._view
        self._people = await self._patrols.names(view.principal)
        with view.head(view.pick(_TITLE)), view.box("figures"):
            with view.box("segmented", role="group", aria_label=view.pick(_SAYS["timeline"])):
                self._step("‹", "before", -1)
                self._shown = view.tag("button", "", type="button", disabled="true")
                self._step("›", "after", 1)
            view.tag("a", view.pick(_SAYS["check_in"]), "solid", href="/patrol/checkin")
            view.tag("a", view.pick(_SAYS["log"]), "ghost", href="/patrol/log")
            view.tag("a", view.pick(_SAYS["plans"]), "ghost", href="/patrol/plans")
            if view.may("supervise"):
                view.tag("a", view.pick(_SAYS["codes"]), "ghost", href="/patrol/codes")
        self._tiles = view.box("tiles")
        with view.panel(view.pick(_SAYS["timeline"])):
            self._timeline = Timeline(view.pick(_SAYS["timeline"]), _WIDTH)
        with view.panel(view.pick(_SAYS["rounds"])):
            with view.box("segmented", role="group", aria_label=view.pick(_SAYS["rounds"])):
                self._buttons = {
                    ill: view.tag("button", view.pick(_SAYS["ill" if ill else "all"]), type="button").on(
                        "click", self._chooser(ill)
                    )
                    for ill in (False, True)
                }
            self._table = view.table(columns(view, _COLUMNS), [], view.pick(_SAYS["none"]))
            with view.box("actions"):
                self._count = view.tag("span", "", "muted", aria_live="polite")
                self._more = view.tag("button", view.pick(_SAYS["more"]), "ghost", type="button")
                self._more.on("click", view.act(self._show_more))
                self._export = view.tag("a", view.pick(_SAYS["export"]), "ghost", target="_blank")
        await self._show()
        view.follow(["patrol"], self._show, self._show, _SETTLE_S)
        ui.timer(_TURN_S, view.act(self._turn))

    def _today(self) -> date:
        return self._view.now().astimezone(self._zone).date()  # type: ignore[no-any-return]

    async def _turn(self, _: object = None) -> None:
        """At midnight an open page goes on to the new day, also where nothing happens."""
        if self._chosen is None and self._painted != self._today():
            await self._show()

    async def _show_more(self, _: object = None) -> None:
        self._most += _MORE
        await self._show()

    def _step(self, text: str, label: str, days: int) -> None:
        async def move(_: object = None) -> None:
            day = (self._chosen or self._today()) + timedelta(days=days)
            self._chosen = day if day != self._today() else None
            self._most = _MORE
            await self._show()

        button = self._view.tag("button", text, type="button", aria_label=self._view.pick(_SAYS[label]))
        button.on("click", self._view.act(move))

    def _chooser(self, only_ill: bool) -> Callable[..., Any]:
        async def choose(_: object = None) -> None:
            self._only_ill = only_ill
            await self._show()

        return self._view.act(choose)  # type: ignore[no-any-return]

    async def _show(self, _changes: object = None) -> None:
        view, asked = self._view, self._chosen
        rows = await self._patrols.rounds(view.principal, asked)
        names = await self._patrols.titles(view.principal, rows, view.language)
        if asked != self._chosen:
            return  # another day was asked for meanwhile, and may stand there already
        self._names = names
        day = self._painted = self._chosen or self._today()
        self._shown.text = day.isoformat()
        self._show_tiles(rows)
        since = datetime.combine(day, time(), self._zone)
        until = datetime.combine(day + timedelta(days=1), time(), self._zone)
        now = view.now()
        self._timeline.show(
            [self._line(plan, rows, since, until) for plan in dict.fromkeys(row["plan"] for row in rows)],
            share_of_day(now, since, until) if since <= now < until else None,
        )
        for ill, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if ill == self._only_ill else "false"
            button.update()
        begun = [row for row in reversed(rows) if row["opens"] <= now]
        wanted = [row for row in begun if row["state"] in _ILL] if self._only_ill else begun
        shown = wanted[: self._most]
        self._table.show([self._cells(row) for row in shown])
        self._count.text = f"{len(shown)} / {len(wanted)}"
        self._more.set_visibility(len(shown) < len(wanted))
        self._export.props["href"] = f"/api/v1/patrol/log.csv?since={day}&until={day}"
        self._export.update()

    def _show_tiles(self, rows: list[Row]) -> None:
        view = self._view
        self._tiles.clear()
        with self._tiles:
            for state in STATES:
                count = sum(row["state"] == state for row in rows)
                if count or state in ("complete", "running", "missed"):
                    _, tone, word = STATES[state]
                    with view.box(f"tile {tone if count else ''}".strip()):
                        view.tag("span", view.pick(word), "muted")
                        view.tag("b", str(count))

    def _line(self, plan: str, rows: list[Row], since: datetime, until: datetime) -> dict[str, Any]:
        blocks = []
        for row in rows:
            if row["plan"] == plan:
                cell = chip(self._view, row["state"])
                left = share_of_day(row["begins"], since, until)
                begins = f"{row['begins'].astimezone(self._zone):%H:%M}"
                blocks.append({
                    "id": row["id"], "left": left, "width": round(share_of_day(row["ends"], since, until) - left, 3),
                    "tone": cell["tone"], "mark": cell["mark"], "href": f"/patrols/{row['id']}",
                    "title": f"{begins} {cell['text']} {row['done']}/{len(row['checkpoints'])}",
                })  # fmt: skip
        return {"id": plan, "label": self._names.get(f"plan:{plan}", plan), "blocks": blocks}

    def _cells(self, row: Row) -> dict[str, Any]:
        view = self._view
        sorts = sorted({sort for visit in row["visits"] for sort in visit["sorts"]})
        people = [self._people.get(person) or view.person(person) for person in row["people"]]
        someone = row["done"] and not people
        return {
            "id": row["id"],
            "begins": {"text": f"{row['begins'].astimezone(self._zone):%H:%M}", "href": f"/patrols/{row['id']}"},
            "state": chip(view, row["state"]),
            "plan": self._names.get(f"plan:{row['plan']}", row["plan"]),
            "expected": expected(view, row, self._names, self._people),
            "done": f"{row['done']}/{len(row['checkpoints'])}",
            "proof": proofs(view, sorts),
            "people": view.pick(UNKNOWN_PERSON) if someone else "、".join(people) or "—",
            "flags": remarks(view, row["visits"], proved_later=row["proved_later"]),
        }
