"""The whole configuration, read, checked and refused as one: `load_catalog`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.catalog.checksite import check_site
from hub.catalog.crosscheck import check_kinds, check_profile, check_words
from hub.catalog.document import Document
from hub.catalog.plans import SitePlan, read_plan
from hub.catalog.problems import CatalogError, Problem, closest, one_of
from hub.catalog.sources import find_files, find_sites, label, read_document, read_site, site_layers, unread_files
from hub.catalog.topology import with_virtual_bus
from hub.catalog.validate import validate
from hub.vocabulary.kinds import KindsFile, KindSpec
from hub.vocabulary.profiles import AnyProfile, ModbusProfile, MqttProfile, RtspProfile, VirtualProfile
from hub.vocabulary.sites import SiteFile
from hub.vocabulary.words import CommunityWords, WordsFile, known_values, spoken


@dataclass(frozen=True)
class Catalog:
    """Everything that is configured. `sites` and their `plans` by community code, the rows of their tables included.
    `kinds` are the installation's; `own_kinds` those of communities that have words of their own."""

    kinds: Mapping[str, KindSpec]
    profiles: Mapping[str, AnyProfile]
    sites: Mapping[str, SiteFile]
    plans: Mapping[str, SitePlan]
    own_kinds: Mapping[str, Mapping[str, KindSpec]]

    def kinds_in(self, community: str) -> Mapping[str, KindSpec]:
        """The kinds as a community (its code) calls them."""
        return self.own_kinds.get(community, self.kinds)

    def kinds_of(self, communities: Mapping[str, int]) -> dict[int, Mapping[str, KindSpec]]:
        """The same by the numbers of the communities."""
        return {communities[code]: self.kinds_in(code) for code in self.sites}

    def plans_of(self, communities: Mapping[str, int]) -> dict[int, SitePlan]:
        """The plans by the numbers of their communities."""
        return {communities[code]: plan for code, plan in self.plans.items()}


@dataclass
class _Reading:
    """What has been understood so far. `broken` are profiles that exist but are wrong: no second complaint; `doubtful`
    are the communities whose site is wrong."""

    kinds: Mapping[str, KindSpec] | None = None
    profiles: dict[str, AnyProfile] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    sites: dict[str, SiteFile] = field(default_factory=dict)
    plans: dict[str, SitePlan] = field(default_factory=dict)
    own_kinds: dict[str, Mapping[str, KindSpec]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def load_catalog(roots: Sequence[Path], environment: Mapping[str, str]) -> Catalog:
    """Kinds, profiles and sites under `roots`, a later root's file replacing an earlier one's of the same path.

    Sites come from the last root that has any, so that a company's own folder replaces the demonstration.
    CatalogError with every problem found, never only the first.
    """
    catalog, problems = read_catalog(roots, environment)
    if problems or catalog is None:
        raise CatalogError(problems)
    return catalog


def read_catalog(roots: Sequence[Path], environment: Mapping[str, str]) -> tuple[Catalog | None, list[Problem]]:
    """The same without the sites that are wrong, the problems beside it instead of raised. None without kinds."""
    reading = _Reading()
    for root in roots:
        if not root.is_dir():
            reading.problems.append(Problem(label(root), 1, "", "", "there is no such folder", sort="reference"))
    for path in unread_files(roots):
        expected = (
            "this file is never read: files are profiles/<kind>/<profile>.yaml, sites/<community>.yaml or "
            "words/<community>.yaml"
        )
        reading.problems.append(Problem(label(path), 1, "", "", expected, sort="unknown"))
    _read_kinds(reading, roots, environment)
    for relative, path in find_files(roots, "profiles/*/*.yaml").items():
        _read_profile(reading, relative, path, environment)
    for relative, path in find_sites(roots).items():
        _read_site(reading, relative, path, roots, environment)
    _read_words(reading, roots)
    if reading.kinds is None:
        return None, reading.problems
    sites = {code: site for code, site in reading.sites.items() if code not in reading.doubtful}
    return Catalog(reading.kinds, reading.profiles, sites, reading.plans, reading.own_kinds), reading.problems


def _read_kinds(reading: _Reading, roots: Sequence[Path], environment: Mapping[str, str]) -> None:
    path = find_files(roots, "kinds.yaml").get("kinds.yaml")
    if path is None:
        where = label(roots[0] / "kinds.yaml") if roots else "kinds.yaml"
        reading.problems.append(Problem(where, 1, "", "", "there is no kinds.yaml in any folder", sort="missing"))
        return
    document = read_document(path, environment)
    file = validate(document, KindsFile)
    if file is not None:
        check_kinds(document, file)
        reading.kinds = {
            code: kind.model_copy(update={"values": {**known_values(kind, file.values), **kind.values}})
            for code, kind in file.kinds.items()
        }
    reading.problems += document.problems
    words = find_files(roots, "words.yaml").get("words.yaml")
    if words is not None and reading.kinds is not None:
        reading.kinds = _renamed(reading, read_document(words, environment), reading.kinds)


def _renamed(reading: _Reading, document: Document, kinds: Mapping[str, KindSpec]) -> Mapping[str, KindSpec]:
    """The kinds under the names of a words file; as they are where it is wrong."""
    file = validate(document, WordsFile)
    if file is not None:
        check_words(document, file, kinds)
    reading.problems += document.problems
    if file is None or document.problems:
        return kinds
    return spoken(kinds, file)


def _read_words(reading: _Reading, roots: Sequence[Path]) -> None:
    """Each community's kinds under its own words. Like the sites, those of an earlier folder are left out: they are the
    demonstration's."""
    whole = len(reading.sites) == len(find_sites(roots))  # of a site that could not be read, no second complaint
    for path in find_files(site_layers(roots), "words/*.yaml").values():
        document = read_document(path, {})
        file = validate(document, CommunityWords)
        if file is not None and reading.kinds is not None:
            check_words(document, file, reading.kinds)
            if file.community in reading.own_kinds:
                document.report(("community",), "a community that no other file has words of", sort="duplicate")
            elif whole and file.community not in reading.sites:
                hint = closest(file.community, reading.sites)
                document.report(("community",), one_of(reading.sites), suggestion=hint, sort="reference")
            if not document.problems:
                reading.own_kinds[file.community] = spoken(reading.kinds, file)
        reading.problems += document.problems


def _read_profile(reading: _Reading, relative: str, path: Path, environment: Mapping[str, str]) -> None:
    document = read_document(path, environment)
    profile = _profile(document)
    if profile is not None and reading.kinds is not None:
        check_profile(document, profile, reading.kinds, relative)
    if profile is not None and profile.profile in reading.profiles:
        document.report(("profile",), "a profile id that no other file has", sort="duplicate")
    if profile is None or document.problems:
        named = document.value(("profile",))
        reading.broken |= {path.stem, named if isinstance(named, str) else path.stem}
    else:
        reading.profiles[profile.profile] = profile
    reading.problems += document.problems


def _profile(document: Document) -> AnyProfile | None:
    protocol = document.value(("protocol",))
    if protocol == "modbus":
        return validate(document, ModbusProfile)
    if protocol == "rtsp":
        return validate(document, RtspProfile)
    if protocol == "virtual":
        return validate(document, VirtualProfile)
    if protocol == "mqtt" or not isinstance(document.data, dict):
        return validate(document, MqttProfile)
    words = ("modbus", "mqtt", "rtsp", "virtual")
    if "protocol" in document.data:
        document.report(("protocol",), one_of(words), suggestion=closest(protocol, words))
    else:
        document.report(("protocol",), one_of(words), found="nothing", sort="missing")
    return None


def _read_site(
    reading: _Reading, relative: str, path: Path, roots: Sequence[Path], environment: Mapping[str, str]
) -> None:
    document = read_site(relative, path, roots, environment)
    site, numbers = _site(document)
    if site is not None:
        check_site(document, site, reading.profiles, reading.kinds or {}, reading.broken, numbers)
        if site.community.code in reading.sites:
            document.report(("community", "code"), "a community code that no other site has", sort="duplicate")
        reading.sites[site.community.code] = with_virtual_bus(site)
        reading.plans[site.community.code] = read_plan(document, site, relative, roots)
        reading.doubtful |= {site.community.code} if document.problems else set()
    reading.problems += document.problems


def _site(document: Document) -> tuple[SiteFile | None, list[int]]:
    """The site and where its devices stand in the document. Malformed devices are left out, so that the others
    are still checked against the rest."""
    devices = document.value(("devices",))
    numbers = list(range(len(devices))) if isinstance(devices, list) else []
    site = validate(document, SiteFile)
    bad = {path[1] for path in document.broken if path[0:1] == ("devices",) and len(path) > 1}
    if document.data is not None and bad and all(path[0:1] == ("devices",) for path in document.broken):
        numbers = [number for number in numbers if number not in bad]
        pruned = Document(document.file, {**document.data, "devices": [devices[number] for number in numbers]})
        site = validate(pruned, SiteFile)
    return site, numbers
