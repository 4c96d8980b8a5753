"""Notifications (通知): alarms told to people by many channels, to programs by signed webhooks, up a ladder until
somebody acknowledges. Every delivery is a row: it survives kills, is retried, and its state is visible."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub.catalog.paths import packaged_config
from hub.catalog.problems import Problem
from hub.context import Context
from hub.plugins import Task
from hub.vocabulary.kinds import KindSpec
from modules.notifications.answers import Answers
from modules.notifications.endpoints import Endpoints
from modules.notifications.files import Files
from modules.notifications.handlers import HANDLERS, make_tasks
from modules.notifications.outgoing import Gateway
from modules.notifications.pump import Pump
from modules.notifications.sending import Sending
from modules.notifications.service import Notifications
from modules.notifications.spec import NotificationsFile, read_files
from modules.notifications.telling import Telling


@dataclass(frozen=True)
class Parts:
    """What belongs together in one hub."""

    context: Context
    telling: Telling
    pump: Pump
    service: Notifications
    answers: Answers


class NotificationsPlugin:
    """What this module offers the hub. `environment` and `gateway` are a test's to replace."""

    def __init__(self, environment: Mapping[str, str] | None = None, gateway: Gateway | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._gateway = gateway or Gateway()
        self._parts: Parts | None = None

    def of(self, context: Context) -> Parts:
        """The parts over a context, made once. CatalogError when a channel file is wrong."""
        if self._parts is None or self._parts.context is not context:
            own = context.settings.config_dir
            roots = [packaged_config(), *([own] if own else [])]
            files = Files(roots, self._environment, context.clock, context.refusals)
            sending = Sending(context, files, self._gateway)
            telling = Telling(context, files, sending)
            answers = Answers(context, files)
            pump = Pump(context, files, telling, sending, answers)
            service = Notifications(context, files, telling, Endpoints(context, files, self._gateway))
            telling.wake = service.wake = service.endpoints.wake = answers.wake = pump.wake
            self._parts = Parts(context, telling, pump, service, answers)
        return self._parts

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:  # noqa: ARG002
        """What is wrong with the channel files."""
        return read_files(roots, self._environment)[1]

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        return {"notifications": NotificationsFile}

    def tasks(self, context: Context) -> Mapping[str, Task]:
        return make_tasks(self.of(context).telling)

    def handlers(self) -> Mapping[str, str]:
        return HANDLERS

    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """`notifications`: what delivers."""
        return {"notifications": self.of(context).pump.run}

    def pages(self, shell: Any) -> None:
        from modules.notifications.doors import add_doors
        from modules.notifications.pages import add_pages  # nicegui only where pages are served

        parts = self.of(shell.hub.context)
        add_pages(shell, parts.service)
        add_doors(parts.service, parts.answers)

    def routes(self, context: Context) -> Any:
        from modules.notifications.routes import make_router  # fastapi only where HTTP is served

        return make_router(self.of(context).service)

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`notifications.deliveries(who, alarm_id)`: everything told about an alarm, newest first."""
        return {"notifications.deliveries": self.of(context).service.deliveries}
