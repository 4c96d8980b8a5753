"""The device's own time as microseconds UTC, without a float on the way, and whether it can be believed."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame, Misconfigured
from hub.instants import from_us, to_us
from hub.vocabulary.mqtt import DeviceTime

EARLIEST: Final = to_us(datetime(2020, 1, 1, tzinfo=UTC))
AHEAD: Final = 300 * 1_000_000
NAMES_AHEAD: Final = 86_400 * 1_000_000
BEHIND: Final = 400 * 86_400 * 1_000_000

_PER_UNIT = {"epoch_s": 1_000_000, "epoch_ms": 1000, "epoch_us": 1}
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)


def plausible(ts: int, received: int) -> bool:
    """Not before 2020, at most 5 min ahead of the receipt and 400 days behind it; all microseconds UTC.

    What is stamped further ahead would make all that comes until then late.
    """
    return ts <= received + AHEAD and names(ts, received)


def names(ts: int, received: int) -> bool:
    """Whether the stamp tells messages apart: as `plausible`, but up to 24 h ahead. A clock ahead still runs."""
    return ts >= EARLIEST and received - BEHIND <= ts <= received + NAMES_AHEAD


def compile_time(spec: DeviceTime, zone: str) -> Callable[[Any], int]:
    """A reader of `spec.format`: JSON value to microseconds UTC; BadFrame clock for anything else.

    Misconfigured if there is no such zone.

    ISO 8601 without an offset is local time of `spec.zone`, else of `zone` (IANA names). In the hour that comes
    twice when summer time ends the first one is meant (PEP 495, fold 0); a time that the spring change skips is
    read with the offset before the change. Digits beyond microseconds are cut.
    """
    if spec.format == "iso8601":
        try:
            local = ZoneInfo(spec.zone or zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Misconfigured(f"{spec.zone or zone!r} is no IANA time zone") from None
        return lambda value: _iso_us(value, local)
    unit = _PER_UNIT[spec.format]

    def epoch(value: Any) -> int:
        if type(value) is int:
            return value * unit
        if type(value) is float:
            return int(Decimal(repr(value)) * unit)
        raise BadFrame(DeadReason.CLOCK, f"{spec.pointer}: a number was expected, not {type(value).__name__}")

    return epoch


def write_time(spec: DeviceTime, zone: str, ts: int) -> int | str:
    """`ts` as the device writes it; finer digits than the format has are cut, ISO has the local time's digits."""
    if spec.format != "iso8601":
        return ts // _PER_UNIT[spec.format]
    local = from_us(ts).astimezone(ZoneInfo(spec.zone or zone)).replace(tzinfo=None)
    return local.isoformat(timespec="milliseconds" if ts % 1000 == 0 else "microseconds")


def _iso_us(value: Any, local: tzinfo) -> int:
    match = _ISO.fullmatch(value) if type(value) is str and len(value) <= 40 else None
    if match is None:
        raise BadFrame(DeadReason.CLOCK, "a time such as 2026-05-01T08:30:00 was expected")
    day, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(offset or '').replace('z', 'Z')}")
        moment = moment if offset else moment.replace(tzinfo=local)
        return to_us(moment) + int((fraction or "0").ljust(6, "0")[:6])
    except (ValueError, OverflowError) as error:
        raise BadFrame(DeadReason.CLOCK, str(error)) from None
