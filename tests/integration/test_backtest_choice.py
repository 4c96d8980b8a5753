"""What a back-test leaves out changes nothing: the same alarms, to the microsecond, as when every reading is read."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from math import inf
from random import Random
from typing import Any

import psycopg
import pytest

from hub.clock import to_us
from hub.errors import Refused
from hub.model import Quality
from hub.rulebook.backtests import Backtest
from hub.rulebook.hours import Session, chosen
from hub.rulebook.model import Band, Moved, Runs, Wanted
from hub.rulebook.service import Rulebook
from hub.store.database import Database
from rules.backtest import RuleTrial
from rules.tools import read_rule
from tests.integration.module_hub import migrated
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import FILE, HOUR, KINDS, NOW, Ground, make_book

SPIKES = "threshold: {point: pressure, above: 600, for: 30s, clear: {below: 560}}"
MINUTE = timedelta(minutes=1)
BAD, LATE, RETAINED, RANGE = (int(bit) for bit in (Quality.BAD, Quality.LATE, Quality.RETAINED, Quality.RANGE))


@pytest.fixture
def ground(postgres_url: str, tmp_path: Any) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)


@pytest.fixture
async def book(ground: Ground) -> AsyncIterator[Rulebook]:
    async for made in make_book(ground):
        yield made


def _history(random: Random) -> Iterator[tuple[datetime, float, int]]:
    """Two days: quiet, steps, wandering, silent hours, some readings on the hour, and some, or hours of them, that are
    bad, implausible, late or of the broker's memory; often where a value just changed."""
    at, value, quality, odd = NOW - 47 * HOUR, 500.0, 0, 0
    restless, oddly, steps = random.choice([0.05, 0.2, 0.4]), random.choice([0.02, 0.1]), random.choice([3, 10])
    gaps = random.choice([[9], [1, 4, 9, 9, 9, 20, 45, 100, 300]])
    while at < NOW:
        at += random.choice(gaps) * MINUTE
        if random.random() < 0.1:
            at = at.replace(minute=0)
        moved = random.random() < restless
        if moved:
            value += random.choice([1, -1, 1.5, 0, 0, 3, 30, -40, 61, -90][:steps])
        if not odd and random.random() < (0.3 if moved else oddly):
            quality, odd = random.choice([BAD, LATE, RETAINED, RANGE]), random.choice([1, 1, 1, 6, 20])
        yield at, value + (random.choice([0, 0, 50]) if odd else 0), quality if odd else 0
        odd = max(odd - 1, 0)


def _fill(ground: Ground, random: Random) -> None:
    """Both pumps; all rolled up but for a few hours."""
    with psycopg.connect(ground.url) as link:
        link.execute("TRUNCATE telemetry.sample, telemetry.sample_1h, telemetry.rollup_dirty")
        link.execute("SELECT telemetry.ensure_day(%s::date - n) FROM generate_series(0, 3) AS n", [NOW])
        for pump in ground.pumps:
            rows = [(*said, pump.points["pressure"].id, ground.here) for said in _history(random) if said[0] < NOW]
            link.cursor().executemany(
                "INSERT INTO telemetry.sample (ts, value, quality, point_id, community_id) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                rows,
            )
    ground.roll_up()
    with psycopg.connect(ground.url) as link:
        for hour in random.sample(range(48), 3):
            at = NOW - hour * HOUR
            link.execute("DELETE FROM telemetry.sample_1h WHERE bucket = %s", [at])
            link.execute("INSERT INTO telemetry.rollup_dirty (community_id, bucket) VALUES (%s, %s)", [ground.here, at])


Told = list[tuple[str, int, int | None, str]]


async def _tried(ground: Ground, book: Rulebook, text: str) -> tuple[Told, int]:
    """What is raised, and how many readings were read; from within an hour, as back-tests are."""
    rule, problems = read_rule(text, KINDS)
    assert rule is not None, problems
    since = NOW - 45 * HOUR + 17 * MINUTE
    trial = RuleTrial(rule, ground.devices, to_us(since))
    raised, history = await book.backtests.play(Backtest(1, ground.here, "pump-high", "", 2), trial, since)
    return [(each.device, each.at, each.until, each.text.en) for each in raised], history.rows


@pytest.mark.parametrize(
    "condition",
    [SPIKES, "threshold: {point: pressure, below: 490}",
     "change: {point: pressure, by: 55}", "change: {point: pressure, direction: up}",
     "change: {point: pressure, by: 60, within: 90m}",
     "window: {point: pressure, aggregate: spread, size: 2h, every: 30m, above: 80, clear: {below: 61}}",
     "window: {point: pressure, aggregate: increase, size: 3h, above: 55}",
     "window: {point: pressure, aggregate: avg, size: 45m, above: 540, clear: {below: 520}}",
     "window: {point: pressure, aggregate: min, size: 40m, every: 20m, below: 480}",
     "window: {point: pressure, aggregate: max, size: 100m, above: 560}",
     "change: {point: pressure, rate: {above: 300}}",
     "change: {point: pressure, rate: {below: -2, per: 10m, clear: {above: -0.5}}}",
     "stuck: {point: pressure, for: 25m}", "stuck: {point: pressure, for: 2h}", "stuck: {point: pressure, for: 7h}",
     "stuck: {point: pressure, for: 45m, deadband: 1}", "stuck: {point: pressure, for: 3h, deadband: 40}",
     "expression: {when: pressure > 540 && pressure < 570, for: 10m}",
     "expression: {when: 'pressure > 480 ? pressure * 2 - 1200 > 0 : !(abs(pressure) >= 470)'}",
     "expression: {value: pressure * pressure / 500, above: 620, clear: {below: 600}, for: 30m}"],
)  # fmt: skip
async def test_what_cannot_matter_is_not_read_and_changes_nothing(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch, condition: str
) -> None:
    """Over random histories."""
    text = FILE.replace(SPIKES, condition)
    read, alarms = [0, 0], 0
    for seed in range(25):
        _fill(ground, Random(seed))
        chosen, some = await _tried(ground, book, text)
        with monkeypatch.context() as patched:
            patched.setattr("rules.backtest.choice", lambda *_: None)
            whole, every = await _tried(ground, book, text)
        assert chosen == whole, seed
        alarms += len(whole)
        read = [read[0] + some, read[1] + every]
    assert alarms > 5
    assert read[0] < read[1]


def _store(ground: Ground, said: list[tuple[datetime, float, int]]) -> None:
    """Readings of one pump."""
    point = ground.pumps[0].points["pressure"].id
    with psycopg.connect(ground.url) as link:
        link.execute("SELECT telemetry.ensure_day(%s::date - n) FROM generate_series(0, 3) AS n", [NOW])
        link.cursor().executemany(
            "INSERT INTO telemetry.sample (ts, value, quality, point_id, community_id) VALUES (%s, %s, %s, %s, %s)",
            [(*one, point, ground.here) for one in said],
        )
    ground.roll_up()


async def _same(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch, condition: str,
    said: list[tuple[datetime, float, int]],
) -> tuple[Told, int, int]:  # fmt: skip
    """What is raised on readings of one pump, whether all is read or not; how many each read."""
    _store(ground, said)
    text = FILE.replace(SPIKES, condition)
    chosen, some = await _tried(ground, book, text)
    with monkeypatch.context() as patched:
        patched.setattr("rules.backtest.choice", lambda *_: None)
        whole, every = await _tried(ground, book, text)
    assert chosen == whole
    return whole, some, every


def _each_five(said: list[tuple[float, int]]) -> list[tuple[datetime, float, int]]:
    """A reading every five minutes until now."""
    return [(NOW - 5 * (len(said) - n) * MINUTE, *one) for n, one in enumerate(said)]


def _at(clock: str, value: float, quality: int = 0) -> tuple[datetime, float, int]:
    """A reading of yesterday."""
    return datetime.fromisoformat(f"{(NOW - 24 * HOUR).date()}T{clock}Z"), value, quality


@pytest.mark.parametrize(
    ("said", "alarms"),
    [([(500, n % 2 * BAD if n < 60 else 0) for n in range(200)] + [(510, 0)] * 9, 1),  # it is not known to begin
     ([(500, 0)] * 90 + [(500.9, 0)] * 40 + [(501.8, 0)] * 90 + [(510, 0)] * 9, 2),  # by little from that, then far
     ([(500, 0), (510, RETAINED)] * 40 + [(500, 0)] * 100 + [(490, 0)] * 9, 1)],
)  # fmt: skip
async def test_a_long_stand_is_read_through_where_it_may_bring_more_than_one_alarm(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch, said: list[tuple[float, int]], alarms: int
) -> None:
    stuck = "stuck: {point: pressure, for: 2h, deadband: 1}"
    told, _, _ = await _same(ground, book, monkeypatch, stuck, _each_five(said))
    assert len(told) == alarms


async def test_of_a_long_stand_only_beginning_and_end_are_read(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [(500.0 + n % 7, 0) for n in range(100)] + [(500.0, 0)] * 300 + [(510.0, 0), (511.0, 0)] * 50
    told, some, every = await _same(ground, book, monkeypatch, "stuck: {point: pressure, for: 2h}", _each_five(said))
    assert len(told) == 1
    assert (some < 90, every) == (True, 500)


@pytest.mark.parametrize(
    ("remembered", "fresh", "moves", "raised"),
    [("00:58", 35, "04:00", "02:58"), ("01:00", 24, "03:07", "03:00")],  # the second stands still just so long
)  # fmt: skip
async def test_a_stand_begins_with_what_the_broker_remembered_before_all_else(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch, remembered: str, fresh: int, moves: str,
    raised: str,
) -> None:  # fmt: skip
    first, value, _ = _at("01:05", 500)
    said = [_at(remembered, 500, RETAINED), *((first + n * 5 * MINUTE, value, 0) for n in range(fresh))]
    told, _, _ = await _same(
        ground, book, monkeypatch, "stuck: {point: pressure, for: 2h}", [*said, _at(moves, 510), _at("04:30", 520)]
    )
    assert [at for _, at, _, _ in told] == [to_us(_at(raised, 500)[0])]


@pytest.mark.parametrize("condition", [SPIKES, "expression: {when: pressure > 600}"])
@pytest.mark.parametrize("quality", [LATE, BAD, RANGE])
async def test_an_alarm_ends_after_hours_of_words_that_end_nothing(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch, condition: str, quality: int
) -> None:
    said = [(500.0, 0)] * 30 + [(650.0, 0)] * 3 + [(500.0, quality)] * 40 + [(500.0, 0)] * 90
    [(_, at, until, _)], some, every = await _same(ground, book, monkeypatch, condition, _each_five(said))
    assert until is not None
    assert until - at > 40 * 5 * 60_000_000
    assert some < every


@pytest.mark.parametrize("aggregate", ["avg", "max"])
async def test_after_a_window_that_ends_within_an_hour_that_is_read_the_next_hour_is_read_too(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch, aggregate: str
) -> None:
    """Midnight in Shanghai is 16:00: windows of 45 minutes begin at 01:45 and 02:30."""
    said = [_at("01:10", 500), _at("01:50", 650), _at("02:10", 500), _at("05:00", 500), _at("06:00", 500),
            _at("07:30", 500), _at("09:00", 650), _at("09:30", 500), _at("12:00", 500)]  # fmt: skip
    window = f"window: {{point: pressure, aggregate: {aggregate}, size: 45m, above: 560}}"
    told, _, _ = await _same(ground, book, monkeypatch, window, said)
    assert len(told) == 2


async def test_a_mean_may_be_past_a_limit_that_no_value_is_past(
    ground: Ground, book: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of floats are rounded."""
    first, value, _ = _at("01:00", 0.7000000000000001)
    said = [(first + timedelta(seconds=5 * n), value, 0) for n in range(3 * 720)]
    window = "window: {point: pressure, aggregate: avg, size: 1h, below: 0.7}"
    told, _, _ = await _same(ground, book, monkeypatch, window, said)
    assert len(told) == 1


async def test_a_rule_that_can_never_be_true_is_still_refused_where_it_fails(ground: Ground, book: Rulebook) -> None:
    """Not kept as a trial that found no alarms."""
    _store(ground, [_at(f"01:0{minute}", 1e200) for minute in range(9)])
    with pytest.raises(Refused, match="failed"):
        await _tried(ground, book, FILE.replace(SPIKES, "expression: {value: pressure * pressure, below: -1}"))


@pytest.fixture
async def hasty(ground: Ground) -> AsyncIterator[Session]:
    """Sessions in which no statement may take longer than half a second."""
    database = Database(ground.url, statement_timeout_s=0.5)
    await database.open()
    yield lambda: database.session([ground.here])
    await database.close()


@pytest.mark.parametrize("choice", [Band(((600.0, inf),)), Moved(50, 0), Runs(still=0, lasting=1, gap=1)])
async def test_all_is_read_where_it_takes_too_long_to_find_what_matters(
    ground: Ground, hasty: Session, choice: Band | Moved | Runs
) -> None:
    wanted = Wanted(points=[pump.points["pressure"].id for pump in ground.pumps], choice=choice)
    with psycopg.connect(ground.url) as link:
        link.execute("LOCK TABLE telemetry.sample, telemetry.sample_1h, telemetry.sample_1d")
        assert await chosen(hasty, wanted, NOW - 48 * HOUR, NOW) is None
    assert await chosen(hasty, wanted, NOW - 48 * HOUR, NOW) is not None


@pytest.mark.parametrize(
    "choice",
    [Band(((600.0, inf),)), Band(((400.0, 500.0), (560.0, inf)), 86_400_000_000), Moved(30, 3_600_000_000)],
)
@pytest.mark.parametrize("hours", [2, 40])
async def test_all_is_read_where_more_hours_matter_than_are_looked_for(
    ground: Ground, hasty: Session, monkeypatch: pytest.MonkeyPatch, choice: Band | Moved, hours: int
) -> None:
    _fill(ground, Random(5))
    wanted = Wanted(points=[pump.points["pressure"].id for pump in ground.pumps], choice=choice)
    span = NOW - hours * HOUR, NOW
    every = await chosen(hasty, wanted, *span)
    assert every
    for most in (0, 1, 3, 10, 30, 100):
        monkeypatch.setattr("hub.rulebook.hours._MOST_HOURS", most)
        found = await chosen(hasty, wanted, *span)
        assert found is None or (len(every) <= most and str(found) == str(every))  # nan is not itself
    assert found is not None


async def test_hours_before_the_period_use_up_what_is_looked_for_too(
    ground: Ground, hasty: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else those of the second pump would be missing."""
    for pump in ground.pumps:
        ground.say(pump, *((NOW - n * HOUR, 650.0) for n in range(3, 15)))
    ground.roll_up()
    wanted = Wanted(
        points=[pump.points["pressure"].id for pump in ground.pumps],
        choice=Band(((600.0, inf),), 14 * 3_600_000_000),
    )
    every = await chosen(hasty, wanted, NOW - 2 * HOUR, NOW)
    assert every is not None
    assert {number for _, number, _ in every} == set(wanted.points)
    monkeypatch.setattr("hub.rulebook.hours._MOST_HOURS", 10)
    assert len(every) <= 10
    assert await chosen(hasty, wanted, NOW - 2 * HOUR, NOW) is None


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM telemetry.runs(%(points)s::int[], %(since)s, %(until)s, 0, NULL, NULL, NULL, '1h', '1h', 9)",
     "SELECT * FROM telemetry.hours_within(%(points)s::int[], %(since)s, %(until)s, '{0}', '{999}', '0', 99)",
     "SELECT * FROM telemetry.odd_hours(%(points)s::int[], %(since)s, %(until)s)"],
)  # fmt: skip
async def test_what_the_server_finds_is_told_to_its_community_alone(ground: Ground, query: str) -> None:
    _fill(ground, Random(3))
    points = [pump.points["pressure"].id for pump in ground.pumps]
    values = {"points": points, "since": NOW - 48 * HOUR, "until": NOW}
    database = Database(ground.url)
    await database.open()
    try:
        for home in (ground.here, ground.there):
            async with database.session([home]) as connection:
                rows = await (await connection.execute(query.encode(), values)).fetchall()
            assert bool(rows) == (home == ground.here)
    finally:
        await database.close()


@pytest.mark.parametrize(
    "query",
    ["SELECT max(ended) AS last FROM telemetry.runs(%(points)s::int[], %(since)s, %(until)s, 0, NULL, NULL, NULL, '1h',"
     " '1h', 9)",
     "SELECT max(bucket) AS last FROM telemetry.hours_within(%(points)s::int[], %(since)s, %(until)s, '{0}', '{999}',"
     " '0', 99)"],
)  # fmt: skip
async def test_what_a_point_said_in_another_community_is_not_told(ground: Ground, hasty: Session, query: str) -> None:
    pump, moved = ground.pumps[0], NOW - 5 * HOUR
    ground.say(pump, *((NOW - n * HOUR, 500) for n in range(1, 11)))
    ground.roll_up()
    with psycopg.connect(ground.url) as link:
        link.execute("UPDATE telemetry.sample SET community_id = %s WHERE ts >= %s", [ground.there, moved])
        link.execute("UPDATE telemetry.sample_1h SET community_id = %s WHERE bucket >= %s", [ground.there, moved])
    values = {"points": [pump.points["pressure"].id], "since": NOW - 48 * HOUR, "until": NOW}
    async with hasty() as connection:
        row = await (await connection.execute(query.encode(), values)).fetchone()
    assert row == {"last": moved - HOUR}
