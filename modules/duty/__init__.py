"""Duty (值班): posts, shifts and people, rosters, who is on now, shift hand-over, the duty log and incidents."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub.catalog.paths import packaged_config
from hub.catalog.problems import Problem
from hub.context import Context
from hub.vocabulary.kinds import KindSpec
from modules.duty import overview
from modules.duty.rosters import OnDuty
from modules.duty.seed import DutyFile, load_duty, read_duty
from modules.duty.service import Duty
from modules.duty.watch import Watch


class DutyPlugin:
    """What this module offers the hub."""

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:  # noqa: ARG002
        """What is wrong with the files of `duty/`."""
        return read_duty(roots)[1]

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        return {"duty": DutyFile}

    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """`duty`: staffs new communities from their file, and tells screens of every change of shifts."""
        own = context.settings.config_dir
        return {"duty": Watch(context, load_duty([packaged_config(), *([own] if own else [])])).run}

    def pages(self, shell: Any) -> None:
        from modules.duty.pages import add_pages  # nicegui only where pages are served

        add_pages(shell, Duty(shell.hub.context))

    def routes(self, context: Context) -> Any:
        from modules.duty.routes import make_router  # fastapi only where HTTP is served

        return make_router(Duty(context))

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`duty.on_shift`, `duty.shift_at`, `duty.posts`, `duty.people`, `duty.person_of_card`: see `OnDuty`. With
        personal data: who uses them answers for what is shown. `duty.overview`: see `hub.overview`."""
        on = OnDuty(context)
        return {"duty.on_shift": on.on_shift, "duty.shift_at": on.shift_at, "duty.posts": on.posts,
                "duty.people": on.people, "duty.person_of_card": on.person_of_card,
                "duty.overview": partial(overview.tell, Duty(context))}  # fmt: skip
