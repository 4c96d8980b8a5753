"""The pack as bytes: a ZIP of a page for people and files for machines, the same bytes for the same evidence. Pure."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from hub.errors import Refused
from hub.evidence.check import MANIFEST, MOST_BYTES
from hub.evidence.model import Evidence
from hub.evidence.page import render

_FORMAT = "community-hub-evidence/1"
_TIMELINE_HEAD = ["time_utc", "time_local", "sort", "device", "place", "what_zh", "what_en", "actor", "note", "data"]
_SAMPLES_HEAD = ["time_utc", "time_local", "point", "value", "unit", "quality"]


def build(evidence: Evidence) -> bytes:
    """The ZIP. Refused(422) when its content is larger than a pack may be (128 MiB)."""
    files = {
        "index.html": render(evidence).encode(),
        "timeline.json": _json(_timeline(evidence)),
        "timeline.csv": _csv(_TIMELINE_HEAD, _timeline_rows(evidence)),
        "samples.csv": _csv(_SAMPLES_HEAD, _sample_rows(evidence)),
        **{f"media/{medium.name}": medium.content for medium in evidence.media},
    }
    if sum(map(len, files.values())) > MOST_BYTES:
        raise Refused("evidence_too_large", "more in this time than a pack holds; choose a shorter one", 422)
    files[MANIFEST] = _json({
        "format": _FORMAT, "alarm": evidence.alarm["id"], "community": evidence.community, "since": evidence.since,
        "until": evidence.until, "made_by": evidence.made_by, "made_at": evidence.made_at, "masked": evidence.masked,
        "audit": {"seq": evidence.head_seq, "hash": evidence.head_hash},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    })  # fmt: skip
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # the day of packing must not show in the bytes
            packing = zipfile.ZIP_STORED if name.endswith(".mp4") else zipfile.ZIP_DEFLATED
            entry.compress_type, entry.create_system, entry.external_attr = packing, 3, 0o644 << 16
            archive.writestr(entry, files[name], compresslevel=9)
    return packed.getvalue()


def manifest_hash(packed: bytes) -> str:
    """SHA-256 of the manifest in it, in hexadecimal."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return hashlib.sha256(archive.read(MANIFEST)).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=_plain).encode() + b"\n"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, UUID):
        return value.hex
    raise TypeError(f"{type(value).__name__} has no place in a pack")


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _timeline(evidence: Evidence) -> dict[str, Any]:
    return {
        "alarm": evidence.alarm, "since": evidence.since, "until": evidence.until, "masked": evidence.masked,
        "entries": [msgspec.structs.asdict(entry) for entry in evidence.entries],
    }  # fmt: skip


def _timeline_rows(evidence: Evidence) -> Iterable[Sequence[str]]:
    zone = ZoneInfo(evidence.zone)
    for entry in evidence.entries:
        data = json.dumps(entry.data, ensure_ascii=False, sort_keys=True) if entry.data else ""
        texts = (
            entry.sort,
            entry.device,
            entry.place,
            entry.what["zh"],
            entry.what["en"],
            entry.actor,
            entry.note,
            data,
        )
        yield (_utc(entry.at), _local(entry.at, zone), *map(_harmless, texts))


def _sample_rows(evidence: Evidence) -> Iterable[Sequence[str]]:
    zone = ZoneInfo(evidence.zone)
    for series in evidence.series:
        point, unit = _harmless(series.point), _harmless(series.unit)
        for ts, value, quality in series.rows:
            yield _utc(ts), _local(ts, zone), point, repr(value), unit, str(quality)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def _harmless(text: str) -> str:
    """A spreadsheet takes a text that begins so for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")
