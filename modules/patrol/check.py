"""What is wrong beyond one patrol file: devices, points and places that the community's site does not have, posts that
its duty roster does not. The same for `hub check` and for a running hub whose files change."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.catalog.document import Document
from hub.catalog.load import Catalog, load_catalog, read_catalog
from hub.catalog.problems import CatalogError, Key, Problem, closest
from hub.catalog.refusals import concerns
from hub.catalog.sources import find_files, label, read_document
from hub.vocabulary.kinds import KindSpec
from hub.vocabulary.sites import SiteFile
from modules.patrol.files import read_given, read_patrols
from modules.patrol.plans import EVENTS, CheckpointSpec, ItemSpec, PatrolFile

Posts = Mapping[str, Collection[str]]
"""Community code -> codes of its posts."""


def check_patrols(roots: Sequence[Path], environment: Mapping[str, str]) -> list[Problem]:
    """Every problem of the patrol files, each with file, line and field."""
    try:
        catalog = load_catalog(roots, environment)
    except CatalogError:
        return read_patrols(roots)[1]  # the site's own problems are told already
    return checked(roots, catalog, {})[1]


def load_checked(roots: Sequence[Path], environment: Mapping[str, str], posts: Posts) -> dict[str, PatrolFile]:
    """Community code -> its patrols, as the site and the registered `posts` are now. CatalogError with every problem,
    those of the site too."""
    found, problems = checked(roots, load_catalog(roots, environment), posts)
    if problems:
        raise CatalogError(problems)
    return found


def checked(roots: Sequence[Path], catalog: Catalog, posts: Posts) -> tuple[dict[str, PatrolFile], list[Problem]]:
    """The patrol files that can be read, and all that is wrong. A post is known by a duty file or by `posts`."""
    found, problems = read_patrols(roots)
    sites = {site.community.code: site for site in catalog.sites.values()}
    filed = _posts(roots)
    own = {label(path) for path in find_files(roots[1:], "patrols/*.yaml").values()}
    for code, (file, document) in found.items():
        before = len(document.problems)
        site = sites.get(code)
        if site is None and document.file not in own:
            continue  # the demonstration's, in an installation that has its own sites
        if site is None:
            document.report(
                ("community",), "a community with a site file", suggestion=closest(code, sites), sort="reference"
            )
        else:
            _check_site(document, file, site, catalog, [filed, posts])
        problems += document.problems[before:]
    return {code: file for code, (file, _) in found.items()}, problems


def check_given(
    given: Mapping[str, Mapping[str, Any]], roots: Sequence[Path], environment: Mapping[str, str], posts: Posts
) -> tuple[dict[str, PatrolFile], list[Problem]]:
    """The same for what was handed in as the content of the communities' files (code -> content); those that can be
    read, and all that is wrong, each with its field. While files of a community's site are wrong, or files of all,
    that is told instead of what would be held against them; files of other communities are not looked at."""
    catalog, wrong = read_catalog(roots, environment)
    filed, found = _posts(roots), {}
    problems: list[Problem] = []
    for code, plain in given.items():
        file, document = read_given(plain, code)
        mine = [one for one in wrong if concerns(one.file, code, given)]
        site = catalog.sites.get(code) if catalog is not None and not mine else None
        if file is not None:
            found[code] = file
            if catalog is not None and site is not None and file.community == code:
                _check_site(document, file, site, catalog, [filed, posts])
            elif not mine:
                document.report(("community",), f"{code}, with a site file in order", sort="reference")
        problems += [*document.problems, *mine]
    return found, problems


def _check_site(
    document: Document, file: PatrolFile, site: SiteFile, catalog: Catalog, known_posts: Sequence[Posts]
) -> None:
    devices = {spec.id: catalog.profiles[spec.profile].kind for spec in site.devices}
    _check(document, file, devices, {place.path for place in site.places}, catalog.kinds)
    if any(file.community in posts for posts in known_posts):
        _check_posts(document, file, {code for posts in known_posts for code in posts.get(file.community, ())})


def _posts(roots: Sequence[Path]) -> Posts:
    """The posts of the duty files. What is wrong with those is not ours to tell."""
    found: dict[str, set[str]] = {}
    for path in find_files(roots, "duty/*.yaml").values():
        document = read_document(path, {})
        listed = document.value(("posts",))
        codes = {one.get("code") for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
        community = document.value(("community",))
        if isinstance(community, str):
            found.setdefault(community, set()).update(code for code in codes if isinstance(code, str))
    return found


def _check_posts(document: Document, file: PatrolFile, posts: Collection[str]) -> None:
    for index, plan in enumerate(file.plans):
        if plan.post is not None and plan.post not in posts:
            document.report(
                ("plans", index, "post"), f"a post of the community (duty/{file.community}.yaml)",
                suggestion=closest(plan.post, posts), sort="reference",
            )  # fmt: skip


def _check(
    document: Document, file: PatrolFile, devices: Mapping[str, str], places: Collection[str],
    kinds: Mapping[str, KindSpec],
) -> None:  # fmt: skip
    for index, checkpoint in enumerate(file.checkpoints):
        at: Key = ("checkpoints", index)
        if checkpoint.place not in places:
            hint = closest(checkpoint.place, places)
            document.report((*at, "place"), "a place of the site", suggestion=hint, sort="reference")
        _check_proofs(document, at, checkpoint, devices, kinds)
        for number, item in enumerate(checkpoint.items):
            if item.device is not None:
                _check_item(document, (*at, "items", number), item, devices, kinds)
    for index, plan in enumerate(file.plans):
        _device(document, ("plans", index, "device"), plan.device, "patrol_route", devices)


def _check_proofs(
    document: Document, at: Key, checkpoint: CheckpointSpec, devices: Mapping[str, str], kinds: Mapping[str, KindSpec]
) -> None:
    for index, proof in enumerate(checkpoint.proofs):
        if proof.by not in EVENTS or proof.device is None:
            continue
        kind, event = EVENTS[proof.by]
        if not _device(document, (*at, "proofs", index, "device"), proof.device, kind, devices):
            continue
        fields = kinds[kind].events[event].data
        for name in proof.where:
            if name not in fields:
                where: Key = (*at, "proofs", index, "where", name)
                document.report(
                    where, f"a field of {event}", found=repr(name), suggestion=closest(name, fields), sort="reference"
                )


def _check_item(
    document: Document, at: Key, item: ItemSpec, devices: Mapping[str, str], kinds: Mapping[str, KindSpec]
) -> None:
    if not _device(document, (*at, "device"), item.device or "", None, devices):
        return
    points = kinds[devices[item.device or ""]].points
    point = points.get(item.point or "")
    if point is None:
        hint = closest(item.point, points)
        document.report((*at, "point"), "a point of that device", suggestion=hint, sort="reference")
    elif point.unit != item.unit:
        document.report((*at, "unit"), f"{point.unit}, for that is what the sensor tells")


def _device(document: Document, at: Key, code: str, kind: str | None, devices: Mapping[str, str]) -> bool:
    found = devices.get(code)
    if found is None or (kind is not None and found != kind):
        fitting = [one for one, sort in devices.items() if kind in (None, sort)]
        expected = f"a device of kind {kind}" if kind else "a device of the site"
        document.report(at, expected, suggestion=closest(code, fitting), sort="reference")
        return False
    return True
