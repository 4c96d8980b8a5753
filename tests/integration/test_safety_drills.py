"""Emergency plans and their drills on a real database, over the rules that are shipped."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from hub.catalog.paths import packaged_config
from hub.errors import Refused
from hub.principal import Principal
from hub.rulebook.service import Rulebook
from hub.store.database import NotThere
from modules.safety.drills import Drills
from rules.plugin import RulesPlugin
from tests.integration.test_safety import Ground, ground, parts  # noqa: F401  (the fixture)
from tests.unit.demo_devices import demo_catalog
from tests.unit.photographs import photograph

TODAY = date(2026, 11, 21)


@pytest.fixture
async def drills(ground: Ground) -> AsyncIterator[Drills]:  # noqa: F811
    context, kinds = ground.context, demo_catalog().kinds
    book = context.rulebook = Rulebook(
        context.database, context.clock, context.live, RulesPlugin(), roots=[packaged_config()], kinds=kinds,
        devices=context.devices,
    )  # fmt: skip
    await book.read_files(kinds, context.communities)
    yield Drills(context)
    await book.close()


async def one(drills: Drills, who: Principal, plan: str) -> dict[str, Any]:
    return next(row for row in await drills.plans(who) if row["plan"] == plan)


async def test_plans_are_the_procedures_in_force_and_life_safety_never_drilled_is_overdue(
    ground: Ground, drills: Drills  # noqa: F811
) -> None:  # fmt: skip
    told = await drills.plans(ground.viewer)
    smoke = told[[row["plan"] for row in told].index("smoke-alarm")]
    assert (smoke["life_safety"], smoke["months"], smoke["drilled"], smoke["overdue"]) == (True, 12, None, True)
    assert "119" in smoke["procedure"]["zh"]
    safety = [row["life_safety"] for row in told]
    assert safety == sorted(safety, reverse=True)
    calm = await one(drills, ground.viewer, "door-held-open")
    assert (calm["months"], calm["overdue"]) == (0, False)
    await drills._context.rulebook.disable(ground.stranger, "smoke-alarm", "x")  # another community's
    assert await one(drills, ground.viewer, "smoke-alarm")
    assert "smoke-alarm" not in {row["plan"] for row in await drills.plans(ground.stranger)}


async def test_a_drill_is_kept_and_makes_the_next_one_due(ground: Ground, drills: Drills) -> None:  # noqa: F811
    made = await drills.add(
        ground.guard, "smoke-alarm", TODAY - timedelta(days=1), "李、王，3 名业主", "东门钥匙不在", 25
    )
    await drills.add(ground.guard, "smoke-alarm", date(2025, 1, 31), "all")
    row = await one(drills, ground.viewer, "smoke-alarm")
    assert (row["drilled"], row["drills"], row["due"], row["overdue"]) == (
        date(2026, 11, 20), 2, date(2027, 11, 20), False,
    )  # fmt: skip
    shown = await drills.plan(ground.viewer, "smoke-alarm")
    newest = shown["past"][0]
    assert (newest["id"], newest["minutes"], newest["actor"]) == (made, 25, "user:li")
    ground.clock.advance(366 * 86_400)
    assert (await one(drills, ground.viewer, "smoke-alarm"))["overdue"]
    assert (await drills.plan(ground.stranger, "smoke-alarm"))["past"] == []
    actions = [action for (action,) in ground.rows("SELECT action FROM hub.audit ORDER BY id")]
    assert actions == ["safety.drill", "safety.drill"]


async def test_how_often_is_set_by_who_supervises(ground: Ground, drills: Drills) -> None:  # noqa: F811
    admin = Principal("user:boss", ground.here, "admin")
    await drills.add(ground.guard, "smoke-alarm", date(2026, 3, 31), "all")
    await drills.set_interval(admin, "smoke-alarm", 6)
    row = await one(drills, ground.viewer, "smoke-alarm")
    assert (row["due"], row["overdue"]) == (date(2026, 9, 30), True)  # a month that is shorter
    await drills.set_interval(admin, "smoke-alarm", 0)
    row = await one(drills, ground.viewer, "smoke-alarm")
    assert (row["due"], row["overdue"]) == (None, False)
    with pytest.raises(Refused, match="months"):
        await drills.set_interval(admin, "smoke-alarm", 5)
    with pytest.raises(Refused, match="may not"):
        await drills.set_interval(ground.guard, "smoke-alarm", 6)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"day": TODAY + timedelta(days=1)}, "day"), ({"day": date(1900, 1, 1)}, "day"), ({"people": "  "}, "people"),
        ({"people": "x" * 501}, "people"), ({"found": "a\x00b"}, "found"), ({"minutes": 0}, "minutes"),
        ({"minutes": 1441}, "minutes"),
    ],
)  # fmt: skip
async def test_what_is_no_drill_is_refused(
    ground: Ground, drills: Drills, given: dict[str, Any], why: str  # noqa: F811
) -> None:  # fmt: skip
    with pytest.raises(Refused, match=why):
        await drills.add(ground.guard, "smoke-alarm", **{"day": TODAY, "people": "all", **given})
    assert ground.rows("SELECT count(*) FROM safety.drill") == [(0,)]


async def test_who_may_and_which_plans_there_are(ground: Ground, drills: Drills) -> None:  # noqa: F811
    with pytest.raises(Refused, match="may not"):
        await drills.add(ground.viewer, "smoke-alarm", TODAY, "all")
    for plan in ("no-such-rule", "", "x" * 300):
        with pytest.raises(NotThere):
            await drills.add(ground.guard, plan, TODAY, "all")


async def test_photographs_are_added_by_who_noted_it(ground: Ground, drills: Drills) -> None:  # noqa: F811
    made = await drills.add(ground.guard, "smoke-alarm", TODAY, "all")
    taken = photograph(size=(40, 30))
    number = await drills.photograph(ground.guard, made, parts(taken))
    assert await drills.photograph(ground.guard, made, parts(taken)) == number
    [past] = (await drills.plan(ground.viewer, "smoke-alarm"))["past"]
    assert [picture["id"] for picture in past["photographs"]] == [number]
    with pytest.raises(Refused, match="oneself"):
        await drills.photograph(ground.clerk, made, parts(photograph()))
    with pytest.raises(NotThere):
        await drills.photograph(Principal("user:li", ground.there, "guard"), made, parts(photograph()))


async def test_the_overview_says_what_is_overdue(ground: Ground, drills: Drills) -> None:  # noqa: F811
    plans = await drills.plans(ground.viewer)
    late = sum(row["overdue"] for row in plans)
    tile = (await drills.overview(ground.viewer)).tiles[-1]
    assert (tile.value, tile.ill, late > 0) == (late, True, True)
