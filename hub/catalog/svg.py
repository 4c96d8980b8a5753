"""Drawings in SVG are code from elsewhere: only shapes and text that stand by themselves are let in."""

import math
import re
from xml.parsers import expat

SVG = "http://www.w3.org/2000/svg"
MOST_BYTES = 1_000_000
MOST_ELEMENTS = 20_000
MOST_USES = 1_000
MOST_DEPTH = 64

_SHAPES = frozenset(
    ("svg", "g", "defs", "symbol", "use", "title", "desc", "metadata", "style", "path", "rect", "circle", "ellipse",
     "line", "polyline", "polygon", "text", "tspan", "textPath", "linearGradient", "radialGradient", "stop", "clipPath",
     "mask", "pattern", "marker")
)  # fmt: skip
_ALIVE = frozenset(("http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML"))  # work inside an SVG too
_OUTWARD = re.compile(r"url\(\s*+['\"]?+\s*+(?!#)|@|\\|image-set\(|src\(|expression\(", re.IGNORECASE)
_WORDS = re.compile(r"id|class|(data|aria)-.*")  # attributes that are mere words


class BadDrawing(Exception):
    """Not a drawing we show. `found` and `expected` as `hub check` prints them."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found, self.expected = found, expected


def svg_size(raw: bytes) -> tuple[float, float]:
    """Width and height of the `viewBox`, in its own units. BadDrawing for what is no SVG, too large, or more than a
    drawing: scripts, handlers, foreign markup, pictures, animation, links, anything that is fetched, entities."""
    if len(raw) > MOST_BYTES:
        raise BadDrawing(f"{len(raw)} bytes", f"an SVG of at most {MOST_BYTES} bytes")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDrawing(f"no UTF-8 at byte {error.start}", "an SVG in UTF-8") from error
    reader = _Reader()
    try:
        reader.parser.Parse(raw, True)
    except expat.ExpatError as error:
        what = expat.errors.messages[error.code]
        raise BadDrawing(f"{what} in line {error.lineno}", "well-formed XML without a DOCTYPE") from error
    return reader.finish()


class _Reader:
    """Walks through the elements and refuses the first that is not a plain drawing's."""

    def __init__(self) -> None:
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.XmlDeclHandler = lambda _, encoding, __: self._declared(encoding)
        parser.StartDoctypeDeclHandler = lambda *_: self._doctype()
        parser.ProcessingInstructionHandler = lambda target, _: self._instruction(target)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = lambda _: self._end()
        parser.CharacterDataHandler = self._text
        self._open: list[tuple[str, str]] = []  # element and its id
        self._size: tuple[float, float] | None = None
        self._elements = 0
        self._style: list[str] = []
        self._used: list[str] = []
        self._users: set[str] = set()  # ids of what holds a <use>

    def finish(self) -> tuple[float, float]:
        if self._size is None:
            raise BadDrawing("no drawing", "an SVG")
        if nested := self._users.intersection(self._used):
            raise BadDrawing(f"a <use> of '{min(nested)[:40]}', which holds a <use>", "copies of shapes, not of copies")
        return self._size

    def _refuse(self, found: str, expected: str) -> None:
        raise BadDrawing(f"{found} in line {self.parser.CurrentLineNumber}", expected)

    def _declared(self, encoding: str | None) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8"):
            self._refuse(f"the encoding {encoding[:20]}", "an SVG in UTF-8")

    def _doctype(self) -> None:
        self._refuse("a DOCTYPE", "an SVG without one (save it as plain SVG)")

    def _instruction(self, target: str) -> None:
        self._refuse(f"<?{target[:40]}?>", "an SVG without processing instructions")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        self._elements += 1
        if self._elements > MOST_ELEMENTS or len(self._open) >= MOST_DEPTH:
            self._refuse("more", f"at most {MOST_ELEMENTS} elements, {MOST_DEPTH} deep")
        if not self._open:
            self._root(space, local, attributes)
        if space in _ALIVE or (space in (SVG, "") and local not in _SHAPES):
            self._refuse(f"<{local[:40]}>", "shapes and text only (save it as plain SVG; a picture goes in as PNG)")
        self._open.append((local if space == SVG else "", attributes.get("id", "")))
        for key, value in attributes.items():
            self._attribute(key, value)
        if local == "use":
            self._use(attributes)

    def _root(self, space: str, local: str, attributes: dict[str, str]) -> None:
        if (space, local) != (SVG, "svg"):
            self._refuse(f"<{local[:40]}>", f'an SVG (<svg xmlns="{SVG}">)')
        try:
            x, y, width, height = map(float, re.split(r"[\s,]+", attributes.get("viewBox", "").strip()))
        except ValueError:
            x = y = width = height = math.nan
        fits = all(map(math.isfinite, (x, y, width, height))) and width > 0 and height > 0
        if not fits or not 0.1 <= width / height <= 10:
            self._refuse("none that serves", 'a viewBox="0 0 width height", no side over 10 times the other')
        self._size = (width, height)

    def _attribute(self, key: str, value: str) -> None:
        space, _, local = key.rpartition(" ")
        if local.lower().startswith("on") or local == "base":
            self._refuse(f"the attribute '{local[:40]}'", "a drawing that does nothing")
        if local == "href" and not value.strip().startswith("#"):
            self._refuse(f"a link to '{value[:40]}'", "links to its own parts only (#name)")
        if not space and not _WORDS.fullmatch(local) and _OUTWARD.search(value):
            self._refuse(f"'{local[:40]}' with '{value[:40]}'", "styles that fetch nothing (url(#name) only)")

    def _use(self, attributes: dict[str, str]) -> None:
        self._used += [value.strip()[1:] for key, value in attributes.items() if key.rpartition(" ")[2] == "href"]
        self._users |= {number for _, number in self._open if number}
        if len(self._used) > MOST_USES:
            self._refuse("more", f"<use> at most {MOST_USES} times")

    def _text(self, text: str) -> None:
        if self._open and self._open[-1][0] == "style":
            self._style.append(text)

    def _end(self) -> None:
        local, _ = self._open.pop()
        if local == "style":
            if found := _OUTWARD.search("".join(self._style)):
                self._refuse(f"'{found[0]}' in <style>", "styles that fetch nothing (url(#name) only, no @, no \\)")
            self._style = []
