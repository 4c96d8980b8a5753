"""Events in: what the hub queues for this module in the transaction that caused it."""

from collections.abc import Mapping

from hub.plugins import Task
from modules.workorders.service import WorkOrders

HANDLERS: Mapping[str, str] = {
    "work_order_wanted": "workorders.open_for_alarm",
    "alarm_settled": "workorders.alarm_settled",
}


def make_tasks(orders: WorkOrders) -> Mapping[str, Task]:
    """Job name -> what does it. The jobs are given what their events carry (`Happened.arguments`), the one that closes
    an alarm `community_id` and `order_id`."""
    return {
        "workorders.open_for_alarm": orders.open_for_alarm,
        "workorders.alarm_settled": orders.alarm_settled,
        "workorders.close_alarm": orders.close_alarm,
    }
