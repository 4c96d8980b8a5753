"""Events in: what the hub queues for this module in the transaction that stored the event."""

from collections.abc import Mapping

from hub.plugins import Task
from modules.patrol.evidence import Recorder
from modules.patrol.plans import EVENTS

EVENT_HANDLERS: Mapping[tuple[str, str], str] = dict.fromkeys(EVENTS.values(), "patrol.hear")


def make_tasks(recorder: Recorder) -> Mapping[str, Task]:
    """Job name -> what does it. It is given community_id, device_id, event_id, name, at, received and data."""
    return {"patrol.hear": recorder.hear}
