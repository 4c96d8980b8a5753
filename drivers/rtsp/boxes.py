"""Boxes of MP4 files (ISO/IEC 14496-12, the part that is needed here): length, name, content. Pure."""

import msgspec

HEAD = 8
_ENTRY = 8  # of stsd: its version and flags, the number of its entries
_SIZE = 32  # in a visual sample entry: where width and height stand
_CODECS = {"avc1": "h264", "avc3": "h264", "hvc1": "hevc", "hev1": "hevc"}


class Facts(msgspec.Struct, frozen=True):
    """What a file says of its video."""

    codec: str  # h264, hevc, or the file's own word
    width: int
    height: int
    seconds: float  # 0.0 at the head of a stream


def head(data: bytes) -> tuple[str, int]:
    """(name, bytes of the content) of the box that begins so. ValueError: longer than a stream's box can be."""
    size = int.from_bytes(data[:4], "big")
    if size < HEAD:  # 0: to the end of the file; 1: a length of 64 bits
        raise ValueError(f"a box of length {size}")
    return data[4:HEAD].decode("latin-1"), size - HEAD


def inside(data: bytes, *path: str) -> bytes:
    """The content of the first box on this path. ValueError when there is none."""
    for wanted in path:
        at = 0
        while True:
            if at + HEAD > len(data):
                raise ValueError(f"no box {wanted}")
            name, size = head(data[at : at + HEAD])
            if name == wanted:
                data = data[at + HEAD : at + HEAD + size]
                break
            at += HEAD + size
    return data


def facts(mp4: bytes) -> Facts:
    """Of the first track. ValueError when these bytes do not say it."""
    moov = inside(mp4, "moov")
    entry = inside(moov, "trak", "mdia", "minf", "stbl", "stsd")[_ENTRY:]
    if len(entry) < _SIZE + 4:
        raise ValueError("no video in it")
    name, _ = head(entry)
    width, height = (int.from_bytes(entry[at : at + 2], "big") for at in (_SIZE, _SIZE + 2))
    return Facts(_CODECS.get(name, name), width, height, _seconds(inside(moov, "mvhd")))


def _seconds(mvhd: bytes) -> float:
    wide = 8 if mvhd[:1] == b"\x01" else 4  # version 1 has times of 64 bits
    at = 4 + 2 * wide
    scale = int.from_bytes(mvhd[at : at + 4], "big")
    if not scale:
        raise ValueError("a time scale of zero")
    return int.from_bytes(mvhd[at + 4 : at + 4 + wide], "big") / scale
