"""What proves a command: the device's own word, never the sending of it. Pure."""

from hub.model import Event, Frame
from hub.vocabulary.kinds import ConfirmSpec


def proves(frame: Frame, confirm: ConfirmSpec, command_id: str) -> bool:
    """Whether a frame shows the effect of the command: its event, or the point read back with good quality."""
    if confirm.event is not None:
        return any(_event_proves(event, confirm, command_id) for event in frame.events)
    wanted = confirm.equals
    for reading in frame.readings:
        if reading.point.name == confirm.point and reading.value is not None and not reading.quality:
            expected = reading.point.spec.values.get(wanted) if isinstance(wanted, str) else wanted
            return reading.value == expected
    return False


def _event_proves(event: Event, confirm: ConfirmSpec, command_id: str) -> bool:
    if event.name != confirm.event or any(str(event.data.get(k)) != v for k, v in confirm.where.items()):
        return False
    # A device that repeats the command's id must repeat this one's; one that cannot is believed by time and place.
    return bool(event.data.get("command_id", command_id) == command_id)
