"""A company's own names for kinds and what they have: `words.yaml`. Only names change, never codes or units."""

from hub.vocabulary.base import Model, Name, Text
from hub.vocabulary.kinds import EventSpec, KindSpec


class KindWords(Model):
    """Other names of one kind, its points, events, their fields (by event) and commands."""

    name: Text | None = None
    points: dict[Name, Text] = {}
    events: dict[Name, Text] = {}
    fields: dict[Name, dict[Name, Text]] = {}
    commands: dict[Name, Text] = {}


class WordsFile(Model):
    """`words.yaml` as a whole: names by kind."""

    kinds: dict[Name, KindWords]


def named(kind: KindSpec, words: KindWords) -> KindSpec:
    """The kind under its other names. KeyError for a point, event, field or command it does not have."""
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
        }
    )  # fmt: skip


def _named_event(event: EventSpec, name: Text | None, fields: dict[str, Text]) -> EventSpec:
    data = {code: event.data[code].model_copy(update={"name": text}) for code, text in fields.items()}
    return event.model_copy(update={"name": name or event.name, "data": {**event.data, **data}})
