"""Events in: what the hub queues for this module in the transaction that caused it."""

from collections.abc import Mapping

from hub.plugins import Task
from modules.notifications.telling import Telling

# Not alarm_raised nor alarm_changed: in a flood that would be a job for each of 10 000 transitions a second.
HANDLERS: Mapping[str, str] = {
    "alarm_annunciated": "notifications.annunciated",
    "alarm_settled": "notifications.settled",
    "storm_began": "notifications.storm_began",
    "storm_ended": "notifications.storm_ended",
}


def make_tasks(telling: Telling) -> Mapping[str, Task]:
    """Job name -> what does it. They are given `community_id` and `alarm_id` with `annunciated_at`, or `storm_id`."""
    return {
        "notifications.annunciated": telling.annunciated,
        "notifications.settled": telling.settled,
        "notifications.storm_began": telling.storm_began,
        "notifications.storm_ended": telling.storm_ended,
    }
