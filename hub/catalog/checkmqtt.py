"""Checks of a profile's `mqtt:` section against its kind."""

import zoneinfo

from hub.catalog.checkpoints import check_point
from hub.catalog.document import Document
from hub.catalog.problems import Key, closest, one_of
from hub.vocabulary.kinds import FieldSpec, KindSpec
from hub.vocabulary.mqtt import EventMap, MqttMessage, MqttSection

LEVELS = ("{community}", "{device}", "{any}")
PLACEHOLDERS = ("$command_id", "$expires_ms", "$ttl_s", "$reason")


def check_mqtt(document: Document, section: MqttSection, kind: KindSpec) -> None:
    """Topics are well formed and each stands once; points, events and their fields exist in the kind."""
    seen: set[str] = set()
    for index, message in enumerate(section.messages):
        path: Key = ("mqtt", "messages", index)
        _check_topic(document, (*path, "topic"), message.topic, ("{any}",))
        if message.topic in seen:
            document.report((*path, "topic"), "a topic that no other message has", sort="duplicate")
        seen.add(message.topic)
        _check_message(document, path, message, kind)
    if section.status is not None:
        at: Key = ("mqtt", "status")
        _check_topic(document, (*at, "topic"), section.status.topic, ("{any}",), device=True)
        if section.status.topic in seen:
            document.report((*at, "topic"), "a topic that no message has", sort="duplicate")
        if section.status.online == section.status.offline:
            document.report((*at, "offline"), "another word than for `online`")
    for name, command in section.commands.items():
        at = ("mqtt", "commands", name)
        _check_topic(document, (*at, "topic"), command.topic, (), device=True)
        for field, value in command.payload.items():
            if isinstance(value, str) and value.startswith("$") and value not in PLACEHOLDERS:
                hint = closest(value, PLACEHOLDERS)
                document.report((*at, "payload", field), one_of(PLACEHOLDERS), suggestion=hint, sort="reference")


def _check_topic(document: Document, path: Key, topic: str, optional: tuple[str, ...], device: bool = False) -> None:
    levels = topic.split("/")
    allowed = [level for level in LEVELS if level != "{any}" or optional]
    for level in levels:
        if ("{" in level or "}" in level) and level not in allowed:
            hint = closest(level, allowed)
            document.report(
                path, f"{', '.join(allowed)} as whole levels", found=f"the level '{level}'", suggestion=hint
            )
            return
    if levels.count("{device}") > 1 or levels.count("{community}") > 1:
        document.report(path, "{device} and {community} at most once")
    elif device and "{device}" not in levels:
        document.report(path, "a topic with a {device} level")


def _check_message(document: Document, path: Key, message: MqttMessage, kind: KindSpec) -> None:
    for section, layouts in (("points", message.points), ("fields", message.fields), ("text", message.text)):
        for name, layout in layouts.items():
            check_point(document, (*path, section, name), name, layout, kind)
    if message.time is not None and message.time.zone:
        check_zone(document, (*path, "time", "zone"), message.time.zone)
    if message.events is not None:
        _check_events(document, (*path, "events"), message.events, kind)
    elif not (message.points or message.fields or message.text):
        document.report(path, "`points` or `events`: this message would mean nothing", found="", sort="missing")


def check_zone(document: Document, path: Key, zone: str) -> None:
    """The IANA time zone exists on this machine."""
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        hint = closest(zone, zoneinfo.available_timezones())
        document.report(path, "an IANA time zone such as Asia/Shanghai", suggestion=hint, sort="reference")


def events_of(events: EventMap) -> set[str]:
    """The events a message can tell of."""
    return {events.always} if events.always is not None else set(events.map.values())


def reachable_events(section: MqttSection) -> dict[str, set[str]]:
    """Event -> the data fields it can arrive with, over all messages."""
    reachable: dict[str, set[str]] = {}
    for message in section.messages:
        if message.events is not None:
            for name in events_of(message.events):
                reachable.setdefault(name, set()).update(message.events.data)
    return reachable


def _check_events(document: Document, path: Key, events: EventMap, kind: KindSpec) -> None:
    named: dict[Key, str] = {("map", raw): name for raw, name in events.map.items()}
    if events.always is not None:
        named[("always",)] = events.always
    for at, name in named.items():
        if name not in kind.events:
            hint = closest(name, kind.events)
            document.report((*path, *at), one_of(kind.events), suggestion=hint, sort="reference")
    for raw in events.ignore:
        if raw in events.map:
            document.report((*path, "map", raw), "a word that is not under `ignore` as well", sort="duplicate")
    fields: dict[str, list[FieldSpec]] = {}
    for name in events_of(events) & kind.events.keys():
        for field, spec in kind.events[name].data.items():
            fields.setdefault(field, []).append(spec)
    for field in events.data:
        if field not in fields:
            found, hint = f"the field '{field}'", closest(field, fields)
            document.report((*path, "data", field), one_of(fields), found=found, suggestion=hint, sort="reference")
    for field, mapping in events.values.items():
        _check_values(document, (*path, "values", field), field, mapping, events, fields.get(field, []))


def _check_values(
    document: Document, path: Key, field: str, mapping: dict[str, str], events: EventMap, specs: list[FieldSpec]
) -> None:
    if field not in events.data and specs:
        document.report(
            path, f"where '{field}' stands, under `data`", found=f"no pointer for '{field}'", sort="missing"
        )
        return
    if field not in events.data:
        hint = closest(field, events.data)
        document.report(path, one_of(events.data), found=f"the field '{field}'", suggestion=hint, sort="reference")
        return
    words = {word for spec in specs for word in spec.values}
    if words and all(spec.type == "code" for spec in specs):
        for raw, word in mapping.items():
            if word not in words:
                document.report((*path, raw), one_of(words), suggestion=closest(word, words))
