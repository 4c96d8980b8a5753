"""Patrol files that change under a running hub: rounds to come follow them, rounds that have begun do not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.catalog.paths import packaged_config
from modules.patrol.evidence import CheckIn
from modules.patrol.handlers import event_handlers
from modules.patrol.live import Files
from tests.integration.patrol_ground import BEGIN, GUARD_CARD, Ground, ground, minutes, printed_codes

# Without the equipment of the lobby: what names one may not stand outside of all routes.
DEMO = (packaged_config() / "patrols/demo.yaml").read_text("utf-8").replace(", equipment: FE-B1-01", "")
GARDEN = "  - id: garden-round\n"
OTHER_READER = ("{by: reader, device: patrol-1}", "{by: reader, device: patrol-2}")
NO_LOBBY = ("      - {checkpoint: b1-lobby, max: 3m}\n", "")
EACH_20 = ("every: 10m\n    early: 1m", "every: 20m\n    early: 1m")


def changed(*pairs: tuple[str, str]) -> str:
    text = DEMO
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


class Site:
    """The ground with patrol files of its own."""

    def __init__(self, here: Ground, folder: Path) -> None:
        self.here, self.file = here, folder / "patrols/demo.yaml"

    async def write(self, *pairs: tuple[str, str]) -> bool:
        """Save the file with these changes; whether the running hub took them."""
        self.file.write_text(changed(*pairs), "utf-8")
        return await self.here.patrols.keeper.reread()

    def begins(self, plan: str = "garden-round") -> list[float]:
        """When its rounds begin, in minutes after BEGIN, of the next hour."""
        rows = self.here.rows(
            "SELECT begins FROM patrol.round WHERE plan = %s AND begins BETWEEN %s AND %s ORDER BY begins", plan, BEGIN,
            BEGIN + minutes(60),
        )  # fmt: skip
        return [(begins - BEGIN) / minutes(1) for (begins,) in rows]

    def together(self) -> list[tuple[Any, ...]]:
        """Rounds of one device that are open at once."""
        return self.here.rows(
            "SELECT a.id, b.id FROM patrol.round a JOIN patrol.round b ON a.device = b.device AND a.id < b.id"
            " AND a.community_id = b.community_id AND a.opens < b.closes AND b.opens < a.closes"
        )


@pytest.fixture
async def site(postgres_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "patrols").mkdir()
    (tmp_path / "patrols/demo.yaml").write_text(DEMO, "utf-8")
    async with ground(postgres_url, config_dir=tmp_path) as here:
        await here.patrols.keeper.plan_ahead()
        yield Site(here, tmp_path)


async def test_a_file_that_did_not_change_is_not_read_again(site: Site):
    before = site.here.rows("SELECT id, version FROM patrol.round ORDER BY id")
    assert not await site.here.patrols.keeper.reread()
    site.file.touch()
    assert not await site.here.patrols.keeper.reread(), "saved again as it was"
    assert site.here.rows("SELECT id, version FROM patrol.round ORDER BY id") == before


async def test_a_round_under_way_is_walked_and_judged_by_the_file_that_it_began_with(site: Site):
    here = site.here
    await here.until(BEGIN + minutes(1))
    await here.tap("door-b1-u1", "access_granted")
    began = here.round()
    assert await site.write(OTHER_READER, NO_LOBBY, EACH_20)
    assert (here.round()["id"], here.round()["visits"]) == (began["id"], began["visits"])
    await here.until(BEGIN + minutes(3))
    assert here.patrols.versions.listens("demo", "patrol-1")
    await here.tap("patrol-1")  # the reader that proved it when it began
    await here.until(BEGIN + minutes(8))
    assert here.told() == [
        "route-garden round_started", "route-garden checkpoint_done", "route-garden checkpoint_done",
        "route-garden round_finished",
    ]  # fmt: skip
    assert (here.round()["state"], here.round()["done"]) == ("complete", 2)
    assert site.begins() == [0, 20, 40, 60]
    await here.until(BEGIN + minutes(21))
    await here.tap("patrol-1")
    assert here.round(begins=BEGIN + minutes(20))["done"] == 0, "it is no longer the garden's reader"
    await here.tap("patrol-2")
    assert here.round(begins=BEGIN + minutes(20))["state"] == "complete"
    await here.patrols.keeper.plan_ahead()
    assert not here.patrols.versions.listens("demo", "patrol-1"), "nothing open began with it"
    assert site.together() == []


async def test_a_restart_after_the_change_still_knows_what_the_round_began_with(site: Site):
    here = site.here
    await here.until(BEGIN + minutes(1))
    renamed = (("id: b1-lobby", "id: lobby"), ("checkpoint: b1-lobby", "checkpoint: lobby"))
    site.file.write_text(changed(OTHER_READER, *renamed), "utf-8")
    here.again()
    await here.tap("door-b1-u1", "access_granted")  # before it has planned anything: a job waited
    await here.patrols.keeper.plan_ahead()
    await here.tap("patrol-1")
    assert (here.round()["state"], here.round()["done"]) == ("complete", 2)
    [[said]] = here.rows("SELECT body #>> '{events,0,1,checkpoint}' FROM hub.report ORDER BY id LIMIT 1 OFFSET 1")
    assert said == "1栋1单元大堂", "called as it was called when the round began"


@pytest.mark.parametrize("minute", [-1.2, -0.5, 0.5, 4.2, 7.9, 8.2, 8.9, 9.1])
async def test_a_change_at_any_moment_of_a_round_that_nobody_walks_tells_everything_once(site: Site, minute: float):
    here = site.here
    await here.until(BEGIN + minutes(minute))
    began = minute > -1
    assert await site.write(EACH_20, ("late: 1m", "late: 30s"))
    await here.until(BEGIN + minutes(12))
    told = [name for name in here.told() if name.startswith("route-garden")]
    once = ["checkpoint_late", "round_overdue", "round_settled", "round_missed"]
    assert sorted(told) == sorted(f"route-garden {name}" for name in once)
    [[late]] = here.rows("SELECT spec ->> 'late' FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", BEGIN)
    assert float(late) == (60 if began else 30)
    assert site.together() == []


async def test_what_would_open_before_an_open_round_of_its_device_is_closed_waits_or_is_left_out(site: Site):
    here = site.here
    await here.until(BEGIN)
    renamed = (GARDEN, "  - id: other-round\n")
    early = ("every: 10m\n    early: 1m", 'times: ["02:07", "02:20", "02:40"]\n    early: 4m')
    assert await site.write(renamed, early)
    assert site.begins() == [0] and site.begins("other-round") == [20, 40], "at 02:07 the old one is still open"
    assert site.together() == []
    soon = ("every: 10m\n    early: 1m", 'times: ["02:10", "02:40"]\n    early: 4m')
    assert await site.write(renamed, soon)
    assert site.begins("other-round") == [10, 40]
    query = "SELECT opens FROM patrol.round WHERE plan = 'other-round' AND begins = %s"
    [[opens]] = here.rows(query, BEGIN + minutes(10))
    assert opens == BEGIN + minutes(9), "the old one closes then"
    for moment in (6.5, 9.5):  # it would have opened; it has opened
        await here.until(BEGIN + minutes(moment))
        await here.patrols.keeper.plan_ahead()
        assert site.begins("other-round") == [10, 40]
    assert site.together() == []


async def test_a_round_that_a_fast_clock_began_before_it_opened_is_not_planned_a_second_time(site: Site):
    here = site.here
    await here.tap("door-b1-u1", "access_granted", at=here.clock.now() + timedelta(seconds=40))
    before = here.told()
    assert "route-garden round_started" in before
    assert await site.write(EACH_20, ("max: 3m", "max: 4m"))
    await here.until(BEGIN + minutes(0.5))
    assert here.told() == before
    assert site.begins() == [0, 20, 40, 60]


WRONG = [
    (("route: garden\n", "route: gardn\n"), "did you mean 'garden'?"),
    (("device: route-garden", "device: route-gardem"), "did you mean 'route-garden'?"),
    (("{by: reader, device: patrol-1}", "{by: reader, device: patrol-9}"), "did you mean 'patrol-"),
    (("post: patrol", "post: patrl"), "plans[0].post: found 'patrl', expected a post of the community "
     "(duty/demo.yaml) — did you mean 'patrol'?"),
    (("min: 30s, max: 4m", "min: 30s, max: 40m"), "from one round to the next"),
    (("community: demo", "community: [demo"), "not YAML"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "told"), WRONG)
async def test_a_wrong_file_is_refused_and_what_was_good_stays_until_it_is_mended(
    site: Site, wrong: tuple[str, str], told: str
):
    here = site.here
    await here.patrols.keeper.reread()
    before = here.rows("SELECT id, version FROM patrol.round ORDER BY id")
    file = here.patrols.file(here.who())
    with capture_logs() as logs:
        assert not await site.write(wrong, EACH_20)
    [line] = [one for one in logs if "refused" in one["event"]]
    assert told in line["problems"] and "patrols/demo.yaml:" in line["problems"]
    with capture_logs() as logs:
        assert not await here.patrols.keeper.reread()
    assert logs == [], "told once"
    assert here.patrols.file(here.who()) is file
    await here.patrols.keeper.plan_ahead()
    assert here.rows("SELECT id, version FROM patrol.round ORDER BY id") == before
    assert await site.write(EACH_20)
    assert site.begins() == [0, 20, 40, 60]


@pytest.mark.parametrize("wrong", [one for one, _ in WRONG])
async def test_a_file_that_is_wrong_at_a_restart_is_refused_and_what_was_in_force_stays(
    site: Site, wrong: tuple[str, str]
):
    here = site.here
    assert await site.write(EACH_20)
    await here.until(BEGIN + minutes(1))
    assert await site.write(("late: 1m", "late: 30s"))
    await here.until(BEGIN + minutes(5.5))  # there and back: what is in force last is not the text that is new last
    assert await site.write(EACH_20)
    file = here.patrols.file(here.who())
    before = here.rows("SELECT id, version FROM patrol.round ORDER BY id")
    site.file.write_text(changed(wrong), "utf-8")
    here.again()
    with capture_logs() as logs:
        await here.patrols.keeper.reread()
    assert [one["log_level"] for one in logs if "refused" in one["event"]] == ["error"]
    assert [one["community"] for one in logs if "before the restart" in one["event"]] == ["demo"]
    await here.patrols.keeper.plan_ahead()
    assert here.patrols.file(here.who()) == file
    assert here.rows("SELECT id, version FROM patrol.round ORDER BY id") == before
    with capture_logs() as logs:
        here.clock.advance(60)
        assert not await here.patrols.keeper.reread()
    assert logs == [], "told once"
    assert await site.write(("late: 1m", "late: 30s"))


async def test_the_keeper_looks_at_the_files_before_it_plans(site: Site):
    here = site.here
    before = here.rows("SELECT id, version FROM patrol.round ORDER BY id")
    site.file.write_text(changed(("device: route-garden", "device: route-gardem")), "utf-8")
    keeper = here.again().keeper

    async def asleep(seconds: float) -> None:
        raise asyncio.CancelledError

    here.clock.sleep = asleep  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await keeper.run()
    assert here.rows("SELECT id, version FROM patrol.round ORDER BY id") == before


async def test_what_is_wrong_at_the_first_start_is_not_in_force_and_stops_nothing(site: Site):
    here = site.here
    here.rows("DELETE FROM patrol.version RETURNING 1")
    site.file.write_text(changed(("community: demo", "community: [demo")), "utf-8")
    here.again()
    with capture_logs() as logs:
        await here.patrols.keeper.reread()
    assert here.patrols.file(here.who()) is None
    assert [one["community"] for one in logs if "no good patrol file" in one["event"]] == ["demo"]
    assert await site.write(EACH_20)


async def test_patrols_that_were_taken_away_do_not_come_back_with_a_wrong_file(site: Site):
    site.file.unlink()
    site.file.with_name("other.yaml").write_text("community: [other", "utf-8")
    files = Files(site.here.context, [site.file.parent.parent], {})  # without the packaged ones
    await files.refresh()
    assert dict(files) == {}


async def test_what_was_lacking_is_noticed_when_it_arrives_elsewhere(site: Site):
    here, known = site.here, ["patrol"]

    async def posts(community_id: int) -> list[dict[str, Any]]:
        return [{"code": code} for code in known] if community_id == here.home else []

    here.context.ports["duty.posts"] = posts
    assert not await site.write(("post: patrol", "post: roving"))
    known.append("roving")
    with capture_logs() as logs:
        assert not await here.patrols.keeper.reread(), "not at once"
        here.clock.advance(60)
        assert await here.patrols.keeper.reread()
    assert [one["event"] for one in logs] == ["the changed files are in force"]


async def test_after_a_start_any_device_may_prove_a_round_until_the_open_ones_are_looked_up(site: Site):
    here = site.here
    await here.until(BEGIN + minutes(1))
    assert await site.write(OTHER_READER)
    handler = event_handlers(here.again().versions)["patrol_reader", "checkpoint_read"]
    assert handler.wants(here.devices["patrol-1"]), "the open round began with it"
    await here.patrols.keeper.plan_ahead()
    assert handler.wants(here.devices["patrol-1"])
    assert not here.patrols.versions.listens("demo", "door-b2-u1"), "looked up by now"


async def test_a_post_that_was_added_on_the_page_is_known_to_the_running_hub(site: Site):
    async def posts(community_id: int) -> list[dict[str, Any]]:
        return [{"code": "roving", "name": {"zh": "机动", "en": "Roving"}}] if community_id == site.here.home else []

    site.here.context.ports["duty.posts"] = posts
    assert await site.write(("post: patrol", "post: roving"))


async def test_a_check_in_of_before_the_change_counts_with_what_was_asked_then(site: Site):
    """A phone that had no connection hands in what was captured, and answered, before the checkpoint went away."""
    here = site.here
    printed = await printed_codes(here)
    await here.until(BEGIN + minutes(2))
    captured = here.phone()
    await here.until(BEGIN + minutes(2.5))
    assert await site.write(NO_LOBBY, ("- {id: fire-lane,", "- {id: fire-way,"), ("id: b1-lobby", "id: lobby"))
    await here.until(BEGIN + minutes(3.5))
    places = {one.id for one in await here.patrols.checkpoints(here.who())}
    assert {"b1-lobby", "lobby"} <= places, "the page still asks for it"
    one = CheckIn(1, printed["b1-lobby"], captured, {"fire-lane": True})
    answer = await here.patrols.recorder.check_in(here.who(), "phone-1", here.phone(), [one])
    assert answer["results"][0]["outcome"] == "accepted", answer
    assert here.round()["visits"][0]["score"] == 100
    assert here.rows("SELECT item FROM patrol.inspection") == [("fire-lane",)]
    await here.until(BEGIN + minutes(12))
    again = CheckIn(2, printed["b1-lobby"], here.phone())
    answer = await here.patrols.recorder.check_in(here.who(), "phone-1", here.phone(), [again])
    assert answer["results"][0]["code"] == "not_here", "no open round began with it"


async def test_files_that_no_round_refers_to_are_forgotten(site: Site):
    here = site.here
    for late in ("30s", "40s", "50s"):
        assert await site.write(("late: 1m", f"late: {late}"))
    assert here.rows("SELECT count(*) FROM patrol.version") == [(1,)], "nothing had begun with the others"
    await here.until(BEGIN)
    assert await site.write(("late: 1m", "late: 20s"))
    assert here.rows("SELECT count(*) FROM patrol.version") == [(2,)]
    titles = await here.patrols.titles(here.who(), await here.patrols.rounds(here.who()), "en")
    assert titles["plan:garden-round"] == "Garden round"


async def test_open_pages_hear_of_the_change(site: Site):
    screen = site.here.context.live.subscribe(lambda change: change.topic == "patrol" and "plans" in change.data)
    assert await site.write(EACH_20)
    changes, _ = await screen.take()
    assert {change.community_id for change in changes} >= {site.here.home}


async def test_cards_are_heard_of_in_both_versions(site: Site):
    """A checkpoint that rounds of both files share takes the proofs of both while both are open."""
    here = site.here
    await here.until(BEGIN + minutes(4.5))  # the garage round of 02:05 is open
    assert await site.write(("{by: reader, device: patrol-2}", "{by: reader, device: patrol-1}"))
    await here.tap("patrol-2", card=GUARD_CARD)
    visits = {visit["checkpoint"]: visit["score"] for visit in here.round("garage-round", BEGIN + minutes(5))["visits"]}
    assert visits == {"garage": 100, "garage-exit": 0}
