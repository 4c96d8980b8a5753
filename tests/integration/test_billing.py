"""Bill lines on a real database: drafted once, walked back to the raw bytes, never changed, kept by community."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI, Request

from hub.clock import FakeClock
from hub.context import Context
from hub.errors import Misconfigured, Refused
from hub.plugins import OffersMigrations, OffersPorts, OffersRoutes
from hub.principal import Principal
from hub.store.database import NotThere
from modules.billing import BillingPlugin
from modules.billing.model import Tariff
from modules.billing.service import Billing
from tests.integration.module_hub import (
    add_community,
    add_device,
    add_point,
    add_samples,
    migrated,
    running,
)
from tests.integration.postgres import new_database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START, MIDDLE, END = date(2026, 11, 1), date(2026, 11, 11), date(2026, 11, 21)
OCTOBER_31 = datetime(2026, 10, 31, 15, 59, 55, tzinfo=UTC)  # five seconds before November in Shanghai
DAY = timedelta(days=1)
TARIFFS = {
    "demo": [
        Tariff("electricity", "e1", date(2026, 1, 1), "kW.h", Decimal("0.5283")),
        Tariff("electricity", "e2", MIDDLE, "kW.h", Decimal("0.6")),
        Tariff("water", "w1", date(2026, 1, 1), "m3", Decimal("3.45")),
    ]
}


class Ground:
    """A community with three meters that counted through November, and another with one."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url) as link:
            self.here, self.there = add_community(link, "demo"), add_community(link, "other")
            self.flat = self.meter(link, "em-1", [1000.1, 1010.25, 1021.35])
            self.shop = self.meter(link, "em-2", [99_990.5, 99_999.9, 0.3], multiplier=40, rollover=100_000)
            self.tap = self.meter(link, "wm-1", [7.001, 8.5, 9.301], kind="water_meter")
            self.foreign = self.meter(link, "em-1", [1.0, 2.0, 3.0], community=self.there)
            add_device(link, self.here, "door-1", "door")
        self.clerk = Principal("user:chen", self.here, "finance")
        self.stranger = Principal("user:wang", self.there, "admin")

    def meter(
        self,
        link: Any,
        code: str,
        values: list[float],
        kind: str = "electricity_meter",
        community: int = 0,
        **more: Any,
    ) -> tuple[int, int]:
        community = community or self.here
        point, unit = ("volume", "m3") if kind == "water_meter" else ("energy_import", "kW.h")
        device = add_device(link, community, code, kind, **more)
        number = add_point(link, community, device, point, unit)
        moments = (OCTOBER_31, OCTOBER_31 + 10 * DAY, OCTOBER_31 + 20 * DAY)
        add_samples(link, community, device, number, list(zip(moments, values, strict=True)))
        return device, number

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as link:
            return link.execute(query, values).fetchall()  # type: ignore[call-overload]

    def lines(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT device_id, period_start, state, reason, quantity, tariff_version, amount_fen, rollovers"
            " FROM billing.bill_line ORDER BY device_id, period_start, state"
        )


@pytest.fixture
def ground(postgres_url: str) -> Ground:
    return Ground(new_database(postgres_url, migrated(postgres_url)))


@pytest.fixture
async def context(ground: Ground) -> AsyncIterator[Context]:
    async with running(ground.url, FakeClock(NOW), {"demo": ground.here, "other": ground.there}) as found:
        yield found


@pytest.fixture
def billing(context: Context) -> Billing:
    return Billing(context, TARIFFS)


def expected(ground: Ground) -> list[tuple[Any, ...]]:
    flat, shop, tap = ground.flat[0], ground.shop[0], ground.tap[0]
    return [
        (flat, START, "drafted", "", Decimal("10.15"), "e1", 536, 0),  # × 0.5283 = 5.362245
        (flat, MIDDLE, "drafted", "", Decimal("11.10"), "e2", 666, 0),
        (shop, START, "drafted", "", Decimal("376.0"), "e1", 19864, 0),  # 9.4 × 40 × 0.5283 = 198.6408
        (shop, MIDDLE, "drafted", "", Decimal("16.0"), "e2", 960, 1),  # 0.4 × 40
        (tap, START, "drafted", "", Decimal("2.300"), "w1", 794, 0),  # × 3.45 = 7.935
    ]


def test_the_plug_offers_what_it_says():
    for protocol in (OffersMigrations, OffersRoutes, OffersPorts):
        assert isinstance(BillingPlugin(), protocol)


async def test_a_period_is_drafted_and_again_gives_the_same_lines(ground: Ground, billing: Billing):
    told: list[tuple[int, int]] = []
    run = await billing.draft_period(ground.clerk, START, END, progress=lambda *counts: told.append(counts))
    assert ground.lines() == expected(ground)
    assert (run.meters, run.drafted, run.held, run.existing, told) == (3, 5, 0, 0, [(3, 3)])
    assert run.amount_fen == 536 + 666 + 19864 + 960 + 794
    before = ground.rows("SELECT * FROM billing.bill_line ORDER BY id")
    again = await billing.draft_period(ground.clerk, START, END)
    assert (again.drafted, again.existing, again.amount_fen) == (0, 5, 0)
    assert ground.rows("SELECT * FROM billing.bill_line ORDER BY id") == before
    assert ground.rows("SELECT actor, action, detail FROM hub.audit ORDER BY id") == [
        ("configuration", "tariff.import", {"versions": ["electricity e1", "electricity e2", "water w1"]}),
        ("user:chen", "bill.draft", {"lines": 5}),
    ]


async def test_five_runs_at_once_draft_one_set_of_lines(ground: Ground, billing: Billing):
    runs = await asyncio.gather(*(billing.draft_period(ground.clerk, START, END) for _ in range(5)))
    assert ground.lines() == expected(ground)
    assert sum(run.drafted for run in runs) == 5 and sum(run.existing for run in runs) == 20


async def test_a_dry_run_says_the_same_and_writes_nothing(ground: Ground, billing: Billing):
    dry = await billing.draft_period(ground.clerk, START, END, dry_run=True)
    assert ground.lines() == []
    assert ground.rows("SELECT count(*) FROM hub.audit WHERE action = 'bill.draft'") == [(0,)]
    wet = await billing.draft_period(ground.clerk, START, END)
    assert (dry.drafted, dry.held, dry.amount_fen) == (wet.drafted, wet.held, wet.amount_fen)


async def test_no_day_is_billed_twice_whatever_the_periods(ground: Ground, billing: Billing):
    await billing.draft_period(ground.clerk, START, MIDDLE, ["electricity"])
    run = await billing.draft_period(ground.clerk, START, END, ["electricity"])
    assert (run.existing, run.drafted, run.overlapping) == (2, 2, 0)  # the price cuts at the same day
    run = await billing.draft_period(ground.clerk, date(2026, 10, 31), END, ["electricity"])
    assert (run.drafted, run.held, run.existing) == (0, 2, 2)  # no reading at the end of October 30
    await billing.draft_period(ground.clerk, START, END, ["water"])
    assert (await billing.draft_period(ground.clerk, START, MIDDLE, ["water"])).overlapping == 1
    assert len([line for line in ground.lines() if line[2] == "drafted"]) == 5


async def test_what_cannot_be_trusted_is_held_with_the_reason(ground: Ground, billing: Billing):
    with psycopg.connect(ground.url) as link:
        late = add_device(link, ground.here, "em-late", "electricity_meter")
        add_point(link, ground.here, late, "energy_import", "kW.h")
        back, _ = ground.meter(link, "em-back", [50.0, 60.0, 10.0])
        swapped, point = ground.meter(link, "em-swapped", [50.0, 60.0, 70.0])
        for hour, (first, low, high, last) in enumerate([(60.1, 60.1, 62.0, 62.0), (0.0, 0.0, 3.0, 3.0)]):
            link.execute(
                "INSERT INTO telemetry.sample_1h VALUES (%s, %s, %s, 2, 0, %s, %s, %s, %s)",
                [OCTOBER_31 + 12 * DAY + timedelta(hours=hour, seconds=5), point, ground.here, low, high, first, last],
            )
    run = await billing.draft_period(ground.clerk, START, END, ["electricity"])
    held = [(line[0], line[1], line[3], line[4], line[6]) for line in ground.lines() if line[2] == "held"]
    assert held == [
        (late, START, "no_reading_at_start", None, None), (late, MIDDLE, "no_reading_at_start", None, None),
        (back, MIDDLE, "counter_fell", None, None), (swapped, MIDDLE, "counter_fell", None, None),
    ]  # fmt: skip
    assert (run.held, run.drafted) == (4, 6)


async def test_readings_are_taken_to_their_last_digit(ground: Ground, billing: Billing):
    """PostgreSQL's own cast to numeric stops at 15 digits, which a meter of many years has."""
    with psycopg.connect(ground.url) as link:
        device, _ = ground.meter(link, "em-old", [0.1, 12_345_678.901234567, 12_345_679.0])
    await billing.draft_period(ground.clerk, START, END, ["electricity"])
    values = ground.rows("SELECT quantity FROM billing.bill_line WHERE device_id = %s ORDER BY period_start", device)
    assert values == [(Decimal("12345678.801234567"),), (Decimal("0.098765433"),)]


async def test_a_line_walks_back_to_its_raw_frames(ground: Ground, billing: Billing):
    await billing.draft_period(ground.clerk, START, END)
    number = ground.rows("SELECT id FROM billing.bill_line WHERE device_id = %s AND rollovers = 1", ground.shop[0])
    found = await billing.walk_back(ground.clerk, number[0][0])
    assert found["sum"] == (
        "(0.3 + 1 × 100000 - 99999.9) × 40 = 16.0 kW.h; 16.0 kW.h × 0.6 元 = 9.60 元 → 960 分"
    )  # fmt: skip
    for which, value in (("start", 99_999.9), ("end", 0.3)):
        (frame,) = found[which]["frames"]
        assert bytes.fromhex(frame["hex"]) == repr(value).encode()
        assert frame["source"] == "unit 1" and frame["ts"] == found[which]["ts"]
        assert Decimal(found[which]["value"]) == Decimal(repr(value))
    with psycopg.connect(ground.url) as link:
        link.execute("SELECT telemetry.drop_before('frame', '2026-11-21')")
    found = await billing.walk_back(ground.clerk, number[0][0])
    assert found["start"]["frames"] == [] and found["start"]["value"] == "99999.9"


@pytest.mark.parametrize("table", ["bill_line", "tariff"])
async def test_the_app_role_and_even_the_owner_cannot_change_or_delete(
    ground: Ground, context: Context, billing: Billing, table: str
):
    await billing.draft_period(ground.clerk, START, END)
    for command in ("UPDATE billing.{} SET unit = 'x'", "DELETE FROM billing.{}", "TRUNCATE billing.{}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            async with context.database.session([ground.here]) as connection:
                await connection.execute(command.format(table))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            ground.rows(command.format(table))


async def test_another_community_sees_nothing(ground: Ground, context: Context, billing: Billing):
    await billing.draft_period(ground.clerk, START, END)
    number = ground.rows("SELECT min(id) FROM billing.bill_line")[0][0]
    assert await billing.recent(ground.stranger) == [] and await billing.tariffs(ground.stranger) == []
    for attempt in (billing.show(ground.stranger, number), billing.walk_back(ground.stranger, number)):
        with pytest.raises(NotThere):
            await attempt
    async with context.database.session([ground.there]) as connection:
        for table in ("bill_line", "tariff"):
            assert await (await connection.execute(f"SELECT FROM billing.{table}")).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            await connection.execute(
                "INSERT INTO billing.tariff (community_id, kind, version, valid_from, unit, price)"
                " VALUES (%s, 'water', 'mine', '2026-02-02', 'm3', 0)",
                [ground.here],
            )
    run = await billing.draft_period(ground.stranger, START, END)
    assert (run.meters, run.held) == (1, 1)  # its own meter, for which it has no price


async def test_a_price_in_force_cannot_be_edited_and_a_new_one_can_be_added(ground: Ground, context: Context):
    assert await Billing(context, TARIFFS).price_at(ground.here, "electricity", MIDDLE) == Decimal("0.6")
    edited = {"demo": [Tariff("water", "w1", date(2026, 1, 1), "m3", Decimal("1"))]}
    for _ in range(2):
        with pytest.raises(Misconfigured, match=r"water w1 \(1 from 2026-01-01\) contradicts w1 \(3.45"):
            await Billing(context, edited).tariffs(ground.clerk)
    added = {"demo": [*TARIFFS["demo"], Tariff("water", "w2", date(2026, 12, 1), "m3", Decimal("4"))]}
    assert len(await Billing(context, added).tariffs(ground.clerk)) == 4
    assert await Billing(context, {}).price_at(ground.here, "water", date(2026, 12, 1)) == Decimal("4")
    assert await Billing(context, {}).price_at(ground.here, "water", date(2025, 12, 31)) is None


@pytest.mark.parametrize("role", ["viewer", "guard", "engineer"])
async def test_bills_are_for_those_who_bill(ground: Ground, billing: Billing, role: Any):
    who = Principal("user:x", ground.here, role)
    for attempt in (billing.draft_period(who, START, END), billing.recent(who), billing.show(who, 1),
                    billing.walk_back(who, 1)):  # fmt: skip
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.status == 403


async def test_the_routes(ground: Ground, context: Context):
    def sign_in(request: Request) -> None:
        request.state.principal = ground.clerk

    app = FastAPI()
    app.include_router(BillingPlugin().routes(context), dependencies=[Depends(sign_in)])
    period = {"start": "2026-11-01", "end": "2026-11-21"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        dry = (await client.post("/bill-runs", json={**period, "dry_run": True})).json()
        run = (await client.post("/bill-runs", json=period)).json()
        assert {**run, "dry_run": True} == dry and run["drafted"] == 3
        assert (await client.post("/bill-runs", json={**period, "kinds": ["heat"]})).status_code == 422
        assert (await client.post("/bill-runs", json={**period, "kinds": []})).status_code == 422
        first = (await client.get("/bill-lines", params={"limit": 2})).json()
        rest = (await client.get("/bill-lines", params={"limit": 2, "cursor": first["next"]})).json()
        assert len(first["items"]) == 2 and len(rest["items"]) == 1 and rest["next"] is None
        line = (await client.get(f"/bill-lines/{rest['items'][0]['id']}")).json()
        assert line == rest["items"][0]
        # The shipped price: (1021.35 - 1000.1) × 0.5283 = 11.226375 元
        assert (line["device"], line["quantity"], line["unit_price"], line["amount_fen"]) == (
            "em-1", "21.25", "0.5283", 1123,
        )  # fmt: skip
        told = (await client.get(f"/bill-lines/{line['id']}/explain")).json()
        assert bytes.fromhex(told["end"]["frames"][0]["hex"]) == b"1021.35"
        assert (await client.get("/bill-lines", params={"state": "held"})).json()["items"] == []
        prices = (await client.get("/tariffs")).json()["items"]
        assert {"kind": "water", "version": "w-2026-01", "valid_from": "2026-01-01", "unit": "m3", "price": "3.45"} in (
            prices
        )
