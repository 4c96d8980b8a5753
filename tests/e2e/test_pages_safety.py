"""The register of fire equipment in a browser: a list comes in or is refused by row and column, a round is walked."""

from pathlib import Path

import openpyxl
import pytest
from playwright.async_api import expect

from tests.e2e.desks import SHOTS, SIZES, SMALL, World, healthy
from tests.e2e.test_pages_export import downloaded

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
LIST = """编号,类别,位置,具体位置,出厂日期,最近检查
FE-01,干粉灭火器,1栋1单元,大堂,2024-03,2026-01-05
FE-02,干粉灭火器,地下车库,<img src=x onerror=alert(1)>,2013-03,
XH-01,消火栓,地下车库,B区,,
"""
WRONG = "编号,类别,位置\nFE-09,水枪,月球\n"


async def test_a_list_is_refused_by_row_and_column_or_taken(world: World, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(LIST.encode("gb18030"))
    bad.write_text(WRONG, "utf-8")
    async with world.signed_in("engineer", "zh-CN") as (page, complaints):
        await world.open(page, "/fire-equipment")
        await page.locator(".empty-line", has_text="台账还是空的").wait_for()
        await page.screenshot(path=SHOTS / "fire-empty-zh-CN-desktop.png")
        await page.locator("input[type=file]").set_input_files(bad)
        await page.locator("[role=alert] li", has_text="第 2 行 · 类别").wait_for()
        assert await page.locator("[role=alert] li").count() == 2
        await page.screenshot(path=SHOTS / "fire-refused-zh-CN-desktop.png")
        complaints.clear()  # the browser writes down that the API said 422
        await page.locator("input[type=file]").set_input_files(good)
        await expect(page.locator(".count")).to_have_text("显示 3 件，共 3 件")
        await page.locator("select.choice").select_option("expired")
        await expect(page.locator(".count")).to_have_text("显示 1 件，共 1 件")
        async with downloaded(page, tmp_path) as files:
            await page.locator("select.export").select_option("xlsx")
        sheet = openpyxl.load_workbook(files[0]).active
        assert sheet is not None
        assert [cell.value for cell in sheet[2]][:2] == ["FE-02", "干粉灭火器"]
        await page.locator("select.choice").select_option("")
        await page.locator("select.place").select_option("garage")
        await expect(page.locator(".count")).to_have_text("显示 2 件，共 2 件")
        assert not complaints


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_the_pages_are_healthy(world: World, language: str, size: str) -> None:
    async with world.signed_in("engineer", language, size) as (page, complaints):
        await world.open(page, "/fire-equipment")
        await page.locator(".hub-table").wait_for()
        await page.screenshot(path=SHOTS / f"fire-{language}-{size}.png")
        await healthy(page, language, complaints)
        if size == "phone":  # the input of a file is hidden in its button
            assert [one for one in await page.evaluate(SMALL) if one != ["", 1, 1]] == []
        await page.locator(".hub-table a", has_text="FE-02").click()
        await page.locator("h1", has_text="FE-02").wait_for()
        await page.screenshot(path=SHOTS / f"fire-piece-{language}-{size}.png")
        await healthy(page, language, complaints)
        assert size != "phone" or await page.evaluate(SMALL) == []


async def test_a_guard_before_it_answers_by_phone(world: World) -> None:
    async with world.signed_in("guard", "zh-CN", "phone") as (page, complaints):
        await world.open(page, "/fire-equipment")
        assert await page.locator("input[type=file]").count() == 0
        await page.fill("input[type=search]", "FE-01")
        await expect(page.locator(".count")).to_have_text("显示 1 件，共 1 件")
        await page.locator(".hub-table button", has_text="故障").click()
        await page.locator(".dialog input").fill("压力不足")
        await page.locator(".dialog .solid").click()
        await page.locator(".chip", has_text="故障").wait_for()
        await page.locator(".hub-table a", has_text="FE-01").click()
        await page.locator("h1", has_text="FE-01").wait_for()
        await page.locator("label", has_text="添加照片").wait_for()
        await page.locator(".actions .solid", has_text="正常").click()
        await page.locator(".dialog .solid").click()
        await page.locator("td", has_text="检查正常").wait_for()
        await page.screenshot(path=SHOTS / "fire-piece-done-zh-CN-phone.png")
        assert not complaints


async def test_a_piece_is_added_by_form_and_what_is_wrong_is_said(world: World) -> None:
    async with world.signed_in("engineer", "en") as (page, complaints):
        await world.open(page, "/fire-equipment")
        await page.locator("button", has_text="Add").click()
        dialog = page.locator(".dialog")
        await dialog.locator("input[type=text]").first.fill("FE-77")
        await dialog.locator(".solid").click()
        await dialog.locator("p", has_text="Place · must not be empty").wait_for()
        await page.screenshot(path=SHOTS / "fire-form-en-desktop.png")
        await dialog.locator("select").nth(1).select_option("garage")
        await dialog.locator("input[type=date]").first.fill("2024-03-15")
        await dialog.locator(".solid").click()
        await page.locator(".hub-table a", has_text="FE-77").wait_for()
        assert not complaints


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_the_plans_are_healthy(world: World, language: str, size: str) -> None:
    async with world.signed_in("admin", language, size) as (page, complaints):
        await world.open(page, "/emergency-plans")
        await page.locator(".hub-table").wait_for()
        await page.screenshot(path=SHOTS / f"plans-{language}-{size}.png")
        await healthy(page, language, complaints)
        assert size != "phone" or await page.evaluate(SMALL) == []
        await page.locator(".hub-table .acts button").first.click()
        await page.locator(".procedure").wait_for()
        await page.screenshot(path=SHOTS / f"plans-open-{language}-{size}.png")
        await healthy(page, language, complaints)
        assert size != "phone" or await page.evaluate(SMALL) == []


async def test_a_drill_is_noted_and_the_plan_is_no_longer_overdue(world: World) -> None:
    async with world.signed_in("guard", "en") as (page, complaints):
        await world.open(page, "/emergency-plans")
        overdue = page.locator(".figure", has_text="Drills overdue").locator("b")
        row = page.locator(".hub-table tr", has_text="Smoke alarm").first
        await row.locator(".chip", has_text="overdue").wait_for()
        before = int(await overdue.inner_text())
        await row.locator("button", has_text="Note a drill").click()
        dialog = page.locator(".dialog")
        await dialog.locator("label", has_text="Who took part").locator("input").fill("Li, Wang, <b>all</b>")
        await dialog.locator("label", has_text="Minutes").locator("input").fill("0")
        await dialog.locator(".solid").click()
        await page.locator(".q-notification").first.wait_for()  # no drill takes no time; the form stays
        await dialog.locator("label", has_text="Minutes").locator("input").fill("20")
        await dialog.locator(".solid").click()
        await expect(overdue).to_have_text(str(before - 1))
        await expect(row.locator(".chip", has_text="overdue")).to_have_count(0)
        await row.locator("button", has_text="Open").click()
        await page.locator("td", has_text="Li, Wang, <b>all</b>").wait_for()
        assert await page.locator("button", has_text="How often").count() == 0
        await page.locator("button", has_text="All plans").click()
        await row.wait_for()
        await page.wait_for_timeout(1500)  # what still follows must not open it anew
        assert await page.locator(".procedure").count() == 0
        assert not complaints
