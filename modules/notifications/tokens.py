"""Links that acknowledge: signed, short-lived, for one delivery and one person, good for nothing else."""

from typing import Literal
from uuid import UUID

from itsdangerous import BadSignature, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from hub.clock import Clock

_SALT = "notifications.acknowledge"
MOST = 512


class BadToken(Exception):
    """A link that opens nothing. `why`: expired or wrong."""

    def __init__(self, why: Literal["expired", "wrong"]) -> None:
        super().__init__(why)
        self.why = why


def make_token(key: bytes, clock: Clock, uid: UUID) -> str:
    """A token for the delivery `uid`; who may use it stands in the delivery."""
    return str(_serializer(key, clock).dumps(uid.hex))


def read_token(key: bytes, clock: Clock, token: str, minutes: int) -> UUID:
    """The delivery a token was made for. BadToken."""
    if len(token) > MOST:
        raise BadToken("wrong")
    try:
        return UUID(_serializer(key, clock).loads(token, max_age=minutes * 60))
    except SignatureExpired:
        raise BadToken("expired") from None
    except (BadSignature, ValueError, TypeError, AttributeError):
        raise BadToken("wrong") from None


def _serializer(key: bytes, clock: Clock) -> URLSafeTimedSerializer:
    class Signer(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(clock.now().timestamp())

    return URLSafeTimedSerializer(key, salt=_SALT, signer=Signer)
