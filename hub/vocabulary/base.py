"""The shared pieces of every configuration file."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
"""A word of the vocabulary: a kind, point, event, command or field."""

Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""What an integrator calls a thing: a device, bus, place or profile. Safe in topics, URLs and file names."""

_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LONGEST = 3650 * 86_400.0


def parse_duration(value: object) -> object:
    """`"90s"`, `"2m"`, `"250 ms"`, `"1h"`, `"7d"` as a timedelta; anything else is left to pydantic to refuse."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration such as 250ms, 30s, 5m, 1h or 7d is expected")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST:
        raise ValueError("a duration of at most 3650d is expected")
    return timedelta(seconds=seconds)


Duration = Annotated[timedelta, BeforeValidator(parse_duration, json_schema_input_type=str)]


class Model(BaseModel):
    """Frozen and closed: a misspelt key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Model):
    """A word for people in both languages; zh-CN first."""

    zh: str
    en: str

    def get(self, language: str) -> str:
        return self.zh if language.startswith("zh") else self.en


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("one line of printable text is expected")
    return text


Shown = Annotated[str, StringConstraints(max_length=60), AfterValidator(_printable)]
"""What stands on a page or in a message: short, without control characters and those that turn the line around."""


class Word(Text):
    """What a company calls a thing, in both languages."""

    zh: Shown
    en: Shown
