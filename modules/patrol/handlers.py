"""Events in: what the hub queues for this module in the transaction that stored the event."""

from collections.abc import Mapping

from hub.plugins import EventHandler, Task
from modules.patrol.evidence import Recorder
from modules.patrol.plans import EVENTS
from modules.patrol.versions import Versions

_HEAR = "patrol.hear"


def event_handlers(versions: Versions) -> Mapping[tuple[str, str], EventHandler]:
    """Taps, entries and plates of the devices that prove a checkpoint by now."""
    handler = EventHandler(_HEAR, lambda device: versions.listens(device.community, device.code))
    return dict.fromkeys(EVENTS.values(), handler)


def make_tasks(recorder: Recorder) -> Mapping[str, Task]:
    """Job name -> what does it. It is given community_id, device_id, event_id, name, at, received and data."""
    return {_HEAR: recorder.hear}
