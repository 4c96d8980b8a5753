"""Nobody is left untold: stand-ins for who cannot be told, a roster that fails, an escalation that goes wrong."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from modules.notifications import texts
from modules.notifications.ladder import NOBODY
from tests.integration.notifications_ground import Ground, Receiver, migrated, roster
from tests.integration.postgres import new_database
from tests.unit.demo_devices import demo_devices

LI = {"person": 2, "code": "g02", "name": "李志强", "account": "guard", "phone": "", "post": "control"}
ZHAO = {"person": 7, "code": "g07", "name": "赵立新", "account": "", "phone": "13800000007", "post": "patrol"}


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def sms() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def group() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


def by_sms(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "sms", "url": receiver.url.replace("http", "json") + "/send?:to={phone}", **more}


def by_group(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"id": "group", "url": receiver.url.replace("http", "json") + "/group", **more}


async def test_where_nobody_at_the_post_can_be_told_everybody_on_shift_is(ground: Ground, sms: Receiver):
    ground.write([by_sms(sms)], {"high": [{"post": "control", "channels": ["sms"]}]})
    async with ground.running(ports=roster(LI, ZHAO)) as parts:
        await ground.tell(parts, ground.alarm())
    assert [one.json["to"] for one in sms.got] == [ZHAO["phone"]]


async def test_an_alarm_that_nobody_can_be_told_of_goes_up_at_once_and_it_is_seen(
    ground: Ground, sms: Receiver, group: Receiver
):
    hub = next(one for one in demo_devices() if one.kind_name == "hub")
    device = msgspec.structs.replace(hub, community_id=ground.here)
    ground.write(
        [by_sms(sms), by_group(group)], {"high": [{"channels": ["sms"]}, {"after": "15m", "channels": ["group"]}]}
    )
    alarm = ground.alarm()
    async with ground.running(ports=roster(LI), devices={device.id: device}) as parts:
        await ground.tell(parts, alarm)
        await parts.pump.settle()
        rows = await parts.service.deliveries(ground.engineer, alarm)
        assert await parts.service.replay(ground.engineer, rows[-1]["id"]) == 0  # there is still nobody
    assert not sms.got and len(group.got) == 1
    assert [(row["target"], row["state"], row["detail"]) for row in rows] == [
        ("channel:group", "delivered", ""), ("channel:sms", "dead", NOBODY),
    ]  # fmt: skip
    assert ground.rows("SELECT body -> 'events' FROM hub.report") == [([["alarm_untold", {"alarm": str(alarm)}]],)]


async def test_a_roster_that_cannot_be_read_keeps_nobody_from_being_told(
    ground: Ground, sms: Receiver, group: Receiver
):
    async def broken(*_: Any) -> list[dict[str, Any]]:
        raise RuntimeError("the roster is out of its mind")

    ground.write([by_sms(sms, recipients=["boss"]), by_group(group)])
    with capture_logs() as logs:
        async with ground.running(ports={"duty.on_shift": broken}) as parts:
            for _ in range(3):
                await ground.tell(parts, ground.alarm())
    assert (len(sms.got), len(group.got)) == (3, 3)
    assert len([one for one in logs if one["log_level"] == "error"]) == 1


async def test_one_escalation_that_goes_wrong_holds_up_no_other(
    ground: Ground, group: Receiver, monkeypatch: pytest.MonkeyPatch
):
    plain = texts.alarm_message

    def breaks(alarm: Any, *given: Any) -> tuple[str, str]:
        if alarm["rule"] == "bad":
            raise KeyError(alarm["rule"])
        return plain(alarm, *given)

    monkeypatch.setattr(texts, "alarm_message", breaks)
    ground.write([by_group(group)])
    with capture_logs() as logs:
        async with ground.running() as parts:
            await ground.tell(parts, ground.alarm(rule="bad"))
            await ground.tell(parts, ground.alarm())
            await ground.pass_time(parts, 60, 5)
            monkeypatch.undo()
            await ground.pass_time(parts, 20, 5)
    assert len(group.got) == 2
    assert len([one for one in logs if one["log_level"] == "error"]) == 1
