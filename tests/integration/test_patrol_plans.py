"""Plans that people change: versions over the file, on a real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.catalog.document import Document
from hub.catalog.paths import packaged_config
from hub.catalog.yaml import parse_yaml
from hub.errors import Refused
from hub.overview.service import OverviewDesk
from hub.principal import Principal
from hub.store.database import NotThere
from modules.patrol.planbook import InForce, PlanBook
from modules.patrol.stored import file_json
from tests.integration.patrol_ground import BEGIN, Ground, ground, minutes
from tests.integration.test_patrol_reload import DEMO, Site


@pytest.fixture
async def site(postgres_url: str, tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "patrols").mkdir()
    (tmp_path / "patrols/demo.yaml").write_text(DEMO, "utf-8")
    async with ground(postgres_url, config_dir=tmp_path) as here:
        await here.patrols.keeper.reread()
        await here.patrols.keeper.plan_ahead()
        yield Site(here, tmp_path)


def book(here: Ground) -> PlanBook:
    return here.patrols.book


def engineer(here: Ground, name: str = "wang") -> Principal:
    return here.who("engineer", name)


def draft(one: InForce, *, every: str = "", route: str = "") -> dict[str, Any]:
    """What is in force with the garden's rounds at another pace or on another route."""
    plain = file_json(one.file)
    plan = plain["plans"][0]
    plan |= ({"every": every} if every else {}) | ({"route": route} if route else {})
    return plain


async def test_a_version_is_over_the_file_until_it_is_followed_again(site: Site):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)
    assert (before.source, before.number, before.filed) == ("file", None, True)
    saved = await book(here).save(who, draft(before, every="20m"), before.digest, "at night less")
    assert (saved.source, saved.number, saved.author, saved.note) == ("page", 1, "user:wang", "at night less")
    assert site.begins() == [0, 10, 20, 30, 40, 50, 60], "the keeper has not looked yet"
    assert await here.patrols.keeper.reread() and site.begins() == [0, 20, 40, 60]
    assert not await here.patrols.keeper.reread()
    assert not await site.write(("every: 10m\n    early: 1m", "every: 30m\n    early: 1m")), "the file is under it"
    assert site.begins() == [0, 20, 40, 60]
    here.again()
    await here.patrols.keeper.reread()
    await here.patrols.keeper.plan_ahead()
    assert (book(here).in_force(who).number, site.begins()) == (1, [0, 20, 40, 60]), "also after a restart"
    again = await book(here).follow_file(who, saved.digest, "the file has it now")
    assert (again.source, again.number) == ("file", None)
    assert await here.patrols.keeper.reread() and site.begins() == [0, 30, 60]
    listed = await book(here).versions(who)
    assert [(row["number"], row["source"]) for row in listed] == [(2, "file"), (1, "page")]
    actions = here.rows("SELECT action, actor, detail ->> 'note' FROM hub.audit ORDER BY id")
    assert actions == [("patrol.save_plans", "user:wang", "at night less"),
                       ("patrol.follow_file", "user:wang", "the file has it now")]  # fmt: skip


async def test_a_round_under_way_keeps_what_it_began_with(site: Site):
    here, who = site.here, engineer(site.here)
    await here.until(BEGIN + minutes(1))
    await here.tap("door-b1-u1", "access_granted")
    before = book(here).in_force(who)
    await book(here).save(who, draft(before, route="garage"), before.digest)
    await here.patrols.keeper.reread()
    await here.until(BEGIN + minutes(3))
    await here.tap("patrol-1")
    assert here.round()["state"] == "complete"
    [[route]] = here.rows(
        "SELECT route FROM patrol.round WHERE plan = 'garden-round' AND begins = %s", BEGIN + minutes(10)
    )
    assert route == "garage"


async def test_the_preview_tells_the_rounds_that_are_really_made(site: Site):
    here, who = site.here, engineer(site.here)
    await here.until(BEGIN + minutes(1))
    await here.patrols.keeper.plan_ahead()
    kept = "SELECT plan, begins FROM patrol.round WHERE opens > %s AND begins < %s"
    now, until = here.clock.now(), here.clock.now() + timedelta(hours=26)
    old = set(here.rows(kept, now, until))
    before = book(here).in_force(who)
    plain = draft(before, every="25m", route="garage")
    plain["plans"][1] |= {"between": {"from": "00:07", "to": "00:07"}}
    said = await book(here).preview(who, plain)
    assert not said.problems and said.until - said.since == timedelta(days=7)
    assert set(here.rows(kept, now, until)) == old, "nothing is made"
    await book(here).save(who, plain, before.digest)
    await here.patrols.keeper.reread()
    new = set(here.rows(kept, now, until))
    gone = {(one.plan, one.was or one.begins) for one in said.rounds if one.sort in ("gone", "moved")}
    added = {(one.plan, one.begins) for one in said.rounds if one.sort in ("added", "moved")}
    gone, added = ({one for one in each if one[1] < until} for each in (gone, added))
    assert (old - new, new - old) == (gone, added) and gone and added
    assert {one.sort for one in said.rounds if one.plan == "garage-round"} == {"moved"}
    assert [(one.sort, one.checkpoint.id) for one in said.blind] == [
        ("newly", "b1-lobby"), ("newly", "garden"), ("still", "east-gate")
    ]  # fmt: skip
    assert "+    every: 25m" in said.diff


async def test_of_two_who_change_at_once_the_second_is_refused_and_nothing_is_lost(site: Site):
    here, first, second = site.here, engineer(site.here), engineer(site.here, "chen")
    before = book(here).in_force(first)
    tries = [
        book(here).save(who, draft(before, every=every), before.digest)
        for who, every in ((first, "20m"), (second, "30m"))
    ]
    one, other = await asyncio.gather(*tries, return_exceptions=True)
    saved, refused = (one, other) if isinstance(one, InForce) else (other, one)
    assert isinstance(saved, InForce) and isinstance(refused, Refused)
    assert (refused.status, refused.code) == (409, "newer_plans") and f"version 1 by {saved.author}" in refused.detail
    assert here.rows("SELECT count(*) FROM patrol.plan_version") == [(1,)]
    late = second if saved.author == "user:wang" else first
    again = await book(here).save(late, draft(before, every="40m"), saved.digest)
    kept = {"user:wang": "every: 20m", "user:chen": "every: 30m"}[saved.author]
    assert again.number == 2 and kept in await book(here).yaml(late, 1), "the first one's is kept"
    with pytest.raises(Refused) as stale:
        await book(here).follow_file(first, saved.digest)
    assert stale.value.code == "newer_plans"


async def test_a_changed_file_is_newer_too(site: Site):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)
    assert await site.write(("every: 10m\n    early: 1m", "every: 30m\n    early: 1m"))
    with pytest.raises(Refused, match="a changed file is in force by now"):
        await book(here).save(who, draft(before, every="20m"), before.digest)


async def test_what_is_wrong_is_named_by_field_and_not_saved(site: Site):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)
    plain = draft(before)
    plain["plans"][0] |= {"route": "gardens", "device": "door-b1-u1", "every": "3m"}
    plain["checkpoints"][1]["place"] = "moon"
    wrong = await book(here).preview(who, plain)
    assert ("plans[0].route", "garden") in [(one.field, one.suggestion) for one in wrong.problems]
    assert {one.field for one in wrong.problems} == {"plans[0].route", "plans[0].device", "checkpoints[1].place"}
    plain["plans"][0]["route"] = "garden"
    fields = {one.field for one in (await book(here).preview(who, plain)).problems}
    assert fields == {"plans[0].every", "plans[0].device", "checkpoints[1].place"}
    with pytest.raises(Refused, match=r"plans\[0\].device"):
        await book(here).save(who, plain, before.digest)
    for hostile in (
        {"checkpoints": "x"},
        {"plans": [{"id": "a\x00"}]},
        {"routes": [["\ud800"]]},
        {"plans": [float("nan")]},
    ):
        with pytest.raises(Refused) as error:
            await book(here).save(who, hostile, before.digest)
        assert error.value.status == 422
    assert here.rows("SELECT count(*) FROM patrol.plan_version") == [(0,)]


async def test_only_who_configures_changes_and_plates_are_masked_for_others(site: Site):
    here = site.here
    before = book(here).in_force(here.who("viewer"))
    for role in ("viewer", "guard", "finance"):
        who = here.who(role)
        for work in (
            book(here).save(who, draft(before, every="20m"), before.digest), book(here).preview(who, draft(before)),
            book(here).check(who, draft(before)), book(here).follow_file(who, before.digest),
            book(here).restore(who, 1, before.digest), book(here).yaml(who),
        ):  # fmt: skip
            with pytest.raises(Refused) as error:
                await work
            assert error.value.status == 403
    await book(here).save(engineer(here), draft(before, every="20m"), before.digest)
    assert "沪AXG001" in str(await book(here).version(engineer(here), 1))
    for role in ("viewer", "finance"):
        assert "沪AXG001" not in str(await book(here).version(here.who(role), 1))
        assert "沪AXG001" not in await book(here).diff(here.who(role), 0, 1)


async def test_versions_of_another_community_are_not_seen(site: Site):
    here = site.here
    before = book(here).in_force(engineer(here))
    await book(here).save(engineer(here), draft(before, every="20m"), before.digest)
    stranger = Principal("user:zhou", here.foreign, "admin")
    assert await book(here).versions(stranger) == []
    for work in (book(here).version(stranger, 1), book(here).restore(stranger, 1, before.digest)):
        with pytest.raises(NotThere):
            await work
    empty = book(here).in_force(stranger)
    assert (empty.file.plans, empty.filed, empty.number) == ([], False, None)
    with psycopg.connect(here.url) as link:
        link.execute("SET ROLE hub_app")
        link.execute("SELECT set_config('hub.communities', %s, false)", [str(here.foreign)])
        assert link.execute("SELECT count(*) FROM patrol.plan_version").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            link.execute("UPDATE patrol.plan_version SET note = 'x'")
    with psycopg.connect(here.url) as link, pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        link.execute("DELETE FROM patrol.plan_version")


async def test_an_old_version_comes_back_and_the_files_own_text_means_following_it(site: Site):
    here, who = site.here, engineer(site.here)
    file = book(here).in_force(who)
    first = await book(here).save(who, draft(file, every="20m"), file.digest)
    second = await book(here).save(who, draft(file, every="30m"), first.digest)
    third = await book(here).restore(who, 1, second.digest)
    assert (third.number, third.note, third.digest) == (3, "version 1", first.digest)
    assert "every: 30m" in await book(here).diff(who, 2, 3) and await book(here).diff(who, 1, 3) == ""
    same = await book(here).save(who, draft(file, every="20m"), third.digest)
    assert same.number == 3, "what is in force makes no version"
    back = await book(here).save(who, draft(file), third.digest)
    assert (back.source, back.number) == ("file", None)
    with pytest.raises(Refused, match="followed already"):
        await book(here).follow_file(who, back.digest)
    await here.patrols.keeper.plan_ahead()
    here.clock.advance(40 * 86400)
    await here.patrols.keeper.plan_ahead()  # forgets what no round refers to
    assert "every: 20m" in await book(here).yaml(who, 1), "but no version"


async def test_a_download_is_a_file_that_says_the_same(site: Site, tmp_path: Path):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)
    saved = await book(here).save(who, draft(before, every="20m"), before.digest)
    await here.patrols.keeper.reread()
    text = await book(here).yaml(who)
    assert parse_yaml(text, Document("x"), {}, tmp_path).data == file_json(saved.file)
    assert await book(here).yaml(who, 1) == text, "the store keeps no order of keys, a file has one"
    changed = [line for line in (await book(here).diff(who, 0, 1)).splitlines() if line[:1] in "+-"][2:]
    assert changed == ["-    every: 10m", "+    every: 20m"]
    site.file.write_text(text, "utf-8")
    assert not await here.patrols.keeper.reread(), "the file says what was in force"
    assert (await book(here).follow_file(who, saved.digest)).digest == saved.digest


@pytest.mark.parametrize("mended", ["in the site", "on the page"])
async def test_a_site_that_changes_under_a_version_is_told_until_it_is_mended(site: Site, mended: str):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)
    await book(here).save(who, draft(before, every="20m"), before.digest)
    sites = own_sites(site)
    site.file.unlink()  # else it is refused, too
    rename(sites, "route-garden", "route-other")
    await here.patrols.keeper.reread()
    refusals = {one.what: one for one in here.context.refusals.seen_in("demo", ["demo", "other"])}
    assert "plans[0].device" in {one.field for one in refusals["patrol_versions"].problems}
    assert book(here).in_force(who).number == 1
    assert all(not one.problems for one in here.context.refusals.seen_in("other", ["demo", "other"]))
    if mended == "in the site":
        rename(sites, "route-other", "route-garden")
    else:
        plain = draft(one := book(here).in_force(who))
        plain["plans"][0]["device"] = "route-other"
        await book(here).save(who, plain, one.digest)
    await here.patrols.keeper.reread()
    assert "patrol_versions" not in {one.what for one in here.context.refusals.seen_in("demo", ["demo"])}


def rename(sites: Path, device: str, other: str) -> None:
    """The device of a plan gets another name in the site."""
    for path, old in ((sites / "demo.yaml", f"id: {device},"), (sites / "demo.positions.csv", device)):
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, old.replace(device, other)), "utf-8")


def own_sites(site: Site) -> Path:
    """The folder of sites, with the demonstration's own in it."""
    folder = site.file.parent.parent / "sites"
    folder.mkdir()
    for path in (packaged_config() / "sites").glob("*"):
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


async def test_a_wrong_site_of_another_community_is_not_shown_and_stops_no_planning(site: Site):
    here, who = site.here, engineer(site.here)
    before = book(here).in_force(who)
    folder = own_sites(site)
    (folder / "other.yaml").write_text("community: {code: other, secret: 4711}", "utf-8")
    assert (await book(here).preview(who, draft(before, every="20m"))).problems == ()
    assert (await book(here).save(who, draft(before, every="20m"), before.digest)).number == 1
    demo = folder / "demo.yaml"
    demo.write_text(demo.read_text("utf-8").replace("id: route-garden,", "id: 'route garden',"), "utf-8")
    plain = draft(before)
    del plain["routes"][0]["stops"]
    told = await book(here).check(who, plain)
    assert {(one.file.rpartition("/")[2], one.field) for one in told} >= {("demo", "routes[0].stops")}, (
        "of what is given"
    )
    assert {one.file.rpartition("/")[2] for one in told} <= {"demo", "demo.yaml", "demo.positions.csv"}
    assert len(told) > 1, "and of the community's own site"


async def test_a_refused_file_is_told_with_line_and_field_until_it_is_mended(site: Site):
    here = site.here
    assert not await site.write(("every: 10m\n    early: 1m", "every: 2m\n    early: 1m"))
    [one] = here.context.refusals.seen_in("demo", ["demo", "other"])
    assert (one.what, [(each.field, each.line > 50) for each in one.problems]) == (
        "patrols",
        [("plans[0].every", True)],
    )
    [other] = here.context.refusals.seen_in("other", ["demo", "other"])
    assert (other.problems, other.hidden) == ((), 1)
    assert replace(other, problems=one.problems, hidden=0) == one
    overview = OverviewDesk(here.context)
    told = [await overview._files(here.who(role)) for role in ("engineer", "viewer")]
    assert told[1] is None and told[0] is not None
    assert (told[0].tiles[0].value, told[0].tiles[0].href) == (1, "/system"), "who may configure sees that one waits"
    assert await site.write(("every: 10m\n    early: 1m", "every: 30m\n    early: 1m"))
    assert here.context.refusals.seen_in("demo", ["demo"]) == []


async def test_a_community_without_a_file_can_begin_on_the_page(postgres_url: str, tmp_path: Path):
    async with ground(postgres_url, config_dir=tmp_path) as here:
        await here.patrols.keeper.reread()
        who = engineer(here)
        before = book(here).in_force(who)
        await book(here).save(who, draft(before, every="20m"), before.digest)
        assert here.patrols.file(who) is not None
