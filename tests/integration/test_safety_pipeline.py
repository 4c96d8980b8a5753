"""A guard walks his round by phone, and that is the inspection: through the real outbox, pipeline, queue and rules."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from drivers.plugin import DriversPlugin
from hub.app import Hub
from hub.catalog.paths import packaged_config
from hub.context import Context
from hub.jobs import job_app
from hub.principal import Principal
from hub.settings import Settings
from hub.vocabulary.kinds import KindSpec
from modules.patrol import PatrolPlugin
from modules.patrol.evidence import CheckIn
from modules.patrol.phone import PhoneClock
from modules.safety import SafetyPlugin
from modules.safety.service import Equipment
from modules.safety.watch import Watch
from rules.model import Rule
from rules.plugin import RulesPlugin
from tests.integration.pipeline_bench import BenchClock
from tests.integration.test_patrol_pipeline import NOW, Line

FILES = ("patrols.yaml", "fire-equipment.yaml")


class SomeRules(RulesPlugin):
    """The rules of patrols and fire equipment."""

    def rules(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> list[Rule]:
        with TemporaryDirectory() as folder:
            (Path(folder) / "rules").mkdir()
            for name in FILES:
                shutil.copy(packaged_config() / "rules" / name, Path(folder) / "rules")
            return super().rules([Path(folder)], kinds)


class EmptyRegister(SafetyPlugin):
    """Without the part that takes in the demonstration's list, whenever it comes to that."""

    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[None]]]:
        return {}


class Walk(Line):
    """The bench of patrols, with the jobs and the part of the register."""

    async def do_jobs(self) -> None:
        context = self.hub.context
        app = job_app(self.hub.settings.database_url,
                      {**PatrolPlugin().tasks(context), **SafetyPlugin().tasks(context)})  # fmt: skip
        async with app.open_async():
            await app.run_worker_async(
                queues=["hub"], wait=False, install_signal_handlers=False, listen_notify=False,
                delete_jobs="successful",
            )  # fmt: skip
        await Watch(context, {}).look()

    def standing(self) -> dict[str, str]:
        return {rule: state for rule, state, _ in self.alarms("fire-equipment")}

    async def check_in(self, counter: int, answers: dict[str, bool | float], note: str = "") -> None:
        who = Principal("user:li", self.hub.communities["demo"], "guard")
        codes = {
            one.id: code for one, code in await self.patrols.printed(Principal("user:a", who.community_id, "admin"))
        }
        clock = PhoneClock(self.clock.now(), 1000.0 + counter, "one")
        one = CheckIn(counter, codes["b1-lobby"], clock, answers, note)
        [told] = (await self.patrols.recorder.check_in(who, "phone", clock, [one]))["results"]
        assert told["outcome"] == "accepted"
        for _ in range(3):
            await self.work()
            self.clock.advance(1)


@pytest.fixture
async def walk(database_url: str) -> AsyncIterator[Walk]:
    clock = BenchClock(NOW)
    plugs = [DriversPlugin(), SomeRules(), PatrolPlugin(), EmptyRegister()]
    hub = Hub(Settings(database_url=database_url), {}, clock=clock, plugs=plugs)
    await hub.start()
    await hub.supervisor.stop_all()
    line = Walk(hub, clock)
    await line.patrols.keeper.plan_ahead()
    try:
        yield line
    finally:
        await hub.stop()


async def test_the_round_is_the_inspection(walk: Walk):
    equipment, who = Equipment(walk.hub.context), Principal("user:chen", walk.hub.communities["demo"], "engineer")
    piece = {"number": "FE-B1-01", "kind": "extinguisher_powder", "place": "b1/u1", "made": "2024-03",
             "inspected": "2026-10-01"}  # fmt: skip
    number = await equipment.put(who, piece)
    for _ in range(2):
        await walk.work()
    assert walk.standing() == {"fire-equipment-overdue": "active_unacknowledged"}

    await walk.check_in(1, {"extinguisher": True})
    assert walk.standing() == {"fire-equipment-overdue": "returned_unacknowledged"}
    [record] = (await equipment.piece(who, number))["records"]
    assert (record["sort"], record["actor"], record["patrol"]) == ("normal", "user:li", True)

    await walk.check_in(2, {"extinguisher": False}, "压力不足")
    shown = await equipment.piece(who, number)
    assert (shown["states"], shown["fault"]) == (("faulty",), "压力不足")
    assert walk.alarms("fire-equipment") == [("fire-equipment-overdue", "returned_unacknowledged", 1)]
    assert ("patrol-inspection-deviation", "returned_unacknowledged", 1) in walk.alarms()

    walk.clock.advance(3 * 86_400 + 60)
    await walk.work()
    assert walk.standing()["fire-equipment-unrepaired"] == "active_unacknowledged"
    await equipment.record(who, number, "service", "换瓶")
    await walk.work()
    assert walk.standing()["fire-equipment-unrepaired"] == "returned_unacknowledged"
