"""Fire safety (消防): the register of equipment, what is due and overdue; emergency plans and their drills."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError, Problem
from hub.context import Context
from hub.plugins import EventHandler, Task
from hub.vocabulary.kinds import KindSpec
from modules.safety.drills import Drills
from modules.safety.files import check_lists, read_lists
from modules.safety.handlers import EVENTS, make_tasks
from modules.safety.service import Equipment
from modules.safety.watch import Watch


class SafetyPlugin:
    """What this module offers the hub."""

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:  # noqa: ARG002
        """What is wrong with the lists of `safety/`."""
        return check_lists(roots, os.environ)

    def tasks(self, context: Context) -> Mapping[str, Task]:
        return make_tasks(Equipment(context))

    def event_handlers(self, context: Context) -> Mapping[tuple[str, str], EventHandler]:  # noqa: ARG002
        return EVENTS

    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """`safety`: takes in the list a community begins with, and tells what fell due."""
        own = context.settings.config_dir
        lists, problems = read_lists([packaged_config(), *([own] if own else [])])
        if problems:
            raise CatalogError(problems)
        return {"safety": Watch(context, lists).run}

    def pages(self, shell: Any) -> None:
        from modules.safety import pages_plans  # nicegui only where pages are served
        from modules.safety.pages import add_pages

        add_pages(shell, Equipment(shell.hub.context))
        pages_plans.add_pages(shell, Drills(shell.hub.context))

    def routes(self, context: Context) -> Any:
        from modules.safety.routes import make_router  # fastapi only where HTTP is served
        from modules.safety.routes_plans import add_plans

        router = make_router(Equipment(context))
        add_plans(router, Drills(context))
        return router

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`safety.overview`: see `hub.overview`."""
        return {"safety.overview": Drills(context).overview}
