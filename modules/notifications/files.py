"""The channel files of a running hub, read anew when they change."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from hub.catalog.problems import CatalogError
from hub.catalog.sources import find_files
from modules.notifications.spec import NotificationsFile, load_files

_log = structlog.get_logger()


class Files:
    """What the files under some roots say now. CatalogError at the start when they are wrong."""

    def __init__(self, roots: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._roots = roots
        self._environment = environment
        self._stamps = self._look()
        self._files = load_files(roots, environment)

    def of(self, community: str) -> NotificationsFile | None:
        """A community's file, by its code."""
        return self._files.get(community)

    def refresh(self) -> None:
        """Read again what changed; wrong files are refused, and the old ones stay in force."""
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._files = load_files(self._roots, self._environment)
        except CatalogError as error:
            _log.error("the changed notification files are refused; the old ones stay", problems=str(error))
        else:
            _log.info("notification files applied", communities=len(self._files))

    def _look(self) -> dict[str, tuple[str, int]]:
        found = find_files(self._roots, "notifications/*.yaml")
        return {name: (str(path), path.stat().st_mtime_ns) for name, path in found.items()}
