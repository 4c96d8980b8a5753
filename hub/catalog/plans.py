"""The drawings of a site and where things stand on them."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from hub.catalog.document import Document
from hub.catalog.problems import Key
from hub.catalog.sources import beside
from hub.catalog.svg import BadDrawing, svg_size
from hub.media.picture import MOST_BYTES, BadPicture, read_picture
from hub.vocabulary.sites import SiteFile

MOST_DRAWINGS = 100


class Drawing(msgspec.Struct, frozen=True):
    """To be shown as an image. `name` is the SHA-256 of `body` in hex; width and height are in units of its own."""

    name: str
    media: str  # "image/svg+xml" or "image/jpeg"
    width: float
    height: float
    body: bytes


class SitePlan(msgspec.Struct, frozen=True):
    """Drawings by the place they are of, "" being the community; and by device code or place path where it stands, as
    shares (0 to 1) of the width and height of its drawing (`drawing_of`)."""

    drawings: Mapping[str, Drawing] = {}
    devices: Mapping[str, tuple[float, float]] = {}
    places: Mapping[str, tuple[float, float]] = {}


def drawing_of(path: str, drawn: Collection[str]) -> str | None:
    """The place whose drawing shows what is in `path`: itself or the nearest above; "" is the community's."""
    while path and path not in drawn:
        path = path.rpartition("/")[0]
    return path if path in drawn else None


def read_plan(document: Document, site: SiteFile, relative: str, roots: Sequence[Path]) -> SitePlan:
    """The drawings a site names, read, checked and made harmless, and its positions. Problems are in the document."""
    wanted: dict[str, tuple[Key, str]] = {}
    if site.community.drawing:
        wanted[""] = ("community", "drawing"), site.community.drawing
    for index, place in enumerate(site.places):
        if place.drawing:
            wanted[place.path] = ("places", index, "drawing"), place.drawing
    _check_positions(document, site, set(wanted))
    read: dict[str, Drawing | None] = {}
    for at, file in wanted.values():
        if file not in read:
            if len(read) == MOST_DRAWINGS:
                document.report(at, f"at most {MOST_DRAWINGS} drawings", found="more", sort="limit")
                break
            read[file] = _read(document, at, beside(relative, file, roots))
    drawings = {path: found for path, (_, file) in wanted.items() if (found := read.get(file))}
    return SitePlan(
        drawings,
        {spot.device: (spot.x, spot.y) for spot in site.positions if spot.device},
        {spot.place: (spot.x, spot.y) for spot in site.positions if spot.place},
    )


def _check_positions(document: Document, site: SiteFile, drawn: set[str]) -> None:
    """Each stands for one thing of the site, once, that some drawing shows."""
    homes = {device.id: device.place for device in site.devices}
    places = {place.path for place in site.places}
    left_out = any(path[:1] == ("devices",) for path in document.broken)  # devices that are wrong: told already
    seen: set[tuple[str | None, str | None]] = set()
    for index, spot in enumerate(site.positions):
        at: Key = ("positions", index)
        if (spot.device is None) == (spot.place is None):
            document.report(at, "either a `device` or a `place`", found="", sort="missing")
            continue
        name = "device" if spot.device else "place"
        home = homes.get(spot.device) if spot.device else (spot.place or "").rpartition("/")[0]
        if home is None and left_out:
            continue
        if home is None or (spot.place and spot.place not in places):
            document.report((*at, name), f"a {name} of this site", sort="reference")
        elif (spot.device, spot.place) in seen:
            document.report((*at, name), f"a {name} that has no other position", sort="duplicate")
        elif drawing_of(home, drawn) is None:
            document.report((*at, name), "something in a place that has a `drawing`, or above which one has")
        seen.add((spot.device, spot.place))


def _read(document: Document, at: Key, path: Path | None) -> Drawing | None:
    if path is None:
        document.report(at, "a file in the folder `drawings` beside this one", sort="reference")
        return None
    try:
        with path.open("rb") as file:
            return _drawing(file.read(MOST_BYTES + 1), path.suffix == ".svg")
    except (BadDrawing, BadPicture, OSError) as error:
        found, expected = ("", str(error)) if not isinstance(error, BadDrawing) else (error.found, error.expected)
        document.report(at, f"{document.value(at)}: {expected}", found=found, sort="limit")
    return None


def _drawing(given: bytes, svg: bool) -> Drawing:
    """What the bytes are decides, and they must be what the name says. BadDrawing, BadPicture."""
    if svg:
        width, height = svg_size(given)
        return Drawing(hashlib.sha256(given).hexdigest(), "image/svg+xml", width, height, given)
    picture = read_picture(given)
    return Drawing(picture.sha256.hex(), "image/jpeg", picture.width, picture.height, picture.body)
