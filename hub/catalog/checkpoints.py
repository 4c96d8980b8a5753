"""Checks of a profile's points that do not depend on the protocol."""

from hub.catalog.document import Document
from hub.catalog.problems import Key, closest, one_of
from hub.vocabulary.kinds import KindSpec, PointSpec
from hub.vocabulary.numbers import NumberLayout, Scaling


def check_point(document: Document, path: Key, name: str, layout: Scaling, kind: KindSpec) -> None:
    """The point exists in the kind and its raw values become what the kind says."""
    point = kind.points.get(name)
    if point is None:
        found, hint = f"the point '{name}'", closest(name, kind.points)
        document.report(path, one_of(kind.points), found=found, suggestion=hint, sort="reference")
        return
    if layout.map is not None:
        _check_map(document, (*path, "map"), layout.map, point)
    if point.type == "counter" and layout.scale < 0:
        document.report((*path, "scale"), "a positive scale: a counter only grows")
    if isinstance(layout, NumberLayout) and layout.type == "string" and layout.map is None:
        document.report((*path, "type"), "`map` beside it: a text is no number")


def _check_map(document: Document, path: Key, mapping: dict[str, float | str], point: PointSpec) -> None:
    for raw, word in mapping.items():
        at = (*path, raw)
        if point.type != "state":
            if isinstance(word, str):
                document.report(at, f"a number: '{path[-2]}' is a {point.type}")
        elif isinstance(word, str):
            if word not in point.values:
                document.report(at, one_of(point.values), suggestion=closest(word, point.values))
        elif word not in point.values.values():
            document.report(at, one_of(f"{number} ({name})" for name, number in point.values.items()))
