"""What a guard does at the desk, in a real browser: set aside, assign, work through, give commands, plan."""

import re

import pytest
from playwright.async_api import Page, expect

from hub.live import Change
from modules.duty.service import Duty
from tests.e2e.desk_rows import begin_storm, end_storm
from tests.e2e.desks import SHOTS, World
from tests.integration.seeded_rows import add_alarm

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def fresh(world: World, device: str, en: str, priority: int = 3, **columns: object) -> int:
    """One more alarm in the book, annunciated now; nobody is told of it yet."""
    seeds, now = world.seeds, world.hub.context.clock.now()
    with seeds.link() as link:
        number = add_alarm(
            link, seeds.home, seeds.devices[device].id, "bench", priority, "active_unacknowledged", en, en, now,
            condition=f"{en}:{device}",
        )  # fmt: skip
        for column, value in {"active_since": now, "annunciated_at": now, **columns}.items():
            link.execute(f"UPDATE hub.alarm SET {column} = %s WHERE id = %s", [value, number])
    return number


def over(world: World, *numbers: int) -> None:
    with world.seeds.link() as link:
        link.execute("UPDATE hub.alarm SET state = 'normal', suppression = NULL WHERE id = ANY (%s)", [list(numbers)])


async def state_of(world: World, number: int) -> tuple[str, str | None, str | None]:
    row = await world.seeds.context.alarms.show(await world.principal("guard"), number)
    return row["state"], row["suppression"], row["assignee"]


def tab(page: Page, word: str):  # type: ignore[no-untyped-def]
    return page.locator(".tabs button", has_text=word)


async def test_every_list_has_its_alarms_and_says_why(world: World) -> None:
    made = world.made
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        await page.locator(f"#alarm-{made['smoke']} .flag.life").wait_for()
        assert await page.locator(f"#alarm-{made['first']} .flag").all_inner_texts() == ["First out", "Chattering"]
        assert await page.locator(f"#alarm-{made['old']} .flag").all_inner_texts() == ["Historical"]
        for name, word, text in (
            ("shelved", "Shelved", "搬家，物业已知 · guard"),
            ("service", "Out of service", "年检 WO-20261121-0003"),
            ("em-b2-001", "Suppressed", "网关断线"),
            ("stale", "Stale", "Environment of the garage"),
        ):
            assert name == "stale" or await page.locator(f"#alarm-{made[name]}").count() == 0
            await tab(page, word).click()
            assert text in await page.locator(f"#alarm-{made[name]}").inner_text()
        await tab(page, "Desk").click()
        await page.locator(f"#alarm-{made['gateway']} .hides", has_text="hides 39").click()
        await page.locator(f"#alarm-{made['em-b2-002']}").wait_for()
        assert await page.locator("li.alarm").count() == 39
        await page.locator(f"#alarm-{made['em-b2-002']} .open").click()
        await page.locator(".detail-pane .strip a", has_text="Parent alarm").click()
        await page.wait_for_url(f"**/alarms/{made['gateway']}")
        assert not complaints


async def test_the_open_drawer_shows_what_others_do_and_what_happens_here(world: World) -> None:
    """Nobody opens a door twice because the other desk's command cannot be seen."""
    number = fresh(world, "door-b1-u1", "Somebody rings")
    door = world.seeds.devices["door-b1-u1"]
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.locator(".detail-pane h2", has_text="Somebody rings").wait_for()
        assert await page.locator(".detail-pane h3", has_text="Commands given here").count() == 0
        engineer = await world.principal("engineer")
        await world.seeds.context.commands.request(engineer, door.id, "open", "for the post", "drawer-1")
        table = page.locator(".detail-pane h3:has-text('Commands given here') + *")
        await expect(table).to_contain_text("engineer")
        typed = page.locator(".detail-pane button.solid").first
        await typed.focus()
        world.seeds.context.live.publish(Change("event", world.seeds.home, "ab", {"device_id": door.id}))
        await page.wait_for_timeout(1500)
        assert await typed.evaluate("e => e === document.activeElement")  # what is worked with is not painted anew
        assert complaints == []
    over(world, number)


async def test_shelved_with_time_and_reason_and_taken_back(world: World) -> None:
    number = fresh(world, "env-1", "Too humid")
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.keyboard.press("s")
        await page.locator(".dialog select").select_option("240")
        await page.locator(".dialog .solid").click()
        await page.locator(".dialog .wrong", has_text="A reason is needed").wait_for()
        await page.locator(".dialog input").fill("sprinklers are on")
        await page.locator(".dialog .solid").click()
        await tab(page, "Shelved").click()
        await page.locator(f"#alarm-{number}", has_text="sprinklers are on · guard").wait_for()
        assert (await state_of(world, number))[1] == "shelved"
        await page.locator(".detail-pane button", has_text="Unshelve").click()
        await page.locator(".dialog .solid").click()
        await page.locator(f"#alarm-{number}").wait_for(state="detached")
        await tab(page, "Desk").click()
        await page.locator(f"#alarm-{number}").wait_for()
        assert (await state_of(world, number))[1] is None
        assert not complaints
    over(world, number)


async def test_life_safety_is_neither_shelved_nor_filtered_nor_muted_for_long(world: World) -> None:
    smoke = world.made["smoke"]
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{smoke}")
        assert await page.locator(".detail-pane button", has_text="Shelve").count() == 0
        await page.keyboard.press("s")
        await page.locator(".q-notification", has_text="cannot be shelved").wait_for()
        await page.fill(".search[type=search]", "pump")
        await page.locator(".strip", has_text="The filter hides").wait_for()
        assert await page.locator(f"#alarm-{smoke}").count() == 1
        await page.select_option(".sound select", "30")
        heard = """async () => {
          const { Siren } = await import('/static/siren.js'), siren = new Siren(), at = siren.at, real = Date.now;
          const after = (minutes, row) => { Date.now = () => at + minutes * 60000; return !siren.silent(row); };
          const told = [0.5, 1.1, 29, 31].map((m) => [after(m, { life_safety: true }), after(m, {})]);
          Date.now = real;
          return told; }"""
        assert await page.evaluate(heard) == [[False, False], [True, False], [True, False], [True, True]]
        assert not complaints


async def test_sound_is_only_for_what_was_annunciated(world: World) -> None:
    watch = """async () => {
      const { Siren } = await import('/static/siren.js');
      Siren.prototype.repeat = () => {};  // what rings now rings because it came
      window.rung = []; const sound = OscillatorNode.prototype, start = sound.start;
      sound.start = function (at) { rung.push(Math.round(this.frequency.value)); return start.call(this, at); }; }"""
    numbers = []
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        await page.evaluate(watch)
        who = await world.principal("guard")
        for priority, columns in (
            (2, {"annunciated_at": None}),
            (2, {"historical": True, "annunciated_at": None}),
            (4, {}),
            (2, {}),
        ):
            numbers.append(fresh(world, "env-1", f"Sound {len(numbers)}", priority, **columns))
            world.seeds.context.alarms.announce(await world.seeds.context.alarms.show(who, numbers[-1]))
            await page.locator(f"#alarm-{numbers[-1]}").wait_for()
            if len(numbers) < 4:
                assert await page.evaluate("window.rung") == []
        await page.wait_for_function("window.rung.length > 0")
        assert await page.evaluate("window.rung") == [880, 660]
        assert not complaints
    over(world, *numbers)


async def test_many_are_picked_and_acknowledged_at_once(world: World) -> None:
    numbers = [fresh(world, "env-1", f"Many {one}") for one in range(3)]
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        await page.fill(".search[type=search]", "many")
        await page.locator(f"#alarm-{numbers[0]} .pick input").check()
        await page.locator(f"#alarm-{numbers[1]} .open").click()
        await page.keyboard.press("x")
        await page.locator(".strip.bulk", has_text="2").wait_for()
        await page.screenshot(path=SHOTS / "bulk-en-desktop.png")
        await page.keyboard.press("a")
        for number in numbers[:2]:
            await page.locator(f"#alarm-{number}.active_acknowledged").wait_for()
        assert [(await state_of(world, number))[0] for number in numbers] == [
            "active_acknowledged", "active_acknowledged", "active_unacknowledged",
        ]  # fmt: skip
        assert not complaints
    over(world, *numbers)


async def test_several_are_shelved_together_or_none_and_the_desk_names_which_cannot(world: World) -> None:
    numbers = [fresh(world, "env-1", f"Shelf {one}", shelvable=one != 1) for one in range(3)]
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        await page.fill(".search[type=search]", "shelf")
        for number in numbers:
            await page.locator(f"#alarm-{number} .pick input").check()
        await page.locator(f"#alarm-{numbers[0]} .open").focus()
        await page.keyboard.press("s")
        await page.locator(".dialog h2", has_text="Shelve: 3").wait_for()
        await page.locator(".dialog input").fill("power cut")
        await page.locator(".dialog .solid").click()
        await page.locator(".q-notification", has_text="None was shelved. 1 cannot be: Shelf 1").wait_for()
        assert [(await state_of(world, number))[1] for number in numbers] == [None] * 3
        await page.locator(".dialog").wait_for(state="detached")
        await page.locator(f"#alarm-{numbers[1]} .pick input").uncheck()
        await page.locator(".strip.bulk button", has_text="Shelve").click()
        await page.locator(".dialog input").fill("power cut")
        await page.locator(".dialog .solid").click()
        for number in (numbers[0], numbers[2]):
            await page.locator(f"#alarm-{number}").wait_for(state="detached")
        await tab(page, "Shelved").click()
        await page.locator(f"#alarm-{numbers[2]}", has_text="power cut · guard").wait_for()
        assert [(await state_of(world, number))[1] for number in numbers] == ["shelved", None, "shelved"]
        assert not complaints
    over(world, *numbers)
    with world.seeds.link() as link:
        link.execute("DELETE FROM hub.alarm_shelf WHERE condition LIKE 'Shelf %'")


async def test_assigned_commented_and_worked_through(world: World) -> None:
    number = fresh(world, "door-b1-u2", "Door stuck", 2)
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.keyboard.press("d")
        await page.locator(".dialog .solid").click()
        await page.locator(f"#alarm-{number} .state small", has_text="guard").wait_for()
        assert (await state_of(world, number))[2] == "user:guard"
        await page.locator(".dialog").wait_for(state="hidden")  # while it closes, keys are still its own
        await page.keyboard.press("c")
        await page.locator(".dialog textarea").fill("The hinge is bent.\nTold the caretaker.")
        await page.locator(".dialog .solid").click()
        await page.locator(".steps", has_text="The hinge is bent.").wait_for()
        await page.locator(".todo li").nth(1).locator("input").check()
        await page.locator(".todo li.done").nth(0).locator("small", has_text="guard").wait_for()
        await page.locator(".todo li").nth(1).locator("button").click()
        await page.locator(".dialog input").fill("two men went")
        await page.locator(".dialog .solid").click()
        await page.locator(".todo li.done small", has_text="two men went").wait_for()
        await page.screenshot(path=SHOTS / "steps-en-desktop.png")
        steps = (await world.seeds.context.alarms.show(await world.principal("guard"), number))["steps"]
        assert [(step["done"], step["note"], step["by"]) for step in steps] == [
            (False, "", None), (True, "two men went", "user:guard"), (False, "", None),
        ]  # fmt: skip
        assert not complaints
    over(world, number)


async def test_a_double_click_writes_once(world: World) -> None:
    number = fresh(world, "env-1", "Clicked twice")
    desk, who, diary = world.seeds.context.alarms, await world.principal("guard"), Duty(world.seeds.context).diary
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.locator(f"#alarm-{number}.chosen").wait_for()
        await page.keyboard.press("c")
        await page.locator(".dialog textarea").fill("once")
        await page.locator(".dialog .solid").dblclick()
        await page.locator(".dialog").wait_for(state="hidden")
        await page.locator(".steps", has_text="once").wait_for()
        await page.locator(".detail-pane .solid", has_text="Acknowledge").click()  # comes after both clicks
        await page.locator(f"#alarm-{number}.active_acknowledged").wait_for()
        assert [comment["note"] for comment in (await desk.show(who, number))["comments"]] == ["once"]
        before = await diary.count_incidents(who)
        await world.open(page, "/duty-log/incidents")
        await page.locator(".page-head .solid").click()
        await page.locator(".dialog input[type=text]").first.fill("east gate")
        await page.locator(".dialog textarea").first.fill("clicked twice")
        await page.locator(".dialog .solid").dblclick()
        await page.locator("td", has_text="clicked twice").first.wait_for()
        await page.locator(".dialog").wait_for(state="hidden")
        assert await diary.count_incidents(who) == before + 1
        assert not complaints
    over(world, number)


async def test_latched_is_reset(world: World) -> None:
    number = fresh(world, "pump-3", "Latched pump", 2, latch=True, state="latched_unacknowledged")
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{number}")
        await page.locator(".detail-pane .solid", has_text="Acknowledge").click()
        await page.locator(".detail-pane button", has_text="Reset").click()
        await page.locator(".dialog .solid").click()
        await page.locator(f"#alarm-{number}").wait_for(state="detached")
        assert (await state_of(world, number))[0] == "normal"
        assert not complaints


async def test_trend_has_the_limit_and_a_table_twin(world: World) -> None:
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{world.seeds.numbers['alarms'][2]}")
        await page.locator(".detail-pane canvas").wait_for()
        await page.locator(".detail-pane summary").click()
        await page.locator(".detail-pane .hub-table td", has_text="kPa").first.wait_for()
        drawn = await page.locator(".detail-pane .chart").evaluate(
            "e => getElement(Number(e.id.slice(1))).chart.getOption().series[0].markLine.data"
        )
        assert [line["yAxis"] for line in drawn if "yAxis" in line] == [600]
        assert not complaints


async def test_storm_is_told_with_its_groups(world: World) -> None:
    seeds = world.seeds
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        assert await page.locator(".storm").count() == 0
        storm = begin_storm(seeds, seeds.context.clock.now())
        seeds.context.live.publish(Change("storm", seeds.home, str(storm), {}))
        banner = page.locator(".storm")
        await banner.wait_for()
        assert re.search(r"1840 counted\D+11 annunciated", await banner.inner_text())
        await banner.locator("button", has_text="Pump ran dry").click()
        assert await banner.locator(".members button").count() == 2
        await page.screenshot(path=SHOTS / "storm-en-desktop.png")
        await banner.locator(".members button").first.click()
        await page.locator(".detail-pane h2", has_text="Pump ran dry").wait_for()
        end_storm(seeds, storm, seeds.context.clock.now())
        seeds.context.live.publish(Change("storm", seeds.home, str(storm), {}))
        await banner.wait_for(state="detached")
        assert not complaints


async def test_filter_is_kept_for_the_person_and_says_what_it_hides(world: World) -> None:
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        all_of_them = await page.locator("li.alarm").count()
        await page.locator(".filters button[aria-label=High]").click()
        few = await page.locator("li.alarm").count()
        assert 0 < few < all_of_them
        await world.open(page, "/alarms")
        assert await page.locator("li.alarm").count() == few
        assert str(all_of_them - few) in await page.locator(".alarm-list .strip").inner_text()
        await page.locator(".alarm-list .strip button").click()
        assert await page.locator("li.alarm").count() == all_of_them
        assert not complaints
