"""Work orders (工单): an alarm whose rule asks for it opens exactly one; people assign, start, finish or cancel it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.context import Context
from hub.plugins import Task
from modules.workorders.handlers import HANDLERS, make_tasks
from modules.workorders.service import WorkOrders


class WorkOrdersPlugin:
    """What this module offers the hub."""

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def tasks(self, context: Context) -> Mapping[str, Task]:
        return make_tasks(WorkOrders(context))

    def handlers(self) -> Mapping[str, str]:
        return HANDLERS

    def pages(self, shell: Any) -> None:
        from modules.workorders.pages import add_pages  # nicegui only where pages are served

        add_pages(shell, WorkOrders(shell.hub.context))

    def routes(self, context: Context) -> Any:
        from modules.workorders.routes import make_router  # fastapi only where HTTP is served

        return make_router(WorkOrders(context))

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`workorders.recent`: the orders of a principal's community, newest first; `workorders.open(who, alarm_id)`:
        the order of an alarm, opened if there is none; `workorders.known(who, number)`: whether there is such an
        order; `workorders.overview`: see `hub.overview`."""
        orders = WorkOrders(context)
        return {"workorders.recent": orders.recent, "workorders.open": orders.open,
                "workorders.known": orders.known, "workorders.overview": orders.overview}  # fmt: skip
