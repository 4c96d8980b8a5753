"""`config/safety/<community>.csv`: the list a community's register begins with, where it is still empty."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.catalog.load import load_catalog
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.sources import find_files, label
from hub.catalog.yaml import MAX_BYTES
from hub.errors import Refused
from modules.safety.sheet import LATEST, pieces_of, places_by_name
from modules.safety.table import read_table


def read_lists(roots: Sequence[Path]) -> tuple[dict[str, list[list[str]]], list[Problem]]:
    """Community code -> rows of its list; and the files that are none."""
    found, problems = {}, []
    for path in find_files(roots, "safety/*.csv").values():
        try:
            with path.open("rb") as file:
                found[path.stem] = read_table(file.read(MAX_BYTES))
        except (Refused, OSError) as error:
            problems.append(Problem(label(path), 1, "", "", str(error)))
    return found, problems


def check_lists(roots: Sequence[Path], environment: Mapping[str, str]) -> list[Problem]:
    """What is wrong with the lists, with row and column. Days to come are found when they are taken in."""
    found, problems = read_lists(roots)
    try:
        sites = {site.community.code: site for site in load_catalog(roots, environment).sites.values()}
    except CatalogError:
        return problems  # the site's own problems are told already
    for code, rows in found.items():
        if code not in sites:
            continue  # the demonstration's, in an installation that has its own sites
        places = [{"path": place.path, "name": place.name.model_dump()} for place in sites[code].places]
        path = find_files(roots, f"safety/{code}.csv")[f"safety/{code}.csv"]
        wrong = pieces_of(rows, places_by_name(places), LATEST)[1]
        problems += [Problem(label(path), one.row, one.column, "", one.render("en")) for one in wrong]
    return problems
