"""Work orders on a real database: one an alarm however often the job runs, linked both ways, kept by community."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI, Request

from hub.alarms.jobs import Happened
from hub.clock import FakeClock
from hub.context import Context
from hub.errors import Refused
from hub.jobs import job_app
from hub.plugins import OffersHandlers, OffersMigrations, OffersPorts, OffersRoutes, OffersTasks
from hub.principal import Principal
from hub.store.database import NotThere
from modules.workorders import WorkOrdersPlugin
from modules.workorders.service import WorkOrders
from tests.integration.module_hub import add_alarm, add_community, add_device, migrated, running
from tests.integration.postgres import new_database

NOW = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)  # already the 22nd in Shanghai


class Ground:
    """Two communities with a door each and an alarm in the first."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url) as link:
            self.here, self.there = add_community(link, "demo"), add_community(link, "other")
            self.door = add_device(link, self.here, "door-b1-u1", "door")
            self.alarm = add_alarm(link, self.here, self.door, NOW)
        self.guard = Principal("user:li", self.here, "guard")
        self.stranger = Principal("user:wang", self.there, "admin")

    def more_alarms(self, count: int) -> list[int]:
        with psycopg.connect(self.url) as link:
            return [add_alarm(link, self.here, self.door, NOW) for _ in range(count)]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query).fetchall()  # type: ignore[call-overload]


@pytest.fixture
def ground(postgres_url: str) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)))


@pytest.fixture
async def context(ground: Ground) -> AsyncIterator[Context]:
    async with running(ground.url, FakeClock(NOW), {"demo": ground.here, "other": ground.there}) as found:
        yield found


@pytest.fixture
async def order(ground: Ground, context: Context) -> int:
    await WorkOrders(context).open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
    return ground.rows("SELECT id FROM workorders.work_order")[0][0]


def test_the_plug_offers_what_it_says():
    plug = WorkOrdersPlugin()
    for protocol in (OffersMigrations, OffersTasks, OffersHandlers, OffersRoutes, OffersPorts):
        assert isinstance(plug, protocol)


async def test_ten_runs_at_once_open_one_order_linked_both_ways(ground: Ground, context: Context):
    screen = context.live.subscribe(lambda change: change.topic in ("workorder", "alarm"))
    plug = WorkOrdersPlugin()
    task = plug.tasks(context)[plug.handlers()["work_order_wanted"]]
    await asyncio.gather(*(task(community_id=ground.here, alarm_id=ground.alarm) for _ in range(10)))
    assert ground.rows("SELECT number, alarm_id, device_id, state, priority, due_at FROM workorders.work_order") == [
        ("WO-20261122-0001", ground.alarm, ground.door, "open", 2, NOW + timedelta(hours=4))
    ]
    assert ground.rows("SELECT alarm_id, kind, reference FROM hub.alarm_link") == [
        (ground.alarm, "work_order", "WO-20261122-0001")
    ]
    assert ground.rows("SELECT action, from_state, to_state, actor FROM workorders.history") == [
        ("open", None, "open", "rule:door-forced")
    ]
    assert ground.rows("SELECT actor, action FROM hub.audit") == [("rule:door-forced", "work_order.open")]
    changes = {change.topic: change for change in (await screen.take())[0]}
    assert changes["workorder"].data["number"] == "WO-20261122-0001"
    assert changes["alarm"].data["links"] == {"work_order": "WO-20261122-0001"}


async def test_a_person_opens_the_order_of_an_alarm_once(ground: Ground, context: Context):
    orders = WorkOrders(context)
    first = await orders.open(ground.guard, ground.alarm)
    await orders.open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
    assert (await orders.open(ground.guard, ground.alarm))["id"] == first["id"]
    assert ground.rows("SELECT actor FROM hub.audit WHERE action = 'work_order.open'") == [("user:li",)]
    with pytest.raises(NotThere):
        await orders.open(ground.stranger, ground.alarm)
    with pytest.raises(Refused, match="viewer"):
        await orders.open(Principal("user:v", ground.here, "viewer"), ground.alarm)


async def test_alarms_at_once_get_numbers_without_a_gap(ground: Ground, context: Context):
    alarms = ground.more_alarms(12)
    orders = WorkOrders(context)
    await asyncio.gather(*(orders.open_for_alarm(community_id=ground.here, alarm_id=n) for n in alarms * 2))
    numbers = [row[0] for row in ground.rows("SELECT number FROM workorders.work_order ORDER BY number")]
    assert numbers == [f"WO-20261122-{n:04d}" for n in range(1, 13)]


async def test_a_job_that_fails_half_way_leaves_nothing(ground: Ground, context: Context):
    with psycopg.connect(ground.url) as link:
        link.execute("ALTER TABLE hub.audit ADD CONSTRAINT broken CHECK (action <> 'work_order.open')")
    with pytest.raises(psycopg.errors.CheckViolation):
        await WorkOrders(context).open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)
    assert not ground.rows("SELECT FROM workorders.work_order UNION ALL SELECT FROM hub.alarm_link")
    assert not ground.rows("SELECT FROM workorders.day_count")


async def test_a_job_queued_as_the_pipeline_does_is_run(ground: Ground, context: Context):
    plug = WorkOrdersPlugin()
    arguments = psycopg.types.json.Jsonb({"community_id": ground.here, "alarm_id": ground.alarm})
    with psycopg.connect(ground.url) as link:
        link.execute(
            "SELECT public.procrastinate_defer_jobs_v1("
            "ARRAY[ROW('hub', %s, 0, %s, NULL, %s, NULL)::public.procrastinate_job_to_defer_v1])",
            [plug.handlers()["work_order_wanted"], f"alarm-{ground.alarm}", arguments],
        )
    app = job_app(ground.url, plug.tasks(context))
    async with app.open_async():
        await app.run_worker_async(queues=["hub"], wait=False, install_signal_handlers=False, listen_notify=False)
    assert ground.rows("SELECT count(*) FROM workorders.work_order") == [(1,)]


async def test_another_community_sees_and_moves_nothing(ground: Ground, context: Context, order: int):
    orders = WorkOrders(context)
    assert await orders.recent(ground.stranger) == []
    for attempt in (orders.show(ground.stranger, order), orders.start(ground.stranger, order),
                    orders.open_for_alarm(community_id=ground.there, alarm_id=ground.alarm)):  # fmt: skip
        with pytest.raises(NotThere):
            await attempt
    async with context.database.session([ground.there]) as connection:
        for table in ("work_order", "history", "day_count"):
            count = await (await connection.execute(f"SELECT count(*) AS n FROM workorders.{table}")).fetchone()
            assert count == {"n": 0}
    async with context.database.session([]) as connection:
        assert await (await connection.execute("SELECT FROM workorders.work_order")).fetchall() == []


async def test_the_life_of_an_order(ground: Ground, context: Context, order: int):
    orders, clock = WorkOrders(context), context.clock
    await orders.assign(ground.guard, order, "user:zhao")
    clock.advance(60)
    assert (await orders.start(ground.guard, order))["assignee"] == "user:zhao"
    assert (await orders.start(ground.guard, order))["state"] == "in_progress"  # a second tap changes nothing
    clock.advance(60)
    done = await orders.finish(ground.guard, order, " 换了门磁 ")
    assert (done["state"], done["note"], done["done_at"]) == ("done", "换了门磁", NOW + timedelta(seconds=120))
    assert done["started_at"] == NOW + timedelta(seconds=60)
    assert [(step["action"], step["to_state"], step["note"]) for step in done["history"]] == [
        ("open", "open", ""), ("assign", "assigned", "user:zhao"), ("start", "in_progress", ""),
        ("finish", "done", "换了门磁"),
    ]  # fmt: skip
    with pytest.raises(Refused) as refused:
        await orders.cancel(ground.guard, order, "too late")
    assert refused.value.code == "wrong_state"
    assert [row[0] for row in ground.rows("SELECT action FROM hub.audit ORDER BY id")] == [
        "work_order.open", "work_order.assign", "work_order.start", "work_order.finish",
    ]  # fmt: skip


async def test_who_starts_an_order_nobody_has_has_it(ground: Ground, context: Context, order: int):
    assert (await WorkOrders(context).start(ground.guard, order))["assignee"] == "user:li"


async def test_two_who_tap_at_once_leave_one_step(ground: Ground, context: Context, order: int):
    orders = WorkOrders(context)
    await asyncio.gather(*(orders.start(ground.guard, order) for _ in range(5)))
    assert ground.rows("SELECT count(*) FROM workorders.history WHERE action = 'start'") == [(1,)]


@pytest.mark.parametrize("role", ["viewer", "finance"])
async def test_a_role_without_the_right_may_look_but_not_touch(ground: Ground, context: Context, order: int, role: Any):
    orders, who = WorkOrders(context), Principal("user:x", ground.here, role)
    assert len(await orders.recent(who)) == 1
    with pytest.raises(Refused) as refused:
        await orders.start(who, order)
    assert refused.value.status == 403


async def test_history_can_only_grow(ground: Ground, context: Context, order: int):
    for command in ("UPDATE workorders.history SET note = 'x'", "DELETE FROM workorders.history",
                    "DELETE FROM workorders.work_order"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with context.database.session([ground.here]) as connection:
                await connection.execute(command)
    for command in ("UPDATE workorders.history SET note = 'x'", "TRUNCATE workorders.history"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            ground.rows(command)


async def test_the_routes(ground: Ground, context: Context, order: int):
    await WorkOrders(context).open_for_alarm(community_id=ground.here, alarm_id=ground.more_alarms(1)[0])

    def sign_in(request: Request) -> None:
        request.state.principal = ground.guard

    app = FastAPI()
    app.include_router(WorkOrdersPlugin().routes(context), dependencies=[Depends(sign_in)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        first = (await client.get("/work-orders", params={"limit": 1})).json()
        assert [item["number"] for item in first["items"]] == ["WO-20261122-0002"]
        rest = (await client.get("/work-orders", params={"limit": 2, "cursor": first["next"]})).json()
        assert [item["id"] for item in rest["items"]] == [order] and rest["next"] is None
        assert (await client.get("/work-orders", params={"state": "done"})).json()["items"] == []
        assert (await client.get("/work-orders", params={"state": "lost"})).status_code == 422
        assigned = (await client.post(f"/work-orders/{order}/assign", json={"assignee": "user:zhao"})).json()
        assert (assigned["state"], assigned["assignee"], assigned["device"]) == ("assigned", "user:zhao", "door-b1-u1")
        assert (await client.post(f"/work-orders/{order}/start")).json()["state"] == "in_progress"
        assert (await client.post(f"/work-orders/{order}/finish", json={"note": "x", "by": "y"})).status_code == 422
        assert (await client.post(f"/work-orders/{order}/finish", json={"note": "修好"})).json()["state"] == "done"
        shown = (await client.get(f"/work-orders/{order}")).json()
        assert [step["action"] for step in shown["history"]] == ["open", "assign", "start", "finish"]
        other = rest["items"][0]["id"] + 1
        assert (await client.post(f"/work-orders/{other}/cancel", json={"note": "误报"})).json()["state"] == "cancelled"


# -- the alarm behind an order -----------------------------------------------------------------------------------


async def finished(ground: Ground, context: Context, order: int) -> Any:
    """The order done; what runs the jobs that were queued with it, as often as it is called."""
    orders = WorkOrders(context)
    await orders.start(ground.guard, order)
    await orders.finish(ground.guard, order, "换了门磁")
    [(task, args)] = ground.rows("SELECT task_name, args FROM public.procrastinate_jobs")
    return lambda: WorkOrdersPlugin().tasks(context)[task](**args)


def alarm_of(ground: Ground, **columns: Any) -> list[tuple[Any, ...]]:
    for name, value in columns.items():
        ground.rows(f"UPDATE hub.alarm SET {name} = '{value}' WHERE id = {ground.alarm} RETURNING id")
    return ground.rows(f"SELECT state, acknowledged_by FROM hub.alarm WHERE id = {ground.alarm}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("active_unacknowledged", "active_acknowledged"), ("returned_unacknowledged", "normal"),
        ("latched_unacknowledged", "normal"), ("latched_acknowledged", "normal"),
    ],
)  # fmt: skip
async def test_i14_an_order_that_is_done_closes_its_alarm_however_often_it_is_told(
    ground: Ground, context: Context, order: int, before: str, after: str
):
    alarm_of(ground, state=before, active_since=NOW, latch="latched" in before)
    close = await finished(ground, context, order)
    for _ in range(2):
        await close()
    [(state, by)] = alarm_of(ground)
    assert state == after
    assert by == (None if before == "latched_acknowledged" else "work_order:WO-20261122-0001")
    acts = ground.rows(f"SELECT action, actor, note FROM hub.alarm_history WHERE alarm_id = {ground.alarm} ORDER BY id")
    expected = {"active": ["acknowledge"], "returned": ["acknowledge"], "latched": ["acknowledge", "reset"]}
    assert acts == [
        (action, "work_order:WO-20261122-0001", "换了门磁") for action in expected[before.split("_")[0]]
        if (action, before) != ("acknowledge", "latched_acknowledged")
    ]  # fmt: skip


async def test_i14_an_alarm_that_was_raised_again_since_is_not_closed_and_gets_another_order(
    ground: Ground, context: Context, order: int
):
    orders = WorkOrders(context)
    close = await finished(ground, context, order)
    await orders.open_for_alarm(community_id=ground.here, alarm_id=ground.alarm)  # told late: it is done
    assert ground.rows("SELECT count(*) FROM workorders.work_order") == [(1,)]
    alarm_of(ground, count=2, active_since=NOW - timedelta(hours=1))  # the device's clock is slow
    await close()
    assert alarm_of(ground) == [("active_unacknowledged", None)]
    runs = (orders.open_for_alarm(community_id=ground.here, alarm_id=ground.alarm) for _ in range(5))
    await asyncio.gather(*runs)
    assert ground.rows("SELECT number, state FROM workorders.work_order ORDER BY id") == [
        ("WO-20261122-0001", "done"), ("WO-20261122-0002", "open")
    ]  # fmt: skip
    assert ground.rows("SELECT kind, reference FROM hub.alarm_link") == [("work_order", "WO-20261122-0002")]
    assert (await orders.open(ground.guard, ground.alarm))["number"] == "WO-20261122-0002"


async def test_i14_an_order_that_was_cancelled_leaves_its_alarm_alone(ground: Ground, context: Context, order: int):
    await WorkOrders(context).cancel(ground.guard, order, "误报")
    assert ground.rows("SELECT task_name FROM public.procrastinate_jobs") == []


async def test_i14_the_end_of_an_alarm_shows_on_its_order(ground: Ground, context: Context, order: int):
    screen = context.live.subscribe(lambda change: change.topic == "workorder")
    alarm_of(ground, state="normal", returned_at=NOW)
    plug = WorkOrdersPlugin()
    told = Happened("alarm_settled", ground.here, ground.alarm, NOW).arguments
    await plug.tasks(context)[plug.handlers()["alarm_settled"]](**told)
    assert [change.data["alarm_state"] for change in (await screen.take())[0]] == ["normal"]
    shown = await WorkOrders(context).show(ground.guard, order)
    assert (shown["alarm_state"], shown["alarm_returned_at"], shown["state"]) == ("normal", NOW, "open")
    [other] = ground.more_alarms(1)
    await plug.tasks(context)[plug.handlers()["alarm_settled"]](community_id=ground.here, alarm_id=other)
