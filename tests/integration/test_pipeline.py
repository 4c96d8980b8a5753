"""The pipeline's promises, over a real PostgreSQL."""

import random
from typing import Any

import msgspec
import psycopg
import pytest

from hub.clock import to_us
from hub.decisions import Decision
from hub.errors import Refused
from hub.model import Frame
from tests.integration.pipeline_bench import NOON, make_bench


async def test_everything_is_acknowledged_after_it_is_stored(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("access_granted", 1, card="A1B2", method="card"), bench.door_state(2, "open"))
        assert bench.ears.heard == [(1, 1), (1, 2)]
        assert bench.query("SELECT name, data FROM telemetry.event") == [
            ("access_granted", {"card": "A1B2", "method": "card"})
        ]
        assert bench.query("SELECT p.name, s.value FROM telemetry.sample s JOIN hub.point p ON p.id = s.point_id "
                           "ORDER BY 1") == [("locked", 1.0), ("open", 1.0)]  # fmt: skip


@pytest.mark.parametrize("flagged", [True, False])
@pytest.mark.parametrize("together", [True, False])
async def test_m01_a_message_three_times_is_one_event_and_one_alarm(
    database_url: str, flagged: bool, together: bool
) -> None:
    async with make_bench(database_url) as bench:
        first = bench.door("forced", 7)
        again = [bench.arrival(first.source, first.payload, duplicate=flagged) for _ in range(2)]
        if together:
            await bench.feed(first, *again)
        else:
            for arrival in (first, *again):
                bench.clock.advance(30)
                await bench.feed(arrival)
        assert len(bench.ears.heard) == 3
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]
        assert bench.query("SELECT count FROM hub.alarm WHERE rule = 'door-forced'") == [(1,)]
        assert bench.hub.status.counters["duplicates"] == 2


async def test_a_duplicate_is_known_at_any_age(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        first = bench.door("access_denied", 3, card="A1", cause="zone")
        await bench.feed(first)
        bench.clock.advance(200 * 86_400)
        await bench.feed(bench.arrival(first.source, first.payload))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]


async def test_two_equal_taps_without_time_or_number_are_two_events_and_a_redelivery_is_none(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        topic, tap = _patrol(bench)
        await bench.feed(bench.arrival(topic, tap, token=50), bench.arrival(topic, tap, token=51))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(2,)]
        bench.clock.advance(2)
        await bench.feed(bench.arrival(topic, tap, token=51, duplicate=True))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(2,)]
        bench.clock.advance(2)
        await bench.feed(bench.arrival(topic, tap, token=52, duplicate=True))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(3,)], "flagged, but never seen before"


def _patrol(bench: Any) -> tuple[str, bytes]:
    message = bench.device("patrol-1").profile.mqtt.messages[0]
    topic = message.topic.replace("{community}", "demo").replace("{device}", "patrol-1")
    return topic, b'{"tag":"77AA","card":"77AA","checkpoint":"garden-1","point":"garden-1"}'


async def test_m05_a_restarted_controller_that_counts_from_one_again_is_not_a_duplicate(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("access_granted", 1, card="A1", method="card"))
        bench.clock.advance(60)
        await bench.feed(bench.door("access_granted", 1, card="A1", method="card", boot=2))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(2,)]


async def test_m02_shuffled_messages_leave_the_same_final_state(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        words = ["open" if n % 3 else "closed" for n in range(60)]
        arrivals = [bench.door_state(n, word, ago_s=60 - n) for n, word in enumerate(words)]
        random.Random(5).shuffle(arrivals)
        for start in range(0, 60, 7):
            await bench.feed(*arrivals[start : start + 7])
        values = {"closed": 0.0, "open": 1.0}
        point = bench.device("door-b1-u1").points["open"].id
        assert bench.query("SELECT value FROM telemetry.point_last WHERE point_id = %s", point) == [
            (values[words[-1]],)
        ]
        stored = bench.query("SELECT value FROM telemetry.sample WHERE point_id = %s ORDER BY ts", point)
        assert [value for (value,) in stored] == [values[word] for word in words]


async def test_m03_a_week_late_is_stored_and_rolled_up_but_raises_nothing(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door_state(10, "closed"))
        await bench.feed(*[bench.door_state(n, "open", ago_s=7 * 86_400 - 61 * n) for n in range(1, 4)])
        bench.clock.advance(3600)
        await bench.feed()
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE rule = 'door-held-open'") == [(0,)]
        late = bench.query("SELECT DISTINCT quality FROM telemetry.sample WHERE ts < %s", NOON.replace(day=20))
        assert late == [(4,)]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"type":"forced"', b"[" * 100_000, b'{"type":"nonsense","ts":1}',
        b'{"ts":NaN}', b'{"ts":1e400,"door":"open"}',
        b'{"door":"ajar","lock":"locked","ts":1795233600000,"seq":1,"boot":1}', b"x" * 100_000,
    ],
)  # fmt: skip
async def test_m06_bad_input_is_set_aside_with_a_reason_and_good_traffic_goes_on(
    database_url: str, payload: bytes
) -> None:
    async with make_bench(database_url) as bench:
        topic = "community/demo/door/door-b1-u1/state"
        await bench.feed(bench.door("forced", 1), bench.arrival(topic, payload), bench.door("forced", 2))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(2,)]
        [(reason, detail, size, count)] = bench.query("SELECT reason, detail, size, count FROM hub.dead_letter")
        assert reason and detail and size == len(payload) and count == 1
        assert len(bench.ears.heard) == 3, "a dead letter is acknowledged, or it would come for ever"


@pytest.mark.parametrize("year", [1970, 2037, 9999])
async def test_n10_a_device_whose_clock_is_nonsense_is_stamped_with_the_receipt_and_marked(
    database_url: str, year: int
) -> None:
    async with make_bench(database_url) as bench:
        state = {"ts": to_us(NOON.replace(year=year)) // 1000, "seq": 1, "boot": 1, "door": "open", "lock": "locked"}
        await bench.feed(bench.arrival("community/demo/door/door-b1-u1/state", state))
        assert bench.query("SELECT DISTINCT ts, quality FROM telemetry.sample") == [(NOON, 2)]


async def test_one_stamp_from_the_future_makes_nothing_late(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door_state(1, "closed", ago_s=-12 * 3600))
        bench.clock.advance(5)
        await bench.feed(bench.door_state(2, "open"))
        bench.clock.advance(61)
        await bench.feed()
        assert bench.query("SELECT quality FROM telemetry.sample ORDER BY ts, point_id") == [(2,), (2,), (0,), (0,)]
        assert bench.query("SELECT count(*) FROM hub.alarm WHERE rule = 'door-held-open'") == [(1,)]


async def test_a_message_of_a_clock_far_ahead_is_known_when_it_comes_again(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        camera = next(one for one in bench.hub.devices.values() if one.profile.profile == "heyue-pc300")
        said = {"captured": to_us(NOON) + 3 * 3_600_000_000, "plate": {"number": "B12345"}}
        for _ in range(2):
            await bench.feed(bench.arrival(f"community/demo/camera/{camera.code}/plate", said))
            bench.clock.advance(60)
        assert bench.query("SELECT ts FROM telemetry.event") == [(NOON,)]


async def test_a_message_of_a_clock_ahead_is_known_when_it_is_delivered_again_after_that_time(
    database_url: str,
) -> None:
    async with make_bench(database_url) as bench:
        forced = bench.door("forced", 1, ago_s=-3600)
        await bench.feed(forced)
        bench.clock.advance(2 * 3600)
        again = msgspec.structs.replace(forced, received=bench.clock.now_us(), duplicate=True)
        later = bench.door("forced", 2, duplicate=True)
        await bench.feed(again, later)
        assert bench.query("SELECT ts FROM telemetry.event ORDER BY ts") == [(NOON,), (bench.clock.now(),)]


async def test_a_dead_letter_is_counted_not_multiplied_and_can_be_replayed(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        topic, payload = "community/demo/door/door-b1-u1/state", b'{"door":'
        for _ in range(3):
            await bench.feed(bench.arrival(topic, payload))
        [(number, count)] = bench.query("SELECT id, count FROM hub.dead_letter")
        assert count == 3
        assert await bench.hub.replay(bench.hub.communities["demo"], [number]) == 1
        await bench.feed(*await bench.hub.queue.take(10, 0.0, None))
        assert bench.query("SELECT count FROM hub.dead_letter") == [(4,)], "still as bad as it was"
        assert await bench.hub.replay(bench.hub.communities["demo"] + 1, [number]) == 0, "another community's"


async def test_no_dead_letter_is_replayed_into_a_queue_that_may_drop_it(database_url: str) -> None:
    async with make_bench(database_url, queue_size=100) as bench:
        topic = "community/demo/door/door-b1-u1/state"
        await bench.feed(bench.arrival(topic, b'{"door":'))
        [(number,)] = bench.query("SELECT id FROM hub.dead_letter")
        bench.hub.queue.offer([bench.arrival(topic, b"?") for _ in range(100)])
        with pytest.raises(Refused, match="behind"):
            await bench.hub.replay(bench.hub.communities["demo"], [number])
        assert bench.query("SELECT replayed_at FROM hub.dead_letter") == [(None,)]


async def test_m15_a_poisonous_arrival_is_set_aside_and_the_rest_is_stored(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_bench(database_url) as bench:
        evaluator = bench.hub.pipeline._stages.evaluator
        judge = evaluator.evaluate

        def break_on_poison(frames: list[Frame], now: int, overtaken: int | None = None) -> Decision:
            if any(event.data.get("card") == "POISON" for frame in frames for event in frame.events):
                raise ZeroDivisionError("a rule nobody tested")
            return judge(frames, now)

        monkeypatch.setattr(evaluator, "evaluate", break_on_poison)
        cards = [f"C{n}" for n in range(20)]
        cards[13] = "POISON"
        await bench.feed(*[bench.door("access_granted", n, card=card, method="card") for n, card in enumerate(cards)])
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(19,)]
        [(reason, detail)] = bench.query("SELECT reason, detail FROM hub.dead_letter")
        assert reason == "poison" and "a rule nobody tested" in detail
        assert sorted(token for _, token in bench.ears.heard) == list(range(1, 21))


async def test_a_batch_that_breaks_at_its_commit_leaves_nothing_and_is_right_when_tried_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_bench(database_url) as bench:
        stages = bench.hub.pipeline._stages
        write, failures = stages.writer.put_dead, [psycopg.OperationalError("the plug was pulled")]

        async def fail_once(*arguments: Any) -> None:
            await write(*arguments)
            if failures:
                raise failures.pop()

        monkeypatch.setattr(stages.writer, "put_dead", fail_once)
        await bench.feed(bench.door("forced", 1), bench.arrival("community/demo/door/door-b1-u1/state", b"?"))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(1,)]
        assert bench.query("SELECT count FROM hub.alarm WHERE rule = 'door-forced'") == [(1,)]
        assert bench.query("SELECT count FROM hub.dead_letter") == [(1,)]
        assert len(bench.ears.heard) == 2


async def test_m11_retained_messages_are_state_and_never_events(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("forced", 1, retained=True), bench.door_state(2, "open", retained=True))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(0,)]
        assert bench.query("SELECT count(*) FROM hub.alarm") == [(0,)]
        point = bench.device("door-b1-u1").points["open"].id
        assert bench.query("SELECT value, quality FROM telemetry.point_last WHERE point_id = %s", point) == [(1.0, 16)]


async def test_birth_and_will_become_device_state(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        topic = "community/demo/door/door-b1-u1/status"
        for word, state in ((b"online", "connected"), (b"offline", "offline"), (b"online", "connected")):
            bench.clock.advance(1)
            await bench.feed(bench.arrival(topic, word, retained=True))
            assert bench.query("SELECT state FROM hub.device_state") == [(state,)]


async def test_an_error_a_driver_told_is_not_lifted_by_another_block_of_the_device(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        door = bench.device("door-b1-u1")
        state = "SELECT state FROM hub.device_state"
        for told, then in (("error", "error"), ("connected", "connected"), ("silent", "connected")):
            bench.hub._report(door, told, "exception 2")
            await bench.feed()
            assert bench.query(state) == [(told,)]
            bench.clock.advance(1)
            await bench.feed(bench.door_state(bench.clock.now_us(), "closed"))
            assert bench.query(state) == [(then,)]


async def test_an_event_said_again_after_its_raw_frame_is_gone_is_still_one(database_url: str) -> None:
    async with make_bench(database_url, frame_days=30) as bench:
        old = bench.door("forced", 1, ago_s=40 * 86_400)
        await bench.feed(old)
        await _upkeep(bench).keep_partitions()
        await bench.feed(bench.arrival(old.source, old.payload), bench.door("forced", 2))
        assert bench.query("SELECT count(*) FROM telemetry.event") == [(2,)]
        assert bench.query("SELECT count(*) FROM hub.dead_letter") == [(0,)]


async def test_hours_and_days_are_right_after_late_data(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        upkeep = _upkeep(bench)
        point = bench.device("door-b1-u1").points["open"].id
        await bench.feed(*[bench.door_state(n, "open", ago_s=60 * n) for n in range(5)])
        await upkeep.roll_up()
        assert bench.query("SELECT sum(n), max(vmax) FROM telemetry.sample_1h WHERE point_id = %s", point) == [(5, 1.0)]
        await bench.feed(bench.door_state(9, "closed", ago_s=30))
        await upkeep.roll_up()
        hours = bench.query("SELECT sum(n), min(vmin), sum(vsum) FROM telemetry.sample_1h WHERE point_id = %s", point)
        assert hours == [(6, 0.0, 5.0)]
        days = bench.query("SELECT bucket, n, vsum FROM telemetry.sample_1d WHERE point_id = %s", point)
        assert [(bucket.hour, n, total) for bucket, n, total in days] == [(16, 6, 5.0)], "midnight in Shanghai"
        assert await upkeep.roll_up() == 0


async def test_partitions_are_made_ahead_and_dropped_past_retention(database_url: str) -> None:
    async with make_bench(database_url, frame_days=30) as bench:
        if bench.query("SELECT telemetry.has_timescale()") == [(True,)]:
            pytest.skip("TimescaleDB makes and names its own chunks: test_timescale.py drops those")
        await bench.feed(bench.door("forced", 1, ago_s=40 * 86_400))
        dropped = await _upkeep(bench).keep_partitions()
        assert dropped == ["frame_p20261012"]
        names = {name for (name,) in bench.query(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'telemetry.sample'::regclass")}  # fmt: skip
        assert {"sample_p20261121", "sample_p20261128"} <= names


def _upkeep(bench: Any) -> Any:
    from hub.store.upkeep import Upkeep

    return Upkeep(bench.url, bench.clock, bench.hub.settings)


async def test_s03_the_app_role_sees_nothing_without_a_community_and_no_telemetry_at_all(database_url: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("forced", 1))
        with psycopg.connect(bench.url, autocommit=True) as connection:
            connection.execute("SET ROLE hub_app")
            tables = connection.execute(
                "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relrowsecurity AND c.relforcerowsecurity"
                " AND has_table_privilege(c.oid, 'SELECT')"
            ).fetchall()
            assert len(tables) >= 14
            for (table,) in tables:
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table  # type: ignore[arg-type]
            for table in ("sample", "frame", "event", "point_last"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"SELECT 1 FROM telemetry.{table}")  # type: ignore[arg-type]
            connection.execute("SELECT set_config('hub.communities', '999', false)")
            device = bench.device("door-b1-u1").id
            for call in ("last_values(ARRAY[%s])", "events(%s, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 9)",
                         "frames(%s, '-infinity', 'infinity', 9)"):  # fmt: skip
                assert connection.execute(f"SELECT * FROM telemetry.{call}", [device]).fetchall() == []  # type: ignore[arg-type]


@pytest.mark.parametrize("table", ["hub.audit", "hub.alarm_history", "hub.command_history"])
async def test_histories_are_append_only_even_for_the_owner(database_url: str, table: str) -> None:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("forced", 1))
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET at = now()", f"TRUNCATE {table}"):
            with psycopg.connect(bench.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]
