"""Patrols (巡更): planned rounds, proof that guards were there, and an alarm while there is still time to act."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub.catalog.paths import packaged_config
from hub.catalog.problems import Problem
from hub.context import Context
from hub.plugins import EventHandler, Task
from hub.vocabulary.kinds import KindSpec
from modules.patrol import overview
from modules.patrol.files import load_patrols
from modules.patrol.handlers import event_handlers, make_tasks
from modules.patrol.plans import PatrolFile
from modules.patrol.service import Patrols


class PatrolPlugin:
    """What this module offers the hub."""

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:
        """What is wrong with the patrol files, the devices they name included."""
        from modules.patrol.check import check_patrols  # reads the sites too: only for `hub check`

        return check_patrols(roots, kinds, os.environ)

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        return {"patrol": PatrolFile}

    def tasks(self, context: Context) -> Mapping[str, Task]:
        return make_tasks(make_patrols(context).recorder)

    def event_handlers(self, context: Context) -> Mapping[tuple[str, str], EventHandler]:
        return event_handlers(_files(context))

    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[Any]]]:
        return {"patrol": make_patrols(context).keeper.run}

    def pages(self, shell: Any) -> None:
        from modules.patrol.pages import add_pages  # nicegui only where pages are served

        add_pages(shell, make_patrols(shell.hub.context))

    def routes(self, context: Context) -> Any:
        from modules.patrol.routes import make_router  # fastapi only where HTTP is served

        return make_router(make_patrols(context))

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`patrol.rounds(who, day=None)`: the rounds of a local day, for pages of other rooms and evidence packs;
        `patrol.overview`: see `hub.overview`."""
        patrols = make_patrols(context)
        return {"patrol.rounds": patrols.rounds, "patrol.overview": partial(overview.tell, patrols)}


def make_patrols(context: Context) -> Patrols:
    """The use cases over the patrol files of this hub. CatalogError when one of those is wrong."""
    return Patrols(context, _files(context))


def _files(context: Context) -> Mapping[str, PatrolFile]:
    own = context.settings.config_dir
    return load_patrols([packaged_config(), *([own] if own else [])])
