"""Pictures in the store. Each function works in the caller's transaction: a picture is there if and only if what it
belongs to is."""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from hub.clock import to_us
from hub.errors import Refused
from hub.media.picture import Picture
from hub.store.database import Connection, NotThere, Row
from hub.store.queries import load_queries

SQL = load_queries("hub.media")


async def keep(
    connection: Connection, community_id: int, picture: Picture, *, subject: str, source: str, taken_at: datetime,
    received_at: datetime,
) -> UUID:  # fmt: skip
    """Store it and give its number. The same bytes for the same subject and time are the same picture.

    subject: what it belongs to (`incident:7`); source: who or what gave it (`user:li`, `device:cam-1`).
    """
    number = derived_id(community_id, subject, taken_at, picture.given)
    values = {
        "id": number, "community_id": community_id, "subject": subject, "source": source, "taken_at": taken_at,
        "received_at": received_at, "sha256": picture.sha256, "width": picture.width, "height": picture.height,
        "body": picture.body,
    }  # fmt: skip
    await connection.execute(SQL["keep"], values)
    return number


async def add(
    connection: Connection, community_id: int, picture: Picture, *, subject: str, source: str, at: datetime, most: int
) -> tuple[UUID, bool]:
    """Keep it unless the subject has it; its number, and whether it is new. Who calls holds a lock on the subject.
    Refused(409) `too_many_pictures` past `most`."""
    there = await of_subjects(connection, community_id, [subject])
    for one in there:
        if one["sha256"] == picture.sha256:
            return one["id"], False
    if len(there) >= most:
        raise Refused("too_many_pictures", f"at most {most} pictures")
    number = await keep(
        connection, community_id, picture, subject=subject, source=source, taken_at=at, received_at=at
    )  # fmt: skip
    return number, True


def derived_id(community_id: int, subject: str, taken_at: datetime, given: bytes) -> UUID:
    """Of a picture or clip; derived, never drawn: BLAKE2b of community, subject, time in microseconds and the SHA-256
    of the bytes given."""
    name = f"{community_id}\0{subject}\0{to_us(taken_at)}\0".encode() + given
    return UUID(bytes=hashlib.blake2b(name, digest_size=16).digest())


async def known(connection: Connection, community_id: int, number: UUID) -> Row:
    """All but its pixels: id, subject, source, taken_at, received_at, sha256, width, height, gone. NotThere."""
    values = {"id": number, "community_id": community_id}
    row = await (await connection.execute(SQL["known"], values)).fetchone()
    if row is None:
        raise NotThere(f"picture {number}")
    return row


async def read(connection: Connection, community_id: int, number: UUID) -> bytes:
    """The JPEG. NotThere; Refused(410) `picture_gone` when it was past its days."""
    row = await (await connection.execute(SQL["body"], {"id": number, "community_id": community_id})).fetchone()
    if row is None:
        raise NotThere(f"picture {number}")
    if row["body"] is None:
        raise Refused("picture_gone", "the picture was past its days; its SHA-256 is kept", 410)
    return bytes(row["body"])


async def of_subjects(connection: Connection, community_id: int, subjects: Sequence[str]) -> list[Row]:
    """Rows as `known` gives them of all that belongs to these, by the time they were taken."""
    values = {"community_id": community_id, "subjects": list(subjects)}
    return await (await connection.execute(SQL["of_subject"], values)).fetchall()


async def hold(connection: Connection, community_id: int, numbers: Collection[UUID]) -> None:
    """Keep these for good: they were handed out, under a seal or to the police."""
    await connection.execute(SQL["hold"], {"community_id": community_id, "ids": list(numbers)})
