"""Cursors: where a page of a list ended, as an opaque word. Not a secret; what it opens is checked at each request."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from hub.errors import Refused

Key = TypeVar("Key", int, UUID)


def write(moment: datetime, key: int | UUID) -> str:
    """The cursor after a row with this instant and key."""
    return base64.urlsafe_b64encode(msgspec.json.encode([moment, str(key)])).decode().rstrip("=")


def read(cursor: str | None, key: type[Key]) -> tuple[datetime, Key] | None:
    """Instant and key of a cursor, None for none. Refused(422) for one that we did not write."""
    if cursor is None:
        return None
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        moment, text = msgspec.json.decode(packed, type=tuple[datetime, str])
        number = key(text)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError, OverflowError):
        raise Refused("bad_cursor", "the cursor was not given by this list", 422) from None
    if moment.tzinfo is None or (isinstance(number, int) and abs(number) > 2**62):
        raise Refused("bad_cursor", "the cursor was not given by this list", 422)
    return moment, number


def after(rows: Sequence[dict[str, object]], limit: int, moment: str, key: str = "id") -> str | None:
    """The cursor of the next page; None when this one was not full."""
    if len(rows) < limit:
        return None
    last = rows[-1]
    at, number = last[moment], last[key]
    assert isinstance(at, datetime) and isinstance(number, int | UUID)
    return write(at, number)
