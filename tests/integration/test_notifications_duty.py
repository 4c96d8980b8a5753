"""Alarms told by the real duty roster: seeded, swapped, over a change of shifts; the right phone is called."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hub.catalog.paths import packaged_config
from hub.principal import Principal
from modules.duty import DutyPlugin
from modules.duty.model import Slot
from modules.duty.seed import apply, load_duty
from modules.duty.service import Duty
from modules.notifications import Parts
from tests.integration.notifications_ground import Ground, MailServer, Receiver, migrated
from tests.integration.postgres import new_database

EVENING = datetime(2026, 11, 21, 14, 50, tzinfo=UTC)  # 22:50 in Shanghai: ten minutes of the afternoon shift are left
DAY = date(2026, 11, 21)
BOOK = {"g11": "xu@example.com", "g02": "li@example.com"}  # of `people`, the second by account


@pytest.fixture
def ground(postgres_url: str, tmp_path: Path) -> Ground:
    ground = Ground(new_database(postgres_url, migrated(postgres_url)), tmp_path)
    ground.clock.advance((EVENING - ground.clock.now()).total_seconds())
    return ground


@pytest.fixture
async def sms() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


async def staffed(parts: Parts) -> Duty:
    """The demonstration's people on the register and its rotation published; notifications ask the real roster."""
    context = parts.context
    assert await apply(context, load_duty([packaged_config()]), "demo")
    context.ports |= DutyPlugin().ports(context)
    return Duty(context)


def stands(ground: Ground, shift: str, post: str) -> Any:
    """Who the published table says stands there that day."""
    [row] = ground.rows(
        "SELECT s.shift_id, s.post_id, p.id, p.code, p.name, p.phone FROM duty.slot s"
        " JOIN duty.person p ON p.id = s.person_id JOIN duty.post o ON o.id = s.post_id"
        " JOIN duty.shift h ON h.id = s.shift_id WHERE (h.code, o.code) = (%s, %s) AND s.day = %s", shift, post, DAY,
    )  # fmt: skip
    return SimpleNamespace(slot=Slot(DAY, *row[:3]), code=row[3], name=row[4], phone=row[5])


async def test_the_phone_of_who_is_at_the_post_now_is_called_after_a_swap_too(ground: Ground, sms: Receiver):
    url = sms.url.replace("http", "json")
    ground.write([{"id": "sms", "url": url + "/send?:to={phone}"}, {"id": "app", "url": url + "/app?:user={person}"}],
                 {"high": [{"post": "control", "channels": ["sms", "app"]}]})  # fmt: skip
    async with ground.running() as parts:
        duty = await staffed(parts)
        afternoon, night, gate = (stands(ground, *at) for at in (("afternoon", "control"), ("night", "control"),
                                                                 ("night", "gate")))  # fmt: skip
        admin = Principal("user:admin", ground.here, "admin")
        await duty.rosters.swap(admin, night.slot, gate.slot, accept=True)
        alarm = ground.alarm()
        await ground.tell(parts, alarm)
        ground.clock.advance(11 * 60)  # 23:01: the night shift
        await ground.tell(parts, ground.alarm())
        people = {row["person"] for row in await parts.service.deliveries(ground.engineer, alarm)}
    assert [one.json["to"] for one in sms.got if one.path == "/send"] == [afternoon.phone, gate.phone]
    assert [one.json["user"] for one in sms.got if one.path == "/app"] == [afternoon.code, gate.code]
    assert people == {f"{afternoon.name} {afternoon.code}"}  # what the alarm says when they acknowledge


async def test_who_is_on_the_roster_is_found_among_the_people_of_the_file(ground: Ground):
    """By code, or by account: the register knows no mail."""
    async with MailServer() as server:
        url = f"mailto://mail.local:{server.port}/?smtp=127.0.0.1&from=hub@example.com&to={{email}}"
        ground.write([{"id": "mail", "url": url, "recipients": ["lee"]}])
        async with ground.running() as parts:
            await staffed(parts)
            hours = 0
            told = set()
            while hours < 72:
                on = {row["code"] for row in await parts.telling.on_shift(ground.here, None)}
                server.got.clear()
                await ground.tell(parts, ground.alarm())
                expected = {mail for code, mail in BOOK.items() if code in on} or {"lee@example.com"}
                assert {to for to, _ in server.got} == expected, on
                told |= expected
                ground.clock.advance(8 * 3600)
                hours += 8
    assert told == {*BOOK.values(), "lee@example.com"}
