"""What hostile bytes become: pixels and nothing more, or a clear word."""

import io
import struct
import subprocess
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hub.media.picture import LONG_SIDE, MOST_BYTES, BadPicture, prepare, read_picture

RED, GREEN = (200, 30, 30), (30, 200, 30)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, form, **options)
    return packed.getvalue()


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def two_halves(width: int = 400, height: int = 200) -> Image.Image:
    """Red on the left, green on the right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    return image


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def refused(bytes_given: bytes) -> BadPicture:
    with pytest.raises(BadPicture) as caught:
        read_picture(bytes_given)
    return caught.value


def near(pixel: Any, colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 25 for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_each_format_becomes_a_jpeg(form: str) -> None:
    picture = read_picture(encoded(two_halves(), form))
    image = opened(picture.body)
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (400, 200))
    assert (picture.width, picture.height) == (400, 200)
    assert near(image.getpixel((20, 100)), RED) and near(image.getpixel((380, 100)), GREEN)


def test_the_same_bytes_give_the_same_picture() -> None:
    one = encoded(two_halves())
    assert read_picture(one) == read_picture(one)
    assert read_picture(encoded(two_halves(402))).given != read_picture(one).given


def test_place_and_camera_are_gone() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SECRETPHONE"
    exif.get_ifd(0x8825).update({1: "N", 2: (31.0, 14.0, 9.0), 3: "E", 4: (121.0, 29.0, 24.0)})
    body = encoded(two_halves(), exif=exif, comment=b"SECRETWORD")
    assert opened(body).getexif().get_ifd(0x8825)
    picture = read_picture(body)
    image = opened(picture.body)
    assert not image.getexif() and not image.info.get("comment") and b"Exif" not in picture.body
    assert b"SECRET" not in picture.body


def test_a_picture_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to see it
    image = opened(read_picture(encoded(two_halves(), exif=exif)).body)
    assert image.size == (200, 400)
    assert near(image.getpixel((100, 20)), RED) and near(image.getpixel((100, 380)), GREEN)


@pytest.mark.parametrize(
    ("size", "becomes"), [((4000, 3000), (1920, 1440)), ((1000, 5000), (384, 1920)), ((9000, 1), (1920, 1))]
)
def test_large_ones_are_scaled_down(size: tuple[int, int], becomes: tuple[int, int]) -> None:
    picture = read_picture(encoded(Image.new("RGB", size, RED)))
    assert (picture.width, picture.height) == becomes and max(becomes) == LONG_SIDE
    assert opened(picture.body).size == becomes


def test_what_is_clear_becomes_white() -> None:
    image = Image.new("RGBA", (10, 10), (*RED, 0))
    for form in ("PNG", "WEBP"):
        assert near(opened(read_picture(encoded(image, form)).body).getpixel((5, 5)), (255, 255, 255))


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "I;16", "CMYK"])
def test_other_sorts_of_pixels(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    source = Image.new("L", (20, 20), 128) if mode == "I;16" else two_halves(20, 20)
    assert opened(read_picture(encoded(source.convert(mode), form)).body).mode == "RGB"


def test_a_phone_picture_with_a_second_one_behind_it() -> None:
    both = encoded(two_halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 40), "blue")])
    image = opened(read_picture(both).body)
    assert (image.format, image.size) == ("JPEG", (400, 200))


def test_a_bomb_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(self: Image.Image) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", decoded)
    for width, height in ((50_000, 50_000), (10_000, 10_000), (5_000, 4_001), (6_300, 6_300), (2**31 - 1, 2**31 - 1)):
        assert refused(png_header(width, height)).code == "picture_too_large"


def test_a_phone_of_48_megapixels_is_taken_and_what_must_be_held_whole_is_not() -> None:
    large = Image.new("RGB", (8000, 6000), RED)
    assert read_picture(encoded(large)).width == LONG_SIDE
    assert refused(encoded(large, progressive=True)).code == "picture_too_large"
    assert refused(encoded(large.resize((4000, 3001)), "WEBP")).code == "picture_too_large"


def test_the_largest_picture_needs_no_more_memory_than_is_said() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    given = encoded(Image.new("RGBA", (4472, 4472), (*RED, 100)), exif=exif, form="PNG")
    script = """if True:
        import sys
        from pathlib import Path
        from hub.media.picture import read_picture
        def kb(name):
            [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(name)]
            return int(line.split()[1])
        given, before = sys.stdin.buffer.read(), kb("VmRSS:")
        assert read_picture(given).width == 1920
        print((kb("VmHWM:") - before) // 1000)
    """
    done = subprocess.run([sys.executable, "-c", script], input=given, capture_output=True, check=True)
    assert int(done.stdout) < 240  # 280 where it is turned before it is scaled down


def test_too_many_bytes() -> None:
    error = refused(b"\xff\xd8\xff" + b"\0" * MOST_BYTES)
    assert (error.code, error.status) == ("picture_too_large", 413)
    assert str(MOST_BYTES) in error.detail


@pytest.mark.parametrize("other", [
    encoded(two_halves(), "GIF"), encoded(two_halves(), "BMP"), encoded(two_halves(), "TIFF"), b"", b"\0", b"hello",
    b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', b"<html><script>alert(1)</script>",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"%PDF-1.4", b"PK\x03\x04",
])  # fmt: skip
def test_anything_else_is_no_picture(other: bytes) -> None:
    assert (refused(other).code, refused(other).status) == ("picture_unknown", 422)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_half_a_picture_is_broken(form: str) -> None:
    noise = Image.effect_noise((300, 300), 80).convert("RGB")
    whole = encoded(noise, form)
    assert refused(whole[: len(whole) // 2]).code in ("picture_broken", "picture_unknown")


def test_a_header_without_what_it_promises() -> None:
    assert refused(png_header(3000, 3000)).code == "picture_broken"


def test_a_script_behind_a_picture_does_not_get_through() -> None:
    payload = b"<script>alert(document.cookie)</script><?php system($_GET['c']); ?>PK\x03\x04"
    for form in ("JPEG", "PNG"):
        picture = read_picture(encoded(two_halves(), form) + payload)
        assert b"script" not in picture.body and b"php" not in picture.body and b"PK\x03\x04" not in picture.body


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_bent_is_a_picture_or_refused(data: st.DataObject) -> None:
    body = bytearray(encoded(two_halves(64, 48), data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))))
    for _ in range(data.draw(st.integers(1, 8))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        picture = read_picture(bytes(body))
    except BadPicture:
        return
    assert opened(picture.body).size == (picture.width, picture.height)


async def test_in_a_thread_it_says_the_same() -> None:
    assert await prepare(encoded(two_halves())) == read_picture(encoded(two_halves()))
    with pytest.raises(BadPicture):
        await prepare(b"GIF89a")
