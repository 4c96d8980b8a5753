"""The codes of checkpoints: `s:…` printed and lasting, `d:…` on a display and good for a minute. Both are signed.

A code is text that a QR code carries behind an address; it names community and checkpoint in the open, so that a phone
without a connection can show what it read. Only the hub can make or judge one.
"""

import io
import secrets
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
    """Makes and judges the codes of one community by its own key."""

    def __init__(self, community: str, key: bytes) -> None:
        self._community = community
        self._signer = Signer(key, salt="patrol.checkpoint", sep="~", key_derivation="hmac")

    def printed(self, checkpoint: str) -> str:
        """The lasting code of a checkpoint; always the same one."""
        return self._signer.sign(f"s:{self._community}:{checkpoint}").decode()

    def displayed(self, checkpoint: str, now: datetime) -> str:
        """A new code for a display."""
        nonce = secrets.token_urlsafe(9)
        return self._signer.sign(f"d:{self._community}:{checkpoint}:{int(now.timestamp())}:{nonce}").decode()

    def read(self, code: str) -> CheckpointCode:
        """What the code says, whatever its age. Refused(422) `bad_code` when it is not ours."""
        try:
            if len(code) > MOST or not code.isascii():
                raise BadSignature("not a code")
            said = self._signer.unsign(code)
            if self._signer.sign(said).decode() != code:
                raise BadSignature("written in another way")  # the last letter of a signature has spare bits
            sort, community, checkpoint, *rest = said.decode().split(":")
        except (BadSignature, ValueError):
            raise Refused("bad_code", "this is no code of a checkpoint of this community", 422) from None
        if community != self._community:
            raise Refused("bad_code", "this is a code of another community", 422)
        if sort == "s" and not rest:
            return CheckpointCode("qr", community, checkpoint)
        seconds, nonce = rest
        return CheckpointCode("display", community, checkpoint, datetime.fromtimestamp(int(seconds), UTC), nonce)


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
