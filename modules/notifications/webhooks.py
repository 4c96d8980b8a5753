"""Outgoing webhooks: CloudEvents 1.0 bodies (structured JSON), signed as Standard Webhooks. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook

from modules.notifications.model import masked

TYPES: dict[str, str] = {
    "annunciated": "cn.communityhub.alarm.annunciated.v1",
    "settled": "cn.communityhub.alarm.settled.v1",
    "storm_began": "cn.communityhub.storm.began.v1",
    "storm_ended": "cn.communityhub.storm.ended.v1",
    "test": "cn.communityhub.test.v1",
}
"""What an endpoint may ask for, and the CloudEvents type it comes as."""

MEDIA_TYPE = "application/cloudevents+json"
_SPACE = UUID("8e6f0d0c-3c0a-5d0b-9a53-6f7f4f1f9a11")


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def body_of(
    event: str, event_key: str, community: str, at: datetime, subject: str | None, data: Mapping[str, Any]
) -> str:
    """The body, the same text at every attempt. The event's id is the same for every endpoint."""
    attributes: dict[str, Any] = {
        "id": str(uuid5(_SPACE, f"{community}/{event_key}")),
        "source": f"/communities/{community}",
        "type": TYPES[event],
        "specversion": "1.0",
        "time": at,
        "datacontenttype": "application/json",
    }
    if subject:
        attributes["subject"] = subject
    written = JSONFormat().write(CloudEvent(attributes, dict(data)))
    return written.decode() if isinstance(written, bytes) else written


def alarm_data(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """What a webhook says of an alarm row; cards and plates in its texts are masked."""
    plain = {
        name: alarm[name].isoformat() if isinstance(alarm.get(name), datetime) else alarm.get(name)
        for name in ("id", "rule", "device", "kind", "place", "priority", "life_safety", "state", "suppression",
                     "raised_at", "annunciated_at", "returned_at", "acknowledged_at", "acknowledged_by", "count",
                     "escalation_level")
    }  # fmt: skip
    texts = {
        name: {language: masked(text) for language, text in (alarm[name] or {}).items()} for name in ("title", "text")
    }
    return {**plain, **texts}


def headers_of(uid: UUID, at: datetime, body: str, signing: Sequence[str]) -> dict[str, str]:
    """The headers of one attempt; with two secrets (rotation) two signatures, the new one first."""
    name = f"msg_{uid.hex}"
    return {
        "Content-Type": MEDIA_TYPE,
        "User-Agent": "CommunityHub",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(name, at, body) for secret in signing),
    }
