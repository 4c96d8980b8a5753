"""Patrol files: `config/patrols/<community>.yaml`, read at the start, whenever they change, and by `hub check`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hub.catalog.document import Document
from hub.catalog.problems import CatalogError, Key, Problem, closest
from hub.catalog.sources import find_files, read_document
from hub.catalog.validate import validate
from modules.patrol.calendars import shortest_step
from modules.patrol.plans import CheckpointSpec, ItemSpec, PatrolFile, PlanSpec, RouteSpec

_MOST_SHOWN = 100


def load_patrols(roots: Sequence[Path]) -> dict[str, PatrolFile]:
    """Community code -> its patrols. CatalogError with every problem, each with file, line and field."""
    found, problems = read_patrols(roots)
    if problems:
        raise CatalogError(problems)
    return {code: file for code, (file, _) in found.items()}


def read_patrols(roots: Sequence[Path]) -> tuple[dict[str, tuple[PatrolFile, Document]], list[Problem]]:
    """The same with each file's document, the problems beside it instead of raised."""
    found: dict[str, tuple[PatrolFile, Document]] = {}
    problems: list[Problem] = []
    for path in find_files(roots, "patrols/*.yaml").values():
        document = read_document(path, {})
        file = _read(document)
        if file is not None:
            if file.community in found:
                document.report(("community",), "a community that no other file patrols", sort="duplicate")
            if not document.problems:
                found[file.community] = file, document
        problems += document.problems
    return found, problems


def read_given(plain: Mapping[str, Any], name: str) -> tuple[PatrolFile | None, Document]:
    """What somebody handed in as the content of such a file, called `name` in its problems, each with its field."""
    document = Document(name, plain)
    return _read(document), document


def _read(document: Document) -> PatrolFile | None:
    file = validate(document, PatrolFile)
    if file is not None:
        _check_names(document, file)
        for key, text in _shown(file):  # not in the model: what was stored before is still read
            if len(text) > _MOST_SHOWN or not text.isprintable() or not text.strip():
                document.report(key, f"one line of 1 to {_MOST_SHOWN} printable characters")
    return file


def _shown(file: PatrolFile) -> Iterator[tuple[Key, str]]:
    """What stands on pages, in messages and in exported logs, each with its place."""
    parts: dict[str, Sequence[CheckpointSpec | RouteSpec | PlanSpec]] = {
        "checkpoints": file.checkpoints, "routes": file.routes, "plans": file.plans,
    }  # fmt: skip
    for part, listed in parts.items():
        for index, one in enumerate(listed):
            yield from (((part, index, "name", key), text) for key, text in one.name)
    for index, checkpoint in enumerate(file.checkpoints):
        for number, item in enumerate(checkpoint.items):
            at: Key = ("checkpoints", index, "items", number)
            yield from (((*at, "name", key), text) for key, text in item.name)
            if item.unit is not None:
                yield (*at, "unit"), item.unit
    for index, plan in enumerate(file.plans):
        yield from ((("plans", index, "shift", key), text) for key, text in plan.shift or ())


_Named = TypeVar("_Named", CheckpointSpec, RouteSpec, PlanSpec, ItemSpec)


def _check_names(document: Document, file: PatrolFile) -> None:
    """Names are unique, references lead somewhere, rounds of a plan do not overlap."""
    checkpoints = _unique(document, ("checkpoints",), file.checkpoints)
    routes = _unique(document, ("routes",), file.routes)
    _unique(document, ("plans",), file.plans)
    walked = {stop.checkpoint for plan in file.plans if plan.route in routes for stop in routes[plan.route].stops}
    for index, checkpoint in enumerate(file.checkpoints):
        _unique(document, ("checkpoints", index, "items"), checkpoint.items)
        for number, item in enumerate(checkpoint.items):
            if item.equipment is not None and checkpoint.id not in walked:  # its route tells of the inspection
                where: Key = ("checkpoints", index, "items", number, "equipment")
                document.report(where, "an item of a checkpoint that a plan's route visits")
    for index, route in enumerate(file.routes):
        seen: set[str] = set()
        for number, stop in enumerate(route.stops):
            at: Key = ("routes", index, "stops", number, "checkpoint")
            _refer(document, at, stop.checkpoint, checkpoints, "a checkpoint of this file")
            if stop.checkpoint in seen:
                document.report(at, "each checkpoint once on a route", sort="duplicate")
            seen.add(stop.checkpoint)
    devices: set[str] = set()
    for index, plan in enumerate(file.plans):
        _refer(document, ("plans", index, "route"), plan.route, routes, "a route of this file")
        if plan.device in devices:
            document.report(("plans", index, "device"), "a device that no other plan speaks for", sort="duplicate")
        devices.add(plan.device)
        if plan.route in routes:
            _check_overlap(document, ("plans", index), plan, routes[plan.route])


def _check_overlap(document: Document, at: Key, plan: PlanSpec, route: RouteSpec) -> None:
    needs = plan.early + route.duration + plan.late
    step = shortest_step(plan.offsets)
    if step <= needs:  # a round that is overdue is open for a moment at least
        expected = f"more than {needs} from one round to the next (early + route + late), not {step}"
        document.report((*at, "every" if plan.every else "times"), expected, found="")


def _unique(document: Document, at: Key, listed: Sequence[_Named]) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for index, one in enumerate(listed):
        if one.id in found:
            document.report((*at, index, "id"), "an id that no other has", sort="duplicate")
        found[one.id] = one
    return found


def _refer(document: Document, at: Key, name: str, names: dict[str, _Named], expected: str) -> None:
    if name not in names:
        document.report(at, expected, suggestion=closest(name, names), sort="reference")
