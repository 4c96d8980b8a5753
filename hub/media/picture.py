"""Hostile bytes become a picture of ours: decoded, upright, scaled down, encoded anew. Only pixels remain."""

import asyncio
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from PIL import Image, ImageOps

from hub.errors import Refused

MOST_BYTES = 5_000_000
MOST_PIXELS = 50_000_000
"""Of a JPEG, which is decoded at a fraction of its size. A progressive one, PNG and WebP are held whole: 20, 20 and 12
million."""

_MOST_WHOLE = {"PNG": 20_000_000, "WEBP": 12_000_000}
_MOST_PROGRESSIVE = 20_000_000
LONG_SIDE = 1920
_FORMATS = ("JPEG", "PNG", "WEBP")
_QUALITY = 85
_SMOOTH = ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr")  # can be scaled down as they are
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# Two at once. Measured on the largest taken (RSS): PNG 200 MB, WebP 225 MB, JPEG 40 MB, a progressive one 80 MB.
_decoders = ThreadPoolExecutor(2, thread_name_prefix="picture")


class BadPicture(Refused):
    """These bytes are no picture we take. `code`: picture_too_large, picture_unknown, picture_broken."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, f"picture: {detail}", 413 if code == "picture_too_large" else 422)


class Picture(msgspec.Struct, frozen=True):
    """A JPEG in RGB without metadata. `given` is the SHA-256 of the bytes it was made from, `sha256` that of `body`."""

    body: bytes
    width: int
    height: int
    sha256: bytes
    given: bytes


async def prepare(given: bytes) -> Picture:
    """`read_picture` in a thread. BadPicture."""
    return await asyncio.get_running_loop().run_in_executor(_decoders, read_picture, given)


def read_picture(given: bytes) -> Picture:
    """A JPEG, PNG or WebP of at most 5 MB and 50 megapixels (`MOST_PIXELS`), upright, at most 1920 pixels on its long
    side.

    Whatever else was in it (place, camera, comments, a second file behind the first) is gone. BadPicture.
    """
    if len(given) > MOST_BYTES:
        raise BadPicture("picture_too_large", f"at most {MOST_BYTES} bytes, found {len(given)}")
    image = _open(given)
    width, height = image.size
    most = _most_pixels(image)
    if width * height > most:
        raise BadPicture("picture_too_large", f"at most {most} pixels, found {width} x {height}")
    try:
        canvas = _pixels(image)
    except Exception as error:  # Pillow's parsers raise whatever hostile bytes make them stumble over
        raise BadPicture("picture_broken", f"it cannot be decoded ({type(error).__name__})") from error
    packed = io.BytesIO()
    canvas.save(packed, "JPEG", quality=_QUALITY)
    body = packed.getvalue()
    return Picture(body, *canvas.size, hashlib.sha256(body).digest(), hashlib.sha256(given).digest())


def _open(given: bytes) -> Image.Image:
    """Read the header only."""
    try:
        return Image.open(io.BytesIO(given), formats=_FORMATS)
    except _BOMB as error:
        raise BadPicture("picture_too_large", f"at most {MOST_PIXELS} pixels, found far more") from error
    except Exception as error:  # as above
        raise BadPicture("picture_unknown", "a JPEG, PNG or WebP picture is expected") from error


def _most_pixels(image: Image.Image) -> int:
    whole = _MOST_PROGRESSIVE if image.info.get("progressive") else MOST_PIXELS
    return _MOST_WHOLE.get(image.format or "", whole)


def _pixels(image: Image.Image) -> Image.Image:
    """The first frame, on white. A new image, for an old one carries its metadata along."""
    parts = max(*image.size, LONG_SIDE) / LONG_SIDE
    image.draft("RGB", (max(1, int(image.width / parts)), max(1, int(image.height / parts))))
    clear = image.has_transparency_data
    if image.mode not in _SMOOTH or "transparency" in image.info:
        image = image.convert("RGBA" if clear else "RGB")
    image.thumbnail((LONG_SIDE, LONG_SIDE))  # before anything else makes another of the whole size
    upright: Any = ImageOps.exif_transpose(image).convert("RGBA" if clear else "RGB")
    canvas = Image.new("RGB", upright.size, "white")
    canvas.paste(upright, mask=upright.getchannel("A") if clear else None)
    return canvas
