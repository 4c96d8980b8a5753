"""What one file alone cannot know, part 1: kinds, and profiles against kinds. Problems are noted in the document."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath

from hub.catalog.checkmodbus import check_modbus
from hub.catalog.checkmqtt import check_mqtt, reachable_events
from hub.catalog.document import Document
from hub.catalog.problems import Key, closest, one_of
from hub.vocabulary.kinds import CommandSpec, KindsFile, KindSpec, PointSpec
from hub.vocabulary.profiles import AnyProfile, ModbusProfile, MqttProfile, RtspProfile, VirtualProfile
from hub.vocabulary.units import UNITS
from hub.vocabulary.words import WordsFile


def check_kinds(document: Document, file: KindsFile) -> None:
    """Units are on the list, bounds and state numbers make sense, every command's proof can be seen, and words are
    for values that there are."""
    _check_values(document, file.values, file.kinds)
    for kind_name, kind in file.kinds.items():
        for code in kind.values:
            _known(document, ("kinds", kind_name, "values", code), code, kind.codes)
        for name, point in kind.points.items():
            _check_point(document, ("kinds", kind_name, "points", name), point)
        for name, event in kind.events.items():
            for field, spec in event.data.items():
                if (spec.type == "code") != bool(spec.values):
                    path = ("kinds", kind_name, "events", name, "data", field)
                    document.report(path, "`values` belong to fields of type code, and to them always", found="")
        for name, command in kind.commands.items():
            _check_command(document, ("kinds", kind_name, "commands", name), kind, command)


def check_words(document: Document, file: WordsFile, kinds: Mapping[str, KindSpec]) -> None:
    """Every name is given to something that is there."""
    _check_values(document, file.values, kinds)
    for kind_name, words in file.kinds.items():
        at: Key = ("kinds", kind_name)
        if not _known(document, at, kind_name, kinds):
            continue
        kind = kinds[kind_name]
        places: dict[str, Collection[str]] = {
            "points": kind.points, "events": kind.events, "commands": kind.commands, "values": kind.codes,
        }  # fmt: skip
        for part, there in places.items():
            for code in getattr(words, part):
                _known(document, (*at, part, code), code, there)
        for event, fields in words.fields.items():
            if _known(document, (*at, "fields", event), event, kind.events):
                for code in fields:
                    _known(document, (*at, "fields", event, code), code, kind.events[event].data)


def _check_values(document: Document, values: Iterable[str], kinds: Mapping[str, KindSpec]) -> None:
    there = {code for kind in kinds.values() for code in kind.codes}
    for code in values:
        _known(document, ("values", code), code, there)


def _known(document: Document, at: Key, code: str, there: Collection[str]) -> bool:
    if code not in there:
        document.report(at, one_of(there), found=f"'{code}'", suggestion=closest(code, there), sort="reference")
    return code in there


def _check_point(document: Document, path: Key, point: PointSpec) -> None:
    if point.unit not in UNITS:
        expected = "a UCUM unit, " + one_of(UNITS)
        document.report((*path, "unit"), expected, suggestion=closest(point.unit, UNITS), sort="reference")
    if point.minimum is not None and point.maximum is not None and point.minimum >= point.maximum:
        document.report((*path, "maximum"), f"more than `minimum` ({point.minimum:g})")
    if len(set(point.values.values())) != len(point.values):
        document.report((*path, "values"), "a different number for each word", found="", sort="duplicate")


def _check_command(document: Document, path: Key, kind: KindSpec, command: CommandSpec) -> None:
    proof = command.confirm
    if proof.event is not None:
        fields = kind.events[proof.event].data
        for name, word in proof.where.items():
            at = (*path, "confirm", "where", name)
            if name not in fields:
                document.report(at, one_of(fields), found=f"the field '{name}'", suggestion=closest(name, fields))
            elif fields[name].type == "code":
                _check_word(document, at, word, fields[name].values)
    elif proof.point is not None:
        at = (*path, "confirm", "equals")
        if proof.equals is None:
            document.report(at, "a value: a point proves a command by what it shows", found="nothing", sort="missing")
        elif isinstance(proof.equals, str):
            _check_word(document, at, proof.equals, kind.points[proof.point].values)


def _check_word(document: Document, path: Key, word: str, words: Collection[str]) -> None:
    if word not in words:
        document.report(path, one_of(words), suggestion=closest(word, words))


def check_profile(document: Document, profile: AnyProfile, kinds: Mapping[str, KindSpec], relative: str) -> None:
    """The file lies where its name says, its kind exists, and it keeps what its kind promises."""
    place = PurePosixPath(relative)
    if profile.profile != place.stem:
        document.report(("profile",), f"'{place.stem}', as the file is called")
    if profile.kind not in kinds:
        document.report(("kind",), one_of(kinds), suggestion=closest(profile.kind, kinds), sort="reference")
        return
    if profile.kind != place.parent.name:
        document.report(("kind",), f"'{place.parent.name}', as the file's folder is called")
    kind = kinds[profile.kind]
    if isinstance(profile, MqttProfile):
        check_mqtt(document, profile.mqtt, kind)
    elif isinstance(profile, VirtualProfile):
        _check_virtual(document, profile, kind)
    elif isinstance(profile, ModbusProfile):
        check_modbus(document, profile.modbus, kind)
    _check_promises(document, profile, kind)


def provided_points(profile: AnyProfile) -> set[str]:
    """The points of the kind that this model has."""
    if isinstance(profile, ModbusProfile):
        return set(profile.modbus.points)
    if isinstance(profile, RtspProfile):
        return {"answer_time"}  # measured by the driver
    if isinstance(profile, VirtualProfile):
        return {*profile.virtual.points, *profile.virtual.calculated}
    return {name for message in profile.mqtt.messages for name in (*message.points, *message.fields, *message.text)}


def _check_virtual(document: Document, profile: VirtualProfile, kind: KindSpec) -> None:
    places: list[tuple[Key, str]] = [
        (("virtual", "points", index), name) for index, name in enumerate(profile.virtual.points)
    ]
    places += [(("virtual", "calculated", name), name) for name in profile.virtual.calculated]
    for path, name in places:
        if name not in kind.points:
            hint = closest(name, kind.points)
            document.report(path, one_of(kind.points), found=f"the point '{name}'", suggestion=hint, sort="reference")
    for name in profile.virtual.points:
        if name in profile.virtual.calculated:
            document.report(("virtual", "calculated", name), "a point that is not told as well", sort="duplicate")


def _check_promises(document: Document, profile: AnyProfile, kind: KindSpec) -> None:
    points = provided_points(profile)
    section: Key = (profile.protocol,)
    for name, point in kind.points.items():
        if point.required and name not in points:
            expected = f"the point '{name}', which every {profile.kind} must have"
            document.report(section, expected, found="a profile without it", sort="missing")
    if isinstance(profile, VirtualProfile | RtspProfile):
        return
    commands = profile.modbus.commands if isinstance(profile, ModbusProfile) else profile.mqtt.commands
    events = reachable_events(profile.mqtt) if isinstance(profile, MqttProfile) else {}
    for name in commands:
        at = (*section, "commands", name)
        if name not in kind.commands:
            hint = closest(name, kind.commands)
            document.report(at, one_of(kind.commands), found=f"the command '{name}'", suggestion=hint, sort="reference")
            continue
        if document.problems:
            continue  # a misspelt point or event is no missing proof
        proof = kind.commands[name].confirm
        if proof.point is not None and proof.point not in points:
            document.report(at, f"the point '{proof.point}' in this profile: it proves the command", found="no proof")
        if proof.event is not None and not set(proof.where) <= events.get(proof.event, set()):
            fields = "".join(f" with '{field}'" for field in proof.where)
            document.report(
                at, f"the event '{proof.event}'{fields} in this profile: it proves the command", found="no proof"
            )
