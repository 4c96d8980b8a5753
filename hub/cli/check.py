"""`hub check [PATH...]`: is this configuration usable, and if not, what to change where."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

import typer

from hub.catalog.load import Catalog, load_catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError, Problem
from hub.plugins import load_plugs, offering
from hub.settings import load_settings
from hub.vocabulary.kinds import KindSpec

FurtherCheck = Callable[[Sequence[Path], Mapping[str, KindSpec]], Sequence[Problem]]
"""A check of another room (rules, tariffs), given the roots and the kinds."""


@runtime_checkable
class OffersCheck(Protocol):
    """A plug with configuration files of its own."""

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:
        """All that is wrong with them, examples included."""
        ...


def roots_for(paths: Sequence[Path]) -> list[Path]:
    """The packaged configuration, then each path's folder: the path itself, or for a file the folder its `profiles/…`,
    `sites/…`, `words/…`, `rules/…`, `kinds.yaml` or `words.yaml` starts in. FileNotFoundError names a path that is not
    there."""
    roots = [packaged_config()]
    for path in paths:
        absolute = path.resolve()
        if not absolute.exists():
            raise FileNotFoundError(str(path))
        root = absolute if absolute.is_dir() else _root_of(absolute)
        if root not in roots:
            roots.append(root)
    return roots


def _root_of(file: Path) -> Path:
    for parent in file.parents:
        if parent.name in (
            "profiles",
            "sites",
            "rules",
            "tariffs",
            "patrols",
            "duty",
            "safety",
            "notifications",
            "words",
        ):
            return parent.parent
    return file.parent


def check(
    paths: Sequence[Path],
    language: str,
    environment: Mapping[str, str] | None = None,
    further: Sequence[FurtherCheck] = (),
) -> int:
    """Print every problem and a count. 0: usable; 1: problems; 2: a path does not exist."""
    env = os.environ if environment is None else environment
    chinese = language.startswith("zh")
    try:
        roots = roots_for(paths)
    except FileNotFoundError as error:
        typer.echo(f"{error}: 没有这个文件或文件夹" if chinese else f"{error}: no such file or folder", err=True)
        return 2
    try:
        catalog = load_catalog(roots, env)
        problems = [problem for each in further for problem in each(roots, catalog.kinds)]
    except CatalogError as error:
        problems = list(error.problems)
    for problem in problems:
        typer.echo(problem.render(language))
    if problems:
        count, files = len(problems), len({problem.file for problem in problems})
        words = "problem" if count == 1 else "problems"
        in_files = "file" if files == 1 else "files"
        typer.echo(f"{files} 个文件中有 {count} 处问题" if chinese else f"{count} {words} in {files} {in_files}")
        return 1
    typer.echo(_summary(catalog, chinese))
    return 0


def _summary(catalog: Catalog, chinese: bool) -> str:
    devices = sum(len(site.devices) for site in catalog.sites.values())
    kinds, profiles, sites = len(catalog.kinds), len(catalog.profiles), len(catalog.sites)
    if chinese:
        return f"配置可用：{kinds} 种设备，{profiles} 个型号，{sites} 个小区，{devices} 台设备"
    return f"OK: kinds: {kinds}, profiles: {profiles}, sites: {sites}, devices: {devices}"


def preferred_language(environment: Mapping[str, str]) -> str:
    """`zh` where the terminal speaks Chinese, else `en`."""
    locale = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    return "zh" if locale.startswith("zh") else "en"


def check_command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="folders (or files in them) laid over the packaged one; default: HUB_CONFIG_DIR's"),
    ] = None,
    language: Annotated[str, typer.Option(help="en or zh; default: the terminal's")] = "",
) -> None:
    """检查配置文件。Check the configuration: kinds, profiles, sites, rules."""
    own = None if paths else load_settings(os.environ).config_dir
    further = [plug.check for plug in offering(load_plugs(), OffersCheck)]
    raise typer.Exit(
        check(paths or ([own] if own else []), language or preferred_language(os.environ), further=further)
    )
