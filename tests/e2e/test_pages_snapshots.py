"""Snapshots and clips in the alarm drawer, in a real browser: both languages, desk and phone; as they come."""

import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from hub.clock import to_us
from hub.media import clips, store
from hub.media.picture import read_picture
from hub.model import Clip
from tests.e2e.desks import SHOTS, World, healthy
from tests.e2e.test_pages_axe import _violations
from tests.e2e.test_pages_desk import fresh, over
from tests.unit.test_picture import encoded

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
WORDS = {"zh-CN": ("现场快照", "没有画面：10.0.0.9: Connection refused", "正在取画面…"),
         "en": ("Snapshots", "No picture: 10.0.0.9: Connection refused", "Being taken…")}  # fmt: skip
BROKEN = "() => [...document.querySelectorAll('.snapshots img')].filter((i) => i.complete && !i.naturalWidth).length"


async def picture(world: World, colour: str) -> UUID:
    seeds, now = world.seeds, world.hub.context.clock.now()
    made = read_picture(encoded(Image.new("RGB", (1600, 900), colour)))
    async with seeds.context.database.session([seeds.home]) as connection:
        return await store.keep(
            connection, seeds.home, made, subject="device:cam-in", source="device:cam-in", taken_at=now, received_at=now
        )


def asked(world: World, alarm: int, device: str, number: UUID | None = None, reason: str | None = None) -> None:
    """What the camera gave, or nothing yet."""
    seeds, now = world.seeds, world.hub.context.clock.now()
    done = now if number or reason else None
    with seeds.link() as link:
        link.execute(
            "INSERT INTO hub.alarm_snapshot SELECT community_id, id, %s, raised_at, %s, %s, %s FROM hub.alarm"
            " WHERE id = %s ON CONFLICT (alarm_id, device_id, asked_at)"
            " DO UPDATE SET done_at = excluded.done_at, picture_id = excluded.picture_id, reason = excluded.reason",
            [seeds.devices[device].id, done, number, reason, alarm],
        )


def clip_asked(world: World, alarm: int, device: str, number: UUID | None = None, reason: str | None = None) -> None:
    """What came of its clip, or nothing yet; its picture was asked for before."""
    done = world.hub.context.clock.now() if number or reason else None
    with world.seeds.link() as link:
        link.execute(
            "UPDATE hub.alarm_snapshot SET clip_until = asked_at + '20 s', clip_done_at = %s, clip_id = %s,"
            " clip_reason = %s WHERE alarm_id = %s AND device_id = %s",
            [done, number, reason, alarm, world.seeds.devices[device].id],
        )


async def keep_clip(world: World, file: Path) -> UUID:
    """Three seconds of H.264 in the store."""
    made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=10:duration=3", "-c:v", "libx264",
            "-pix_fmt", "yuv420p", "-b:v", "6M", "-minrate", "6M", "-bufsize", "6M", "-x264-params", "nal-hrd=cbr",
            "-movflags", "+faststart", str(file)]  # fmt: skip
    subprocess.run(made, check=True)
    seeds, now = world.seeds, world.hub.context.clock.now()
    clip = Clip(file.read_bytes(), to_us(now - timedelta(seconds=10)), 3.0, "h264", 640, 360)
    assert len(clip.body) > 1_500_000  # a player asks for it in parts
    async with seeds.context.database.session([seeds.home]) as connection:
        return await clips.keep(connection, seeds.home, "cam-in", clip, received_at=now)


CLIP_WORDS = {"zh-CN": ("没有视频片段：10.0.0.9: Connection refused", "视频片段录制中…", "下载"),
              "en": ("No clip: 10.0.0.9: Connection refused", "The clip is being recorded…", "Download")}  # fmt: skip


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_clip_plays_and_goes_on_while_the_alarm_changes(
    world: World, language: str, size: str, tmp_path: Path
) -> None:
    reason, waiting, save = CLIP_WORDS[language]
    alarm = fresh(world, "door-b1-u2", f"Clip {language} {size}")
    for device in ("cam-in", "cam-out", "patrol-1"):
        asked(world, alarm, device, await picture(world, "navy"))
    clip_asked(world, alarm, "cam-in")
    clip_asked(world, alarm, "cam-out", reason="10.0.0.9: Connection refused")
    async with world.signed_in("guard", language, size) as (page, complaints):
        await world.open(page, f"/alarms/{alarm}")
        figures = page.locator(".snapshots figure")
        await figures.nth(4).wait_for()
        assert waiting in await figures.nth(1).inner_text() and reason in await figures.nth(3).inner_text()
        assert await figures.count() == 5 and await page.locator("video").count() == 0
        clip_asked(world, alarm, "cam-in", await keep_clip(world, tmp_path / "clip.mp4"))
        world.seeds.context.alarms.tell([(world.seeds.home, alarm)], (), ())
        video = page.locator("video")
        await video.wait_for()
        await page.wait_for_function("() => document.querySelector('video').readyState >= 1")
        seen = await video.evaluate(
            "(v) => [v.duration, v.videoWidth, v.videoHeight, v.controls, v.autoplay, v.paused]"
        )
        assert seen == [pytest.approx(3.0, abs=0.1), 640, 360, True, False, True]
        assert save in await figures.nth(1).inner_text()
        await healthy(page, language, complaints)
        assert await _violations(page) == []
        await page.screenshot(path=SHOTS / f"clip-{size}-{language}.png")
        await video.evaluate("async (v) => { v.currentTime = 2; await v.play(); }")
        await page.wait_for_function("() => document.querySelector('video').ended")
        await video.evaluate("(v) => { v.mark = 7; }")
        await world.seeds.context.alarms.comment(await world.principal("guard"), alarm, "seen on the clip")
        await page.locator(".detail-pane", has_text="seen on the clip").wait_for()
        assert await video.evaluate("(v) => v.mark") == 7  # the drawer was painted anew, and not what plays
        assert not complaints
    over(world, alarm)


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_pictures_reasons_and_one_on_its_way(world: World, language: str, size: str) -> None:
    title, reason, waiting = WORDS[language]
    alarm = fresh(world, "door-b1-u2", f"Forced {language} {size}")
    asked(world, alarm, "cam-in", await picture(world, "navy"))
    asked(world, alarm, "cam-out", reason="10.0.0.9: Connection refused")
    asked(world, alarm, "patrol-1")
    async with world.signed_in("guard", language, size) as (page, complaints):
        await world.open(page, f"/alarms/{alarm}")
        await page.locator(".detail-pane h3", has_text=title).wait_for()
        figures = page.locator(".snapshots figure")
        assert await figures.count() == 3
        assert reason in await figures.nth(1).inner_text() and waiting in await figures.nth(2).inner_text()
        await page.wait_for_function("() => document.querySelector('.snapshots img')?.naturalWidth === 1600")
        box = await figures.nth(0).locator("img").bounding_box()
        assert box is not None and 100 < box["width"] < 500
        await healthy(page, language, complaints)
        assert await _violations(page) == []
        await page.screenshot(path=SHOTS / f"snapshots-{size}-{language}.png")
        async with page.context.expect_page() as opened:
            await figures.nth(0).locator("a").click()
        large = await opened.value
        await large.wait_for_function("() => document.images[0]?.naturalWidth === 1600")
        await large.close()
        asked(world, alarm, "patrol-1", await picture(world, "maroon"))
        world.seeds.context.alarms.tell([(world.seeds.home, alarm)], (), ())
        await figures.nth(2).locator("img").wait_for()
        assert await page.evaluate(BROKEN) == 0
        assert not complaints
    over(world, alarm)


async def test_nothing_is_shown_without_cameras_or_without_the_right(world: World) -> None:
    plain, alarm = fresh(world, "env-1", "No camera"), fresh(world, "door-b1-u2", "Has a camera")
    asked(world, alarm, "cam-in", await picture(world, "navy"))
    for name, number in (("guard", plain), ("viewer", alarm)):
        async with world.signed_in(name, "en") as (page, complaints):
            await world.open(page, f"/alarms/{number}")
            await page.locator(".detail-pane h3", has_text="Procedure").wait_for()
            assert await page.locator(".snapshots").count() == 0
            assert await page.locator("h3", has_text="Snapshots").count() == 0
            assert not complaints
    over(world, plain, alarm)
