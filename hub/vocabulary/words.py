"""A company's own names for kinds and what they have, and words for their values: `words.yaml`, and for one community
`words/<community>.yaml` over it. Only what people read changes, never codes or units."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from hub.vocabulary.base import Model, Name, Text, Word
from hub.vocabulary.kinds import EventSpec, KindSpec


class KindWords(Model):
    """Other names of one kind, its points, events, their fields (by event), commands and values."""

    name: Word | None = None
    points: dict[Name, Word] = {}
    events: dict[Name, Word] = {}
    fields: dict[Name, dict[Name, Word]] = {}
    commands: dict[Name, Word] = {}
    values: dict[Name, Word] = {}


class WordsFile(Model):
    """`words.yaml` as a whole: names by kind."""

    kinds: dict[Name, KindWords] = {}
    values: dict[Name, Word] = Field(default={}, description="words of values, for every kind that has them")


class CommunityWords(WordsFile):
    """`words/<community>.yaml`: the same for one community, over those of the installation."""

    community: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]


def spoken(kinds: Mapping[str, KindSpec], file: WordsFile) -> dict[str, KindSpec]:
    """The kinds under the names and words of a file. KeyError for a point, event, field or command that its kind does
    not have."""
    return {code: _named(kind, file.kinds.get(code, KindWords()), file.values) for code, kind in kinds.items()}


def known_values(kind: KindSpec, values: Mapping[str, Text]) -> dict[str, Text]:
    """Those words that are for values of this kind."""
    codes = kind.codes
    return {code: text for code, text in values.items() if code in codes}


def _named(kind: KindSpec, words: KindWords, values: Mapping[str, Text]) -> KindSpec:
    points = {code: kind.points[code].model_copy(update={"name": text}) for code, text in words.points.items()}
    commands = {code: kind.commands[code].model_copy(update={"name": text}) for code, text in words.commands.items()}
    events = {
        code: _named_event(kind.events[code], words.events.get(code), words.fields.get(code, {}))
        for code in {**words.events, **words.fields}
    }
    return kind.model_copy(
        update={
            "name": words.name or kind.name, "points": {**kind.points, **points}, "events": {**kind.events, **events},
            "commands": {**kind.commands, **commands},
            "values": {**kind.values, **known_values(kind, values), **words.values},
        }
    )  # fmt: skip


def _named_event(event: EventSpec, name: Text | None, fields: Mapping[str, Text]) -> EventSpec:
    data = {code: event.data[code].model_copy(update={"name": text}) for code, text in fields.items()}
    return event.model_copy(update={"name": name or event.name, "data": {**event.data, **data}})
