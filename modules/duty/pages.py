"""Shift hand-over on a screen, and where the other pages of duty are added. No logic: the service gives all."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from modules.duty.form import Field, Form
from modules.duty.pages_log import add_log_pages
from modules.duty.pages_register import add_register_page
from modules.duty.pages_roster import add_roster_pages
from modules.duty.service import Duty
from modules.duty.sheet import HAND_OVER_STATES, INCIDENT_KINDS
from modules.duty.words import (
    HAND_OVER_HEADS,
    HAND_OVER_IN_STORE,
    HAND_OVER_PARTS,
    HAND_OVER_SAYS,
    HAND_OVER_TITLE,
    HAND_OVER_VIEWS,
    ROUND_EXPECTED,
    ROUND_STAND_IN,
    ROUND_STATES,
)

_MARKS = {"done": "✓", "signed_out": "◑", "missed": "!", "due": "○", "early": "…"}


def add_pages(shell: Any, duty: Duty) -> None:
    """Hand-over, roster, register, log, incidents and the printed sheet."""

    async def build(view: Any, _: int | None) -> None:
        await HandOverPage(view, duty).build()

    async def build_one(view: Any, number: int | None) -> None:
        await show_hand_over(view, duty, number or 0)

    shell.add("/hand-over", HAND_OVER_TITLE, "swap_calls", 25, build)
    shell.add_below("/hand-over/{number}", "/hand-over", build_one)
    add_log_pages(shell, duty)
    add_roster_pages(shell, duty)
    add_register_page(shell, duty)


class HandOverPage:
    """The hand-over at hand, and those before."""

    def __init__(self, view: Any, duty: Duty) -> None:
        self._view = view
        self._duty = duty
        self._told: dict[str, Any] = {}

    async def build(self) -> None:
        view = self._view
        self._places = await view.places()
        with view.head(view.pick(HAND_OVER_TITLE)):
            view.export_choice(self._export)
        self._form = Form(view)
        self._top = view.box("", aria_live="polite")
        with view.box("columns wide-left"):
            with view.box(""):
                self._tables = list_tables(view)
            with view.panel(self._say("history")):
                columns = [("change", self._say("change"), "link"), ("state", self._say("state"), "chip"),
                           ("by", self._say("by"))]  # fmt: skip
                self._history = view.table(columns, [], self._say("no_history"))
        await self._show()
        view.follow(["duty", "alarm", "storm", "workorder", "patrol"], self._show, self._show, 1.0)

    async def _show(self, _changes: object = None) -> None:
        who = self._view.principal
        self._told = await self._duty.hand_overs.current(who)
        self._paint_top()
        show_list(self._view, self._tables, self._told.get("list") or {}, self._places)
        rows = await self._duty.hand_overs.recent(who)
        self._history.show([history_row(self._view, row) for row in rows])

    async def _export(self, sort: str) -> None:
        await save_list(self._view, self._told.get("list") or {}, self._places, sort)

    def _paint_top(self) -> None:
        view, told = self._view, self._told
        self._top.clear()
        with self._top, view.box("panel", "section"):
            if told["change_at"] is None:
                view.tag("p", self._say("no_shifts"), "empty-line")
                return
            paint_facts(view, told)
            with view.box(""), view.box("actions"):
                if told["state"] == "due" and view.may("acknowledge"):
                    button = view.tag("button", self._say("sign_out"), "solid", type="button")
                    button.on("click", self._ask_out)
                if told["state"] == "signed_out" and view.may("acknowledge"):
                    button = view.tag("button", self._say("sign_in"), "solid", type="button")
                    button.on("click", self._ask_in)

    def _ask_out(self) -> None:
        view, change_at = self._view, self._told["change_at"]

        async def sign(values: dict[str, str]) -> None:
            await self._duty.hand_overs.sign_out(await view.who(), change_at, values["note"])

        field = Field("note", HAND_OVER_SAYS["free"], "area", most=2000)
        title = f"{self._say('sign_out')} · {view.stamp(change_at)}"
        self._form.open(title, self._say("sign_out"), [field], sign, text=self._say("ask_out"))

    def _ask_in(self) -> None:
        view, number = self._view, self._told["id"]

        async def sign(values: dict[str, str]) -> None:
            await self._duty.hand_overs.sign_in(await view.who(), number, values["note"])

        field = Field("note", HAND_OVER_SAYS["free"], "area", most=2000)
        title = f"{self._say('sign_in')} · {view.stamp(self._told['change_at'])}"
        self._form.open(title, self._say("sign_in"), [field], sign, text=self._say("ask_in"))

    def _say(self, name: str) -> str:
        return str(self._view.pick(HAND_OVER_SAYS[name]))


async def show_hand_over(view: Any, duty: Duty, number: int) -> None:
    """One hand-over as it was signed."""
    told = await duty.hand_overs.show(view.principal, number)
    places = await view.places()

    async def export(sort: str) -> None:
        await save_list(view, told["list"], places, sort)

    with view.head(f"{view.pick(HAND_OVER_TITLE)} · {view.stamp(told['change_at'])}"):
        view.export_choice(export)
    with view.box("panel", "section"):
        paint_facts(view, told)
    show_list(view, list_tables(view), told["list"], places)


def paint_facts(view: Any, told: dict[str, Any]) -> None:
    """When, who, how far, what was said."""
    state, mark = HAND_OVER_STATES[told["state"]], _MARKS[told["state"]]
    late = f" · {view.pick(HAND_OVER_SAYS['late'])}" if told["late"] else ""
    nobody = view.pick(HAND_OVER_SAYS["nobody"])
    with view.box("state-word ill" if told["late"] else "state-word"):
        view.tag("span", mark, "", aria_hidden="true")
        view.tag("span", view.pick(state) + late)
    pairs = [(view.pick(HAND_OVER_SAYS["change"]), view.stamp(told["change_at"]))]
    pairs += [
        (view.pick(HAND_OVER_SAYS[side]), "、".join(told[side]) or nobody)
        for side in ("outgoing", "incoming")
        if side in told
    ]
    for each in told["signatures"]:
        off = "" if each["on_roster"] else f" ({view.pick(HAND_OVER_SAYS['off_roster'])})"
        said = f" · {each['note']}" if each["side"] == "incoming" and each["note"] else ""
        name = each["person"] or view.person(each["actor"])
        pairs.append((view.pick(HAND_OVER_SAYS[f"sign_{'out' if each['side'] == 'outgoing' else 'in'}"]),
                      f"{name}{off} · {view.stamp(each['at'])}{said}"))  # fmt: skip
    if told["note"]:
        pairs.append((view.pick(HAND_OVER_SAYS["note"]), told["note"]))
    listed = view.pick(HAND_OVER_SAYS["now"] if told["id"] is None else HAND_OVER_SAYS["fixed"])
    storm = (told.get("list") or {}).get("storm")
    pairs.append((view.pick(HAND_OVER_SAYS["list"]), listed))
    if storm:
        pairs.append(("!", f"{view.pick(HAND_OVER_SAYS['storm'])} {storm['counted']}"))
    cut = (told.get("list") or {}).get("cut")
    if cut:
        names = dict.fromkeys("silent" if part in HAND_OVER_VIEWS else part for part in cut)
        parts = [view.pick(HAND_OVER_PARTS[name][0]) for name in names]
        pairs.append(("!", view.pick(HAND_OVER_SAYS["cut"]) + "、".join(parts)))
    view.facts(pairs)


def list_columns(view: Any) -> list[tuple[str, str, str]]:
    """The columns of every part."""
    sorts = {"what": "link", "place": "", "since": "num", "more": ""}
    return [(key, view.pick(HAND_OVER_HEADS[key]), sort) for key, sort in sorts.items()]


async def save_list(view: Any, listed: dict[str, Any], places: dict[str, str], sort: str) -> None:
    """A list as a file: its parts below each other, times in full."""
    parts = list_rows(view, listed, places, view.date_time) if listed else {}
    rows = [{**row, "part": view.pick(HAND_OVER_PARTS[name][0])} for name, part in parts.items() for row in part]
    columns = [("part", view.pick(HAND_OVER_HEADS["part"])), *list_columns(view)]
    await view.save_as(sort, view.pick(HAND_OVER_TITLE), columns, rows)


def list_tables(view: Any) -> dict[str, tuple[Any, Any, str]]:
    """The empty parts of a list: heading, table and title of each."""
    made = {}
    columns = list_columns(view)
    for name, (title, none) in HAND_OVER_PARTS.items():
        with view.box("panel", "section"):
            head = view.tag("h2", view.pick(title))
            made[name] = (head, view.table(columns, [], view.pick(none)), view.pick(title))
    return made


def show_list(
    view: Any, tables: dict[str, tuple[Any, Any, str]], listed: dict[str, Any], places: dict[str, str]
) -> None:
    """Fill them with a list, each heading with its count."""
    rows = {name: [] for name in tables} if not listed else list_rows(view, listed, places, view.stamp)
    for name, (head, table, title) in tables.items():
        head.text = f"{title} ({len(rows[name])})"
        table.show(rows[name])


def list_rows(
    view: Any, listed: dict[str, Any], places: dict[str, str], stamp: Callable[[datetime], str]
) -> dict[str, list[dict[str, Any]]]:
    """A list's JSON as rows of its tables, its instants as `stamp` writes them."""

    def row(each: dict[str, Any], text: str, href: str, since: str, more: str) -> dict[str, Any]:
        place = each.get("place") or ""
        return {
            "id": f"{href}{each['id']}", "what": {"text": text, "href": href}, "place": places.get(place, place) or "—",
            "since": stamp(datetime.fromisoformat(each[since])) if each[since] else "—", "more": more or "—",
        }  # fmt: skip

    def alarm(each: dict[str, Any], since: str, more: str) -> dict[str, Any]:
        return row(each, f"{each['priority']} · {view.pick(each['title'])}", f"/alarms/{each['id']}", since, more)

    def order(each: dict[str, Any]) -> dict[str, Any]:
        text, href = f"{each['number']} · {view.pick(each['title'])}", f"/work-orders#{each['number']}"
        return row(each, text, href, "due_at", view.person(each["assignee"]))

    def incident(each: dict[str, Any]) -> dict[str, Any]:
        text = f"{each['number']} · {view.pick(INCIDENT_KINDS.get(each['kind']))}"
        return row(each, text, "/duty-log/incidents", "occurred_at", "")

    def walk(each: dict[str, Any]) -> dict[str, Any]:
        said = [view.pick(ROUND_STATES[each["state"]]), f"{each['done']}/{each['stops']}"]
        if expected := each.get("expected"):  # lists signed before there were posts have none
            said.append(f"{view.pick(ROUND_EXPECTED)} {'、'.join(expected)}")
        said += [f"{view.pick(ROUND_STAND_IN)} {'、'.join(each['walked'])}"] if each.get("stand_in") else []
        return row(each, view.pick(each["name"]), f"/patrols/{each['id']}", "begins", " · ".join(said))

    def piece(each: dict[str, Any]) -> dict[str, Any]:
        return row(each, view.pick(each["name"]), "", "since", each["holder_name"] or view.pick(HAND_OVER_IN_STORE))

    return {
        "alarms": [alarm(each, "raised_at", view.word("alarm_state", each["state"])) for each in listed["alarms"]],
        "silent": [
            alarm(each, "suppressed_until", f"{view.pick(word)} · {each['suppression_reason'] or ''}".rstrip(" ·"))
            for name, word in HAND_OVER_VIEWS.items()
            for each in listed[name]
        ],
        "work_orders": [order(each) for each in listed["work_orders"]],
        "rounds": [walk(each) for each in listed.get("rounds", [])],
        "incidents": [incident(each) for each in listed["incidents"]],
        "equipment": [piece(each) for each in listed["equipment"]],
    }


def history_row(view: Any, row: dict[str, Any]) -> dict[str, Any]:
    """A hand-over in the list of those before."""
    signed = {each["side"]: each["person"] or view.person(each["actor"]) for each in row["signatures"]}
    late = (
        f" · {view.pick(HAND_OVER_SAYS['late'])} {row['late_minutes']} min"
        if row["late_minutes"] and row["state"] == "done"
        else ""
    )
    ill = row["state"] == "missed" or row["late"]
    return {
        "id": row["id"] or row["change_at"].isoformat(),
        "change": {"text": view.stamp(row["change_at"]), "href": f"/hand-over/{row['id']}" if row["id"] else ""},
        "state": {"mark": _MARKS[row["state"]], "text": view.pick(HAND_OVER_STATES[row["state"]]) + late,
                  "tone": "ill" if ill else "done"},
        "by": f"{signed.get('outgoing', '—')} → {signed.get('incoming', '—')}",
    }  # fmt: skip
