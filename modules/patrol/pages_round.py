"""One round on a screen: each checkpoint with its proof, all evidence, what was inspected."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.store.database import Row
from modules.patrol.service import Patrols
from modules.patrol.words import (
    AWAY,
    LATE,
    NOBODY,
    OUT_OF_ORDER,
    PROVED_LATER,
    SORTS,
    STAND_IN,
    STATES,
    TOO_FAST,
    UNANSWERED,
    UNCOMPARED,
    UNKNOWN_PERSON,
    UNPHOTOGRAPHED,
    Text,
)

_SAYS: dict[str, Text] = {
    "back": {"zh": "巡更", "en": "Patrols"},
    "visits": {"zh": "巡更点", "en": "Checkpoints"},
    "evidence": {"zh": "证明", "en": "Evidence"},
    "inspections": {"zh": "巡检", "en": "Inspections"},
    "photos": {"zh": "照片", "en": "Photographs"},
    "no_evidence": {"zh": "没有任何打卡、扫码、门禁或相机证明。", "en": "Nothing speaks for this round."},
    "no_inspections": {"zh": "没有巡检记录。", "en": "Nothing was inspected."},
    "doubtful": {"zh": "手机时钟可疑", "en": "phone clock doubtful"},
    "later": {"zh": "后传", "en": "sent later"},
}
_HEAD: dict[str, Text] = {
    "state": {"zh": "状态", "en": "State"},
    "done": {"zh": "到点", "en": "Done"},
    "begins": {"zh": "时间", "en": "Time"},
    "expected": {"zh": "应巡", "en": "Expected"},
    "flags": {"zh": "备注", "en": "Remarks"},
}
_VISITS: dict[str, tuple[Text, str]] = {
    "checkpoint": ({"zh": "巡更点", "en": "Checkpoint"}, ""),
    "due": ({"zh": "应到", "en": "Due"}, ""),
    "done_at": ({"zh": "实到", "en": "Seen"}, ""),
    "score": ({"zh": "证明力", "en": "Score"}, "num"),
    "proof": ({"zh": "证明", "en": "Proof"}, ""),
    "person": ({"zh": "人员", "en": "Guard"}, ""),
    "flags": ({"zh": "备注", "en": "Remarks"}, ""),
}
_EVIDENCE: dict[str, tuple[Text, str]] = {
    "at": ({"zh": "时间", "en": "Time"}, ""),
    "checkpoint": ({"zh": "巡更点", "en": "Checkpoint"}, ""),
    "sort": ({"zh": "方式", "en": "Proof"}, ""),
    "weight": ({"zh": "证明力", "en": "Weight"}, "num"),
    "person": ({"zh": "人员", "en": "Guard"}, ""),
    "received": ({"zh": "收到", "en": "Received"}, ""),
    "remark": ({"zh": "备注", "en": "Remarks"}, ""),
}
_INSPECTIONS: dict[str, tuple[Text, str]] = {
    "at": ({"zh": "时间", "en": "Time"}, ""),
    "item": ({"zh": "巡检项", "en": "Item"}, ""),
    "value": ({"zh": "结果", "en": "Answer"}, "num"),
    "sensor": ({"zh": "传感器", "en": "Sensor"}, "num"),
    "state": ({"zh": "判断", "en": "Verdict"}, "chip"),
    "person": ({"zh": "人员", "en": "Guard"}, ""),
    "note": ({"zh": "说明", "en": "Note"}, ""),
}
_FINE: Text = {"zh": "正常", "en": "In order"}
_DEVIATES: Text = {"zh": "异常", "en": "Deviates"}


def add_pages(shell: Any, patrols: Patrols) -> None:
    async def build(view: Any, number: int | None) -> None:
        await RoundPage(view, patrols, number or 0).build()

    shell.add_below("/patrols/{number}", "/patrols", build)


def columns(view: Any, given: dict[str, tuple[Text, str]]) -> list[tuple[str, str, str]]:
    return [(key, view.pick(title), sort) for key, (title, sort) in given.items()]


def chip(view: Any, state: str) -> dict[str, str]:
    mark, tone, word = STATES[state]
    return {"mark": mark, "text": view.pick(word), "tone": tone}


def proofs(view: Any, sorts: list[str]) -> str:
    return " · ".join(view.pick(SORTS[sort]) for sort in sorts if sort in SORTS) or "—"


def remarks(view: Any, visits: list[dict[str, Any]], *, proved_later: bool = False) -> str:
    """What is remarkable of some visits, each thing once."""
    said = [
        view.pick(text)
        for name, text in (("late", LATE), ("out_of_order", OUT_OF_ORDER), ("too_fast", TOO_FAST))
        if any(visit[name] for visit in visits)
    ]
    unanswered = sum(len(visit["unanswered"]) for visit in visits)
    said += [f"{view.pick(UNANSWERED)} {unanswered}"] if unanswered else []
    unseen = sum(len(visit.get("unphotographed", ())) for visit in visits)  # visits of before have none
    said += [f"{view.pick(UNPHOTOGRAPHED)} {unseen}"] if unseen else []
    said += [view.pick(STAND_IN)] if any(visit.get("stand_in") for visit in visits) else []
    farthest = max((visit.get("away") or 0 for visit in visits), default=0)
    said += [view.pick(AWAY).format(farthest)] if farthest else []
    proved_later = proved_later or any(visit["later"] for visit in visits)
    return " · ".join(said + ([view.pick(PROVED_LATER)] if proved_later else [])) or "—"


def expected(view: Any, row: Row, names: dict[str, str], people: dict[str, str]) -> str:
    """Whose round it is: the post, and who was on duty there when it was due."""
    if row["post"] is None:
        return "—"
    post = str(names.get(f"post:{row['post']}", row["post"]))
    if row["expected"] is None:
        return post  # it is not due yet
    stood = "、".join(people.get(one) or view.person(one) for one in row["expected"])
    return f"{post} · {stood or view.pick(NOBODY)}"


def pictures(view: Any, names: dict[str, str], rows: list[Row]) -> list[dict[str, Any]]:
    """What `view.pictures` shows of photographs: where and when, and what is to be seen."""
    shown = []
    for one in rows:
        place = names.get(f"checkpoint:{one['checkpoint']}", one["checkpoint"])
        item = names.get(f"item:{one['checkpoint']}:{one['item']}", one["item"])
        label = " · ".join(filter(None, [place, item, view.stamp(one["at"])]))
        shown.append({"id": str(one["picture"]), "label": label, "gone": one["gone"]})
    return shown


class RoundPage:
    """One open round."""

    def __init__(self, view: Any, patrols: Patrols, number: int) -> None:
        self._view = view
        self._patrols = patrols
        self._number = number
        self._zone = ZoneInfo(view.zone)

    async def build(self) -> None:
        view = self._view
        row = await self._patrols.show(view.principal, self._number)
        self._people = await self._patrols.names(view.principal)
        self._names = await self._patrols.titles(view.principal, [row], view.language)
        self._items = self._item_names()
        plan = self._names.get(f"plan:{row['plan']}", row["plan"])
        with view.head(f"{plan} · {row['begins'].astimezone(self._zone):%m-%d %H:%M}"), view.box("figures"):
            view.tag("a", view.pick(_SAYS["back"]), "ghost", href="/patrols")
        with view.box("panel", "section"):
            self._facts = view.box("")
        with view.panel(view.pick(_SAYS["visits"])):
            self._visits = view.table(columns(view, _VISITS), [], view.pick(_SAYS["no_evidence"]))
        with view.panel(view.pick(_SAYS["evidence"])):
            self._evidence = view.table(columns(view, _EVIDENCE), [], view.pick(_SAYS["no_evidence"]))
        with view.panel(view.pick(_SAYS["inspections"])):
            self._inspections = view.table(columns(view, _INSPECTIONS), [], view.pick(_SAYS["no_inspections"]))
        self._pictures = None
        if view.may("work"):
            with view.panel(view.pick(_SAYS["photos"])):
                self._pictures = view.pictures()
        self._paint(row)
        key = str(self._number)
        view.follow(lambda change: change.topic == "patrol" and change.key == key, self._show, self._show)

    async def _show(self, _changes: object = None) -> None:
        self._paint(await self._patrols.show(self._view.principal, self._number))

    def _paint(self, row: Row) -> None:
        view = self._view
        cell = chip(view, row["state"])
        self._facts.clear()
        with self._facts:
            view.facts([
                (view.pick(_HEAD["state"]), f"{cell['mark']} {cell['text']}"),
                (view.pick(_HEAD["done"]), f"{row['done']}/{len(row['checkpoints'])}"),
                (view.pick(_HEAD["begins"]), self._clock(row["begins"], row["ends"])),
                (view.pick(_HEAD["expected"]), expected(view, row, self._names, self._people)),
                (view.pick(_HEAD["flags"]), remarks(view, row["visits"], proved_later=row["proved_later"])),
            ])  # fmt: skip
        self._visits.show([self._visit(visit) for visit in row["visits"]])
        self._evidence.show([self._proof(one) for one in row["evidence"]])
        self._inspections.show([self._inspection(one) for one in row["inspections"]])
        if self._pictures is not None:
            self._pictures.show(pictures(view, self._names, row["photos"]))

    def _visit(self, visit: dict[str, Any]) -> dict[str, Any]:
        view = self._view
        done = visit["done_at"]
        return {
            "id": visit["checkpoint"], "checkpoint": self._place(visit["checkpoint"]),
            "due": self._clock(datetime.fromisoformat(visit["due"])),
            "done_at": self._clock(datetime.fromisoformat(done)) if done else "—", "score": f"{visit['score']} %",
            "proof": proofs(view, visit["sorts"]), "person": self._person(visit["person"], bool(done)),
            "flags": self._remarks(visit), "tone": "ill" if visit["late"] and not done else "",
        }  # fmt: skip

    def _remarks(self, visit: dict[str, Any]) -> str:
        """With the names of what was not inspected or photographed."""
        lacking = [*visit["unanswered"], *visit.get("unphotographed", ())]
        left = [self._items.get((visit["checkpoint"], item), (item, None))[0] for item in dict.fromkeys(lacking)]
        return remarks(self._view, [visit]) + (f": {'、'.join(left)}" if left else "")

    def _proof(self, one: Row) -> dict[str, Any]:
        view = self._view
        said = [one["card"]] if one["card"] else []
        said += [view.pick(_SAYS["doubtful"])] if one["doubtful"] else []
        later = one["offline"] or one["received"] - one["at"] > timedelta(minutes=1)
        said += [view.pick(_SAYS["later"])] if later else []
        said += [view.pick(AWAY).format(one["away"])] if one["away"] else []
        if one.get("lat") is not None:
            said.append(f"{one['lat']:.5f}, {one['lon']:.5f} ±{one['accuracy']:.0f} m")
        return {
            "id": one["id"], "at": self._clock(one["at"]), "checkpoint": self._place(one["checkpoint"]),
            "sort": view.pick(SORTS[one["sort"]]), "weight": f"{one['weight']} %",
            "person": self._person(one["person"], True), "received": view.stamp(one["received"]),
            "remark": " · ".join(said) or "—",
        }  # fmt: skip

    def _inspection(self, one: Row) -> dict[str, Any]:
        view = self._view
        name, unit = self._items.get((one["checkpoint"], one["item"]), (one["item"], None))
        yes = unit is None
        fine = {"mark": "✓", "text": view.pick(_FINE), "tone": "done"}
        if one["uncompared"]:  # the sensor was silent
            fine = {"mark": "?", "text": view.pick(UNCOMPARED), "tone": "late"}
        return {
            "id": one["id"], "at": self._clock(one["at"]), "item": f"{self._place(one['checkpoint'])} · {name}",
            "value": ("✓" if one["value"] == 1 else "✕") if yes else f"{one['value']:g} {unit}",
            "sensor": f"{one['sensor']:g} {unit}" if one["sensor"] is not None else "—",
            "state": {"mark": "!", "text": view.pick(_DEVIATES), "tone": "ill"} if one["deviates"] else fine,
            "person": self._person(one["person"], True), "note": one["note"] or "—",
        }  # fmt: skip

    def _item_names(self) -> dict[tuple[str, str], tuple[str, str | None]]:
        file = self._patrols.file(self._view.principal)
        language = self._view.language
        return {
            (one.id, item.id): (item.name.get(language), item.unit)
            for one in (file.checkpoints if file else ()) for item in one.items
        }  # fmt: skip

    def _place(self, checkpoint: str) -> str:
        return self._names.get(f"checkpoint:{checkpoint}", checkpoint)

    def _person(self, person: str, somebody: bool) -> str:
        if person:
            return self._people.get(person) or str(self._view.person(person))
        return str(self._view.pick(UNKNOWN_PERSON)) if somebody else "—"

    def _clock(self, *moments: datetime) -> str:
        return "–".join(f"{moment.astimezone(self._zone):%H:%M:%S}" for moment in moments)
