"""From a document to a vocabulary model, every pydantic complaint turned into a problem with its line."""

import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hub.catalog.document import Document
from hub.catalog.problems import Key, closest, one_of, show
from hub.vocabulary.modbus import ModbusAddress
from hub.vocabulary.mqtt import MqttAddress
from hub.vocabulary.rtsp import RtspAddress
from hub.vocabulary.virtual import VirtualAddress

M = TypeVar("M", bound=BaseModel)

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": 'text (numbers and true/false in quotes: "0")',
    "dict": "a mapping of names to values",
    "model": "a mapping of names to values",
    "list": "a list",
    "finite": "a finite number",
}
_BOUNDS = {
    "greater_than_equal": ("at least {}", "ge"),
    "greater_than": ("more than {}", "gt"),
    "less_than_equal": ("at most {}", "le"),
    "less_than": ("less than {}", "lt"),
    "string_too_short": ("text of at least {} characters", "min_length"),
    "string_too_long": ("text of at most {} characters", "max_length"),
    "too_short": ("at least {} of them", "min_length"),
    "too_long": ("at most {} of them", "max_length"),
}
_PATTERNS = {
    r"^[a-z][a-z0-9_]{0,47}$": "a name: small letters, digits and _, beginning with a letter, at most 48",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$": "a code: letters, digits, _ . -, at most 64",
    r"^[a-z0-9][a-z0-9-]{0,31}$": "a community code: small letters, digits and -, at most 32",
    r"^(/([^/~]|~0|~1)+)+$": "a JSON pointer such as /data/ts",
    r"^[^#+\x00]+$": "a topic without # and +; levels that vary are {community}, {device}, {any}",
    r"^[^/+#\x00]+$": "one topic level, without / + #",
    r"^drawings/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\.(svg|png|jpg|jpeg|webp)$": (
        "a file in the folder `drawings` beside this one: drawings/garage.svg (or .png, .jpg, .jpeg, .webp)"
    ),
    r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}$": "a place path such as b1/u1/f03/0301",
}


def validate(document: Document, model: type[M]) -> M | None:
    """The document as `model`; None where it is none. Problems (also of a readable file) are in `document.problems`."""
    if document.data is None:
        if not document.problems:
            document.report((), f"the file is empty; it needs {_keys_text(model)}", found="", sort="missing")
        return None
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        _report_all(document, model, error.errors(include_url=False))
        return None


def _report_all(document: Document, model: type[BaseModel], errors: Iterable[ErrorDetails]) -> None:
    by_path: dict[Key, list[ErrorDetails]] = {}
    for error in errors:
        path = _data_path(document, error)
        if not _other_address(document, path, error):
            by_path.setdefault(path, []).append(error)
    for path, same in by_path.items():
        if any(path[:length] in document.broken for length in range(len(path) + 1)):
            continue
        _report(document, model, path, same)


def _data_path(document: Document, error: ErrorDetails) -> Key:
    """pydantic's location without the names of union branches, which are not in the file."""
    location = [part for part in error["loc"] if part != "[key]"]
    path: list[str | int] = []
    for index, part in enumerate(location):
        node = document.value(tuple(path))
        last = index == len(location) - 1
        inside = isinstance(part, int) if isinstance(node, list) else isinstance(node, dict) and part in node
        if inside or (last and error["type"] == "missing"):
            path.append(part)
    return tuple(path)


def _other_address(document: Document, path: Key, error: ErrorDetails) -> bool:
    """True for the complaints of the address form that is plainly not meant."""
    branch = next((part for part in error["loc"] if part in _ADDRESSES), None)
    if branch is None:
        return False
    at = path[: path.index("address") + 1]
    return branch != _address_meant(document.value(at)).__name__


_ADDRESSES = ("MqttAddress", "ModbusAddress", "RtspAddress", "VirtualAddress")


def _address_meant(given: Any) -> type[BaseModel]:
    keys = list(given) if isinstance(given, dict) else []
    if "inputs" in keys or "bus" in keys:
        return VirtualAddress
    if "url" in keys or "sees" in keys:
        return RtspAddress
    unit = "device" not in keys and any(closest(key, ("device", "unit")) == "unit" for key in keys)
    return ModbusAddress if unit else MqttAddress


def _report(document: Document, model: type[BaseModel], path: Key, errors: list[ErrorDetails]) -> None:
    error = errors[0]
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        expected = "a value: this field is required"
        document.report(path, expected, found="nothing", sort="missing")
    elif kind == "extra_forbidden":
        keys = _keys(model, document, path[:-1])
        name = show(path[-1])
        hint = closest(path[-1], keys)
        document.report(path, one_of(keys), found=f"the field {name}", suggestion=hint, sort="unknown")
    elif kind in ("literal_error", "enum", "union_tag_invalid"):
        words = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))
        at = (*path, "protocol") if kind == "union_tag_invalid" else path
        document.report(at, one_of(words), suggestion=_hint(document, at, words))
    elif kind == "union_tag_not_found":
        document.report((*path, "protocol"), "a value: this field is required", found="nothing", sort="missing")
    elif kind == "value_error":
        _report_sentence(document, path, error["msg"].removeprefix("Value error, "))
    elif "[key]" in error["loc"]:
        document.report(path, _expected(error), found=f"the field {show(path[-1])}")
    else:
        document.report(path, " or ".join(dict.fromkeys(_expected(each) for each in errors)))


def _report_sentence(document: Document, path: Key, message: str) -> None:
    """What a validator of ours says; "commands.open.ttl: …" names the place more exactly than pydantic does."""
    head, colon, rest = message.partition(": ")
    inner = (*path, *head.split("."))
    if colon and inner in document.lines:
        document.report(inner, rest, found="")
    elif isinstance(document.value(path), dict | list):
        document.report(path, message, found="")
    else:
        document.report(path, message.removesuffix(" is expected"))


def _hint(document: Document, path: Key, words: Iterable[str]) -> str | None:
    return None if path in document.references else closest(document.value(path), words)


def _expected(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _BOUNDS:
        text, key = _BOUNDS[kind]
        return text.format(context.get(key))
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return _PATTERNS.get(pattern, f"text matching {pattern}")
    return _TYPES.get(kind.split("_")[0], error["msg"][:1].lower() + error["msg"][1:])


def _keys_text(model: type[BaseModel]) -> str:
    needed = [name for name, info in model.model_fields.items() if info.is_required()]
    return "the fields " + ", ".join(needed or model.model_fields)


def _keys(model: type[BaseModel], document: Document, path: Key) -> list[str]:
    """The field names that a mapping at `path` may have."""
    types_here: list[Any] = [model]
    for index, part in enumerate(path):
        node = document.value(path[:index])
        types_here = [inner for each in types_here for inner in _inside(each, part, node)]
    node = document.value(path)
    models = [each for each in types_here if isinstance(each, type) and issubclass(each, BaseModel)]
    if MqttAddress in models and ModbusAddress in models:
        models = [_address_meant(node)]
    fitting = [each for each in models if _tag_fits(each, node)]
    return sorted({name for each in fitting or models for name in each.model_fields})


def _inside(annotation: Any, part: str | int, node: Any) -> list[Any]:
    """What may stand under `part` of a value of this type, unions and annotations taken apart."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        info = annotation.model_fields.get(str(part))
        return _branches(info.annotation) if info is not None and _tag_fits(annotation, node) else []
    if get_origin(annotation) in (dict, list, Mapping):
        return _branches(get_args(annotation)[-1])
    return []


def _branches(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [branch for each in get_args(annotation) for branch in _branches(each)]
    return [annotation]


def _tag_fits(model: type[BaseModel], node: Any) -> bool:
    """False where the mapping's `protocol` belongs to another branch of the union."""
    info = model.model_fields.get("protocol")
    if info is None or get_origin(info.annotation) is not Literal or not isinstance(node, dict):
        return True
    return node.get("protocol") in get_args(info.annotation)
