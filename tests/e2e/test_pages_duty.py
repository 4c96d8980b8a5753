"""The duty log and the incidents in a browser: how many there are, more of them, those one looks for, and as a file."""

import csv
import io
from pathlib import Path

import openpyxl
import pytest
from playwright.async_api import Page, expect

from modules.duty.service import Duty
from tests.e2e.desks import World
from tests.e2e.test_pages_export import downloaded

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
MANY = 104


async def _walk(page: Page, total: int) -> None:
    """The list grows by the button under it until all is there."""
    count, rows = page.locator(".count"), page.locator(".hub-table tbody tr")
    await expect(count).to_have_text(f"100 shown of {total}")
    assert await rows.count() == 100
    await page.locator("button.more").click()
    await expect(count).to_have_text(f"{min(200, total)} shown of {total}")


async def test_log_is_counted_sought_and_exported(world: World, tmp_path: Path) -> None:
    diary, who = Duty(world.seeds.context).diary, await world.principal("guard")
    for number in range(MANY):
        await diary.write(who, "visitor" if number % 2 else "routine", f"round the lake {number}")
    await diary.write(who, "order", "=HYPERLINK(1)", place="Lake Gate")
    total = await diary.count_entries(who)
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/duty-log")
        await _walk(page, total)
        await page.locator("select.choice").select_option("visitor")
        await page.fill("input[type=search]", "LAKE 10")
        await expect(page.locator(".count")).to_have_text("2 shown of 2")
        async with downloaded(page, tmp_path) as files:
            await page.locator("select.export").select_option("csv")
        rows = list(csv.DictReader(io.StringIO(files[0].read_text("utf-8-sig"))))
        assert [row["Text"] for row in rows] == ["round the lake 103", "round the lake 101"]
        await page.locator("select.choice").select_option("")
        await page.fill("input[type=search]", "lake gate")
        await expect(page.locator(".count")).to_have_text("1 shown of 1")
        async with downloaded(page, tmp_path) as files:
            await page.locator("select.export").select_option("xlsx")
        sheet = openpyxl.load_workbook(files[0]).active
        assert sheet is not None
        assert [cell.value for cell in sheet[2]][3] == "'=HYPERLINK(1)"
        await page.fill("input[type=search]", "nobody wrote this")
        await page.locator(".empty-line", has_text="Nothing matches").wait_for()
        assert not complaints


async def test_incidents_are_counted_sought_and_exported(world: World, tmp_path: Path) -> None:
    diary, who = Duty(world.seeds.context).diary, await world.principal("guard")
    for number in range(MANY):
        await diary.open_incident(who, "dispute", f"about a bicycle {number}", "Bicycle shed", persons="Zhang San")
    last = (await diary.incidents(who, limit=1))[0]["id"]
    await diary.close_incident(await world.principal("admin"), last, "settled")
    total = await diary.count_incidents(who)
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/duty-log/incidents")
        await _walk(page, total)
        await page.fill("input[type=search]", "bicycle shed")
        await page.locator("select.choice").select_option("closed")
        await expect(page.locator(".count")).to_have_text("1 shown of 1")
        async with downloaded(page, tmp_path) as files:
            await page.locator("select.export").select_option("csv")
        text = files[0].read_text("utf-8-sig")
        assert f"about a bicycle {MANY - 1}" in text
        assert "settled" in text
        assert "Zhang San" not in text
        await page.fill(
            "input[type=search]", "Zhang San"
        )  # who was involved is not found by anybody who may not see it
        await page.locator(".empty-line", has_text="Nothing matches").wait_for()
        assert not complaints
    with world.seeds.link() as link:
        told = link.execute("SELECT object, detail FROM hub.audit WHERE action = 'duty.export' ORDER BY id").fetchall()
    assert ("incidents", {"form": "csv"}) in told
