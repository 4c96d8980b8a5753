"""Versions of patrol plans through restarts and lost answers, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from hub.errors import Refused
from hub.store.database import Row
from modules.patrol import store_plans
from modules.patrol.evidence import CheckIn
from tests.integration.patrol_ground import printed_codes
from tests.integration.test_patrol_plans import book, draft, engineer, site
from tests.integration.test_patrol_reload import Site, changed

__all__ = ["site"]  # the fixture


async def test_after_a_restart_with_a_refused_file_a_version_is_not_taken_for_the_file(site: Site):
    here, who = site.here, engineer(site.here)
    file = book(here).in_force(who)
    first = await book(here).save(who, draft(file, every="20m"), file.digest)
    bad = site.file.with_name("other.yaml")
    bad.write_text("community: [other", "utf-8")
    here.again()
    await here.patrols.keeper.reread()
    assert "+    every: 20m" in await book(here).diff(who, 0, 1), "the file is still the file"
    second = await book(here).save(who, draft(file, every="30m"), first.digest)
    third = await book(here).restore(who, 1, second.digest)
    assert (third.source, third.number) == ("page", 3)
    bad.unlink()
    await here.patrols.keeper.reread()
    assert book(here).in_force(who) == third
    assert (await book(here).follow_file(who, third.digest)).digest == file.digest


async def test_what_is_handed_in_right_after_a_restart_counts_by_the_version_in_force(site: Site):
    here, who = site.here, engineer(site.here)
    file = book(here).in_force(who)
    plain = draft(file)
    proofs = [{"by": "reader", "device": "patrol-1"}, {"by": "qr", "weight": 1}]
    plain["checkpoints"].append(plain["checkpoints"][0] | {"id": "roof", "proofs": proofs, "items": []})
    await book(here).save(who, plain, file.digest)
    code = (await printed_codes(here))["roof"]
    here.again()
    await here.tap("patrol-1")
    here.again()
    recorder = here.patrols.recorder
    answers = await asyncio.gather(
        *(recorder.check_in(here.who(), f"phone-{n}", here.phone(), [CheckIn(1, code, here.phone())]) for n in (1, 2))
    )
    assert [one["results"][0]["outcome"] for one in answers] == ["accepted", "accepted"]
    sorts = here.rows("SELECT sort FROM patrol.evidence WHERE checkpoint = 'roof' ORDER BY sort")
    assert sorts == [("qr",), ("qr",), ("reader",)]
    assert await here.patrols.keeper.reread(), "the keeper is told what the first look found"


async def test_a_file_that_was_refused_at_the_start_is_not_followed(site: Site):
    here, who = site.here, engineer(site.here)
    file = book(here).in_force(who)
    saved = await book(here).save(who, draft(file, every="20m"), file.digest)
    site.file.write_text(changed(("device: route-garden", "device: route-gardem")), "utf-8")
    here.again()
    await here.patrols.keeper.reread()
    with pytest.raises(Refused, match=r"plans\[0\].device"):
        await book(here).follow_file(who, saved.digest)
    assert book(here).in_force(who).number == 1


@pytest.mark.parametrize("lost", ["the answer to the commit", "the look at the store after it"])
async def test_a_save_whose_answer_is_lost_comes_into_force_all_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, lost: str
):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)

    async def away(*_: object) -> list[Row]:
        raise psycopg.OperationalError("gone")

    if lost == "the answer to the commit":
        here.context.database.session = cut_after(here.context.database.session)  # type: ignore[method-assign]
    monkeypatch.setattr(store_plans, "laid", away)
    with pytest.raises(psycopg.OperationalError):
        await book(here).save(who, draft(before, every="20m"), before.digest)
    with pytest.raises(psycopg.OperationalError):
        await here.patrols.keeper.reread()  # the store is away still
    monkeypatch.undo()
    assert await here.patrols.keeper.reread() and site.begins() == [0, 20, 40, 60]
    fresh = book(here).in_force(who)
    assert (fresh.number, fresh.author) == (1, "user:wang")
    assert (await book(here).save(who, draft(before, every="30m"), fresh.digest)).number == 2


def cut_after(session: Callable[..., Any]) -> Callable[..., Any]:
    """Sessions of which the first that saves plans loses its connection when they are committed."""
    cut = []

    @asynccontextmanager
    async def opened(communities: list[int]) -> AsyncIterator[Any]:
        async with session(communities) as connection:
            yield connection
            newest = await store_plans.newest(connection, communities[0])
        if newest is not None and not cut:
            cut.append(newest)
            raise psycopg.OperationalError("the connection was lost")

    return opened
