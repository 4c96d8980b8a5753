"""Pictures of the place when an alarm is raised: a job notes which cameras to ask, a part of its own asks them.

A camera that is slow must hold up neither the jobs nor the other cameras. All that wait for one camera share the
picture that is taken next; where it is asked too often, they share the newest one.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import structlog
from psycopg.types.json import Jsonb

from hub.alarms.desk import AlarmDesk
from hub.clock import Clock, from_us
from hub.errors import DriverError, Unreachable
from hub.media.cameras import Cameras
from hub.media.picture import BadPicture, prepare
from hub.media.store import keep
from hub.media.turns import Turns
from hub.model import Device
from hub.ports import Driver, TakesPictures
from hub.store.database import Connection, Database, Row
from hub.store.queries import load_queries
from hub.vocabulary.rtsp import RtspAddress

SQL = load_queries("hub.media", "snapshots.sql")
TASK = "hub.snapshots"
PATIENCE = timedelta(seconds=60)  # a picture taken later than this shows another scene
FRESH_S = 10.0  # so old a picture may be where it is shared
MOST_A_MINUTE = 6  # pictures of one camera before they are shared
MOST_A_DAY = 500  # pictures of one camera kept within 24 h: a device that flaps fills no disk
LATE = "not asked in time: the hub was down, the cameras were busy, or the clock was set"
FULL = f"this camera gave {MOST_A_DAY} pictures within 24 h: no more are kept"
_log = structlog.get_logger()


class Outcome(msgspec.Struct, frozen=True):
    """What a camera gave: a picture or the reason why there is none. `at`: monotonic seconds."""

    at: float
    picture: UUID | None
    reason: str | None


class Snapshots:
    """Asks cameras. One a process."""

    def __init__(
        self, database: Database, clock: Clock, devices: Mapping[int, Device], communities: Mapping[str, int],
        alarms: AlarmDesk, driver_of: Callable[[Device], Driver], noted: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """`noted` is called when there are clips to take."""
        self._database, self._clock, self._devices = database, clock, devices
        self._alarms, self._driver_of, self._noted = alarms, driver_of, noted
        self._turns = Turns("snapshots", database, clock, communities, SQL["open"], self._answer)
        self.run, self._session = self._turns.run, self._turns.session
        self._newest: dict[int, deque[Outcome]] = defaultdict(lambda: deque(maxlen=MOST_A_MINUTE))

    async def ask(self, community_id: int, alarm_ids: Sequence[int], received: str) -> None:
        """The job `hub.snapshots`: note which cameras are to be asked for these alarms, neither suppressed ones nor
        history. `received`: ISO 8601, when the hub heard what raised them, whatever the device's clock says; where the
        job comes too late after that, the rows tell so."""
        cameras, at = Cameras(self._devices.values()), datetime.fromisoformat(received)
        values: dict[str, Any] = {"community_id": community_id, "alarms": list(alarm_ids), "at": at}
        async with self._database.session([community_id]) as connection:
            alarms = await (await connection.execute(SQL["asking"], values)).fetchall()
            rows = [
                {"alarm": alarm["id"], "camera": camera.id, "clip_until": _clip_until(camera, at)}
                for alarm in alarms
                if alarm["device_id"] in self._devices
                for camera in cameras.watching(self._devices[alarm["device_id"]])
            ]
            if rows:
                await connection.execute(SQL["ask"], {**values, "rows": Jsonb(rows)})
        self._turns.wake()
        self._noted()

    def _tell(self, community_id: int, rows: Sequence[Row]) -> None:
        self._alarms.tell({(community_id, row["alarm_id"]) for row in rows}, (), ())

    async def _answer(self, community_id: int, camera: int) -> bool:
        """One picture for all that wait for it: whether anything that waited has it or the reason now."""
        asked = self._clock.now()
        values: dict[str, Any] = {"community_id": community_id, "camera": camera, "at": asked,
                                  "day": asked - timedelta(days=1)}  # fmt: skip
        async with self._session(community_id) as connection:
            late = {**values, "reason": LATE, "before": asked - PATIENCE, "after": asked + PATIENCE}
            given_up = await (await connection.execute(SQL["give_up"], late)).fetchall()
            row = await (await connection.execute(SQL["waiting"], values)).fetchone()
        self._tell(community_id, given_up)
        assert row is not None
        if not row["waiting"]:
            return bool(given_up)
        full = row["today"] >= MOST_A_DAY
        outcome = self._shared(camera, row["storm"] or full)
        if outcome is None and full:
            outcome = Outcome(self._clock.monotonic(), None, FULL)
        outcome = outcome or await self._take(community_id, camera)
        async with self._session(community_id) as connection:
            answer = {**values, "at": self._clock.now(), "asked": asked, "picture": outcome.picture,
                      "reason": outcome.reason}  # fmt: skip
            answered = await (await connection.execute(SQL["answer"], answer)).fetchall()
        self._tell(community_id, answered)
        return bool(given_up or answered)

    def _shared(self, camera: int, storm: bool) -> Outcome | None:
        """The newest outcome, where the camera was asked often enough and that was just now."""
        known, now = self._newest[camera], self._clock.monotonic()
        often = storm or (len(known) == MOST_A_MINUTE and now - known[0].at < 60.0)
        return known[-1] if known and often and now - known[-1].at <= FRESH_S else None

    async def _take(self, community_id: int, camera: int) -> Outcome:
        number, reason = None, None
        try:
            device = self._devices.get(camera)
            driver = self._driver_of(device) if device is not None else None
            if device is None or not isinstance(driver, TakesPictures):
                raise Unreachable("the camera is no longer installed")
            body, taken = await driver.picture(device)
            picture, source = await prepare(body), f"device:{device.code}"
            async with self._session(community_id) as connection:
                number = await keep(connection, community_id, picture, subject=source, source=source,
                                    taken_at=from_us(taken), received_at=self._clock.now())  # fmt: skip
        except (DriverError, BadPicture) as error:
            reason = str(error)[:500]
            _log.warning("no picture for an alarm", camera=camera, reason=reason)
        except psycopg.OperationalError:
            raise  # not the camera's fault
        except Exception as error:  # noqa: BLE001 a fault of ours at one camera must not end the others' pictures
            reason = f"a fault of the hub: {type(error).__name__}"
            _log.exception("no picture for an alarm", camera=camera, reason=reason)
        outcome = Outcome(self._clock.monotonic(), number, reason)
        self._newest[camera].append(outcome)
        return outcome


def _clip_until(camera: Device, at: datetime) -> str | None:
    """Up to when the clip of an alarm goes, as ISO 8601; None: the camera makes none."""
    address = camera.spec.address
    return (at + address.clip.after).isoformat() if isinstance(address, RtspAddress) and address.clip else None


async def of_alarm(connection: Connection, community_id: int, alarm_id: int) -> list[Row]:
    """By camera, one row each time the alarm called people: device_id, device, device_name, place, asked_at, done_at
    (null: on its way), reason (why there is no picture), picture_id, taken_at, sha256, width, height, gone (past its
    days), altered (not what was taken). Of its clip, where the camera makes any: clip_until, clip_done_at, clip_reason,
    clip_id, clip_begins, clip_seconds, clip_codec, clip_sha256, clip_size (bytes), clip_gone."""
    values = {"alarm": alarm_id, "community_id": community_id}
    return await (await connection.execute(SQL["of_alarm"], values)).fetchall()
