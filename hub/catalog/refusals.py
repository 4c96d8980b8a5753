"""Files that were read again and are not in force, for those who may mend them. In memory: a start reads all anew."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

import structlog

from hub.catalog.problems import CatalogError, Problem

_COMMON = frozenset({"kinds.yaml", "words.yaml"})
_SHARED = frozenset({"profiles", "rules", "tariffs"})
_log = structlog.get_logger()


@dataclass(frozen=True)
class Refusal:
    """What was refused: `what` is read together ("configuration", "patrols", …). `at`: when these problems were first
    found; `since`: when what is in force in their place was read, None for what was at the start. `hidden`: how many
    problems are in files of other communities."""

    what: str
    at: datetime
    since: datetime | None
    problems: tuple[Problem, ...]
    hidden: int = 0


class Refusals:
    """The refusals that nobody has mended yet."""

    def __init__(self) -> None:
        self._open: dict[str, Refusal] = {}
        self._good: dict[str, datetime] = {}

    def tell(self, what: str, error: Exception, at: datetime, *, anew: bool = True) -> None:
        """Files were refused; logged where the problems are others than before, or these are told `anew`."""
        before = self._open.get(what)
        problems = error.problems if isinstance(error, CatalogError) else (Problem("", 0, "", "", str(error)),)
        if before is not None and before.problems == problems and not anew:
            return
        self._open[what] = Refusal(what, at, self._good.get(what), tuple(problems))
        _log.error("the changed files are refused; the old ones stay in force", what=what, problems=str(error))

    def mend(self, what: str, at: datetime) -> None:
        """They are in force now."""
        self._good[what] = at
        self._open.pop(what, None)

    def seen_in(self, community: str, communities: Collection[str]) -> list[Refusal]:
        """Those open, as somebody of one community may see them: what stands in a file of another is only counted."""
        alone = len(communities) < 2
        found = []
        for one in self._open.values():
            mine = tuple(each for each in one.problems if alone or concerns(each.file, community, communities))
            found.append(replace(one, problems=mine, hidden=len(one.problems) - len(mine)))
        return found


def concerns(file: str, community: str, communities: Collection[str] = ()) -> bool:
    """Whether a file is this community's (`patrols/<code>.yaml`, `sites/<code>.positions.csv`) or everybody's. Of
    `communities` it is the one with the longest code that its name begins with."""
    path = PurePath(file)
    if not file or path.name in _COMMON or not _SHARED.isdisjoint(path.parts):
        return True
    owners = [code for code in {community, *communities} if path.name == code or path.name.startswith(f"{code}.")]
    return max(owners, key=len, default="") == community
