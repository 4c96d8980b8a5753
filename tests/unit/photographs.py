"""Photographs as phones take them: of a code that is turned, small, blurred and not alone; and of other things."""

import io
import struct
import zlib

import segno
from PIL import Image, ImageFilter


def photograph(
    *texts: str, angle: float = 17, side: int = 320, blur: float = 1, size: tuple[int, int] = (1600, 1200),
    sort: str = "JPEG",
) -> bytes:  # fmt: skip
    """A grainy wall with the QR codes of the texts on it, each `side` pixels wide."""
    wall = Image.effect_noise(size, 60).convert("RGB")
    for number, text in enumerate(texts):
        drawn = io.BytesIO()
        segno.make(text, error="m", micro=False).save(drawn, kind="png", scale=8, border=4)
        sheet = Image.open(drawn).convert("RGBA").resize((side, side)).rotate(angle, expand=True)
        wall.paste(sheet, (size[0] // 8 + number * size[0] // 2, size[1] // 6), sheet)
    return packed(wall.filter(ImageFilter.GaussianBlur(blur)), sort)


def packed(image: Image.Image, sort: str = "JPEG") -> bytes:
    out = io.BytesIO()
    image.save(out, sort)
    return out.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A PNG of a few hundred KB that says it is 900 megapixels, and is."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    lines = zlib.compress(bytes((side // 8 + 1) * side), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join([
        chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)), chunk(b"IDAT", lines), chunk(b"IEND", b""),
    ])  # fmt: skip
