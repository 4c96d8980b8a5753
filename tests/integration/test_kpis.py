"""Alarm performance and evidence over a real database and over HTTP, against figures counted by hand."""

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from openpyxl import load_workbook

from api import problems
from api.auth import COOKIE
from api.hub import Hub
from api.routes import alarms, evidence, kpis
from hub import audit
from hub.clock import FakeClock
from hub.kpis.model import Figure
from hub.kpis.service import KpiDesk
from hub.principal import Principal
from tests.integration.module_hub import add_alarm, add_community, add_device, migrated, running
from tests.integration.postgres import new_database

NOW = datetime(2026, 11, 21, 12, 5, tzinfo=UTC)
FIRST = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)


class Ground:
    """A community with a door and a pump, and another one whose alarms must never count."""

    def __init__(self, context: Any, url: str, here: int, there: int, devices: tuple[int, int, int]) -> None:
        self.context, self.url, self.here, self.there = context, url, here, there
        self.door, self.pump, self.foreign = devices

    def alarm(self, device: int, at: datetime, *, heard: int = 1, home: int = 0, **more: Any) -> int:
        """An alarm that sounded `heard` times, a second apart."""
        with psycopg.connect(self.url) as link:
            number = add_alarm(link, home or self.here, device, at, active_since=at, **more)
            for n in range(heard):
                link.execute(
                    "INSERT INTO hub.annunciation (community_id, at, alarm_id) VALUES (%s, %s, %s)",
                    [home or self.here, at + timedelta(seconds=n), number],
                )
        return number

    def acknowledged(self, number: int, at: datetime) -> None:
        with psycopg.connect(self.url) as link:
            link.execute(
                "INSERT INTO hub.alarm_history (community_id, alarm_id, at, from_state, to_state, actor, action)"
                " VALUES (%s, %s, %s, 'active_unacknowledged', 'active_acknowledged', 'user:li', 'acknowledge')",
                [self.here, number, at],
            )

    async def figures(self, period: Any = "day", operators: int = 1) -> dict[str, Figure]:
        who = Principal("user:li", self.here, "viewer")
        report = await KpiDesk(self.context).report(who, period, operators)
        return {figure.id: figure for figure in report.figures}


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    url = new_database(postgres_url, migrated(postgres_url))
    with psycopg.connect(url) as link:
        here, there = add_community(link, "demo"), add_community(link, "other")
        devices = (add_device(link, here, "door-1", "door"), add_device(link, here, "pump-1", "pump"),
                   add_device(link, there, "door-x", "door"))  # fmt: skip
    async with running(url, FakeClock(NOW), {"demo": here}) as context:
        yield Ground(context, url, here, there, devices)


async def test_what_sounded_is_counted_by_ten_minutes_and_source(ground: Ground):
    ground.alarm(ground.door, FIRST, heard=12)
    ground.alarm(ground.door, FIRST + timedelta(minutes=10), heard=6, priority=3)
    ground.alarm(ground.pump, FIRST + timedelta(minutes=21), heard=2, priority=4)
    ground.alarm(ground.pump, FIRST, heard=0)  # recorded, and nobody was disturbed
    ground.alarm(ground.pump, NOW - timedelta(days=2), heard=3)  # before the day
    ground.alarm(ground.foreign, FIRST, heard=30, home=ground.there)
    with psycopg.connect(ground.url) as link:  # a storm sounds once for all
        storm = link.execute(
            "INSERT INTO hub.alarm_storm (community_id, since, last_at) VALUES (%s, %s, %s) RETURNING id",
            [ground.here, FIRST, FIRST],
        ).fetchone()
        assert storm is not None
        link.execute(
            "INSERT INTO hub.annunciation (community_id, at, storm_id) VALUES (%s, %s, %s)",
            [ground.here, FIRST + timedelta(seconds=30), storm[0]],
        )
    report = await KpiDesk(ground.context).report(Principal("user:li", ground.here, "viewer"), "day")
    assert report.annunciated == 21
    assert [(f"{report.slot_at(i):%H:%M}", n) for i, n in enumerate(report.slots) if n] == [
        ("11:00", 13), ("11:10", 6), ("11:20", 2),
    ]  # fmt: skip
    assert len(report.slots) == 144
    assert report.slot_at(144) == datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
    assert [(a.device, a.rule, a.count, round(a.share, 1)) for a in report.actors] == [
        ("door-1", "door-forced", 18, 85.7), ("pump-1", "door-forced", 2, 9.5),
    ]  # fmt: skip
    found = {figure.id: figure.value for figure in report.figures}
    assert found["per_operator_hour"] == pytest.approx(21 / (23 + 55 / 60))
    assert (found["most_in_slot"], found["raised"]) == (13, 4)
    assert found["flood_time"] == pytest.approx(200 / 144)
    assert [found[f"priority_{n}"] for n in (1, 2, 3, 4)] == [0, 60, 30, 10]
    assert (await ground.figures("week"))["raised"].value == 5
    assert (await ground.figures("day", 7))["per_operator_hour"].value == pytest.approx(3 / (23 + 55 / 60))


async def test_times_to_acknowledge_count_from_the_first_sound(ground: Ground):
    for seconds in (10, 20, 90):
        number = ground.alarm(ground.door, FIRST, heard=3, state="normal")
        ground.acknowledged(number, FIRST + timedelta(seconds=seconds))
        ground.acknowledged(number, FIRST + timedelta(minutes=20))  # no call came before this one
    ground.alarm(ground.pump, FIRST)
    ground.acknowledged(ground.alarm(ground.pump, FIRST, heard=0, state="normal"), FIRST)
    found = await ground.figures()
    assert [found[name].value for name in ("acknowledged_p50", "acknowledged_p95", "unacknowledged")] == [20, 90, 1]


async def test_an_answer_counts_though_the_alarm_was_raised_again_and_each_call_has_its_own(ground: Ground):
    number = ground.alarm(ground.door, FIRST)  # raised again: its row says nothing of the first answer
    ground.acknowledged(number, FIRST + timedelta(seconds=30))
    with psycopg.connect(ground.url) as link:
        link.execute(
            "INSERT INTO hub.annunciation (community_id, at, alarm_id) VALUES (%s, %s, %s)",
            [ground.here, FIRST + timedelta(minutes=10), number],
        )
    assert (await ground.figures())["acknowledged_p95"].value == 30
    ground.acknowledged(number, FIRST + timedelta(minutes=10, seconds=50))
    found = await ground.figures()
    assert [found[name].value for name in ("acknowledged_p50", "acknowledged_p95")] == [30, 50]


async def test_standing_stale_and_chattering(ground: Ground):
    ground.alarm(ground.door, NOW - timedelta(hours=25))
    ground.alarm(ground.door, NOW - timedelta(hours=23), state="active_acknowledged", chattering=True)
    ground.alarm(ground.door, NOW - timedelta(hours=30), state="returned_unacknowledged")
    ground.alarm(ground.door, NOW - timedelta(hours=30), state="latched_acknowledged")
    ground.alarm(ground.pump, NOW - timedelta(hours=30), state="normal", chattering=True)
    found = await ground.figures()
    assert [found[name].value for name in ("standing", "stale", "chattering")] == [2, 1, 1]


async def test_what_is_silenced_and_what_nobody_may_have_silenced(ground: Ground):
    until = NOW + timedelta(hours=1)
    proper = {"suppressed_by": "user:li", "suppression_reason": "works", "suppressed_until": until}
    who = Principal("user:li", ground.here, "engineer")
    ground.alarm(ground.door, FIRST, suppression="shelved", **proper)
    ground.alarm(ground.door, FIRST, suppression="out_of_service", **proper)
    ground.alarm(ground.door, FIRST, suppression="suppressed_by_design")
    async with ground.context.database.session([ground.here]) as connection:
        await audit.record(connection, who, "alarm.shelve", "alarm:1", FIRST)
    with psycopg.connect(ground.url) as link:
        for condition, since in (("a", FIRST), ("b", FIRST + timedelta(minutes=5))):
            link.execute(
                "INSERT INTO hub.alarm_shelf VALUES (%s, %s, %s, %s, 'user:li', 'works')",
                [ground.here, condition, since, until],
            )
    found = await ground.figures()
    assert [found[name].value for name in ("shelved", "out_of_service", "by_design", "standing")] == [1, 1, 1, 0]
    assert found["unauthorised"].value == 1  # the shelf that the audit log does not know
    for flaw in ({"suppressed_by": ""}, {"suppression_reason": None}, {"suppressed_until": None},
                 {"suppressed_until": NOW - timedelta(minutes=6)}):  # fmt: skip
        ground.alarm(ground.pump, FIRST, suppression="shelved", **(proper | flaw))
    found = await ground.figures()
    assert (found["unauthorised"].value, found["unauthorised"].within) == (5, False)


async def test_nothing_yet(ground: Ground):
    found = await ground.figures("month")
    assert found["per_operator_hour"].value == 0
    assert found["top_ten_share"].value is None


@asynccontextmanager
async def client(ground: Ground, role: Any | None = "guard") -> AsyncIterator[httpx.AsyncClient]:
    hub = Hub(ground.context)
    app = FastAPI()
    app.state.hub = hub
    problems.install(app)
    for router in (kpis.router, alarms.router, evidence.router):  # the order of api.app
        app.include_router(router, prefix="/api/v1")
    cookies = {}
    if role:
        await hub.accounts.create_account(f"{role}-li", "correct horse battery", {ground.here: role})
        cookies = {COOKIE: (await hub.accounts.login(f"{role}-li", "correct horse battery", "x")).token}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://hub/api/v1", cookies=cookies, headers={"Sec-Fetch-Site": "same-origin"}
    ) as made:
        yield made


async def test_the_figures_over_http(ground: Ground):
    ground.alarm(ground.door, FIRST, heard=12)
    async with client(ground) as web:
        answer = await web.get("/alarms/kpis?period=day")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["annunciated"], len(body["slots"]), body["actors"][0]["device"]) == (12, 144, "door-1")
        named = {figure["id"]: figure for figure in body["figures"]}
        assert named["most_in_slot"]["within"] is False
        assert named["most_in_slot"]["name"] == {"zh": "10 分钟内最多", "en": "Most in 10 minutes"}
        for wrong in ("?period=year", "?operators=0", "?operators=x"):
            assert (await web.get(f"/alarms/kpis{wrong}")).status_code == 422
        file = await web.get("/alarms/kpis.csv?period=day")
        assert file.headers["content-type"] == "text/csv; charset=utf-8"
        assert file.headers["content-disposition"] == 'attachment; filename="alarm-performance-day-20261121.csv"'
        assert "每名值班员每小时报警" in file.content.decode("utf-8-sig")
        assert "2026-11-21 19:00,12" in file.content.decode("utf-8-sig")
        book = load_workbook(io.BytesIO((await web.get("/alarms/kpis.xlsx")).content))
        assert book.sheetnames == ["指标", "前十来源", "每 10 分钟"]
        assert (await web.get("/alarms/kpis.pdf")).status_code == 422


async def test_a_pack_over_http(ground: Ground):
    number = ground.alarm(ground.door, FIRST)
    foreign = ground.alarm(ground.foreign, FIRST, home=ground.there)
    async with client(ground) as web:
        answer = await web.post(f"/alarms/{number}/evidence", json={"before_s": 60, "after_s": 60})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/zip"
        assert f"evidence-demo-alarm-{number}-" in answer.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert "manifest.json" in archive.namelist()
        assert (await web.post(f"/alarms/{number}/evidence")).status_code == 200
        assert (await web.get(f"/alarms/{number}/timeline")).json() == []
        for path in (f"/alarms/{foreign}/evidence", "/alarms/999999/evidence"):
            assert (await web.post(path)).json()["code"] == "not_found"
        for body in ({"before_s": -1}, {"before_s": 86_400, "after_s": 1}, {"x": 1}, {"after_s": "ten"}):
            assert (await web.post(f"/alarms/{number}/evidence", json=body)).status_code == 422
    async with client(ground, None) as stranger:
        for method, path in (("POST", f"/alarms/{number}/evidence"), ("GET", f"/alarms/{number}/timeline"),
                             ("GET", "/alarms/kpis"), ("GET", "/alarms/kpis.csv")):  # fmt: skip
            answer = await stranger.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
