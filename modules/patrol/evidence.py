"""How evidence gets in: events of readers, doors and cameras, and the check-ins of phones with what was found there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub import audit, reports
from hub.context import Context
from hub.errors import Refused
from hub.model import Device
from hub.principal import Principal
from hub.store.database import Connection
from modules.patrol import store
from modules.patrol.codes import CheckpointCode, CodeBook, check_age
from modules.patrol.keeper import Keeper, person_key
from modules.patrol.model import Evidence
from modules.patrol.phone import OLDEST, Estimate, PhoneClock, clock_error, estimate
from modules.patrol.plans import EVENTS, CheckpointSpec, ItemSpec, PatrolFile, ProofSpec
from modules.patrol.position import Position
from modules.patrol.versions import Versions

MOST_CHECKINS = 200
_AHEAD = timedelta(minutes=1)
_OLD_READING = timedelta(hours=1)
_SHOWN_CARD = 8  # a shorter card number is not shown at all


@dataclass(frozen=True)
class CheckIn:
    """What a phone captured. `counter` counts that phone's check-ins; with the phone it names this one for good."""

    counter: int
    code: str
    clock: PhoneClock
    answers: Mapping[str, bool | float] = field(default_factory=dict)
    note: str = ""
    position: Position | None = None


class Recorder:
    """Keeps evidence and has the rounds it belongs to looked at, in one transaction each."""

    def __init__(self, context: Context, versions: Versions, keeper: Keeper) -> None:
        self._context = context
        self._versions = versions
        self._keeper = keeper

    # -- what the building noticed -------------------------------------------------------------------------------

    async def hear(
        self, *, community_id: int, device_id: int, event_id: str, name: str, at: str, received: str,
        data: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """The job behind events of devices. A second run changes nothing: evidence is named by its event."""
        device = self._context.devices.get(device_id)
        if device is None or device.community_id != community_id:
            return
        card = data.get("card")
        person = await self._person(community_id, card) if isinstance(card, str) else ""
        heard = datetime.fromisoformat(received)
        happened = min(datetime.fromisoformat(at), heard + _AHEAD)
        changes = []
        await self._versions.ready()
        async with self._context.database.session([community_id]) as connection:
            checkpoints = await self._versions.checkpoints(connection, community_id, device.community, happened)
            found = [
                (checkpoint, proof) for checkpoint in checkpoints for proof in checkpoint.proofs
                if _proves(proof, device, name, data)
            ]  # fmt: skip
            for checkpoint, proof in sorted(found, key=lambda one: -one[1].percent):  # of several the strongest is kept
                if proof.by == "door" and not person:
                    continue  # a resident comes home
                one = Evidence(
                    event_id, checkpoint.id, proof.by, device.code, proof.percent, happened, heard, person
                )  # fmt: skip
                await store.put_evidence(
                    connection, community_id, one, device_id=device_id, card=_masked(card) if card else ""
                )
                changes += await self._keeper.settle(connection, community_id, checkpoint.id, happened)
        self._keeper.announce(changes)

    async def _person(self, community_id: int, card: str) -> str:
        """Whose card it is, as far as the duty roster knows."""
        port = self._context.ports.get("duty.person_of_card")
        found = await port(community_id, card) if port is not None else None
        return person_key(found) if found else ""

    # -- what a guard's phone captured ---------------------------------------------------------------------------

    async def check_in(
        self, who: Principal, phone: str, clock: PhoneClock, checkins: Sequence[CheckIn]
    ) -> dict[str, Any]:
        """Take a phone's check-ins, each by itself: {"results": [{counter, outcome, …}], "clock_error": s | None}.

        Outcomes: `accepted` and `repeated` (taken before) with `away` (metres from the checkpoint, where that is too
        far), `refused` with `code` and `detail`. `clock` is how the phone's clocks stand now.
        Refused for the role, too many, or a community without patrols.
        """
        who.require("work")
        if len(checkins) > MOST_CHECKINS:
            raise Refused("too_many", f"at most {MOST_CHECKINS} check-ins at once", 422)
        now = self._context.clock.now()
        await self._versions.ready()
        file, book = await self._open(who.community_id)
        results: list[dict[str, Any]] = []
        latest: datetime | None = None
        for one in sorted(checkins, key=lambda one: one.counter):
            when = estimate(one.clock, clock, now)
            try:
                if when is None:
                    raise Refused("too_old", "captured more than 7 days ago, or not at all", 422)
                if latest is not None and when.at < latest - _AHEAD:
                    when = Estimate(when.at, online=False, doubtful=True)  # counted later, yet said to be earlier
                latest = max(when.at, latest) if latest else when.at
                results.append({"counter": one.counter} | await self._take(who, phone, file, book, one, when, now))
            except Refused as error:
                refusal = {"outcome": "refused", "code": error.code, "detail": error.detail}
                results.append({"counter": one.counter} | refusal)
        return {"results": results, "clock_error": clock_error(clock, now)}

    async def _take(
        self, who: Principal, phone: str, file: PatrolFile, book: CodeBook, one: CheckIn, when: Estimate, now: datetime
    ) -> dict[str, Any]:
        key = f"{who.actor}/{phone}/{one.counter}"
        code = book.read(one.code)
        at = when.at if code.shown is None or when.online else code.shown
        if not one.note.isprintable():
            raise Refused("bad_note", "a note is one line of printable characters", 422)
        changes = []
        async with self._context.database.session([who.community_id]) as connection:
            if (before := await store.known(connection, who.community_id, key)) is not None:
                return _repeated(before["checkpoint"], before["at"], before["away"])
            checkpoints = await self._versions.checkpoints(connection, who.community_id, file.community, at)
            checkpoint, proof = _taking(checkpoints, code)
            items = [file.checkpoint(code.checkpoint), *(each for each in checkpoints if each.id == code.checkpoint)]
            answers = _checked(checkpoint, [item for each in items if each for item in each.items], one)
            away = checkpoint.away(one.position)
            weight = self._weigh(code, proof, checkpoint, when, now, elsewhere=away is not None)
            if code.nonce and not await store.use_code(connection, who.community_id, code.nonce, key, now):
                raise Refused("used_code", "this code was used already; read the new one on the display", 422)
            timely = when.online or when.agreed if code.shown is None else not when.online
            evidence = Evidence(
                key, checkpoint.id, code.sort, code.sort, weight, at, now, who.actor, timely, not when.online, away
            )
            if not await store.put_evidence(
                connection, who.community_id, evidence, doubtful=when.doubtful, position=one.position
            ):
                return _repeated(checkpoint.id, at, away)  # the same one came in twice at once
            deviations = await self._inspect(connection, who, file, checkpoint, answers, one.note, key, at, now)
            detail = {"sort": code.sort, "at": at.isoformat(), "online": when.online}
            await audit.record(connection, who, "patrol.check_in", f"checkpoint:{checkpoint.id}", now, detail)
            changes = await self._keeper.settle(connection, who.community_id, checkpoint.id, at)
        self._keeper.announce(changes)
        return {"outcome": "accepted", "checkpoint": checkpoint.id, "at": at.isoformat(), "deviations": deviations,
                "away": away, "proved": any(change.data["done"] for change in changes)}  # fmt: skip

    def _weigh(
        self, code: CheckpointCode, proof: ProofSpec, checkpoint: CheckpointSpec, when: Estimate, now: datetime,
        *, elsewhere: bool,
    ) -> int:  # fmt: skip
        """How much it proves. A display's code that is handed in later, or by a phone that is
        elsewhere, proves when it was shown, but not that the guard himself read it: it counts no more than a printed
        one."""
        if code.shown is None:
            return proof.percent
        printed = min(next((p.percent for p in checkpoint.proofs if p.by == "qr"), 60), proof.percent)
        if when.online:
            check_age(code, when.at)
            return printed if elsewhere else proof.percent
        if not when.doubtful:
            check_age(code, when.at)
        elif now - code.shown > OLDEST:  # who used it may be forgotten by now
            raise Refused("too_old", "a display's code of more than 7 days ago", 422)
        return printed

    async def _inspect(
        self, connection: Connection, who: Principal, file: PatrolFile, checkpoint: CheckpointSpec,
        answers: Sequence[tuple[ItemSpec, float]], note: str, key: str, at: datetime, now: datetime,
    ) -> list[str]:  # fmt: skip
        """Keep the answers; a fault, a deviation from the sensor, and what was inspected of the fire equipment are told
        on the route. The items that deviate."""
        deviating = []
        for item, value in answers:
            sensor = await self._sensor(connection, who.community_id, item, at)
            deviates = value != 1 if item.answer == "yes_no" else _deviates(item, value, sensor)
            number = await store.put_inspection(connection, {
                "community_id": who.community_id, "key": key, "checkpoint": checkpoint.id, "item": item.id, "at": at,
                "received": now, "person": who.actor, "value": value, "sensor": sensor[1] if sensor else None,
                "sensor_at": sensor[0] if sensor else None, "deviates": deviates, "note": note,
                "uncompared": item.device is not None and sensor is None,
            })  # fmt: skip
            if number is None:
                continue
            if deviates:
                deviating.append(item.id)
                data: dict[str, Any] = {"item": f"{checkpoint.name.zh} · {item.name.zh}", "value": value}
                if sensor is not None:
                    data["sensor"] = sensor[1]
                await self._tell(
                    connection, who.community_id, file, checkpoint.id, at, "inspection_deviation", data, number
                )
            if item.equipment is not None:
                known = await store.known(connection, who.community_id, key)
                data = {"equipment": item.equipment, "result": "fault" if deviates else "normal", "note": note,
                        "person": who.actor, "photographs": f"check_in:{known['id']}" if known else ""}  # fmt: skip
                await self._tell(
                    connection, who.community_id, file, checkpoint.id, at, "equipment_inspected", data, number
                )
        return deviating

    async def _sensor(
        self, connection: Connection, community_id: int, item: ItemSpec, at: datetime
    ) -> tuple[datetime, float] | None:
        """The sensor's own word at that time; None where it has none that is recent."""
        device = self._keeper.device(community_id, item.device) if item.device else None
        point = device.points.get(item.point or "") if device else None
        row = await store.reading_at(connection, point.id, at) if point else None
        return (row["ts"], row["value"]) if row and at - row["ts"] <= _OLD_READING else None

    async def _tell(
        self, connection: Connection, community_id: int, file: PatrolFile, checkpoint: str, at: datetime,
        event: str, data: Mapping[str, Any], number: int,
    ) -> None:  # fmt: skip
        found = await store.rounds_at(connection, community_id, checkpoint, at)
        code = found[0]["device"] if found else _route_device(file, checkpoint)
        device: Device | None = self._keeper.device(community_id, code) if code else None
        if device is not None:
            label = self._keeper.label(found[0], device) if found else "—"
            key = f"patrol:inspection:{number}" + (f":{data['equipment']}" if "equipment" in data else "")
            await reports.put(connection, device, key=key, at=at, events=[(event, {"round": label, **data})])

    async def _open(self, community_id: int) -> tuple[PatrolFile, CodeBook]:
        async with self._context.database.session([community_id]) as connection:
            row = await store.community(connection, community_id)
            file = self._versions.files.get(row["code"])
            if file is None:
                raise Refused("no_patrols", "this community has no patrol file", 404)
            return file, await store.code_book(connection, community_id, row["code"])


def _proves(proof: ProofSpec, device: Device, event: str, data: Mapping[str, Any]) -> bool:
    return (
        proof.device == device.code
        and proof.by in EVENTS
        and EVENTS[proof.by] == (device.kind_name, event)
        and (proof.word is None or data.get("checkpoint") == proof.word)
        and all(data.get(name) == value for name, value in proof.where.items())
    )


def _repeated(checkpoint: str, at: datetime, away: int | None) -> dict[str, Any]:
    return {"outcome": "repeated", "checkpoint": checkpoint, "at": at.isoformat(), "away": away}


def _masked(card: object) -> str:
    text = str(card)
    return f"…{text[-4:]}" if len(text) >= _SHOWN_CARD else "…"


def _taking(checkpoints: Sequence[CheckpointSpec], code: CheckpointCode) -> tuple[CheckpointSpec, ProofSpec]:
    """The checkpoint of a code, as it takes it for most. Refused(422) `not_here`."""
    found = [(one, proof) for one in checkpoints if one.id == code.checkpoint
             for proof in one.proofs if proof.by == code.sort]  # fmt: skip
    if not found:
        raise Refused("not_here", "this checkpoint takes no such code any more", 422)
    return max(found, key=lambda one: one[1].percent)


def _checked(
    checkpoint: CheckpointSpec, asked: Sequence[ItemSpec], one: CheckIn
) -> list[tuple[ItemSpec, float]]:  # fmt: skip
    """Answers with their items, the last `asked` of a name. Refused(422) `bad_answer` for an unknown item or an answer
    of the wrong sort."""
    items = {item.id: item for item in asked}
    found = []
    for name, value in one.answers.items():
        item = items.get(name)
        if item is None:
            raise Refused("bad_answer", f"{checkpoint.id} has no item {name[:48]!r}", 422)
        if isinstance(value, bool) != (item.answer == "yes_no") or not -1e12 < value < 1e12:
            raise Refused("bad_answer", f"{name}: {item.answer} is expected", 422)
        found.append((item, float(value)))
    return found


def _deviates(item: ItemSpec, value: float, sensor: tuple[datetime, float] | None) -> bool:
    return item.tolerance is not None and sensor is not None and abs(value - sensor[1]) > item.tolerance


def _route_device(file: PatrolFile, checkpoint: str) -> str | None:
    routes = {route.id for route in file.routes if any(stop.checkpoint == checkpoint for stop in route.stops)}
    return next((plan.device for plan in file.plans if plan.route in routes), None)
