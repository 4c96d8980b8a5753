"""The shipped YAML is parsed once a process: hundreds of tests start a hub, and parsing was a third of their time."""

from collections.abc import Iterator
from functools import lru_cache

from ruamel.yaml.events import Event

from hub.catalog import yaml

_parse = yaml._events


@lru_cache(maxsize=256)
def _whole(text: str) -> tuple[Event, ...]:
    return tuple(_parse(text))


def _events(text: str) -> Iterator[Event]:
    try:
        return iter(_whole(text))
    except yaml._Fatal:
        return _parse(text)  # what comes before the fault is told first


def install() -> None:
    """Events are never changed by who reads them, so all may share them. Not for tests of the parser itself."""
    yaml._events = _events
