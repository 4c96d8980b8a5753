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
from modules.patrol.check import check_patrols
from modules.patrol.handlers import event_handlers, make_tasks
from modules.patrol.live import Files
from modules.patrol.planbook import PlanBook
from modules.patrol.plans import PatrolFile
from modules.patrol.service import Patrols


class PatrolPlugin:
    """What this module offers the hub."""

    def __init__(self) -> None:
        self._made: tuple[Context, Patrols] | None = None

    def of(self, context: Context) -> Patrols:
        """The use cases over a context, made once: all of them see one state of the files."""
        if self._made is None or self._made[0] is not context:
            self._made = context, make_patrols(context)
        return self._made[1]

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:  # noqa: ARG002
        """What is wrong with the patrol files, the devices and posts they name included."""
        return check_patrols(roots, os.environ)

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        return {"patrol": PatrolFile}

    def tasks(self, context: Context) -> Mapping[str, Task]:
        return make_tasks(self.of(context).recorder)

    def event_handlers(self, context: Context) -> Mapping[tuple[str, str], EventHandler]:
        return event_handlers(self.of(context).versions)

    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[Any]]]:
        """`patrol`: reads changed files, plans, judges and tells."""
        return {"patrol": self.of(context).keeper.run}

    def pages(self, shell: Any) -> None:
        from modules.patrol.pages import add_pages  # nicegui only where pages are served

        add_pages(shell, self.of(shell.hub.context))

    def routes(self, context: Context) -> Any:
        from modules.patrol.routes import make_router  # fastapi only where HTTP is served

        return make_router(self.of(context))

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`patrol.rounds(who, day=None)`: the rounds of a local day, for pages of other rooms and evidence packs;
        `patrol.overview`: see `hub.overview`."""
        patrols = self.of(context)
        return {"patrol.rounds": patrols.rounds, "patrol.overview": partial(overview.tell, patrols)}


def make_patrols(context: Context) -> Patrols:
    """The use cases over the patrol files of this hub."""
    own = context.settings.config_dir
    files = Files(context, [packaged_config(), *([own] if own else [])], os.environ)
    return Patrols(context, files, files.refresh, PlanBook(context, files), files.ready)
