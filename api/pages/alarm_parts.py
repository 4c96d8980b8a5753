"""Parts of the alarm drawer that are painted from what was read: steps, comments, what happened around, history."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from api.pages.view import View
from api.pages.widgets import Table, box, icon, tag
from hub.model import Device
from hub.store.database import Row

AFTER = timedelta(minutes=10)
NEAR = frozenset({"door", "barrier", "plate_camera"})
MOST, MOST_NEAR = 2000, 6
_DELIVERED = {"delivered": ("✓", "done"), "dead": ("✕", "ill"), "cancelled": ("✕", "cancelled")}
_NUMBERED = re.compile(r"\s*\d+\s*[.、)．]\s*")


async def live_alarms(view: View) -> tuple[list[Row], bool]:
    """The live alarms of the community, on the desk or set aside, the most urgent first; at most `MOST`, and whether
    there are more."""
    rows = await view.hub.context.alarms.urgent(view.principal, limit=MOST + 1)
    return rows[:MOST], len(rows) > MOST


class CutLine:
    """Says over a list that it is not whole. `key`: the words, with %n for the number of lines that are shown."""

    def __init__(self, view: View, key: str, most: int) -> None:
        self._line = tag("p", view.t(key).replace("%n", str(most)), "strip cut", role="status")

    def show(self, cut: bool) -> None:
        self._line.set_visibility(cut)


def step_lines(procedure: str) -> list[str]:
    """The numbered lines of a procedure, each with the lines that go on under it; step 1 is the first."""
    steps: list[str] = []
    for line in procedure.splitlines():
        text = _NUMBERED.sub("", line, count=1).strip()
        if _NUMBERED.match(line):
            steps.append(text)
        elif steps and text:
            steps[-1] += f" {text}"
    return steps


def near(devices: Iterable[Device], community_id: int, place: str) -> list[int]:
    """Doors, barriers and plate cameras of a place, of what it stands in and of what stands in it; nearest first."""

    def distance(other: str) -> int | None:
        longer, shorter = (other, place) if len(other) > len(place) else (place, other)
        return longer.count("/") - shorter.count("/") if f"{longer}/".startswith(f"{shorter}/") else None

    found = [(away, device.id) for device in devices
             if device.community_id == community_id and device.kind_name in NEAR
             and (away := distance(device.place_path)) is not None]  # fmt: skip
    return [number for _, number in sorted(found)[:MOST_NEAR]]


def telling_point(alarm: Row, points: list[Row]) -> Row | None:
    """The point the rule named, else one its name speaks of, else the first."""
    words = set(alarm["rule"].split("-"))
    named = (p for p in points if p["name"] == alarm["point"])
    spoken = (p for p in points if set(p["name"].split("_")) & words)
    return next(named, next(spoken, points[0] if points else None))


def data_text(view: View, event: Row) -> str:
    """Event data in one line, in words where the kind has them, without our own command numbers."""
    parts = []
    for key, value in event["data"].items():
        if key != "command_id":
            name = view.pick(event["fields"].get(key)) or key
            parts.append(f"{name} {view.pick(event['words'].get(key)) or value}")
    return " · ".join(parts) or "—"


def paint_procedure(
    view: View, alarm: Row, tick: Callable[[int, bool], Any] | None, note: Callable[[int, bool], Any] | None
) -> None:
    """The response procedure as a list to work through; without `tick` only to read."""
    tag("h3", view.t("alarm.procedure"))
    if not alarm["steps"]:
        tag("p", view.t("alarm.no_procedure"), "muted")
        return
    whole = step_lines(view.pick(alarm["procedure"]))
    with box("todo", "ol"):
        for step in alarm["steps"]:
            line = whole[step["step"] - 1] if len(whole) == len(alarm["steps"]) else view.pick(step["text"])
            _paint_step(view, step, line, tick, note)


def _paint_step(
    view: View, step: Row, line: str, tick: Callable[[int, bool], Any] | None, note: Callable[[int, bool], Any] | None
) -> None:
    number, done = step["step"], step["done"]
    with box("done" if done else "", "li"):
        with box("step", "label"):
            mark = box("", "input", type="checkbox")
            if done:
                mark._props["checked"] = True
            if tick is None:
                mark._props["disabled"] = True
            else:
                mark.on(
                    "change", lambda event: tick(number, bool(event.args)), js_handler="(e) => emit(e.target.checked)"
                )
            tag("span", f"{number}. {line}")
        if note is not None:
            button = tag("button", "", "ghost small", type="button")
            button._props["aria-label"] = f"{view.t('alarm.step_note')} {number}"
            button._props["title"] = view.t("alarm.step_note")
            with button.on("click", lambda: note(number, done)):
                icon("edit_note")
        if step["by"]:
            said = f" — {step['note']}" if step["note"] else ""
            tag("small", f"{view.stamp(step['at'])} · {view.person(step['by'])}{said}")


def paint_comments(view: View, alarm: Row) -> None:
    """What people said, oldest first; nothing where nobody said anything."""
    if not alarm["comments"]:
        return
    tag("h3", view.t("alarm.comments"))
    with box("steps", "ol"):
        for comment in alarm["comments"]:
            with box("", "li"):
                tag("time", view.stamp(comment["at"]))
                tag("span", f"{view.person(comment['actor'])}: {comment['note']}")


def paint_snapshots(view: View, rows: list[Row]) -> None:
    """Pictures of the place from when the alarm was raised, to be opened large, and clips; or why there is none."""
    if not rows:
        return
    tag("h3", view.t("alarm.snapshots"))
    with box("snapshots"):
        for row in rows:
            with box("", "figure"):
                missing = _why_no_picture(view, row)
                if not missing:
                    address, name = f"/api/v1/pictures/{row['picture_id']}", view.pick(row["device_name"])
                    said = f"{name}, {view.stamp(row['taken_at'])}. {view.t('alarm.snapshot_open')}"
                    with box("", "a", href=address, target="_blank", rel="noopener", aria_label=said):
                        box("", "img", src=address, alt="", loading="lazy", width=row["width"], height=row["height"])
                stamp = view.stamp(row["taken_at"] or row["done_at"] or row["asked_at"])
                with box("", "figcaption"):
                    tag("span", f"{view.pick(row['device_name'])} · {stamp}")
                    if missing:
                        tag("span", missing, "muted")
            if row["clip_until"] is not None:
                _paint_clip(view, row)


def _paint_clip(view: View, row: Row) -> None:
    """It never starts by itself, and only its head is loaded before."""
    missing, name = _why_no_clip(view, row), view.pick(row["device_name"])
    stamp = view.stamp(row["clip_begins"] or row["clip_done_at"] or row["clip_until"])
    with box("", "figure"):
        address = f"/api/v1/clips/{row['clip_id']}"
        if not missing:
            film = box(
                "", "video", src=address, preload="metadata", aria_label=f"{view.t('alarm.clip')}, {name}, {stamp}"
            )
            film._props |= {"controls": True, "muted": True, "playsinline": True}
        with box("", "figcaption"):
            tag("span", f"{name} · {stamp}" + ("" if missing else f" · {row['clip_seconds']:.0f} s"))
            if missing:
                tag("span", missing, "muted")
                return
            if row["clip_codec"] == "hevc":
                tag("span", view.t("alarm.clip_hevc"), "muted")
            file = f"{row['device']}-{row['clip_begins']:%Y%m%dT%H%M%SZ}.mp4"
            tag("a", view.t("alarm.clip_save"), href=address, download=file)


def _why_no_clip(view: View, row: Row) -> str:
    if row["clip_done_at"] is None:
        return view.t("alarm.clip_waiting")
    if row["clip_id"] is None:
        return view.t("alarm.clip_none").replace("%r", row["clip_reason"])
    return view.t("error.clip_gone") if row["clip_gone"] else ""


def _why_no_picture(view: View, row: Row) -> str:
    if row["done_at"] is None:
        return view.t("alarm.snapshot_waiting")
    if row["picture_id"] is None:
        return view.t("alarm.snapshot_none").replace("%r", row["reason"])
    if row["altered"]:
        return view.t("alarm.snapshot_altered")
    return view.t("error.picture_gone") if row["gone"] else ""


def paint_near(view: View, rows: list[Row]) -> None:
    """What the doors, barriers and plate cameras of the place said around the alarm, newest first."""
    tag("h3", view.t("alarm.near"))
    events = sorted((event for row in rows for event in row["events"]), key=lambda event: event["ts"], reverse=True)
    columns = [("time", view.t("device.time")), ("device", view.t("alarm.device"), "link"),
               ("event", view.t("device.event")), ("data", view.t("device.data"))]  # fmt: skip
    Table(
        columns,
        [
            {"id": str(e["id"]), "time": view.stamp(e["ts"]), "event": view.pick(e["label"]),
             "device": view.device_cell(e["device_id"], e["device"]), "data": data_text(view, e)}
            for e in events[:10]
        ],
        view.t("alarm.near_none"),
    )  # fmt: skip


def paint_commands(view: View, rows: list[Row]) -> None:
    """What anybody asked of the device and of the doors and barriers here, newest first, and how it stands."""
    if not rows:
        return
    tag("h3", view.t("alarm.commands"))
    columns = [("time", view.t("device.time")), ("device", view.t("alarm.device"), "link"),
               ("command", view.t("device.command")), ("state", view.t("devices.state")),
               ("by", view.t("device.requested_by"))]  # fmt: skip
    Table(
        columns,
        [
            {"id": str(row["id"]), "time": view.stamp(row["requested_at"]), "by": view.person(row["requested_by"]),
             "device": view.device_cell(row["device_id"], row["device"]), "command": _command_name(view, row),
             "state": view.word("command_state", row["state"])}
            for row in rows[:MOST_NEAR]
        ],
        "",
    )  # fmt: skip


def _command_name(view: View, row: Row) -> str:
    device = view.hub.context.devices.get(row["device_id"])
    command = device.kind.commands.get(row["name"]) if device else None
    return view.pick({"zh": command.name.zh, "en": command.name.en}) if command else row["name"]


def paint_events(view: View, events: list[Row]) -> None:
    """What the device itself said last."""
    tag("h3", view.t("alarm.events"))
    columns = [("time", view.t("device.time")), ("event", view.t("device.event")), ("data", view.t("device.data"))]
    rows = [{"time": view.stamp(e["ts"]), "event": view.pick(e["label"]), "data": data_text(view, e)} for e in events]
    Table(columns, rows, view.t("device.no_events"))


def paint_deliveries(view: View, rows: list[Row]) -> None:
    """Whom the alarm was told by which channel, and whether it got there."""
    if not rows:
        return
    tag("h3", view.t("alarm.deliveries"))
    columns = [("time", view.t("device.time")), ("to", view.t("alarm.told")), ("channel", view.t("alarm.channel")),
               ("state", view.t("devices.state"), "chip")]  # fmt: skip
    Table(columns, [delivery_cells(view, row) for row in rows], "")


def delivery_cells(view: View, row: Row) -> dict[str, Any]:
    """A row of the port `notifications.deliveries` as cells."""
    mark, tone = _DELIVERED.get(row["state"], ("…", ""))
    return {
        "id": str(row["id"]), "time": view.stamp(row["finished_at"] or row["happened_at"]),
        "to": row["name"] or row["person"] or "—", "channel": row["target"],
        "state": {"mark": mark, "text": view.word("delivery_state", row["state"]), "tone": tone},
    }  # fmt: skip


def paint_history(view: View, alarm: Row) -> None:
    """Everything that happened to it and who did it, oldest first."""
    tag("h3", view.t("alarm.history"))
    with box("steps", "ol"):
        for entry in alarm["history"]:
            if entry["action"] in ("comment", "step"):
                continue
            with box("", "li"):
                tag("time", view.stamp(entry["at"]))
                by_rule = entry["actor"].startswith("rule:")
                note = f" — {entry['note']}" if entry["note"] and not by_rule else ""
                tag("span", f"{_what(view, entry)} · {view.person(entry['actor'])}{note}")


def _what(view: View, entry: Row) -> str:
    """The state it came into, or what was done where the state stayed."""
    if entry["from_state"] == entry["to_state"]:
        return view.word("alarm_action", entry["action"])
    return view.word("alarm_state", entry["to_state"])
