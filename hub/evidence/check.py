"""Is a pack what its manifest says? Needs no database; whether the manifest is genuine is the audit chain's word."""

import hashlib
import io
import zipfile
import zlib
from typing import Any

import msgspec

MANIFEST = "manifest.json"
MOST_BYTES = 128 * 1024 * 1024
MOST_FILES = 200


class Read(msgspec.Struct, frozen=True):
    """A pack as it was found. `manifest` is the SHA-256 of its manifest; `problems` are lines for a person."""

    manifest: str
    told: dict[str, Any]
    problems: list[str]


def read_pack(pack: bytes) -> Read:
    """Hold each file against the manifest. ValueError when it is no pack at all, or one larger than we make."""
    try:
        files = _unpack(pack)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ValueError(f"not a readable ZIP file: {error}") from error
    if MANIFEST not in files:
        raise ValueError(f"not an evidence pack: it has no {MANIFEST}")
    try:
        told = msgspec.json.decode(files[MANIFEST], type=dict[str, Any])
        hashes = msgspec.convert(told.get("files"), type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(f"{MANIFEST} is not as we write it: {error}") from error
    problems = [f"{name}: 缺少 missing" for name in sorted(hashes.keys() - files.keys())]
    for name, content in sorted(files.items()):
        if name == MANIFEST:
            continue
        if name not in hashes:
            problems.append(f"{name}: 多出 not in the manifest")
        elif hashlib.sha256(content).hexdigest() != hashes[name]:
            problems.append(f"{name}: 内容已变 altered")
    return Read(hashlib.sha256(files[MANIFEST]).hexdigest(), told, problems)


def _unpack(pack: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack)) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise ValueError(f"larger than an evidence pack can be ({MOST_FILES} files, {MOST_BYTES} bytes)")
        if len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("a file name stands twice in it")
        return {entry.filename: archive.read(entry) for entry in entries}
