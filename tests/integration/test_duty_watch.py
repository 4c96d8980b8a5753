"""The rotation goes on by itself until somebody plans, and posts that will stand empty are told in time."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from hub.catalog.paths import packaged_config
from modules.duty.seed import load_duty
from modules.duty.watch import Watch
from tests.integration.duty_ground import Ground, grounded
from tests.unit.demo_devices import demo_devices


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as made:
        hub = next(one for one in demo_devices() if one.kind_name == "hub")
        made.context.devices[hub.id] = msgspec.structs.replace(hub, community_id=made.here)  # type: ignore[index]
        yield made


def told(ground: Ground) -> list[Any]:
    return [body["events"][0] for (body,) in ground.rows("SELECT body FROM hub.report ORDER BY id")]


async def passing(ground: Ground, watch: Watch, days: int) -> None:
    for _ in range(days * 2):
        ground.clock.advance(12 * 3600)
        await watch.look()


async def test_the_rotation_goes_on_while_nobody_has_planned_anything(ground: Ground):
    watch = Watch(ground.context, load_duty([packaged_config()]))
    await watch.look()
    for _ in range(60):
        await passing(ground, watch, 1)
        assert len(await ground.context.ports["duty.on_shift"](ground.here, None, ground.clock.now())) == 3
    assert told(ground) == [["roster_covered", {}]]
    assert ground.rows("SELECT count(*) < 12 FROM duty.roster") == [(True,)]


async def test_a_day_that_somebody_changed_stays_so(ground: Ground):
    watch = Watch(ground.context, load_duty([packaged_config()]))
    day = date(2026, 12, 2)  # beyond what the first start planned
    slot = ground.slot(day, "night", "gate", "g03")
    await ground.duty.rosters.change(ground.admin, add=[slot], accept=True)
    await passing(ground, watch, 9)
    slots = (await ground.duty.rosters.days(ground.viewer, day, day))["slots"]
    assert [(each["shift"], each["post"], each["person"]) for each in slots] == [(slot.shift, slot.post, slot.person)]
    after = (await ground.duty.rosters.days(ground.viewer, day + timedelta(days=1), day + timedelta(days=1)))["slots"]
    assert len(after) == 9


async def test_who_plans_is_told_two_days_before_the_plan_ends_and_when_it_goes_on(ground: Ground):
    watch = Watch(ground.context, load_duty([packaged_config()]))
    first, last = date(2026, 11, 22), date(2026, 11, 28)
    draft = await ground.duty.rosters.draft(ground.admin, first, last)
    await ground.duty.rosters.publish(ground.admin, draft["id"], accept=True)
    await passing(ground, watch, 4)  # until 20:00 on the 25th
    assert told(ground) == [["roster_covered", {}]]
    await passing(ground, watch, 2)
    assert told(ground)[1:] == [["roster_ends", {"day": "2026-11-29", "lacking": "3"}]]
    watch = Watch(ground.context, load_duty([packaged_config()]))  # a restart says it again
    await watch.look()
    assert told(ground)[2] == ["roster_ends", {"day": "2026-11-29", "lacking": "6"}]
    more = await ground.duty.rosters.generate(ground.admin, date(2026, 11, 29), date(2026, 12, 3), seconds=2)
    await ground.duty.rosters.publish(ground.admin, more["id"], accept=True)
    await passing(ground, watch, 1)
    assert told(ground)[3:] == [["roster_covered", {}]]
