"""A clip of the place for an alarm: some seconds before it and after, there when these are over.

Alarms of one time share it: one that begins while another's clip is taken makes that longer, up to 90 s.
One that it would not show to its end gets the next.
"""

import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from psycopg import OperationalError

from hub.alarms.desk import AlarmDesk
from hub.clock import Clock, from_us, to_us
from hub.errors import DriverError, Refused, Unreachable
from hub.media.snapshots import LATE, PATIENCE
from hub.media.store import derived_id
from hub.media.turns import PAUSE_S, Turns
from hub.model import Clip, Device
from hub.ports import Driver, RecordsClips
from hub.store.database import Connection, Database, NotThere, Row
from hub.store.queries import load_queries
from hub.vocabulary.rtsp import RtspAddress

SQL = load_queries("hub.media", "clips.sql")
LONGEST = timedelta(seconds=90)
MOST_AT_ONCE = 8  # each holds up to 16 MB of memory until its time is over
MOST_A_DAY = 100  # clips of one camera kept within 24 h
MOST_BYTES_A_DAY = 300_000_000  # of one camera within 24 h; the last may go over it
AWAY_S = 60.0  # so long a clip that was taken waits for the store
_HELD_UP = timedelta(seconds=40)  # by the clip before, from its end on
BUSY = f"{MOST_AT_ONCE} other clips were being taken: no more at once"
FULL = f"this camera gave {MOST_A_DAY} clips within 24 h: no more are kept"
FULL_BYTES = f"this camera gave {MOST_BYTES_A_DAY // 1_000_000} MB of clips within 24 h: no more are kept"
_log = structlog.get_logger()


class Clips:
    """Takes clips. One a process."""

    def __init__(
        self, database: Database, clock: Clock, devices: Mapping[int, Device], communities: Mapping[str, int],
        alarms: AlarmDesk, driver_of: Callable[[Device], Driver], counters: Counter[str],
    ) -> None:  # fmt: skip
        self._clock, self._devices, self._alarms, self._driver_of = clock, devices, alarms, driver_of
        self._counters = counters
        turns = Turns("clips", database, clock, communities, SQL["open"], self._answer)
        self.run, self.wake, self._session = turns.run, turns.wake, turns.session
        self._taking = 0

    async def _answer(self, community_id: int, camera: int) -> bool:
        """One clip for all alarms of its time: whether anything that waited has it or the reason now."""
        asked = self._clock.now()
        values: dict[str, Any] = {"community_id": community_id, "camera": camera, "at": asked, "until": asked,
                                  "day": asked - timedelta(days=1)}  # fmt: skip
        async with self._session(community_id) as connection:
            late = {**values, "reason": LATE, "before": asked - PATIENCE, "over": asked - _HELD_UP,
                    "after": asked + PATIENCE}  # fmt: skip
            given_up = await (await connection.execute(SQL["give_up"], late)).fetchall()
            row = await (await connection.execute(SQL["waiting"], values)).fetchone()
        self._tell(community_id, given_up, clips=0)
        assert row is not None
        if row["first"] is None:
            return bool(given_up)
        values["first"] = row["first"]
        clip, reason = None, self._none(row)
        self._taking += 1
        try:
            if reason is None:
                clip, reason, values["until"] = await self._take(values)
            answered = await self._keep(values, clip, reason)
        finally:
            self._taking -= 1
        self._tell(community_id, answered, clips=int(clip is not None))
        return bool(given_up or answered)

    def _none(self, row: Row) -> str | None:
        """Why no clip is taken now."""
        if row["today"] >= MOST_A_DAY:
            return FULL
        if row["bytes"] >= MOST_BYTES_A_DAY:
            return FULL_BYTES
        return BUSY if self._taking >= MOST_AT_ONCE else None

    async def _keep(self, values: dict[str, Any], clip: tuple[str, Clip] | None, reason: str | None) -> list[Row]:
        """The rows that have the clip or the reason now. Done twice it is done once: the clip's number is derived.
        OperationalError when the store is away for long."""
        began, community_id = self._clock.monotonic(), values["community_id"]
        while True:
            try:
                async with self._session(community_id) as connection:
                    now = self._clock.now()
                    number = await keep(connection, community_id, *clip, received_at=now) if clip else None
                    answer = {**values, "at": now, "clip": number, "reason": reason}
                    return await (await connection.execute(SQL["answer"], answer)).fetchall()
            except OperationalError as error:
                if self._clock.monotonic() - began >= AWAY_S:
                    raise
                _log.warning("a clip waits for the store", camera=values["camera"], error=str(error))
            await self._clock.sleep(PAUSE_S)

    def _tell(self, community_id: int, rows: Sequence[Row], clips: int) -> None:
        self._counters["clips"] += clips
        self._counters["clips_left_out"] += 0 if clips else len(rows)
        self._alarms.tell({(community_id, row["alarm_id"]) for row in rows}, (), ())

    async def _take(self, values: dict[str, Any]) -> tuple[tuple[str, Clip] | None, str | None, datetime]:
        """(the camera's code and the clip) or the reason; up to when it goes."""
        camera, first, until = values["camera"], values["first"], self._clock.now()
        try:
            device = self._devices.get(camera)
            driver = self._driver_of(device) if device is not None else None
            address = device.spec.address if device is not None else None
            if device is None or not isinstance(driver, RecordsClips) or not isinstance(address, RtspAddress):
                raise Unreachable("the camera is no longer installed")
            if address.clip is None:
                raise Unreachable("the camera makes no clips any more")
            since = first - address.clip.before
            with driver.tape(device, to_us(since), to_us(first)) as tape:
                until = await self._until(values, first + address.clip.after, since + LONGEST)
                return (device.code, await tape.cut(to_us(until))), None, until
        except DriverError as error:
            reason = str(error)[:500]
            _log.warning("no clip of an alarm", camera=camera, reason=reason)
        except Exception as error:  # noqa: BLE001 a fault of ours at one camera must not end the others' clips
            reason = f"a fault of the hub: {type(error).__name__}"
            _log.exception("no clip of an alarm", camera=camera, reason=reason)
        return None, reason, until

    async def _until(self, values: dict[str, Any], until: datetime, most: datetime) -> datetime:
        """Wait for the end of the clip, which alarms that come meanwhile put off."""
        while True:
            left_s = min((until - self._clock.now()).total_seconds(), LONGEST.total_seconds())  # clocks are set
            await self._clock.sleep(max(left_s, 0.0))
            row: Row | None = None
            with contextlib.suppress(OperationalError):  # no news: what the clip does not show whole gets the next
                async with self._session(values["community_id"]) as connection:
                    row = await (await connection.execute(SQL["until"], {**values, "until": until})).fetchone()
            later = min(row["until"] if row and row["until"] else until, most)
            if later <= until:
                return until
            until = later


async def keep(connection: Connection, community_id: int, code: str, clip: Clip, *, received_at: datetime) -> UUID:
    """Store a camera's clip and give its number."""
    sha256, subject, begins = hashlib.sha256(clip.body).digest(), f"device:{code}", from_us(clip.begins)
    number = derived_id(community_id, subject, begins, sha256)
    values = {
        "id": number, "community_id": community_id, "subject": subject, "begins": begins, "seconds": clip.seconds,
        "received_at": received_at, "codec": clip.codec, "width": clip.width, "height": clip.height,
        "size": len(clip.body), "sha256": sha256, "body": clip.body,
    }  # fmt: skip
    await connection.execute(SQL["keep"], values)
    return number


async def known(connection: Connection, community_id: int, number: UUID) -> Row:
    """All but its content: id, subject, begins, seconds, codec, width, height, size, sha256, gone. NotThere."""
    values = {"id": number, "community_id": community_id}
    row = await (await connection.execute(SQL["known"], values)).fetchone()
    if row is None:
        raise NotThere(f"clip {number}")
    return row


async def read(connection: Connection, community_id: int, number: UUID, first: int = 0, most: int = 2**31 - 2) -> bytes:
    """The MP4 from byte `first` on, so many bytes. NotThere; Refused(410) `clip_gone` when it was past its days."""
    values = {"id": number, "community_id": community_id, "first": first, "most": most}
    row = await (await connection.execute(SQL["part"], values)).fetchone()
    if row is None:
        raise NotThere(f"clip {number}")
    if row["part"] is None:
        raise Refused("clip_gone", "the clip was past its days; its SHA-256 is kept", 410)
    return bytes(row["part"])


async def hold(connection: Connection, community_id: int, numbers: Collection[UUID]) -> None:
    """Keep these for good: they were handed out under a seal."""
    await connection.execute(SQL["hold"], {"community_id": community_id, "ids": list(numbers)})
