"""The parts of the page of plans: rows of its tables, a preview, the history. No logic."""

from collections.abc import Callable, Mapping
from typing import Any

from hub.store.database import Row
from modules.patrol import draft as drafts
from modules.patrol.draft import Draft, minutes_text
from modules.patrol.planbook import InForce, PlanBook, Preview, said
from modules.patrol.plans import PatrolFile
from modules.patrol.words import SORTS
from modules.patrol.words_plans import (
    ANYBODY,
    BLIND,
    CHANGED,
    CHANGES,
    COLUMNS,
    DAYS,
    EVERY,
    OFF_PLAN,
    ON_PLAN,
    ORDERS,
    SAYS,
    SOURCES,
    WEEK,
)

Choices = Mapping[str, Mapping[str, str]]
_MOST_SHOWN = 20
_COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "checkpoints": (("name", ""), ("place", ""), ("proofs", ""), ("items", ""), ("cover", "chip")),
    "routes": (("name", ""), ("stops", ""), ("order", ""), ("minutes", "num")),
    "plans": (("name", ""), ("route", ""), ("days", ""), ("times", ""), ("late", "num"), ("who", ""), ("device", "")),
    "rounds": (("begins", "num"), ("sort", "chip"), ("plan", ""), ("was", "num")),
    "versions": (("version", "num"), ("source", ""), ("author", ""), ("at", "num"), ("note", "")),
}


def columns(view: Any, part: str, *, change: bool) -> list[tuple[str, str, str]]:
    """The columns of a table; with a column of buttons for who may change it."""
    listed = [(key, view.pick(COLUMNS[key]), sort) for key, sort in _COLUMNS[part]]
    return [*listed, ("do", view.pick(COLUMNS["do"]), "actions")] if change else listed


def _row(view: Any, part: str, one: Mapping[str, Any], before: Draft, *, change: bool) -> dict[str, Any]:
    mark = "" if drafts.named(before, part, one["id"]) == one else f" ✎ {view.pick(CHANGED)}"
    buttons = [(name, view.pick(SAYS[name])) for name in ("edit", "remove")] if change else []
    return {"id": one["id"], "name": f"{view.pick(one['name'])}{mark}", "do": buttons}


def checkpoint_rows(view: Any, draft: Draft, before: Draft, choices: Choices, change: bool) -> list[dict[str, Any]]:
    """The checkpoints of a draft; which are blind spots."""
    walked = {one["route"] for one in draft["plans"]}
    seen = {stop["checkpoint"] for route in draft["routes"] if route["id"] in walked for stop in route["stops"]}
    return [
        _row(view, "checkpoints", one, before, change=change) | {
            "place": choices["places"].get(one["place"], one["place"]),
            "proofs": " · ".join(proof_text(view, proof) for proof in one["proofs"]),
            "items": " · ".join(_item(view, item) for item in one.get("items", ())) or "—",
            "cover": {"mark": "✓", "tone": "done", "text": view.pick(ON_PLAN)} if one["id"] in seen
            else {"mark": "!", "tone": "ill", "text": view.pick(OFF_PLAN)},
        }
        for one in draft["checkpoints"]
    ]  # fmt: skip


def proof_text(view: Any, proof: Mapping[str, Any]) -> str:
    """What proves it, by which device, and its weight where it has one of its own."""
    where = "/".join(str(value) for value in proof.get("where", {}).values())
    weight = f"({proof['weight']:g})" if "weight" in proof else ""
    return " ".join(filter(None, [view.pick(SORTS[proof["by"]]), proof.get("device", ""), where, weight]))


def _item(view: Any, item: Mapping[str, Any]) -> str:
    return " ".join(filter(None, [view.pick(item["name"]), item.get("equipment", ""), item.get("device", "")]))


def route_rows(view: Any, draft: Draft, before: Draft, _: Choices, change: bool) -> list[dict[str, Any]]:
    """The routes of a draft, stops in their order with the minutes in which they are due."""
    names = {one["id"]: view.pick(one["name"]) for one in draft["checkpoints"]}
    return [
        _row(view, "routes", one, before, change=change) | {
            "stops": " → ".join(
                f"{names.get(stop['checkpoint'], stop['checkpoint'])} {minutes_text(stop['max'])}′"
                for stop in one["stops"]
            ),
            "order": view.pick(ORDERS[one.get("order", "fixed")]), "minutes": drafts.length_text(one),
        }
        for one in draft["routes"]
    ]  # fmt: skip


def plan_rows(view: Any, draft: Draft, before: Draft, choices: Choices, change: bool) -> list[dict[str, Any]]:
    """The plans of a draft."""
    routes = {one["id"]: view.pick(one["name"]) for one in draft["routes"]}
    return [
        _row(view, "plans", one, before, change=change) | {
            "route": routes.get(one["route"], one["route"]), "days": _days(view, one), "times": _times(view, one),
            "late": minutes_text(one.get("late", drafts.SPANS["late"])), "who": _who(view, one, choices),
            "device": choices["devices"].get(one["device"], one["device"]),
        }
        for one in draft["plans"]
    ]  # fmt: skip


def _days(view: Any, plan: Mapping[str, Any]) -> str:
    days = plan.get("days", "every_day")
    if isinstance(days, str):
        return str(view.pick(DAYS[days]))
    return " ".join(view.pick(word) for day, word in WEEK.items() if day in days)


def _times(view: Any, plan: Mapping[str, Any]) -> str:
    if "every" not in plan:
        return " ".join(plan.get("times", ()))
    between = plan.get("between", {})
    since, until = between.get("from", "00:00"), between.get("to", "00:00")
    return str(view.pick(EVERY).format(minutes_text(plan["every"]), since, until))


def _who(view: Any, plan: Mapping[str, Any], choices: Choices) -> str:
    post = plan.get("post", "")
    shift = [view.pick(plan["shift"])] if "shift" in plan else []
    return " · ".join([choices["posts"].get(post, post) or view.pick(ANYBODY), *shift])


Rows = Callable[[Any, Draft, Draft, Choices, bool], list[dict[str, Any]]]
PARTS: dict[str, Rows] = {"checkpoints": checkpoint_rows, "routes": route_rows, "plans": plan_rows}
"""The tables of the page, in their order."""


def paint_preview(view: Any, one: Preview, draft: Draft, file: PatrolFile) -> None:
    """What a draft would change, or what is to be put right in it first. `file`: what is in force."""
    if one.problems:
        with view.panel(view.pick(SAYS["wrong"]), "plan-preview refused"), view.box("", "ul", role="alert"):
            for problem in one.problems:
                view.tag("li", f"{_called(view, draft, problem.field)}{said(problem, view.language)}")
        return
    title = view.pick(SAYS["preview_title"]).format(view.stamp(one.since), view.stamp(one.until))
    with view.panel(title, "plan-preview"):
        with view.box("marks"):
            for sort, (mark, tone, word) in CHANGES.items():
                count = sum(each.sort == sort for each in one.rounds)
                view.tag("span", f"{mark} {view.pick(word)} {count}", f"chip {tone if count else ''}".strip())
        view.tag("h3", view.pick(SAYS["blind"]))
        spots = [("name", view.pick(COLUMNS["name"])), ("cover", view.pick(COLUMNS["cover"]), "chip")]
        view.table(spots, [
            {"id": each.checkpoint.id, "name": view.pick(each.checkpoint.name.model_dump()),
             "cover": _chip(view, BLIND[each.sort])} for each in one.blind
        ], view.pick(SAYS["no_blind"]))  # fmt: skip
        view.tag("h3", view.pick(SAYS["rounds"]))
        names = {each.id: view.pick(each.name.model_dump()) for each in file.plans}
        names |= {each["id"]: view.pick(each["name"]) for each in draft["plans"]}
        view.table(columns(view, "rounds", change=False), [
            {"id": number, "begins": view.stamp(each.begins), "sort": _chip(view, CHANGES[each.sort]),
             "plan": names.get(each.plan, each.plan), "was": view.stamp(each.was) if each.was else "—"}
            for number, each in enumerate(one.rounds[:_MOST_SHOWN])
        ], view.pick(SAYS["no_rounds"]))  # fmt: skip
        if len(one.rounds) > _MOST_SHOWN:
            view.tag("p", view.pick(SAYS["first"]).format(_MOST_SHOWN), "muted")
        view.tag("h3", view.pick(SAYS["diff"]))
        view.diff(one.diff, view.pick(SAYS["diff"]), view.pick(SAYS["alike"]))


def _chip(view: Any, word: tuple[str, str, dict[str, str]]) -> dict[str, str]:
    mark, tone, text = word
    return {"mark": mark, "tone": tone, "text": view.pick(text)}


def _called(view: Any, draft: Draft, field: str) -> str:
    """What the thing is called that a field such as `plans[0].route` is of."""
    part, _, rest = field.partition("[")
    number = rest.partition("]")[0]
    listed = draft.get(part, []) if part in PARTS else []
    if not (number.isdigit() and int(number) < len(listed)):
        return ""
    return f"{view.pick(SAYS[part])} · {view.pick(listed[int(number)]['name'])}: "


class History:
    """The versions, and what is different between two of them. `restore` asks before one is put in force again."""

    def __init__(self, view: Any, book: PlanBook, restore: Callable[[int], None]) -> None:
        self._view = view
        self._book = book
        self._restore = restore
        self._numbers: list[int] = []
        may = view.may("configure")
        shown = columns(view, "versions", change=True)
        if may:
            shown.insert(-1, ("file", "YAML", "link"))
        self._table = view.table(shown, [], view.pick(SAYS["none_versions"]))
        self._table.on("action", lambda event: view.act(self._act)(event.args))
        self._place = view.box("")

    async def show(self, shown: InForce) -> None:
        """As the store has them; `shown` is in force."""
        view = self._view
        rows = await self._book.versions(view.principal)
        self._numbers = [row["number"] for row in rows]
        self._table.show([
            {"id": row["number"], "version": row["number"], "source": self._source(row, shown),
             "author": view.person(row["author"]), "at": view.stamp(row["at"]), "note": row["note"] or "—",
             "file": {"text": "YAML", "href": f"/api/v1/patrol/plans/versions/{row['number']}.yaml"},
             "do": self._buttons(in_force=row["digest"] == shown.digest)}
            for row in rows
        ])  # fmt: skip

    def _source(self, row: Row, shown: InForce) -> str:
        pick = self._view.pick
        here = f" · {pick(SAYS['in_force'])}" if row["number"] == shown.number else ""
        return f"{pick(SOURCES[row['source']])}{here}"

    def _buttons(self, *, in_force: bool) -> list[tuple[str, str]]:
        pick = self._view.pick
        buttons = [("compare", pick(SAYS["compare"]))]
        if self._view.may("configure") and not in_force:
            buttons.append(("restore", pick(SAYS["restore"])))
        return buttons

    async def _act(self, argument: object) -> None:
        number, action = argument if isinstance(argument, list) and len(argument) == 2 else (0, "")
        if number not in self._numbers:
            return
        if action == "compare":
            await self.compare(max((one for one in self._numbers if one < number), default=0), number)
        elif action == "restore":
            self._restore(number)

    async def compare(self, old: int, new: int) -> None:
        """Show what is different; 0 is the file as it is."""
        view = self._view
        text = await self._book.diff(view.principal, old, new)
        self._place.clear()
        with self._place:
            view.diff(text, view.pick(SAYS["diff"]), view.pick(SAYS["alike"]))
