"""All of duty through HTTP: every route, hostile requests, foreign numbers, missing rights."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

from api.app import make_api
from api.hub import Hub
from api.problems import install
from hub.plugins import OffersMigrations, OffersParts, OffersPorts, OffersRoutes
from modules.duty import DutyPlugin
from tests.integration.duty_ground import Ground, grounded

CHANGE = datetime(2026, 11, 21, 7, tzinfo=UTC)  # 15:00 in Shanghai, five hours ago
NAME = {"zh": "x", "en": "x"}
SICK = {"person": 1, "kind": "sick", "first": "2026-11-22", "last": "2026-11-22"}
HOSTILE: list[tuple[str, str, Any]] = [
    ("GET", "people/0", None),
    ("GET", "people/99999999999999", None),
    ("GET", "people/x", None),
    ("PUT", "posts/a b", {}),
    ("PUT", "posts/x", {"name": {"zh": "", "en": ""}}),
    ("PUT", "people/x", {"name": "x" * 61}),
    ("PUT", "people/x", {"name": "x", "card": "1"}),
    ("PUT", "people/x", {"name": "x", "phone": "1'; DROP"}),
    ("PUT", "people/x", {"name": "\u202e\x07"}),
    ("PUT", "people/x", {"name": "x", "role": "admin"}),
    ("PUT", "shifts/x", {"name": NAME, "begins": "08:00", "ends": "08:00"}),
    ("PUT", "needs/gate/night", {"people": 21}),
    ("PUT", "shifts/x", {"name": NAME, "begins": "25:00", "ends": "08:00"}),
    ("PUT", "limits", {"weekly_hours": 200}),
    ("GET", "roster?first=2026-11-21&last=2027-11-21", None),
    ("GET", "roster?first=2026-11-21&last=2026-11-20", None),
    ("GET", "roster?first=0001-01-01&last=0001-01-02", None),
    ("POST", "rosters/generate", {"first": "2026-11-21", "last": "2027-11-21"}),
    ("POST", "roster/change", {}),
    ("POST", "roster/change", {"add": [{"day": "2026-11-21", "shift": 99, "post": 1, "person": 1}]}),
    ("POST", "log", {"text": "x" * 2001}),
    ("POST", "log", {"text": "x", "at": "2026-11-21T12:00:00"}),
    ("POST", "log", {"text": "x", "kind": "y"}),
    ("POST", "incidents", {"kind": "party", "what": "x", "place": "x"}),
    ("POST", "hand-overs", {"change_at": "yesterday"}),
    ("POST", "absences", {"person": 1, "kind": "leave", "first": "2026-11-23", "last": "2026-11-22"}),
    ("GET", "days/2026-13-01", None),
    ("POST", "absences", {"person": 1, "kind": "leave", "first": "2026-01-01", "last": "2099-11-22"}),
    ("GET", "log?limit=100000", None),
    ("GET", "on-shift?at=0001-01-01T00:00:00Z", None),
    ("GET", "on-shift?at=0001-01-01T00:00:00%2B14:00", None),
    ("GET", "on-shift?at=9999-12-31T23:59:59Z", None),
    ("GET", "hand-overs?before=0001-01-01T00:00:00%2B14:00", None),
    ("GET", "hand-overs?before=9999-12-31T23:59:59-14:00", None),
    ("GET", "log?since=0001-01-01T00:00:00%2B14:00", None),
    ("GET", "log?until=9999-12-31T23:59:59-14:00", None),
    ("POST", "hand-overs", {"change_at": "0001-01-01T00:00:00+14:00"}),
    ("POST", "hand-overs", {"change_at": "9999-12-31T23:59:59-12:00"}),
    ("POST", "log", {"text": "x", "at": "0001-01-01T00:00:00+14:00"}),
    ("POST", "incidents", {"kind": "fire", "what": "x", "place": "x", "occurred_at": "9999-12-31T23:59:59-12:00"}),
    ("POST", "absences", SICK | {"since": "9999-12-31T23:59:59-12:00"}),
    ("POST", "absences", SICK | {"since": "2027-11-22T12:00:00+08:00"}),
]


@pytest.fixture
async def ground(postgres_url: str) -> AsyncIterator[Ground]:
    async with grounded(postgres_url) as found:
        yield found


class Door:
    """The module's router in an app of its own; `who` is who asks."""

    def __init__(self, ground: Ground) -> None:
        self.who = ground.admin
        app = FastAPI()
        install(app)

        def carry(request: Request) -> None:
            request.state.principal = self.who

        app.include_router(DutyPlugin().routes(ground.context), prefix="/api/v1", dependencies=[Depends(carry)])
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub/api/v1/duty")

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = await self.client.request(method, path, json=body)
        return answer.status_code, answer.json()


@pytest.fixture
async def door(ground: Ground) -> AsyncIterator[Door]:
    found = Door(ground)
    async with found.client:
        yield found


async def test_all_of_duty_over_http(ground: Ground, door: Door):
    call, person = door.call, ground.codes["person"]["g01"]
    name = {"zh": "车库岗", "en": "Garage"}
    assert (await call("PUT", "posts/garage", {"name": name, "qualifications": []}))[0] == 200
    assert (await call("PUT", "needs/garage/night", {"people": 1, "weekdays": [6, 7]}))[0] == 200
    assert (await call("PUT", "people/g20", {"name": "钱进", "phone": "13900001111", "card": "77-88-99-00"}))[0] == 200
    assert (await call("PUT", "shifts/long", {"name": name, "begins": "08:00", "ends": "20:00"}))[0] == 200
    assert (
        await call("PUT", "limits", {"weekly_hours": 44, "rest_hours": 12, "nights_in_a_row": 2, "days_in_a_row": 6})
    )[0] == 200
    status, made = await call(
        "POST", "absences", {"person": person, "kind": "sick", "first": "2026-11-22", "last": "2026-11-23"}
    )
    assert status == 200
    for path in (
        "posts",
        "shifts",
        "needs",
        "limits",
        "people",
        "equipment",
        f"people/{person}",
        "on-shift",
        "rosters",
        "roster?first=2026-11-21&last=2026-11-22",
        "wishes?first=2026-11-21&last=2026-11-22",
        "log",
        "incidents",
        "absences?first=2026-11-21&last=2026-11-22",
        "hand-overs",
        "hand-overs/current",
        "days/2026-11-21",
    ):
        status, answer = await call("GET", path)
        assert status == 200, path
        json.dumps(answer)
        assert "card_hash" not in str(answer)
    status, answer = await call("GET", "on-shift")
    assert (answer["shift"]["shift"], len(answer["items"])) == ("afternoon", 3)
    assert "phone" not in answer["items"][0]
    assert (await call("DELETE", f"absences/{made['id']}"))[0] == 200
    assert (await call("POST", "rosters/draft", {"first": "2026-11-22", "last": "2026-11-22"}))[0] == 200
    assert (await call("POST", "log", {"text": "巡查"}))[0] == 200
    status, incident = await call(
        "POST", "incidents", {"kind": "fire", "what": "冒烟", "place": "车库", "police_number": "119"}
    )
    assert (status, incident["police"]) == (200, True)
    assert (await call("POST", f"incidents/{incident['id']}/close", {"text": "误报"}))[1]["state"] == "closed"
    answer = await door.client.get("days/2026-11-21/sheet.csv")
    told = answer.headers["content-disposition"], answer.content[:3]
    assert told == (
        'attachment; filename="duty-2026-11-21.csv"',
        b"\xef\xbb\xbf",
    )
    door.who = ground.guard
    change = CHANGE.isoformat()
    status, handed = await call("POST", "hand-overs", {"change_at": change, "note": "一切正常"})
    assert (status, handed["state"]) == (200, "signed_out")
    door.who = ground.admin
    assert (await call("POST", f"hand-overs/{handed['id']}/take-over", {}))[1]["state"] == "done"


async def test_a_sheet_that_leaves_the_house_is_written_down(ground: Ground, door: Door):
    for form in ("csv", "xlsx"):
        assert (await door.client.get(f"days/2026-11-21/sheet.{form}")).status_code == 200
    exports = "SELECT actor, object, detail FROM hub.audit WHERE action = 'duty.export' ORDER BY id"
    assert ground.rows(exports) == [("user:admin", "day:2026-11-21", {"form": form}) for form in ("csv", "xlsx")]


@pytest.mark.parametrize(("method", "path", "body"), HOSTILE)
async def test_hostile_requests_are_told_what_is_wrong(door: Door, method: str, path: str, body: Any):
    status, answer = await door.call(method, path, body)
    assert (status, bool(answer["code"])) == (422, True), answer


async def test_a_foreign_number_is_404_and_a_missing_right_403(ground: Ground, door: Door):
    door.who = ground.stranger
    for method, path, body in (
        ("GET", f"people/{ground.codes['person']['g01']}", None),
        ("GET", "rosters/1", None),
        ("POST", "rosters/1/publish", {}),
        ("POST", "equipment/1/move", {"person": None}),
    ):
        assert (await door.call(method, path, body))[0] == 404
    door.who = ground.viewer
    for method, path, body in (("POST", "rosters/1/publish", {}), ("POST", "log", {"text": "x"}),
                               ("PUT", "people/x", {"name": "x"}),
                               ("POST", "equipment/1/move", {"person": 1})):  # fmt: skip
        assert (await door.call(method, path, body))[0] == 403


@pytest.mark.parametrize("path", ["/duty/people", "/duty/on-shift", "/duty/days/2026-11-21/sheet.xlsx", "/duty/log"])
async def test_nobody_gets_at_duty_without_signing_in(ground: Ground, path: str):
    app = make_api(Hub(ground.context), [DutyPlugin().routes(ground.context)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
        answer = await client.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_the_plug_offers_what_it_says():
    for protocol in (OffersMigrations, OffersParts, OffersPorts, OffersRoutes):
        assert isinstance(DutyPlugin(), protocol)
