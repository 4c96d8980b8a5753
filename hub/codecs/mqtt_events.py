"""Which event a JSON message tells of, and its data checked against the kind."""

from collections.abc import Callable
from typing import Any, Final

from hub.codecs.json_pointer import compile_pointer
from hub.codecs.mqtt_values import MAX_INTEGER, as_text, json_type
from hub.codecs.reasons import DeadReason
from hub.codecs.scaling import raw_text
from hub.errors import BadFrame, Misconfigured
from hub.vocabulary.kinds import FieldSpec, KindSpec
from hub.vocabulary.mqtt import EventMap

MAX_TEXT: Final = 256

# C0, DEL, C1, line and paragraph separators, and the marks that turn the reading direction
_UNSEEN = dict.fromkeys(
    [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
)


class EventReader:
    """`events:` of a message made ready for one kind. Misconfigured where it names what the kind does not have."""

    def __init__(self, kind: KindSpec, spec: EventMap) -> None:
        self._spec = spec
        self._at = compile_pointer(spec.pointer) if spec.pointer else None
        names = {*spec.map.values()} | ({spec.always} if spec.always else set())
        if unknown := sorted(names - kind.events.keys()):
            raise Misconfigured(f"events: the kind has no event {unknown[0]!r}")
        if unknown := sorted(spec.data.keys() - {field for name in names for field in kind.events[name].data}):
            raise Misconfigured(f"events: none of these events has a field {unknown[0]!r}")
        self._fields = {name: self._readers(kind.events[name].data) for name in names}
        self._ignored = frozenset(spec.ignore)

    def read(self, root: Any) -> tuple[str, dict[str, Any]] | None:
        """(event, data), or None for a message that is known to be no event.

        A field that is absent or null is left out of the data. BadFrame: missing_field, unknown_event, wrong_type,
        unmapped_value. No detail shows a value of the data.
        """
        name = self._spec.always if self._at is None else self._discriminate(self._at(root))
        if name is None:
            return None
        data = {}
        for field, at, read in self._fields[name]:
            raw = at(root)
            if raw is not None:
                data[field] = read(raw)
        return name, data

    def _discriminate(self, raw: Any) -> str | None:
        if raw is None:
            raise BadFrame(DeadReason.MISSING_FIELD, f"{self._spec.pointer} is absent or null")
        if type(raw) is dict or type(raw) is list:
            raise BadFrame(DeadReason.WRONG_TYPE, f"{self._spec.pointer}: a word was expected, not {json_type(raw)}")
        word = raw_text(raw)
        name = self._spec.map.get(word)
        if name is None and word not in self._ignored:
            raise BadFrame(DeadReason.UNKNOWN_EVENT, f"{self._spec.pointer}: {word[:40]!r} is not in the profile")
        return name

    def _readers(self, fields: dict[str, FieldSpec]) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
        found = []
        for field, spec in fields.items():
            if field in self._spec.data:
                pointer = self._spec.data[field]
                words = self._spec.values.get(field)
                found.append((field, compile_pointer(pointer), _field_reader(spec, pointer, words)))
        return found


def _field_reader(spec: FieldSpec, pointer: str, words: dict[str, str] | None) -> Callable[[Any], Any]:
    """A function from a JSON value to the field's value; `words` translates first."""
    check = {"number": _number, "boolean": _boolean, "text": _text, "code": _text}[spec.type]
    allowed = frozenset(spec.values) if spec.type == "code" else None

    def read(raw: Any) -> Any:
        try:
            value = check(raw if words is None else words[_word(raw)])
        except TypeError:
            what = f"{spec.type} was expected, not {json_type(raw)}"
            raise BadFrame(DeadReason.WRONG_TYPE, f"{pointer}: {what}") from None
        except KeyError:
            raise BadFrame(DeadReason.UNMAPPED_VALUE, f"{pointer}: a word that `values` does not have") from None
        except ValueError:
            raise BadFrame(DeadReason.TOO_LARGE, f"{pointer}: more than {MAX_TEXT} characters") from None
        if allowed is not None and value not in allowed:
            raise BadFrame(DeadReason.UNMAPPED_VALUE, f"{pointer}: none of {', '.join(spec.values)}")
        return value

    return read


def _number(raw: Any) -> float | int:
    if type(raw) is float or (type(raw) is int and -MAX_INTEGER <= raw <= MAX_INTEGER):
        number: float | int = raw
        return number
    raise TypeError


def _boolean(raw: Any) -> bool:
    if type(raw) is bool:
        return raw
    raise TypeError


def _text(raw: Any) -> str:
    value = as_text(raw)
    if value is None:
        raise TypeError
    if len(value) > MAX_TEXT:
        raise ValueError
    return value if value.isalnum() else value.translate(_UNSEEN)


def _word(raw: Any) -> str:
    if type(raw) is dict or type(raw) is list:
        raise TypeError
    return raw_text(raw)
