"""From a reader's message to the alarm desk and back, through the real pipeline, queue, outbox and rules."""

import json
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from drivers.plugin import DriversPlugin
from hub.app import Hub
from hub.catalog.paths import packaged_config
from hub.clock import to_us
from hub.jobs import job_app
from hub.model import Arrival
from hub.principal import Principal
from hub.reports.outbox import payload
from hub.settings import Settings
from hub.vocabulary.kinds import KindSpec
from modules.patrol import PatrolPlugin, make_patrols
from modules.patrol.evidence import CheckIn
from modules.patrol.phone import PhoneClock
from rules.model import Rule
from rules.plugin import RulesPlugin
from tests.integration.pipeline_bench import BenchClock

NOW = datetime(2026, 11, 21, 17, 58, 30, tzinfo=UTC)  # 01:58:30 in Shanghai
BEGIN = datetime(2026, 11, 21, 18, tzinfo=UTC)
CARD = "A1B2C3D4"


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class PatrolRules(RulesPlugin):
    """The rules of patrols, and no others."""

    def rules(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> list[Rule]:
        with TemporaryDirectory() as folder:
            (Path(folder) / "rules").mkdir()
            shutil.copy(packaged_config() / "rules/patrols.yaml", Path(folder) / "rules")
            return super().rules([Path(folder)], kinds)


class Line:
    """A hub whose parts move only when the test says so."""

    def __init__(self, hub: Hub, clock: BenchClock) -> None:
        self.hub, self.clock = hub, clock
        self.patrols = make_patrols(hub.context)
        self._token = 0

    async def work(self, jobs: bool = True) -> None:
        """Every job that waits is done, the keeper looks, and what stands in the outbox goes through the pipeline."""
        if jobs:
            await self.do_jobs()
        await self.patrols.keeper.tick()
        community = self.hub.communities["demo"]
        rows = await self.hub.reports.take(community, [], 500)
        now = to_us(self.clock.now())
        arrivals = [Arrival("demo/virtual", row["device"], payload(row), now, token=0) for row in rows]
        for again in (arrivals, arrivals):  # a hub that was killed before it could delete them offers them again
            if again:
                await self.hub.pipeline.settle(list(again))
        await self.hub.reports.forget(community, [row["id"] for row in rows])

    async def do_jobs(self) -> None:
        app = job_app(self.hub.settings.database_url, PatrolPlugin().tasks(self.hub.context))
        async with app.open_async():
            await app.run_worker_async(
                queues=["hub"], wait=False, install_signal_handlers=False, listen_notify=False,
                delete_jobs="successful",
            )  # fmt: skip

    async def until(self, moment: datetime, each_s: float = 10, jobs: bool = True) -> None:
        while self.clock.now() < moment:
            self.clock.advance(min(each_s, (moment - self.clock.now()).total_seconds()))
            await self.work(jobs)

    async def say(self, topic: str, message: dict[str, Any], **more: Any) -> None:
        self._token += 1
        arrival = Arrival("demo/mqtt-main", f"community/demo/{topic}", json.dumps(message).encode(),
                          to_us(self.clock.now()), token=self._token, session=1, **more)  # fmt: skip
        await self.hub.pipeline.settle([arrival])

    async def tap(self, device: str) -> None:
        await self.say(f"patrol/{device}/tap", {"card": CARD, "checkpoint": "x"})

    async def door(self, device: str) -> None:
        self._token += 1
        message = {"type": "access_granted", "ts": to_us(self.clock.now()) // 1000, "seq": self._token, "boot": 1,
                   "card": CARD, "method": "card"}  # fmt: skip
        await self.say(f"door/{device}/event", message)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.hub.settings.database_url) as link:
            return link.execute(query, values).fetchall()  # type: ignore[call-overload, no-any-return]

    def alarms(self, device: str = "route-garden") -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT a.rule, a.state, a.count FROM hub.alarm a JOIN hub.device d ON d.id = a.device_id"
            " WHERE d.code = %s ORDER BY a.id",
            device,
        )


@asynccontextmanager
async def running(database_url: str, **more: Any) -> AsyncIterator[Line]:
    clock = BenchClock(NOW)
    plugs = [DriversPlugin(), PatrolRules(), PatrolPlugin()]
    hub = Hub(Settings(database_url=database_url, **more), {}, clock=clock, plugs=plugs)
    await hub.start()
    await hub.supervisor.stop_all()

    async def person_of_card(community_id: int, card: str) -> dict[str, Any] | None:
        return {"person": 9, "name": "周文斌", "account": None} if card == CARD else None

    hub.context.ports["duty.person_of_card"] = person_of_card
    line = Line(hub, clock)
    await line.patrols.keeper.plan_ahead()
    try:
        yield line
    finally:
        await hub.stop()


@pytest.fixture
async def line(database_url: str) -> AsyncIterator[Line]:
    async with running(database_url) as found:
        yield found


async def test_a_round_walked_past_readers_and_doors_is_complete_and_raises_nothing(line: Line):
    await line.until(BEGIN + minutes(1))
    await line.door("door-b1-u1")
    await line.until(BEGIN + minutes(3))
    await line.tap("patrol-1")
    await line.tap("patrol-1")
    await line.until(BEGIN + minutes(9.5))
    [found] = line.rows("SELECT state, people FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", BEGIN)
    assert found == ("complete", ["person:9"])
    assert line.alarms() == []
    told = line.rows(
        "SELECT e.name FROM telemetry.event e JOIN hub.device d ON d.id = e.device_id WHERE d.code = 'route-garden'"
        " ORDER BY e.ts, e.name"
    )
    assert sorted(name for (name,) in told) == ["checkpoint_done", "checkpoint_done", "round_finished", "round_started"]


async def test_a_missed_round_is_exactly_one_alarm_which_ends_and_late_word_raises_no_other(line: Line):
    await line.until(BEGIN + minutes(7.9))
    assert [alarm for alarm in line.alarms() if alarm[0] == "patrol-missed"] == []
    await line.until(BEGIN + minutes(8.5))
    assert [alarm for alarm in line.alarms() if alarm[0] == "patrol-missed"] == [
        ("patrol-missed", "active_unacknowledged", 1)
    ]
    await line.until(BEGIN + minutes(9.2))
    missed = [alarm for alarm in line.alarms() if alarm[0] == "patrol-missed"]
    assert missed == [("patrol-missed", "returned_unacknowledged", 1)]
    before = line.alarms()
    line.clock.advance(20)
    device = next(d for d in line.hub.devices.values() if d.code == "patrol-1")
    door = next(d for d in line.hub.devices.values() if d.code == "door-b1-u1")
    for found, name, minute in ((door, "access_granted", 1), (device, "checkpoint_read", 3)):
        await line.patrols.recorder.hear(
            community_id=line.hub.communities["demo"], device_id=found.id, event_id=f"{minute:032x}", name=name,
            at=(BEGIN + minutes(minute)).isoformat(), received=line.clock.now().isoformat(), data={"card": CARD},
        )  # fmt: skip
    await line.work()
    assert line.rows(
        "SELECT state, proved_later FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", BEGIN
    ) == [("complete", True)]
    assert line.alarms() == before


async def test_a_late_checkpoint_is_told_in_time_and_the_round_can_still_be_saved(line: Line):
    await line.until(BEGIN + minutes(4.2))
    assert [alarm[0] for alarm in line.alarms()] == ["patrol-late"]
    await line.door("door-b1-u1")
    await line.until(BEGIN + minutes(6))
    await line.tap("patrol-1")
    await line.until(BEGIN + minutes(9.2))
    assert [alarm[0] for alarm in line.alarms()] == ["patrol-late"]
    assert line.rows("SELECT state FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", BEGIN) == [("late",)]


async def test_too_fast_and_out_of_order_are_alarms_of_their_own(line: Line):
    await line.until(BEGIN + minutes(1))
    await line.tap("patrol-1")
    await line.until(BEGIN + minutes(1.2))
    await line.door("door-b1-u1")
    await line.until(BEGIN + minutes(7.9))
    assert line.alarms() == [], "until it is late the guard may only have passed by"
    await line.until(BEGIN + minutes(8.2))
    assert [alarm[0] for alarm in line.alarms()] == ["patrol-out-of-order"]
    assert line.rows("SELECT historical, annunciated_at IS NOT NULL FROM hub.alarm") == [(False, True)]


# -- what was received is heard before anything is called late --------------------------------------------------------


async def killed_worker_takes_the_first_job(line: Line) -> None:
    """A worker begins the job that waits first, and its process is killed."""
    with psycopg.connect(line.hub.settings.database_url) as link:
        link.execute(
            "UPDATE procrastinate_jobs SET status = 'doing' WHERE id = (SELECT min(id) FROM procrastinate_jobs)"
        )


async def test_a_tap_whose_job_waits_or_died_half_way_is_not_overtaken_by_its_deadline(line: Line):
    await line.until(BEGIN + minutes(2.9))
    await line.door("door-b1-u1")  # due at 3 minutes, late at 4
    await killed_worker_takes_the_first_job(line)
    await line.until(BEGIN + minutes(3.5), jobs=False)
    await line.tap("patrol-2")  # another job of the same time must not have it told either
    await line.until(BEGIN + minutes(4.3), jobs=False)
    await line.do_jobs()
    assert line.alarms() == []
    line.rows("UPDATE procrastinate_jobs SET status = 'todo' WHERE status = 'doing' RETURNING id")
    await line.until(BEGIN + minutes(5))
    await line.tap("patrol-1")
    await line.until(BEGIN + minutes(9.5))
    assert line.alarms() == []
    assert line.rows("SELECT state FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", BEGIN) == [
        ("complete",)
    ]


async def test_a_job_that_never_ends_holds_a_deadline_up_for_a_minute_and_a_half_and_no_longer(line: Line):
    await line.until(BEGIN + minutes(2.9))
    await line.door("door-b1-u1")
    await line.until(BEGIN + minutes(5.3), jobs=False)
    assert line.alarms() == []
    await line.until(BEGIN + minutes(5.8), jobs=False)
    assert [rule for rule, _, _ in line.alarms()] == ["patrol-late"]


async def test_a_tap_that_is_received_but_not_stored_yet_is_waited_for(line: Line):
    await line.until(BEGIN + minutes(2.9))
    line.hub.status.unstored = to_us(line.clock.now())
    await line.until(BEGIN + minutes(4.3))
    assert line.alarms() == []
    line.hub.status.unstored = None
    await line.work()
    assert [rule for rule, _, _ in line.alarms()] == ["patrol-late"]


# -- a camera as second proof ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plate", "state"), [("沪AXG001", "complete"), ("沪AXG002", "incomplete")])
async def test_the_patrol_carts_plate_completes_a_printed_code_and_another_plate_counts_nothing(
    database_url: str, tmp_path: Path, plate: str, state: str
):
    text = (packaged_config() / "patrols/demo.yaml").read_text("utf-8")
    text = text.replace("- {by: display}\n      - {by: qr}", "- {by: qr, weight: 0.5}  # not without the cart")
    text = text.replace(
        "- {checkpoint: garage-exit, min: 20s, max: 7m}", "- {checkpoint: east-gate, max: 7m}  # in place of the exit"
    )
    (tmp_path / "patrols").mkdir()
    (tmp_path / "patrols/demo.yaml").write_text(text, "utf-8")
    async with running(database_url, config_dir=tmp_path) as line:
        await line.until(BEGIN + minutes(6))
        await line.tap("patrol-2")
        guard = Principal("user:li", line.hub.communities["demo"], "guard")
        admin = Principal("user:wang", line.hub.communities["demo"], "admin")
        code = next(code for one, code in await line.patrols.printed(admin) if one.id == "east-gate")
        clock = PhoneClock(line.clock.now(), 1.0, "boot")
        [told] = (await line.patrols.recorder.check_in(guard, "p", clock, [CheckIn(1, code, clock)]))["results"]
        assert told["outcome"] == "accepted"
        seen = {"number": plate, "confidence": 97}
        at = to_us(line.clock.now())
        await line.say("camera/cam-in/plate", {"captured": at, "plate": seen, "lane": "in"})
        await line.until(BEGIN + minutes(15))
        sorts = "SELECT sort, weight FROM patrol.evidence WHERE checkpoint = 'east-gate' ORDER BY id"
        assert line.rows(sorts) == [("qr", 50), *([("camera", 40)] if state == "complete" else [])]
        assert line.rows(
            "SELECT state FROM patrol.round WHERE plan = 'garage-round' AND begins = %s", BEGIN + minutes(5)
        ) == [(state,)]


async def test_a_new_route_with_its_device_is_walked_and_missed_without_a_restart(database_url: str, tmp_path: Path):
    """Site and patrol file are saved; the hub reloads the one and the keeper the other, in whichever order."""
    for folder in ("sites", "patrols"):
        shutil.copytree(packaged_config() / folder, tmp_path / folder)
    async with running(database_url, config_dir=tmp_path) as line:
        await line.until(BEGIN)
        site, plans = tmp_path / "sites/demo.yaml", tmp_path / "patrols/demo.yaml"
        plan = plans.read_text("utf-8").replace("device: route-garage\n", "device: route-cellar\n")
        plans.write_text(plan.replace("id: garage-round\n", "id: cellar-round\n"), "utf-8")
        assert not await line.patrols.keeper.reread(), "refused: the site has no such device yet"
        known = "  - {id: route-garage,"
        text = site.read_text("utf-8")
        assert known in text
        new = next(one for one in text.splitlines() if one.startswith(known)).replace("route-garage", "route-cellar")
        site.write_text(text.replace(known, f"{new}\n{known}"), "utf-8")
        await line.hub.reload()
        assert await line.patrols.keeper.reread()
        await line.until(BEGIN + minutes(4))
        await line.tap("patrol-2")
        await line.until(BEGIN + minutes(15.5))
        assert [alarm[0] for alarm in line.alarms("route-cellar")] == ["patrol-missed"]
        begun = "SELECT begins, state FROM patrol.round WHERE device = 'route-cellar' AND closes <= %s"
        assert line.rows(begun, line.clock.now()) == [(BEGIN + minutes(5), "incomplete")]
        gone = "SELECT count(*) FROM patrol.round WHERE device = 'route-garage' AND opens > %s"
        assert line.rows(gone, BEGIN) == [(0,)]
