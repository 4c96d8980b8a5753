"""The life of a command over a real PostgreSQL, with a driver whose behaviour the test decides."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from hub.codecs.modbus import plan_blocks
from hub.errors import Expired, OutcomeUnknown, Refused, Rejected, Unreachable
from hub.model import CommandRequest, Receipt
from hub.principal import Principal, Role
from hub.store.database import NotThere
from tests.integration.pipeline_bench import Bench, make_bench


class FakeDriver:
    """Remembers what it was told to send."""

    def __init__(self) -> None:
        self.sent: list[CommandRequest] = []
        self.trouble: Exception | None = None

    async def execute(self, command: CommandRequest) -> Receipt:
        self.sent.append(command)
        if self.trouble is not None:
            raise self.trouble
        return Receipt(True, "taken")


def install(bench: Bench) -> FakeDriver:
    driver = FakeDriver()
    bench.hub._drivers["demo/mqtt-main"] = driver  # type: ignore[assignment]
    return driver


def who(bench: Bench, role: Role = "guard") -> Principal:
    return Principal("user:li", bench.hub.communities["demo"], role)


async def ask(bench: Bench, key: str = "k1", **more: Any) -> dict[str, Any]:
    code = more.pop("device", "door-b1-u1")
    return await bench.hub.context.commands.request(
        more.pop("by", who(bench)), bench.device(code).id, more.pop("name", "open"), "resident forgot the key", key
    )


async def until(probe: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(100):
        while not await probe():
            await asyncio.sleep(0.01)


async def reaches(bench: Bench, command: UUID, state: str) -> dict[str, Any]:
    desk, found = bench.hub.context.commands, {}

    async def there() -> bool:
        nonlocal found
        found = await desk.show(who(bench), command)
        return bool(found["state"] == state)

    await until(there)
    return found


def unlocked(bench: Bench, command: str, seq: int = 1, cause: str = "remote") -> Any:
    return bench.door("unlock", seq, cause=cause, id=command)


async def test_m03_confirmed_only_by_the_doors_own_event(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        driver = install(bench)
        row = await ask(bench)
        await reaches(bench, row["id"], "acknowledged")
        await bench.feed(unlocked(bench, "somebody-elses"), unlocked(bench, str(row["id"]), 2, cause="button"))
        assert (await bench.hub.context.commands.show(who(bench), row["id"]))["state"] == "acknowledged"
        await bench.feed(unlocked(bench, str(row["id"]), 3))
        done = await reaches(bench, row["id"], "confirmed")
        assert [step["state"] for step in done["history"]] == [
            "requested", "authorised", "sent", "acknowledged", "confirmed"
        ]  # fmt: skip
        [(key,)] = bench.query("SELECT frame_key FROM telemetry.event WHERE data->>'command_id' = %s "
                               "AND data->>'cause' = 'remote'", str(row["id"]))  # fmt: skip
        assert done["proof"] == key
        assert len(driver.sent) == 1


async def test_m08_a_retried_request_opens_once(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        driver = install(bench)
        rows = await asyncio.gather(*(ask(bench) for _ in range(10)))
        assert len({row["id"] for row in rows}) == 1
        await reaches(bench, rows[0]["id"], "acknowledged")
        assert len(driver.sent) == 1
        with pytest.raises(Refused, match="another command"):
            await ask(bench, device="door-b1-u2")


@pytest.mark.parametrize(
    ("trouble", "state"),
    [
        (Unreachable("the broker is away; nothing was sent"), "failed"), (Rejected("not authorised"), "failed"),
        (OutcomeUnknown("sent, no answer"), "unknown"), (Expired("its turn came too late"), "expired"),
    ],
)  # fmt: skip
async def test_what_went_wrong_is_said_and_nothing_is_sent_again(
    database_url: str, trouble: Exception, state: str
) -> None:
    async with make_bench(database_url) as bench:
        driver = install(bench)
        driver.trouble = trouble
        row = await ask(bench)
        ended = await reaches(bench, row["id"], state)
        assert str(trouble) in ended["detail"]
        assert (await ask(bench))["state"] == state, "the same key gives the same command"
        assert len(driver.sent) == 1


async def test_a_proof_that_comes_late_is_better_than_not_knowing(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        install(bench).trouble = OutcomeUnknown("sent, no answer")
        row = await ask(bench)
        await reaches(bench, row["id"], "unknown")
        await bench.feed(unlocked(bench, str(row["id"])))
        await reaches(bench, row["id"], "confirmed")


async def test_c02_after_a_restart_nothing_unfinished_is_ever_sent(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        install(bench)
        row = await ask(bench)
        await reaches(bench, row["id"], "acknowledged")
    async with make_bench(database_url) as bench:
        driver = install(bench)
        ended = await reaches(bench, row["id"], "unknown")
        assert "restarted" in ended["detail"]
        await asyncio.sleep(0.1)
        assert driver.sent == []


@pytest.mark.parametrize("role", ["viewer", "finance"])
async def test_who_may_not_is_refused_and_the_refusal_is_kept(database_url: str, role: Role) -> None:
    async with make_bench(database_url) as bench:
        driver = install(bench)
        with pytest.raises(Refused, match="may not"):
            await ask(bench, by=who(bench, role))
        assert driver.sent == []
        assert bench.query("SELECT state FROM hub.command") == [("refused",)]
        assert bench.query("SELECT actor, detail->>'state' FROM hub.audit WHERE action = 'command.open'") == [
            ("user:li", "refused")
        ]


async def test_c12_an_elevator_has_no_commands_at_all(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        with pytest.raises(Refused, match="no command"):
            await ask(bench, device="elevator-b1-u1")


async def test_another_communitys_door_is_not_there(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        with pytest.raises(NotThere):
            await ask(bench, by=Principal("user:x", 4711, "admin"))


async def test_a_pump_is_confirmed_by_the_point_read_back(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        driver = FakeDriver()
        bench.hub._drivers["demo/gw-plant"] = driver  # type: ignore[assignment]
        row = await ask(bench, device="pump-1", name="start", by=who(bench, "engineer"))
        await reaches(bench, row["id"], "acknowledged")
        pump = bench.device("pump-1")
        section = pump.profile.modbus  # type: ignore[union-attr]
        block = next(b for b in plan_blocks(section, pump.kind.points) if any(e.name == "running" for e in b.points))
        source = f"unit={pump.spec.address.unit} {block.table} {block.address}+{block.count}"  # type: ignore[union-attr]
        for bits, state in ((b"\x00", "acknowledged"), (b"\xff", "confirmed")):
            arrival = bench.arrival(source, bits)
            arrival.bus = "demo/gw-plant"
            await bench.feed(arrival)
            bench.clock.advance(0.1)
            await reaches(bench, row["id"], state)
