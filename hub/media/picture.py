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
MOST_PIXELS = 40_000_000
LONG_SIDE = 1920
_FORMATS = ("JPEG", "PNG", "WEBP")
_QUALITY = 85
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# Two at once: each may need 200 MB while it decodes the largest picture that is taken.
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
    """A JPEG, PNG or WebP of at most 5 MB and 40 megapixels, upright, at most 1920 pixels on its long side.

    Whatever else was in it (place, camera, comments, a second file behind the first) is gone. BadPicture.
    """
    if len(given) > MOST_BYTES:
        raise BadPicture("picture_too_large", f"at most {MOST_BYTES} bytes, found {len(given)}")
    image = _open(given)
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise BadPicture("picture_too_large", f"at most {MOST_PIXELS} pixels, found {width} x {height}")
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


def _pixels(image: Image.Image) -> Image.Image:
    """The first frame, on white. A new image, for an old one carries its metadata along."""
    image.draft("RGB", (LONG_SIDE, LONG_SIDE))  # a JPEG is decoded at a fraction of its size where that will do
    upright: Any = ImageOps.exif_transpose(image)
    clear = upright.has_transparency_data
    upright = upright.convert("RGBA" if clear else "RGB")
    upright.thumbnail((LONG_SIDE, LONG_SIDE))
    canvas = Image.new("RGB", upright.size, "white")
    canvas.paste(upright, mask=upright.getchannel("A") if clear else None)
    return canvas
