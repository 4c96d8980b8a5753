"""Jobs a batch causes: which of them wait for each other."""

from types import SimpleNamespace
from typing import Any

from hub.decisions import CommandWish
from hub.pipeline.stages import Stages, _command_job
from hub.plugins import EventHandler
from rules.examples import example_device
from tests.unit.rule_harness import KINDS, T0, frame

DOOR = example_device("door", KINDS["door"], 7)


def test_a_job_waits_for_earlier_ones_of_its_task_and_device_only() -> None:
    """A module's handler that fails is tried again for a quarter of an hour; a command lives ten seconds."""
    handlers = [EventHandler(task, lambda device: device is DOOR) for task in ("patrol.tap", "other.tap")]
    stages: Any = SimpleNamespace(event_handlers={("door", "door_forced"): handlers})
    told = list(Stages._event_jobs(stages, [frame(DOOR, at, event="door_forced") for at in (1, 2)]))
    command = _command_job(CommandWish("let-out", DOOR, "open", "fire", T0))
    assert [job.task for job in told] == ["patrol.tap", "other.tap"] * 2
    assert told[0].lock == told[2].lock, "of one task in order"
    assert len({job.lock for job in (*told, command)}) == 3
