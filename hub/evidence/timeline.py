"""Rows of the store become lines of one time line, with what this reader may not see masked. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from hub.evidence.model import Entry
from hub.evidence.words import ACTIONS, COMMAND_STATES, NOTICES, STATES, Words, both
from hub.model import Device
from hub.principal import RIGHTS, Principal
from hub.readmodel.desk import told

NEARBY = {"door": "access", "patrol_reader": "patrol"}
"""Kinds whose events count in the alarm's building -> sort of their lines."""
EVERYWHERE = {"barrier": "vehicle", "plate_camera": "vehicle"}
"""Kinds whose events count wherever they stand: who comes and goes passes the gates."""

_PEOPLE = ("user:", "key:")

Row = Mapping[str, Any]


def from_history(alarm: Row, rows: Iterable[Row]) -> list[Entry]:
    """What the alarm and its people did, response steps and comments among it."""
    return [
        Entry(
            row["at"], "step" if row["actor"].startswith(_PEOPLE) else "alarm", _history_words(row), alarm["device"],
            alarm["device_name"], alarm["place"], row["actor"], row["note"] or "",
        )
        for row in rows
    ]  # fmt: skip


def _history_words(row: Row) -> Words:
    state = STATES.get(row["to_state"], both(row["to_state"], row["to_state"]))
    action = row["action"] or ""
    if not action:
        return state
    known = ACTIONS.get(action, both(action, action))
    if row["step"] is not None:
        done = both("完成", "done") if row["done"] else both("未做", "not done")
        return {side: f"{known[side]} {row['step']}: {done[side]}" for side in known}
    if row["to_state"] == row["from_state"]:
        return known
    return {side: f"{known[side]} → {state[side]}" for side in known}


def from_events(
    who: Principal, rows: Iterable[Row], stored: Mapping[int, Row], known: Mapping[int, Device]
) -> list[Entry]:
    """Device events: taps at doors, plates, barriers, check-ins, and whatever the alarm's own device said."""
    entries = []
    for row in rows:
        installed, device = known.get(row["device_id"]), stored[row["device_id"]]
        said = told(who, installed, row["name"], row["data"])
        sort = NEARBY.get(device["kind"]) or EVERYWHERE.get(device["kind"]) or "event"
        data = {key: value for key, value in said["data"].items() if key != "command_id"}  # the commands stand beside
        entries.append(
            Entry(row["ts"], sort, said["label"], device["code"], device["name"], device["place"], data=data,
                  fields={key: said["fields"][key] for key in data if key in said["fields"]}, words=said["words"])
        )  # fmt: skip
    return entries


def from_commands(rows: Iterable[Row], stored: Mapping[int, Row], known: Mapping[int, Device]) -> list[Entry]:
    """Each state of each command; the reason stands where it was asked for."""
    entries = []
    for row in rows:
        installed, device = known.get(row["device_id"]), stored[row["device_id"]]
        spec = installed.kind.commands.get(row["name"]) if installed else None
        name = both(spec.name.zh, spec.name.en) if spec else both(row["name"], row["name"])
        state = COMMAND_STATES.get(row["state"], both(row["state"], row["state"]))
        what = {side: f"{name[side]}: {state[side]}" for side in name}
        note = row["reason"] if row["state"] == "requested" else row["detail"]
        entries.append(
            Entry(row["at"], "command", what, device["code"], device["name"], device["place"], row["requested_by"],
                  note, {"command": str(row["id"])})
        )  # fmt: skip
    return entries


def from_notices(alarm: Row, rows: Iterable[Row]) -> list[Entry]:
    """Whom the alarm was told, by which channel and whether it arrived; addresses are masked for everybody."""
    entries = []
    for row in rows:
        state = NOTICES.get(row["state"], both(row["state"], row["state"]))
        told = row["name"] or row["person"] or row["target"]
        what = both(f"告知 {told}: {state['zh']}", f"{told} told: {state['en']}")
        data = {"channel": row["target"], "address": row["address"], "event": row["event"]}
        entries.append(Entry(row["finished_at"] or row["happened_at"], "notice", what, alarm["device"],
                             alarm["device_name"], alarm["place"], row["person"] or "", data=data))  # fmt: skip
    return entries


def from_snapshots(who: Principal, rows: Iterable[Row]) -> list[Entry]:
    """What each camera gave when the alarm was raised, or why it gave nothing: that names the camera's address, so it
    is for right `work`."""
    entries, may = [], who.role in RIGHTS["work"]
    for row in rows:
        at, what, data = row["taken_at"] or row["done_at"] or row["asked_at"], _snapshot_words(row), {}
        if row["picture_id"] is not None:
            data = {"picture": str(row["picture_id"]), "file": f"media/{snapshot_name(row)}",
                    "sha256": row["sha256"].hex(), "size": f"{row['width']} × {row['height']}"}  # fmt: skip
        entries.append(Entry(at, "snapshot", what, row["device"], row["device_name"], row["place"],
                             note=(may and row["reason"]) or "", data=data))  # fmt: skip
    return entries


def _snapshot_words(row: Row) -> Words:
    if row["done_at"] is None:
        return both("等待快照", "snapshot on its way")
    if row["picture_id"] is None:
        return both("没有画面", "no picture")
    if row["altered"]:
        return both("快照已被改动，不在包内", "snapshot altered in the store, left out")
    return both("快照已过保存期", "snapshot past its days") if row["gone"] else both("快照", "snapshot")


def snapshot_name(row: Row) -> str:
    """Its file in the pack."""
    return f"{row['taken_at'].astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{row['device']}.jpg"


def from_clips(who: Principal, rows: Iterable[Row], left_out: Mapping[UUID, Words]) -> list[Entry]:
    """Each camera's clip, or why there is none, for right `work` as with pictures. `left_out`: those that are not in
    the pack and the words for why."""
    entries, may = [], who.role in RIGHTS["work"]
    for row in rows:
        if row["clip_until"] is None:
            continue
        at, data = row["clip_begins"] or row["clip_done_at"] or row["clip_until"], {}
        if row["clip_id"] is not None:
            file = {} if row["clip_id"] in left_out else {"file": f"media/{clip_name(row)}"}
            data = {"clip": str(row["clip_id"]), **file, "sha256": row["clip_sha256"].hex(),
                    "bytes": row["clip_size"], "seconds": round(row["clip_seconds"], 1)}  # fmt: skip
        what = left_out.get(row["clip_id"]) or _clip_words(row)
        entries.append(Entry(at, "clip", what, row["device"], row["device_name"], row["place"],
                             note=(may and row["clip_reason"]) or "", data=data))  # fmt: skip
    return entries


def _clip_words(row: Row) -> Words:
    if row["clip_done_at"] is None:
        return both("等待视频片段", "clip on its way")
    if row["clip_id"] is None:
        return both("没有视频片段", "no clip")
    return both("视频片段已过保存期", "clip past its days") if row["clip_gone"] else both("视频片段", "clip")


def clip_name(row: Row) -> str:
    """Its file in the pack."""
    return f"{row['clip_begins'].astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{row['device']}.mp4"


def from_frames(who: Principal, alarm: Row, rows: Iterable[Row]) -> list[Entry]:
    """The bytes that caused it. They may hold a card or plate: without right `work` only their size."""
    entries = []
    for row in rows:
        raw = bytes(row["raw"])
        data: dict[str, Any] = {"key": row["key"].hex, "source": row["source"], "size": len(raw)}
        if who.role in RIGHTS["work"]:
            data["hex"] = raw.hex()
        entries.append(
            Entry(row["ts"], "frame", both("引发报警的报文", "frame that caused it"), alarm["device"],
                  alarm["device_name"], alarm["place"], data=data)
        )  # fmt: skip
    return entries


def in_order(*parts: list[Entry]) -> list[Entry]:
    """One line after another; those of one instant stay in the order of the parts."""
    return sorted((entry for part in parts for entry in part), key=lambda entry: entry.at)
