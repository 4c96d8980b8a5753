"""What a gateway calls back with when somebody answers by SMS or key: whether it is the gateway, what it says. Pure.

Signatures are those of Standard Webhooks, as of our own webhooks; most gateways cannot sign and bring a token.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr
from standardwebhooks import Webhook

from hub.vocabulary.base import Model
from modules.notifications.outgoing import network

MOST_BYTES = 65_536
MOST_AT_ONCE = 100
_SIGNED = "whsec_"
_SHORTEST = 20  # characters of a token; a signing secret has as many bytes
_TOLERANCE = timedelta(minutes=5)  # of a signature's time, as Standard Webhooks has it
LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without 0 O 1 I L: it is read and typed by people
_LONGEST = 500
_OBJECTS = f"body: an object, or an array of 1 to {MOST_AT_ONCE} objects, is expected"

FieldName = Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+)*$", max_length=100)]


def _secret(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if value == "off":
        return secret
    if not value.startswith(_SIGNED):
        good = _SHORTEST <= len(value) <= 200 and value.isascii() and value.isprintable()
    else:
        try:
            good = len(base64.b64decode(value.removeprefix(_SIGNED), validate=True)) >= _SHORTEST
        except ValueError:
            good = False
    if not good:
        raise ValueError(f"`off`, {_SIGNED} and base64 of {_SHORTEST} bytes and more, or a token of {_SHORTEST} to 200 "
                         "ASCII characters, as !env NAME or !file path")  # fmt: skip
    return secret


class ReplyFields(Model):
    """How the gateway names what it tells; with dots one within another."""

    phone: FieldName = Field(default="phone", description="the number that answered")
    text: FieldName = Field(default="text", description="what was written, or the keys that were pressed")
    id: FieldName | None = Field(default=None, description="the gateway's own number of this answer")
    time: FieldName | None = Field(default=None, description="when it was written; without zone: the community's")
    reference: FieldName | None = Field(default=None, description="brings back what {reference} in the URL gave")


class RepliesSpec(Model):
    """Answers that the gateway brings to `/replies/<community>/<channel>`: "1" acknowledges."""

    secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        description="whsec_…: what it signs with (Standard Webhooks); else its token, as `Authorization: Bearer`; "
        "`off`: not set up"
    )
    token_in_url: bool = Field(default=False, description="it can only be given an address: the token as ?token=…")
    sources: list[Annotated[str, AfterValidator(network)]] = Field(
        default=[], max_length=100, description="addresses it calls from; empty: any"
    )
    fields: ReplyFields = ReplyFields()
    answer: str = Field(default="", max_length=200, description="what the gateway wants to read when it was taken")

    @property
    def on(self) -> bool:
        return self.secret.get_secret_value() != "off"

    @property
    def signed(self) -> bool:
        return self.secret.get_secret_value().startswith(_SIGNED)


@dataclass(frozen=True)
class Call:
    """One request of a gateway. `headers` in lower case."""

    headers: Mapping[str, str]
    token: str  # of the address
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer of a person. `key` names it: the same however often it is told."""

    key: str
    number: str
    text: str
    at: datetime | None = None
    reference: UUID | None = None


class BadReply(Exception):
    """A request that cannot be read. The text names the field and what was expected, never what was given."""


def proven(spec: RepliesSpec, call: Call, now: datetime) -> bool:
    """Whether the gateway sent it: in constant time, whatever is wrong with it."""
    secret = spec.secret.get_secret_value()
    if spec.signed:
        return _signature_holds(secret, call, now)
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    given = call.token if spec.token_in_url else given.strip() if scheme.lower() == "bearer" else ""
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))


def _signature_holds(secret: str, call: Call, now: datetime) -> bool:
    name, stamp = call.headers.get("webhook-id", ""), call.headers.get("webhook-timestamp", "")
    if not name or not re.fullmatch(r"\d{1,12}", stamp, re.ASCII):
        return False
    try:
        at, text = datetime.fromtimestamp(int(stamp), UTC), call.body.decode()
    except (ValueError, OverflowError):
        return False
    right = Webhook(secret).sign(name, at, text).encode()
    given = call.headers.get("webhook-signature", "").split(" ")[:10]
    return abs(at - now) <= _TOLERANCE and any(
        hmac.compare_digest(right, one.encode("utf-8", "replace")) for one in given
    )


def read(spec: RepliesSpec, call: Call, zone: str, now: datetime) -> list[Reply | BadReply]:
    """The answers in a request, a JSON object, an array of them, or a form, in their order; in the place of one that
    cannot be read, why: it keeps none of the others from being taken. BadReply where none can be read."""
    items = _items(call)
    once = f"webhook-id {call.headers['webhook-id'][:200]}" if spec.signed and len(items) == 1 else ""
    found = [_reply_or_why(spec.fields, item, zone, now, once) for item in items]
    if isinstance(found[0], BadReply) and not any(isinstance(one, Reply) for one in found):
        raise found[0]
    return found


def _items(call: Call) -> list[Any]:
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100)
        except ValueError:
            raise BadReply("body: a form of at most 100 fields is expected") from None
        return [dict(pairs)]
    try:
        said = json.loads(call.body)
    except (ValueError, RecursionError):
        raise BadReply("body: JSON, or a form, is expected") from None
    items = said if isinstance(said, list) else [said]
    if not 0 < len(items) <= MOST_AT_ONCE:
        raise BadReply(_OBJECTS)
    return items


def _reply_or_why(fields: ReplyFields, item: Any, zone: str, now: datetime, once: str) -> Reply | BadReply:
    try:
        return _reply(fields, item, zone, now, once)
    except BadReply as error:
        return error


def _reply(fields: ReplyFields, item: Any, zone: str, now: datetime, once: str) -> Reply:
    if not isinstance(item, dict):
        raise BadReply(_OBJECTS)
    number = plain_number(_field(item, fields.phone))
    if not 3 <= len(number) <= 20:
        raise BadReply(f"{fields.phone}: a telephone number is expected")
    text = _field(item, fields.text)
    stamp = _field(item, fields.time) if fields.time else ""
    at = _moment(stamp, fields.time or "", zone, now) if stamp else None
    known = (_field(item, fields.id) if fields.id else "") or once
    if not known and not stamp:
        raise BadReply(f"{fields.id or fields.time or 'id'}: is needed, to know a repetition by")
    reference = _field(item, fields.reference) if fields.reference else ""
    key = hashlib.sha256(json.dumps([known, number, text, "" if known else stamp]).encode()).hexdigest()
    return Reply(key, number, text, at, _uuid(reference))


def _field(item: Mapping[str, Any], name: str) -> str:
    found: Any = item
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int) or len(text := str(found)) > _LONGEST:
        raise BadReply(f"{name}: a text or whole number of at most {_LONGEST} characters is expected")
    return text.strip()


def _moment(value: str, name: str, zone: str, now: datetime) -> datetime | None:
    """When it was written; None for a time that is yet to come: of a clock that cannot be trusted. BadReply."""
    try:
        if re.fullmatch(r"\d{10}|\d{13}", value, re.ASCII):
            at = datetime.fromtimestamp(int(value[:10]), UTC)
        elif re.fullmatch(r"\d{14}", value, re.ASCII):
            at = datetime.strptime(value, "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone is given below
        else:
            at = datetime.fromisoformat(value.replace("/", "-"))
        at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
        return at.astimezone(UTC) if at <= now + timedelta(minutes=1) else None
    except (ValueError, OverflowError):
        raise BadReply(f"{name}: a time is expected: ISO 8601, YYYYMMDDhhmmss, or seconds or ms since 1970") from None


def _uuid(value: str) -> UUID | None:
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


def plain_number(text: str) -> str:
    """The last 11 digits: of mobile numbers all there are, with +86 in front or without."""
    return re.sub(r"\D", "", text, flags=re.ASCII)[-11:]


def code_of(key: bytes, alarm_id: int) -> str:
    """The four characters that mean this alarm, in every message about it; `key` is the community's own."""
    drawn = int.from_bytes(hmac.digest(key, f"answer:{alarm_id}".encode(), "sha256"))
    letters = ""
    for _ in range(4):
        drawn, letter = divmod(drawn, len(LETTERS))
        letters += LETTERS[letter]
    return letters


def sender_of(key: bytes, number: str) -> bytes:
    """What a number is counted by: nobody without the key finds the number in it."""
    return hmac.digest(key, f"sender:{number}".encode(), "sha256")[:16]
