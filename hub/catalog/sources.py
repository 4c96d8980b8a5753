"""Finding and reading the files of a configuration: layered folders and the CSV tables of a site."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hub.catalog.document import Document
from hub.catalog.problems import show
from hub.catalog.yaml import MAX_BYTES, load_yaml

MAX_ROWS = 100_000
_TABLES = ("places", "devices", "positions")


def find_files(roots: Sequence[Path], pattern: str) -> dict[str, Path]:
    """Files matching a glob, by path relative to their root, sorted; of the same one in several roots the last wins."""
    found: dict[str, Path] = {}
    for root in roots:
        for path in root.glob(pattern):
            if path.is_file():
                found[path.relative_to(root).as_posix()] = path
    return dict(sorted(found.items()))


def site_layers(roots: Sequence[Path]) -> Sequence[Path]:
    """The last root that has site files, and those over it; all where none has any."""
    return next((roots[n:] for n in reversed(range(len(roots))) if find_files(roots[n : n + 1], "sites/*.yaml")), roots)


def find_sites(roots: Sequence[Path]) -> dict[str, Path]:
    """The site files of the last root that has any."""
    return find_files(site_layers(roots)[:1], "sites/*.yaml")


def unread_files(roots: Sequence[Path]) -> list[Path]:
    """YAML files that lie where nothing reads them: a wrong ending, a folder too high or too deep."""
    unread = []
    for root in roots:
        read = {*root.glob("profiles/*/*.yaml"), *root.glob("sites/*.yaml"), *root.glob("words/*.yaml")}
        for folder in ("profiles", "sites", "words"):
            found = [path for path in (root / folder).rglob("*.y*ml") if path.suffix in (".yaml", ".yml")]
            unread += [path for path in sorted(found) if path not in read]
    return unread


def label(path: Path) -> str:
    """How a file is named in problems: from the working folder where it lies below it, else in full."""
    absolute = path.absolute()
    here = Path.cwd()
    return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else str(absolute)


def read_document(path: Path, environment: Mapping[str, str]) -> Document:
    """One YAML file, named as people expect."""
    return load_yaml(path, environment, label(path))


def read_site(relative: str, path: Path, roots: Sequence[Path], environment: Mapping[str, str]) -> Document:
    """A site with the rows of its CSV tables appended to its lists, as if they had been written in it."""
    document = read_document(path, environment)
    if not isinstance(document.data, dict) or not isinstance(document.data.get("tables", {}), dict):
        return document
    for name, file in document.data.get("tables", {}).items():
        rows = document.data.setdefault(name, []) if name in _TABLES else None
        if isinstance(rows, list) and isinstance(file, str):
            _append_table(document, name, rows, _table_path(document, name, file, relative, roots))
    return document


def _table_path(document: Document, name: str, file: str, relative: str, roots: Sequence[Path]) -> Path | None:
    at = ("tables", name)
    if not file or "/" in file or "\\" in file or "\x00" in file or file in (".", ".."):
        document.report(at, "the bare name of a CSV file beside this one")
        return None
    path = beside(relative, file, roots)
    if path is None:
        document.report(at, "a CSV file beside this one", sort="reference")
    return path


def beside(relative: str, file: str, roots: Sequence[Path]) -> Path | None:
    """The file beside the one named `relative`, from the last root that has it."""
    place = PurePosixPath(relative).parent / file
    return next((root / place for root in reversed(roots) if (root / place).is_file()), None)


def _append_table(document: Document, name: str, rows: list[Any], path: Path | None) -> None:
    if path is None:
        return
    text = _text(document, name, path)
    if text is None:
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    file = label(path)
    try:
        header = next(reader, [])
        if not _header_fits(document, name, header):
            return
        for cells in reader:
            if not any(cells):
                continue
            at = (name, len(rows))
            document.rows[at] = (file, reader.line_num)
            if len(rows) >= MAX_ROWS:
                document.report(at, f"at most {MAX_ROWS} rows", found="more", sort="limit")
                return
            if len(cells) != len(header):
                document.report(at, f"{len(header)} as in the header", found=f"{len(cells)} columns", sort="syntax")
            rows.append(_nested(header, cells))
    except csv.Error as error:
        document.report(("tables", name), f"a CSV file ({file}:{reader.line_num}: {error})", sort="syntax")


def _text(document: Document, name: str, path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ValueError(f"it is over the limit of {MAX_BYTES} bytes")
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        document.report(("tables", name), f"a CSV file in UTF-8 (byte {error.start} is not)", sort="syntax")
    except (OSError, ValueError) as error:
        document.report(("tables", name), f"a readable CSV file ({error})", sort="limit")
    return None


def _header_fits(document: Document, name: str, header: list[str]) -> bool:
    """Columns are field names, each once, none both a value and a parent (`name` and `name.zh`)."""
    seen = set(header)
    for column in header:
        parts = column.split(".")
        clash = any(".".join(parts[:length]) in seen for length in range(1, len(parts)))
        if not all(parts) or len(parts) > 4 or clash or header.count(column) > 1:
            expected = "a CSV file whose first line names each field once, nested ones dotted (name.zh)"
            document.report(("tables", name), expected, found=f"the column {show(column)}")
            return False
    if not header:
        document.report(("tables", name), "a CSV file whose first line names the fields", found="an empty file")
    return bool(header)


def _nested(header: list[str], cells: list[str]) -> dict[str, Any]:
    """`{"name": {"zh": …}}` from `name.zh`; an empty cell is a field that was not given."""
    row: dict[str, Any] = {}
    for column, cell in zip(header, cells, strict=False):
        if cell:
            node = row
            *parents, leaf = column.split(".")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = cell
    return row
