"""Plans while somebody changes them on a page: what the forms show of them, and what was filled in put back. Pure, but
for the ids that are drawn.

A draft is the content of a patrol file as plain values (`stored.file_json`). What a form does not show, such as proofs
bound to devices, stays as it is; so does what was not touched, however it was written.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from hub.errors import Refused
from hub.vocabulary.base import parse_duration
from modules.patrol.calendars import WEEKDAYS
from modules.patrol.stored import span_text

Draft = dict[str, Any]
Given = Mapping[str, str]

QR_WEIGHT = 0.6
SPANS = {"early": "5m", "late": "5m", "remind": "3m", "grace": "30m"}
"""What a plan has where it says nothing, as `PlanSpec`."""
_MOST_ROWS = 100
_MINUTES = re.compile(r"(\d{1,4})(?::([0-5]\d))?")
_TIMES = re.compile(r"[\s,;，；、]+")


def named(draft: Draft, part: str, name: str) -> dict[str, Any] | None:
    """A checkpoint, route or plan of the draft by its id."""
    return next((one for one in draft[part] if one["id"] == name), None)


def fresh_id(stem: str) -> str:
    """An id that nothing has, and nothing had before: checkpoint-3f9a0c. A printed code that still hangs somewhere
    names its checkpoint by id, and would prove the one that has its id now."""
    return f"{stem}-{secrets.token_hex(3)}"


def put(draft: Draft, part: str, one: Mapping[str, Any]) -> Draft:
    """The draft with this in the place of what has its id, or at the end."""
    listed = [dict(one) if each["id"] == one["id"] else each for each in draft[part]]
    return {**draft, part: listed if named(draft, part, one["id"]) else [*draft[part], dict(one)]}


def without(draft: Draft, part: str, name: str) -> Draft:
    """The draft without it; what refers to it stays, and is told by the check."""
    return {**draft, part: [each for each in draft[part] if each["id"] != name]}


# -- checkpoints -------------------------------------------------------------------------------------------------------


def checkpoint_form(one: Mapping[str, Any]) -> dict[str, str]:
    """name_zh, name_en, place, position ("31.2, 121.5"), qr (its weight, "" for none), items (rows as JSON)."""
    spot = one.get("position")
    rows = [
        {"id": item["id"], "zh": item["name"]["zh"], "en": item["name"]["en"], "answer": item["answer"],
         "unit": item.get("unit", ""), "required": item.get("required", True), "photo": "photo" in item,
         "equipment": item.get("equipment", "")}
        for item in one.get("items", ())
    ]  # fmt: skip
    return {
        **_name_form(one), "place": one.get("place", ""),
        "position": f"{spot['lat']}, {spot['lon']}" if spot else "", "qr": _qr_text(one.get("proofs", ())),
        "items": json.dumps(rows, ensure_ascii=False),
    }  # fmt: skip


def checkpoint_of(old: Mapping[str, Any] | None, name: str, given: Given) -> dict[str, Any]:
    """What was filled in, over what it was; proofs other than by a printed code stay. Refused(422)."""
    had = old or {"proofs": []}
    shown = checkpoint_form(had) if old else {}
    one = {**had, "id": name, "name": _name_of(given), "place": given["place"]}
    if given["position"] != shown.get("position"):
        one["position"] = _position(given["position"])
    if given["qr"] != shown.get("qr"):
        one["proofs"] = [proof for proof in had["proofs"] if proof["by"] != "qr"] + _qr_of(given["qr"])
    if given["items"] != shown.get("items"):
        one["items"] = _items(had.get("items", ()), given["items"])
    return _ordered(one, ("id", "name", "place", "position", "proofs", "items"))


def fixed_proofs(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The proofs that only the file changes."""
    return [proof for proof in one.get("proofs", ()) if proof["by"] != "qr"]


def _qr_text(proofs: Sequence[Mapping[str, Any]]) -> str:
    weights = [proof.get("weight", QR_WEIGHT) for proof in proofs if proof["by"] == "qr"]
    return f"{weights[0]:g}" if weights else ""


def _qr_of(typed: str) -> list[dict[str, Any]]:
    if not typed:
        return []
    weight = _number(typed, "qr")
    return [{"by": "qr"} if weight == QR_WEIGHT else {"by": "qr", "weight": weight}]


def _position(typed: str) -> dict[str, float] | None:
    if not typed:
        return None
    parts = [part for part in _TIMES.split(typed) if part]
    if len(parts) != 2:
        raise Refused("bad_text", "position: latitude, longitude", 422)
    return {"lat": _number(parts[0], "position"), "lon": _number(parts[1], "position")}


def _items(before: Sequence[Mapping[str, Any]], typed: str) -> list[dict[str, Any]]:
    known = {item["id"]: item for item in before}
    found = []
    for row in rows_of(typed):
        name = str(row.get("id", ""))
        if name not in known:
            name = fresh_id("item")
        item = dict(known.get(name, {})) | {
            "id": name, "name": {"zh": _word(row, "zh"), "en": _word(row, "en")}, "answer": _word(row, "answer"),
            "required": None if row.get("required", True) else False,
            "photo": "required" if row.get("photo") else None,
            "unit": _word(row, "unit") or None, "equipment": _word(row, "equipment") or None,
        }  # fmt: skip
        if item["required"] is None:
            del item["required"]
        found.append({key: value for key, value in item.items() if value is not None})
    return found


# -- routes ------------------------------------------------------------------------------------------------------------


def route_form(one: Mapping[str, Any]) -> dict[str, str]:
    """name_zh, name_en, order, stops (rows as JSON: checkpoint, min and max in minutes)."""
    rows = [
        {"checkpoint": stop["checkpoint"], "min": minutes_text(stop.get("min", "0s")), "max": minutes_text(stop["max"])}
        for stop in one.get("stops", ())
    ]
    return {**_name_form(one), "order": one.get("order", "fixed"), "stops": json.dumps(rows, ensure_ascii=False)}


def route_of(old: Mapping[str, Any] | None, name: str, given: Given) -> dict[str, Any]:
    """What was filled in, over what it was. Refused(422)."""
    had = {stop["checkpoint"]: stop for stop in (old or {}).get("stops", ())}
    stops = []
    for row in rows_of(given["stops"]):
        checkpoint = _word(row, "checkpoint")
        before = had.get(checkpoint, {})
        stop = {"checkpoint": checkpoint, "min": _span(_word(row, "min") or "0", before.get("min", "0s"), "min"),
                "max": _span(_word(row, "max"), before.get("max"), "max")}  # fmt: skip
        stops.append({key: value for key, value in stop.items() if (key, value) != ("min", "0s")})
    one = {"id": name, "name": _name_of(given), "order": given["order"] if given["order"] != "fixed" else None}
    return _ordered({**(old or {}), **one, "stops": stops}, ("id", "name", "order", "stops"))


# -- plans -------------------------------------------------------------------------------------------------------------


def plan_form(one: Mapping[str, Any]) -> dict[str, str]:
    """All of a plan as text; `days` is a sort of days or "chosen" ones, in `weekdays`; times with blanks between."""
    days, between = one.get("days", "every_day"), one.get("between", {})
    chosen = "" if isinstance(days, str) else ",".join(day for day in WEEKDAYS if day in days)
    shift = one.get("shift", {})
    return {
        **_name_form(one), "route": one.get("route", ""), "device": one.get("device", ""),
        "days": "chosen" if chosen else str(days), "weekdays": chosen,
        "times": " ".join(one.get("times", ())), "every": minutes_text(one["every"]) if "every" in one else "",
        "from": between.get("from", "00:00"), "to": between.get("to", "00:00"), "post": one.get("post", ""),
        "shift_zh": shift.get("zh", ""), "shift_en": shift.get("en", ""),
        **{key: minutes_text(one.get(key, default)) for key, default in SPANS.items()},
    }  # fmt: skip


def plan_of(old: Mapping[str, Any] | None, name: str, given: Given) -> dict[str, Any]:
    """What was filled in, over what it was. Refused(422)."""
    had = old or {}
    between = {key: given[key] for key in ("from", "to") if given[key] not in ("", "00:00")}
    shift = {"zh": given["shift_zh"], "en": given["shift_en"]}
    weekdays = [day for day in WEEKDAYS if day in given["weekdays"].split(",")]
    if given["days"] == "chosen" and not weekdays:
        raise Refused("bad_text", "days: at least one day of the week", 422)
    one: dict[str, Any] = {
        **had, "id": name, "name": _name_of(given), "route": given["route"], "device": given["device"],
        "days": weekdays if given["days"] == "chosen" else given["days"] if given["days"] != "every_day" else None,
        "times": [each for each in _TIMES.split(given["times"]) if each] or None,
        "every": _span(given["every"], had.get("every"), "every") if given["every"] else None,
        "between": between if given["every"] and between else None, "post": given["post"] or None,
        "shift": shift if any(shift.values()) else None,
    }  # fmt: skip
    for key, default in SPANS.items():
        span = _span(given[key] or "0", had.get(key, default), key)
        one[key] = None if span == default else span
    return _ordered(one, tuple(one))


# -- shared ------------------------------------------------------------------------------------------------------------


def minutes_text(span: str) -> str:
    """A duration of a file in minutes: "5", or with seconds "0:30"; one that is in no whole seconds as it is."""
    length = parse_duration(span)
    assert isinstance(length, timedelta)
    seconds = length.total_seconds()
    if seconds != int(seconds):
        return span
    whole, rest = divmod(int(seconds), 60)
    return f"{whole}:{rest:02d}" if rest else str(whole)


def length_text(route: Mapping[str, Any]) -> str:
    """How long a route takes, in minutes."""
    ends = [length for stop in route["stops"] if isinstance(length := parse_duration(stop["max"]), timedelta)]
    whole = max(ends, default=timedelta()) if route.get("order") == "free" else sum(ends, timedelta())
    return minutes_text(span_text(whole))


def rows_of(typed: str) -> list[dict[str, Any]]:
    """The rows that a page sent. Refused(422) for anything else, and over 100 of them."""
    try:
        rows = json.loads(typed or "[]")
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) > _MOST_ROWS or not all(isinstance(row, dict) for row in rows):
        raise Refused("bad_text", f"at most {_MOST_ROWS} rows", 422)
    return rows


def _span(typed: str, before: str | None, name: str) -> str:
    """Minutes as a person types them, as a duration of a file; what was not touched stays as it was."""
    if before is not None and typed == minutes_text(before):
        return before
    match = _MINUTES.fullmatch(typed)
    if match is None:
        raise Refused("bad_text", f"{name}: minutes, or minutes:seconds", 422)
    return span_text(timedelta(minutes=int(match[1]), seconds=int(match[2] or 0)))


def _number(typed: str, name: str) -> float:
    try:
        return float(typed) if len(typed) < 25 and typed.isascii() else float("x")
    except ValueError:
        raise Refused("bad_text", f"{name}: a number", 422) from None


def _word(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key, "")
    return value.strip()[:200] if isinstance(value, str) else ""


def _name_form(one: Mapping[str, Any]) -> dict[str, str]:
    name = one.get("name", {})
    return {"name_zh": name.get("zh", ""), "name_en": name.get("en", "")}


def _name_of(given: Given) -> dict[str, str]:
    return {"zh": given["name_zh"], "en": given["name_en"]}


def _ordered(one: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Those of the keys that have a value, in this order."""
    return {key: one[key] for key in keys if one.get(key) is not None and one.get(key) != []}


Form = Callable[[Mapping[str, Any]], dict[str, str]]
"""What a form shows of a thing of a draft."""
Fill = Callable[[Mapping[str, Any] | None, str, Given], dict[str, Any]]
"""What was filled in, over what it was."""
FORMS: dict[str, tuple[Form, Fill]] = {
    "checkpoints": (checkpoint_form, checkpoint_of),
    "routes": (route_form, route_of),
    "plans": (plan_form, plan_of),
}
