"""The channel files of a running hub, read anew when they change."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hub.catalog.refusals import Refusals
from hub.catalog.watched import Watched
from hub.clock import Clock
from modules.notifications.spec import NotificationsFile, load_files


class Files:
    """What the files under some roots say now. CatalogError at the start when they are wrong."""

    def __init__(self, roots: Sequence[Path], environment: Mapping[str, str], clock: Clock, refusals: Refusals) -> None:
        self._files = Watched(
            "notifications", roots, ["notifications/*.yaml"], lambda: load_files(roots, environment), clock, refusals
        )  # fmt: skip

    def of(self, community: str) -> NotificationsFile | None:
        """A community's file, by its code."""
        return self._files.current.get(community)

    async def refresh(self) -> None:
        """Read again what changed; wrong files are refused, and the old ones stay in force."""
        await self._files.refresh()
