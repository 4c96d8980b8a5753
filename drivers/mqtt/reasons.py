"""Codes of refusal: their names and what they mean to a person (5.0 section 2.4; 3.1.1 table 3.1)."""

from collections.abc import Sequence
from typing import Final

from drivers.mqtt.packets import SubAck, Version
from hub.errors import DriverError, Misconfigured, Rejected, Unreachable

_CONNACK_3: Final = {
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}
_CODES_5: Final = {
    0x10: "no matching subscribers", 0x11: "no subscription existed",
    0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error",
    0x83: "implementation specific error", 0x84: "unsupported protocol version",
    0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
    0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x8B: "server shutting down",
    0x8C: "bad authentication method", 0x8D: "keep alive timeout", 0x8E: "session taken over",
    0x8F: "topic filter invalid", 0x90: "topic name invalid", 0x91: "packet identifier in use",
    0x92: "packet identifier not found", 0x93: "receive maximum exceeded", 0x94: "topic alias invalid",
    0x95: "packet too large", 0x96: "message rate too high", 0x97: "quota exceeded",
    0x98: "administrative action", 0x99: "payload format invalid", 0x9A: "retain not supported",
    0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved",
    0x9E: "shared subscriptions not supported", 0x9F: "connection rate exceeded",
    0xA0: "maximum connect time", 0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}  # fmt: skip

# Credentials, identifier, rights, version, and a will the broker does not take: only a person can mend these
_MISCONFIGURED_3: Final = frozenset({1, 2, 4, 5})
_MISCONFIGURED_5: Final = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x9A, 0x9B, 0x9D})


def describe(code: int, reason: str = "") -> str:
    """'not authorized (0x87)', with the server's own words if it sent any, cut to 200 characters."""
    text = f"{_CODES_5.get(code, 'unknown reason')} (0x{code:02x})"
    return f"{text}: {reason[:200]}" if reason else text


def connect_refusal(version: Version, code: int, reason: str, where: str) -> DriverError:
    """The error for a CONNACK that is not yes: Misconfigured if only a person can mend it, else Unreachable."""
    text = describe(code, reason) if version == 5 else f"{_CONNACK_3.get(code, 'unknown code')} ({code})"
    known = _MISCONFIGURED_5 if version == 5 else _MISCONFIGURED_3
    return (Misconfigured if code in known else Unreachable)(f"{where} refused the connection: {text}")


def subscribe_refusal(wanted: Sequence[tuple[str, int]], granted: SubAck, where: str) -> DriverError | None:
    """The error if not every (topic filter, QoS) was granted as asked: a lower QoS would lose messages silently."""
    if len(granted.codes) != len(wanted):
        return Unreachable(f"{where} answered {len(wanted)} topic filters with {len(granted.codes)} codes")
    for (topic_filter, qos), code in zip(wanted, granted.codes, strict=True):
        if code >= 0x80:
            return Rejected(f"{where} refused {topic_filter!r}: {describe(code, granted.reason)}")
        if code < qos:
            return Rejected(f"{where} grants QoS {code} for {topic_filter!r} where {qos} was asked")
    return None


def disconnect_error(code: int, reason: str, where: str) -> DriverError:
    """The error for a DISCONNECT from the server (5.0): Misconfigured if our rights were withdrawn."""
    known = code in (0x87, 0x8A, 0x9D)
    return (Misconfigured if known else Unreachable)(f"{where} ended the connection: {describe(code, reason)}")
