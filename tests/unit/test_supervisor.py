"""The supervisor starts parts again, tells their state, and says each trouble once."""

import asyncio
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from hub.clock import FakeClock
from hub.context import Status
from hub.errors import Misconfigured, Unreachable
from hub.live import Live
from hub.supervisor import Supervisor


class _Part:
    """Raises what it is given, in turn, then runs on."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.starts = 0

    async def run(self) -> None:
        self.starts += 1
        if self.troubles:
            raise self.troubles.pop(0)
        await asyncio.sleep(3600)


async def _turns(count: int = 60) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def _supervisor() -> tuple[Supervisor, Status]:
    status = Status()
    return Supervisor(FakeClock(datetime(2026, 5, 1, tzinfo=UTC)), status, Live()), status


@pytest.mark.parametrize("trouble", [Unreachable("gone"), OSError("cable"), ZeroDivisionError("bug")])
async def test_a_part_that_ends_is_started_again(trouble: Exception) -> None:
    supervisor, status = _supervisor()
    part = _Part(trouble, trouble, trouble)
    with capture_logs():
        supervisor.start("bus", part.run)
        await _turns()
    assert part.starts == 4
    state = status.parts["bus"]
    assert (state.state, state.last_error) == ("retrying", str(trouble)), "it has not yet run steadily"
    await supervisor.stop("bus")
    assert status.parts["bus"].state == "stopped"


async def test_the_same_trouble_is_said_once_and_a_new_one_again() -> None:
    supervisor, _ = _supervisor()
    part = _Part(*[Unreachable("no route")] * 30, *[Unreachable("refused")] * 30)
    with capture_logs() as lines:
        supervisor.start("bus", part.run)
        await _turns(400)
    await supervisor.stop_all()
    assert [line["error"] for line in lines if line["event"].startswith("a part is down")] == ["no route", "refused"]


async def test_a_misconfigured_part_is_looked_at_again_for_the_cure_may_be_elsewhere() -> None:
    supervisor, status = _supervisor()
    part = _Part(Misconfigured("bad password"))
    with capture_logs() as lines:
        supervisor.start("bus", part.run)
        await asyncio.sleep(0)
        assert status.parts["bus"].state == "misconfigured"
        assert status.parts["bus"].next_attempt is not None
        await _turns()
    assert part.starts == 2
    assert len([line for line in lines if "misconfigured" in line["event"]]) == 1
    await supervisor.stop_all()


async def test_two_parts_of_one_name_are_refused() -> None:
    supervisor, _ = _supervisor()
    supervisor.start("bus", _Part().run)
    with pytest.raises(ValueError, match="bus"):
        supervisor.start("bus", _Part().run)
    await supervisor.stop_all()
