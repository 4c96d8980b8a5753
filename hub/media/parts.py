"""What a hub runs for the cameras that look at alarms."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hub.context import Context
from hub.media.clips import Clips
from hub.media.snapshots import TASK, Snapshots
from hub.model import Device
from hub.ports import Driver


def camera_work(
    context: Context, driver_of: Callable[[Device], Driver]
) -> tuple[Mapping[str, Callable[..., Awaitable[Any]]], Mapping[str, Callable[[], Awaitable[None]]]]:
    """(tasks of jobs, parts) by their names: a job notes which cameras an alarm asks, the parts ask them."""
    shared = (context.database, context.clock, context.devices, context.communities, context.alarms, driver_of)
    clips = Clips(*shared, context.status.counters)
    snapshots = Snapshots(*shared, clips.wake)
    return {TASK: snapshots.ask}, {"snapshots": snapshots.run, "clips": clips.run}
