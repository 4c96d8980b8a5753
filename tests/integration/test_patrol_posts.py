"""Rounds of a post, by the real roster: who is expected, and who else came."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from hub.catalog.paths import packaged_config
from hub.store.migrate import migrate
from modules.duty import DutyPlugin
from modules.duty.model import Slot
from modules.duty.rosters import Rosters
from modules.duty.seed import apply, load_duty
from modules.duty.service import Duty
from modules.duty.sheet import blocks
from tests.integration.patrol_ground import BEGIN, Ground, ground, minutes

NIGHT = date(2026, 11, 21)  # the shift of 23:00 to 07:00, in which BEGIN lies
SUNRISE = datetime(2026, 11, 21, 22, 50, tzinfo=UTC)  # 06:50: a round over the change of shifts
MORNING = datetime(2026, 11, 21, 23, tzinfo=UTC)


class Guards:
    """The ground with the demonstration's people on duty, by the code of the file."""

    def __init__(self, here: Ground) -> None:
        self.here = here
        tables = ("person", "post", "shift")
        self.numbers = {table: dict(here.rows(f"SELECT code, id FROM duty.{table}")) for table in tables}
        stands = here.rows(
            "SELECT h.code, p.code FROM duty.slot s JOIN duty.person p ON p.id = s.person_id JOIN duty.post o ON"
            " o.id = s.post_id JOIN duty.shift h ON h.id = s.shift_id WHERE o.code = 'patrol' AND s.day = %s OR"
            " o.code = 'patrol' AND s.day = %s AND h.code = 'morning'", NIGHT, date(2026, 11, 22),
        )  # fmt: skip
        self.night = next(person for shift, person in stands if shift == "night")
        self.morning = [person for shift, person in stands if shift == "morning"][-1]

    def slot(self, person: str) -> Slot:
        """That person at the patrol post in the night."""
        numbers = self.numbers
        return Slot(NIGHT, numbers["shift"]["night"], numbers["post"]["patrol"], numbers["person"][person])

    def key(self, person: str) -> str:
        return f"person:{self.numbers['person'][person]}"

    def card(self, person: str) -> str:
        return f"5A0000{person[1:]}"

    async def walk(self, person: str) -> None:
        here = self.here
        await here.until(BEGIN + minutes(1))
        await here.tap("door-b1-u1", "access_granted", card=self.card(person))
        await here.until(BEGIN + minutes(3))
        await here.tap("patrol-1", card=self.card(person))

    def expected(self, begins: datetime = BEGIN) -> Any:
        [[found]] = self.here.rows(
            "SELECT expected FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", begins
        )
        return found


@pytest.fixture
async def guards(postgres_url: str) -> AsyncIterator[Guards]:
    async with ground(postgres_url) as here:
        await asyncio.to_thread(migrate, here.url, [DutyPlugin().migrations()])
        assert await apply(here.context, load_duty([packaged_config()]), "demo")
        here.context.ports |= DutyPlugin().ports(here.context)  # type: ignore[operator]
        here.context.ports["patrol.rounds"] = here.patrols.rounds
        await here.patrols.keeper.plan_ahead()
        yield Guards(here)


async def test_who_is_on_duty_at_the_post_is_expected_once_the_round_opens(guards: Guards):
    assert guards.expected() is None, "nobody knows yet who will stand there"
    await guards.here.until(BEGIN - minutes(1))
    assert guards.expected() == [guards.key(guards.night)]
    await guards.walk(guards.night)
    found = guards.here.round()
    assert (found["state"], [visit["stand_in"] for visit in found["visits"]]) == ("complete", [False, False])


async def test_somebody_elses_round_is_kept_and_marked(guards: Guards):
    here = guards.here
    await guards.walk("g02")  # of the control room
    found = here.round()
    assert (found["state"], found["done"]) == ("complete", 2), "stand-ins happen: it counts"
    assert [visit["stand_in"] for visit in found["visits"]] == [True, True]
    assert here.rows("SELECT flags FROM patrol.round WHERE id = %s", found["id"]) == [(2,)]
    log = await here.patrols.log(here.who(), date(2026, 11, 22), date(2026, 11, 22))
    row = next(row for row in log if row["done_at"])
    assert (row["post"], row["expected"], row["stand_in"]) == ("patrol", [guards.key(guards.night)], True)


async def test_a_swap_until_it_begins_counts_and_one_afterwards_accuses_nobody(guards: Guards):
    here = guards.here
    await here.until(BEGIN - minutes(0.5))
    assert guards.expected() == [guards.key(guards.night)]
    other = next(code for code in ("g01", "g05") if code != guards.night)

    async def swap(away: str, comes: str) -> None:
        remove, add = [guards.slot(away)], [guards.slot(comes)]
        await Rosters(here.context).change(here.who("admin"), remove=remove, add=add, accept=True)

    await swap(guards.night, other)
    await guards.walk(other)
    assert guards.expected() == [guards.key(other)]
    assert not any(visit["stand_in"] for visit in here.round()["visits"])
    await swap(other, guards.night)
    await here.until(BEGIN + minutes(9.5))
    assert not any(visit["stand_in"] for visit in here.round()["visits"])
    assert guards.expected(BEGIN + minutes(10)) == [guards.key(guards.night)]


async def test_over_a_change_of_shifts_both_sides_are_expected(guards: Guards):
    here = guards.here
    here.clock.advance((SUNRISE - minutes(2) - here.clock.now()).total_seconds())
    with psycopg.connect(here.url) as link:
        link.execute("DELETE FROM patrol.round WHERE begins < %s", [SUNRISE])
        link.execute("UPDATE patrol.round SET ends = ends + interval '5 min', closes = closes + interval '5 min'"
                     " WHERE begins = %s AND plan = 'garden-round'", [SUNRISE])  # fmt: skip
    await here.until(SUNRISE)
    assert guards.expected(SUNRISE) == [guards.key(guards.night), guards.key(guards.morning)]


async def test_who_comes_at_the_end_of_a_round_is_not_expected(guards: Guards):
    here = guards.here
    here.clock.advance((SUNRISE - minutes(2) - here.clock.now()).total_seconds())
    with psycopg.connect(here.url) as link:
        link.execute("DELETE FROM patrol.round WHERE begins < %s", [SUNRISE])
        link.execute("UPDATE patrol.round SET ends = %s, closes = %s WHERE begins = %s AND plan = 'garden-round'",
                     [MORNING, MORNING + minutes(5), SUNRISE])  # fmt: skip
    await here.until(SUNRISE)
    assert guards.expected(SUNRISE) == [guards.key(guards.night)]


async def test_a_post_where_nobody_stands_accuses_nobody_and_says_so(guards: Guards):
    here = guards.here
    await Rosters(here.context).change(here.who("admin"), remove=[guards.slot(guards.night)], accept=True)
    await guards.walk("g01")
    assert guards.expected() == []
    assert not any(visit["stand_in"] for visit in here.round()["visits"])


async def test_a_roster_that_cannot_be_read_stops_no_patrol(guards: Guards):
    async def broken(*_: object) -> list[dict[str, Any]]:
        raise RuntimeError("the roster is broken")

    guards.here.context.ports["duty.on_shift"] = broken
    await guards.walk(guards.night)
    assert (guards.here.round()["state"], guards.expected()) == ("complete", None)


async def test_the_duty_desk_and_the_sheet_of_the_day_tell_who_was_expected_and_who_came(guards: Guards):
    here = guards.here
    stranger = "g04" if guards.night != "g04" else "g05"
    await here.until(BEGIN + minutes(1))
    await here.tap("door-b1-u1", "access_granted", card=guards.card(stranger))
    names = dict(here.rows("SELECT code, name FROM duty.person"))
    who, duty = here.who("admin"), Duty(here.context)
    duty.hand_overs._context.alarms = _NoAlarms()  # type: ignore[assignment]
    listed = (await duty.hand_overs.current(who))["list"]
    [found] = [one for one in listed["rounds"] if one["plan"] == "garden-round"]
    assert (found["expected"], found["walked"], found["stand_in"]) == ([names[guards.night]], [names[stranger]], True)
    sheet = await duty.diary.sheet(who, date(2026, 11, 22))
    _, heads, rows = blocks(sheet, "en")[-1]
    assert heads[-2:] == ["Expected", "Walked by"]
    assert [row[-2:] for row in rows if row[-1]] == [[names[guards.night], f"{names[stranger]} (Stand-in)"]]


class _NoAlarms:
    """A desk on which nothing is open."""

    async def urgent(self, *_: object, **__: object) -> list[Any]:
        return []

    recent = urgent

    async def storm(self, *_: object) -> None:
        return None
