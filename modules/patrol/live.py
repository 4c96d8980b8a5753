"""The patrol files of a running hub: read anew when they, the site or the duty file change, and refused where wrong."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hub.catalog.watched import Watched
from hub.context import Context
from modules.patrol.check import Posts, load_checked
from modules.patrol.files import load_patrols
from modules.patrol.plans import PatrolFile

_PATTERNS = ("patrols/*.yaml", "sites/*", "duty/*.yaml")
"""What a patrol file says and refers to."""


class Files(Mapping[str, PatrolFile]):
    """Community code -> its patrols as they are in force now. CatalogError at the start when a file is wrong in itself;
    what it refers to is looked at from the first change on, as `hub check` does."""

    def __init__(self, context: Context, roots: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._context = context
        self._posts: Posts = {}
        self._files = Watched(
            "patrols", roots, _PATTERNS, lambda: load_patrols(roots),
            lambda: load_checked(roots, environment, self._posts),
        )  # fmt: skip

    def __getitem__(self, community: str) -> PatrolFile:
        return self._files.current[community]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files.current)

    def __len__(self) -> int:
        return len(self._files.current)

    async def refresh(self) -> bool:
        """Read again what changed; whether other plans are in force now."""
        if not self._files.stale:
            return False
        port = self._context.ports.get("duty.posts")
        if port is not None:
            self._posts = {
                code: {post["code"] for post in await port(number)}
                for code, number in dict(self._context.communities).items()
            }
        return await self._files.refresh()
