"""What leaves the alarm desk as a file: the list as it is shown, the evidence pack."""

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from zipfile import ZipFile
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from playwright.async_api import Download, Page

from tests.e2e.desks import World
from tests.e2e.test_pages_desk import fresh, over
from tests.integration.seeded_rows import EVIL

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def downloaded(page: Page, folder: Path) -> AsyncIterator[list[Path]]:
    """Files that come down meanwhile, kept in a folder."""
    found: list[Path] = []
    async with page.expect_download() as waiting:
        yield found
    download: Download = await waiting.value
    target = folder / download.suggested_filename
    await download.save_as(target)
    found.append(target)


async def test_list_is_exported_as_it_is_shown(world: World, tmp_path: Path) -> None:
    evil = fresh(world, "env-1", "=HYPERLINK(1)")
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/alarms")
        async with downloaded(page, tmp_path) as files:
            await page.select_option("select.export", "csv")
        text = files[0].read_text("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        shown = [
            int(str(name)[6:]) for name in await page.eval_on_selector_all("li.alarm", "all => all.map(e => e.id)")
        ]
        assert [int(row["Number"]) for row in rows] == shown
        assert {row["Alarm"] for row in rows if row["Number"] == str(evil)} == {"'=HYPERLINK(1)"}
        assert EVIL in {row["Device"] for row in rows}
        await page.fill(".search[type=search]", "pump")
        async with downloaded(page, tmp_path) as files:
            await page.select_option("select.export", "xlsx")
        sheet = openpyxl.load_workbook(files[0]).active
        assert sheet is not None
        assert sheet.max_row == 1 + await page.locator("li.alarm").count()
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "inlineStr", "n"}
        assert not complaints
    over(world, evil)


async def test_evidence_pack_comes_down(world: World, tmp_path: Path) -> None:
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, f"/alarms/{world.seeds.numbers['alarms'][1]}")
        async with downloaded(page, tmp_path) as files:
            await page.keyboard.press("e")
        assert "manifest.json" in ZipFile(files[0]).namelist()
        assert not complaints


async def test_every_list_of_the_desk_is_exported_as_it_is_shown(world: World, tmp_path: Path) -> None:
    desk, engineer = world.seeds.context.alarms, await world.principal("engineer")
    now = world.seeds.context.clock.now()
    window = await desk.plan_maintenance(
        engineer, place="b1", since=now, until=now + timedelta(hours=1), reason="=1+1"
    )  # fmt: skip
    async with world.signed_in("engineer", "en") as (page, complaints):
        for path, column, row in (
            ("/doors", "Device", "li.door"), ("/rules", "Rule", ".hub-table tbody tr"),
            ("/maintenance", "Reason", ".hub-table tbody tr"),
            ("/hand-over", "What", ".columns > :first-child tbody tr"),
        ):  # fmt: skip
            await world.open(page, path)
            await page.locator(row).first.wait_for()
            async with downloaded(page, tmp_path) as files:
                await page.select_option("select.export", "csv")
            rows = list(csv.DictReader(io.StringIO(files[0].read_text("utf-8-sig"))))
            assert len(rows) == await page.locator(row).count() > 0, path
            assert all(row[column] for row in rows), rows[0]
            if path == "/maintenance":
                since = now.astimezone(ZoneInfo("Asia/Shanghai"))
                assert (f"{since:%Y-%m-%d %H:%M:%S}", "'=1+1") in {(row["From"], row["Reason"]) for row in rows}
            if path == "/doors":
                await page.locator(".segmented button", has_text="Abnormal").click()
                async with downloaded(page, tmp_path) as files:
                    await page.select_option("select.export", "xlsx")
                sheet = openpyxl.load_workbook(files[0]).active
                assert sheet is not None
                assert sheet.max_row == 1 + await page.locator(row).count() < 1 + len(rows)
        assert not complaints
    await desk.end_maintenance(engineer, window["id"])  # what stands in it is on the desk again, for other tests
