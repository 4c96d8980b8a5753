"""The codes of checkpoints: `s:…` printed and lasting, `d:…` on a display and good for a minute, `t:…` with which a
display asks for them. All are signed.

A code is text that a QR code carries behind an address; it names community and checkpoint in the open, so that a phone
without a connection can show what it read. Only the hub can make or judge one.
"""

import io
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import segno
from itsdangerous import BadSignature, Signer

from hub.errors import Refused

LIFE = timedelta(seconds=60)
"""A display's code is good for so long after it was shown."""

MOST = 300
_AHEAD = timedelta(seconds=5)

CodeSort = Literal["qr", "display"]


@dataclass(frozen=True)
class CheckpointCode:
    """What a genuine code says. `shown` and `nonce` are a display's."""

    sort: CodeSort
    community: str
    checkpoint: str
    shown: datetime | None = None
    nonce: str = ""


class CodeBook:
    """Makes and judges the codes of one community by its own key. `generations`: how often those of a checkpoint were
    renewed; codes of an earlier generation are refused."""

    def __init__(self, community: str, key: bytes, generations: Mapping[str, int] | None = None) -> None:
        self._community = community
        self._signer = Signer(key, salt="patrol.checkpoint", sep="~", key_derivation="hmac")
        self._generations = generations or {}

    def printed(self, checkpoint: str) -> str:
        """The lasting code of a checkpoint; the same one until it is renewed."""
        return self._make("s", checkpoint)

    def displayed(self, checkpoint: str, now: datetime) -> str:
        """A new code for a display."""
        return self._make("d", checkpoint, str(int(now.timestamp())), secrets.token_urlsafe(9))

    def screen(self, checkpoint: str) -> str:
        """What a screen at a checkpoint asks for codes with, and can do nothing else with."""
        return self._make("t", checkpoint)

    def read(self, code: str) -> CheckpointCode:
        """What the code says, whatever its age. Refused(422): `bad_code` when it is not ours, `old_code` when its
        checkpoint has new ones."""
        sort, checkpoint, rest = self._said(code)
        if sort == "s":
            return CheckpointCode("qr", self._community, checkpoint)
        if sort != "d":
            raise _no_code()
        seconds, nonce = rest
        return CheckpointCode("display", self._community, checkpoint, datetime.fromtimestamp(int(seconds), UTC), nonce)

    def read_screen(self, token: str) -> str:
        """The checkpoint of a screen. Refused(422) as for codes."""
        sort, checkpoint, _ = self._said(token)
        if sort != "t":
            raise _no_code()
        return checkpoint

    def _make(self, sort: str, checkpoint: str, *more: str) -> str:
        said = ":".join([sort, self._community, checkpoint, str(self._generations.get(checkpoint, 1)), *more])
        return self._signer.sign(said).decode()

    def _said(self, code: str) -> tuple[str, str, list[str]]:
        try:
            if len(code) > MOST or not code.isascii():
                raise BadSignature("not a code")
            said = self._signer.unsign(code)
            if self._signer.sign(said).decode() != code:
                raise BadSignature("written in another way")  # the last letter of a signature has spare bits
            sort, community, checkpoint, generation, *rest = said.decode().split(":")
        except (BadSignature, ValueError):
            raise _no_code() from None
        if community != self._community:
            raise Refused("bad_code", "this is a code of another community", 422)
        if int(generation) != self._generations.get(checkpoint, 1):
            raise Refused("old_code", "this code was replaced by a new one; it is no longer taken", 422)
        return sort, checkpoint, rest


def _no_code() -> Refused:
    return Refused("bad_code", "this is no code of a checkpoint of this community", 422)


def check_age(code: CheckpointCode, seen: datetime) -> None:
    """Refused(422) `stale_code` for a display's code that was read too long after it was shown, or before."""
    if code.shown is not None and not -_AHEAD <= seen - code.shown <= LIFE:
        raise Refused("stale_code", f"a display's code is good for {LIFE.seconds} s; read the new one", 422)


def svg(text: str) -> bytes:
    """The QR code of a text as an SVG document that scales; error correction M (15 %)."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", scale=8, border=4, xmldecl=True)
    return out.getvalue()


def png_data_uri(text: str) -> str:
    """The same as a `data:image/png` address for a page."""
    return str(segno.make(text, error="m", micro=False).png_data_uri(scale=6, border=4))
