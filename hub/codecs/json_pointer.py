"""JSON pointers (RFC 6901) made ready once, followed many times."""

from collections.abc import Callable
from typing import Any

Getter = Callable[[Any], Any]


def pointer_keys(pointer: str) -> tuple[str, ...]:
    """`/a~1b/0` as ("a/b", "0")."""
    return tuple([key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]])


def step(value: Any, key: str) -> Any:
    """The member `key` of an object or array; None where there is none."""
    if type(value) is dict:
        return value.get(key)
    if type(value) is list and key.isascii() and key.isdigit() and len(key) < 7 and int(key) < len(value):
        return value[int(key)]
    return None


def compile_pointer(pointer: str) -> Getter:
    """A function from a decoded JSON value to what stands at `pointer`; None where nothing or null does."""
    first, *rest = pointer_keys(pointer)
    if not rest:
        return lambda value: value.get(first) if type(value) is dict else step(value, first)

    def follow(value: Any) -> Any:
        value = step(value, first)
        for key in rest:
            value = step(value, key)
        return value

    return follow


def put(root: dict[str, Any], pointer: str, value: Any) -> None:
    """Set what stands at `pointer`, making objects on the way; a number in the pointer becomes an object's key."""
    *way, last = pointer_keys(pointer)
    for key in way:
        root = root.setdefault(key, {})
    root[last] = value
