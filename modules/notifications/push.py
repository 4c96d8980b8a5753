"""App push by services that work without Google's: which there are, and how urgent a message is in their words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Scheme -> module and class of apprise. The first three can stand on the premises; the last two are services in China.
SERVICES: Mapping[str, tuple[str, str]] = {
    "ntfy": ("ntfy", "NotifyNtfy"),
    "ntfys": ("ntfy", "NotifyNtfy"),
    "gotify": ("gotify", "NotifyGotify"),
    "gotifys": ("gotify", "NotifyGotify"),
    "bark": ("bark", "NotifyBark"),
    "barks": ("bark", "NotifyBark"),
    "pushdeer": ("pushdeer", "NotifyPushDeer"),
    "pushdeers": ("pushdeer", "NotifyPushDeer"),
    "schan": ("serverchan", "NotifyServerChan"),
    "pushplus": ("pushplus", "NotifyPushplus"),
}
GOOD: Mapping[str, int] = {"bark": 200, "barks": 200, "pushdeer": 0, "pushdeers": 0, "schan": 0, "pushplus": 200}
"""Scheme -> the code in an answer's body that means taken."""


@dataclass(frozen=True)
class Urgency:
    """How loud a message may be, and where a tap on it leads. `priority`: 1 critical to 4 low."""

    priority: int
    life_safety: bool
    link: str


# https://docs.ntfy.sh/publish/#message-priority; Gotify's Android app: 8 and more sound and show on top; Bark's README:
# `critical` sounds on a muted telephone, `timeSensitive` through a focus.
_NTFY = {1: "max", 2: "high", 3: "default", 4: "low"}
_GOTIFY = {1: 10, 2: 8, 3: 5, 4: 2}
_BARK = {1: "timeSensitive", 2: "timeSensitive", 3: "active", 4: "passive"}


def urge(plugin: Any, scheme: str, urgency: Urgency) -> None:
    """Tell an apprise sender how urgent it is, where its service has words for that; life safety as loud as can be."""
    level = 1 if urgency.life_safety else urgency.priority
    if scheme.startswith("ntfy"):
        plugin.priority, plugin.click, plugin.include_image = _NTFY[level], urgency.link or None, False
    elif scheme.startswith("gotify"):
        plugin.priority = _GOTIFY[level]
    elif scheme.startswith("bark"):
        plugin.level = "critical" if urgency.life_safety else _BARK[level]
        plugin.click, plugin.include_image = urgency.link or None, False


def several(url: str) -> bool:
    """Whether a URL names several devices or topics: one that fails would have all the others told again."""
    parts = urlsplit(url)
    if not parts.scheme.startswith(("ntfy", "bark")):
        return False
    return len([one for one in parts.path.split("/") if one]) > 1 or "to=" in parts.query or "," in parts.path
