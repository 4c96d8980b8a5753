"""The folders of a running hub's configuration: read, and told when another reading would find something else."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path, PurePath

from watchfiles import DefaultFilter, awatch

from hub.catalog.load import Catalog, load_catalog
from hub.catalog.watched import Stamps, stamps

_ALL = ("**/[!.]*[!~]",)  # but what editors keep beside
_NOT_OURS = frozenset(DefaultFilter.ignore_dirs)  # .git and the like, which `awatch` leaves out, too


class ConfigFolders:
    """The packaged configuration and those over it, the last one on top."""

    def __init__(self, roots: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._roots = roots
        self._environment = environment
        self._read: Stamps = {}  # the files as they were when they were read

    def load(self) -> Catalog:
        """What they say now. CatalogError."""
        self._read = self._look()
        return load_catalog(self._roots, self._environment)

    async def changes(self) -> AsyncIterator[None]:
        """Each time a file changed, also after the last reading and before this began to watch."""
        async for changed in awatch(*self._roots, step=200, yield_on_timeout=True):
            if changed or await asyncio.to_thread(self._look) != self._read:
                yield

    def _look(self) -> Stamps:
        found = stamps(self._roots, _ALL).items()
        return {name: stamp for name, stamp in found if _NOT_OURS.isdisjoint(PurePath(name).parts)}
