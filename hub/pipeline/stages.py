"""The stages, each a few lines over a batch. `pipeline.py` is the list."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from hub.alarms import book
from hub.alarms.desk import AlarmDesk
from hub.alarms.jobs import queue
from hub.clock import Clock, from_us, to_us
from hub.commands.desk import CommandDesk
from hub.context import Status
from hub.decisions import Calculator, CommandWish, Evaluator, RuleState
from hub.errors import BadFrame
from hub.live import Change, Live
from hub.media.cameras import Cameras
from hub.model import Acknowledger, DeadLetter, Device, Frame, Quality
from hub.pipeline.batch import Batch
from hub.plugins import EventHandler
from hub.ports import Decoder
from hub.store.deferral import Job, defer
from hub.store.writer import Newest, Writer

_log = structlog.get_logger()
SEEN_EVERY_US = 5_000_000
_UNUSABLE = Quality.LATE | Quality.BAD
_UNUSABLE_VALUE = int(Quality.BAD | Quality.RANGE)


@dataclass
class Stages:
    """What the stages need, wired once by the composition root."""

    clock: Clock
    writer: Writer
    evaluator: Evaluator
    calculator: Calculator
    commands: CommandDesk
    alarms: AlarmDesk
    live: Live
    status: Status
    decoders: Mapping[str, Decoder]  # bus -> decoder; replaced in place at a reload
    bus_community: Mapping[str, int]
    handlers: Mapping[str, list[str]]  # domain event -> jobs
    event_handlers: Mapping[tuple[str, str], Sequence[EventHandler]]  # (kind, device event) -> who hears of it
    devices: Mapping[int, Device]
    dead_letter_bytes: int
    newest_ts: dict[int, int] = field(default_factory=dict)  # point id -> ts of its newest committed reading
    seen_us: dict[int, int] = field(default_factory=dict)  # device id -> last_seen as stored
    online: dict[int, str] = field(default_factory=dict)  # device id -> run state as stored
    heard_until: int = 0  # as stored
    cameras: Cameras = field(default_factory=lambda: Cameras([]))
    reports: dict[int, tuple[Device, str, str]] = field(default_factory=dict)  # told by drivers, not yet stored

    async def recall(self) -> None:
        """Take over what the store knows: at the start, and after a commit of which nobody knows whether it happened.

        psycopg.OperationalError when the store is away.
        """
        load = self.writer.load
        last = await self.newest()
        seen, rules, online = [await load(name) for name in ("load_seen", "load_rule_state", "load_device_state")]
        self.newest_ts = {point: ts for point, (ts, _) in last.items()}
        values = {point: value for point, (_, value) in last.items() if value is not None}
        self.seen_us = {device: to_us(received) for device, received in seen}
        self.online = dict(online)
        states = [RuleState(rule, device, state, to_us(wake) if wake else None) for rule, device, state, wake in rules]
        until = [to_us(moment) for (moment,) in await load("load_heard_until")]
        self.evaluator.load(states, self.seen_us, self.newest_ts, values, max(until, default=None))
        self.configure(last)

    async def newest(self) -> dict[int, tuple[int, float | None]]:
        """Point id -> newest (ts, value) as stored; the value None where rules may not use it."""
        return {
            point: (to_us(ts), None if quality & _UNUSABLE_VALUE else value)
            for point, ts, value, quality in await self.writer.load("load_last")
        }

    def configure(self, last: Mapping[int, tuple[int, float | None]]) -> None:
        """The devices are new, or others. `last`: point id -> newest (ts, value)."""
        self.evaluator.configure(self.devices, self.clock.now_us())
        self.cameras = Cameras(self.devices.values())
        for problem in self.calculator.configure(self.devices, last):
            _log.warning("a calculated point is left out", problem=problem)

    async def set_back(self) -> None:
        """The clock was set back: forget stamps from what is now the future."""
        now = self.clock.now_us()
        self.newest_ts = {point: min(ts, now) for point, ts in self.newest_ts.items()}
        self.seen_us = {device: min(ts, now) for device, ts in self.seen_us.items()}
        self.evaluator.set_back(now)
        await self.writer.set_back(self.clock.now())

    # -- before the transaction ----------------------------------------------------------------------------------

    def parse(self, batch: Batch) -> None:
        """Bytes to frames; what cannot be understood is set aside with the reason."""
        for arrival in batch.arrivals:
            try:
                for found in self.decoders[arrival.bus].decode(arrival):
                    if isinstance(found, DeadLetter):
                        batch.dead.append(found)
                    else:
                        batch.frames.append(found)
            except BadFrame as error:
                batch.dead.append(DeadLetter(arrival, error.reason, error.detail))

    # -- inside it -----------------------------------------------------------------------------------------------

    async def deduplicate(self, batch: Batch) -> None:
        """Drop frames that are already here, in this batch or in the store, at any age."""
        unique: dict[tuple[int, bytes], Frame] = {}
        for frame in batch.frames:
            name = (frame.device.id, frame.key)
            flagged = frame.duplicate and not frame.natural
            if name in unique or (flagged and await self.writer.redelivered(frame)):
                batch.duplicates += 1
            else:
                unique[name] = frame
        frames = list(unique.values())
        known = await self.writer.put_frames(frames) if frames else set()
        batch.duplicates += len(known)
        batch.frames = [frame for n, frame in enumerate(frames) if n not in known] if known else frames

    def mark_late(self, frames: list[Frame], newest: Newest) -> None:
        """Mark readings older than what is known of their point; find the newest of each point."""
        for frame in frames:
            ts, community = frame.ts, frame.device.community_id
            for reading in frame.readings:
                point = reading.point.id
                fresh = newest.get(point)
                if ts < (fresh[0] if fresh else self.newest_ts.get(point, ts)):
                    reading.quality |= Quality.LATE
                else:
                    newest[point] = (ts, reading.value, reading.quality, reading.point, community)

    async def calculate(self, batch: Batch) -> None:
        """What virtual devices show by what was just read; kept with its inputs as the proof."""
        derived = self.calculator.calculate(batch.frames)
        if derived:
            await self.writer.put_frames(derived)
            self.mark_late(derived, batch.newest)
            batch.frames = [*batch.frames, *derived]

    def evaluate(self, batch: Batch, now: int, overtaken: int | None = None) -> None:
        """Ask the rules, and whether a command has its proof. `now`: no later than what still waits was received."""
        batch.decision = self.evaluator.evaluate(batch.frames, now, overtaken)
        until = self.evaluator.heard_until(now)
        batch.heard_until = until if abs(until - self.heard_until) > SEEN_EVERY_US else None
        batch.proofs = self.commands.watch(batch.frames)

    async def commit(self, batch: Batch) -> None:
        """Write everything the batch means."""
        now = self.clock.now()
        writer, frames, decision = self.writer, batch.frames, batch.decision
        await writer.put_samples(frames, batch.newest)
        await writer.put_events(frames)
        async with writer.connection.pipeline():  # what needs no answer is not waited for: the server works meanwhile
            if frames:
                batch.seen = self._seen(frames)
                await writer.put_seen(batch.seen)
            batch.states = [*self.reports.values(), *self._states(frames)]
            await writer.put_states(batch.states, now)
            if decision.states or decision.reasons:
                await writer.put_rules(decision.states, decision.reasons)
            if decision.alarms:
                batch.alarms = await book.apply(writer.connection, decision.alarms, now, self.devices)
                await queue(writer.connection, batch.alarms.happened, self.handlers)
                await defer(writer.connection, self._snapshot_jobs(batch, to_us(now)))
            await defer(writer.connection, [*self._event_jobs(frames), *map(_command_job, decision.commands)])
            for proof in batch.proofs:
                await writer.confirm_command(proof.command_id, proof.frame_key, now)
            if batch.heard_until is not None:
                await writer.put_heard_until(from_us(batch.heard_until))
            if batch.dead:
                await writer.put_dead(batch.dead, self.bus_community, self.dead_letter_bytes, now)

    def _snapshot_jobs(self, batch: Batch, now: int) -> list[Job]:
        """One a community for all alarms that call people where a camera looks."""
        seen: dict[int, list[int]] = {}
        for move in batch.transitions if self.cameras else ():
            device = self.devices.get(move.device_id)
            if move.anew and device is not None and self.cameras.watching(device):
                seen.setdefault(move.community_id, []).append(move.alarm_id)
        heard = from_us(min(now, max((frame.received for frame in batch.frames), default=now))).isoformat()
        return [
            Job("hub.snapshots", f"snapshots-{community}",
                {"community_id": community, "alarm_ids": ids, "received": heard})
            for community, ids in seen.items()
        ]  # fmt: skip

    def _event_jobs(self, frames: list[Frame]) -> Iterator[Job]:
        """What plugs want to hear of; never the broker's memory."""
        for frame in frames:
            device = frame.device
            for event in frame.events if not frame.retained else ():
                for handler in self.event_handlers.get((device.kind_name, event.name), ()):
                    if not handler.wants(device):
                        continue
                    arguments = {"community_id": device.community_id, "device_id": device.id,
                                 "event_id": event.id.hex(), "name": event.name, "at": from_us(frame.ts).isoformat(),
                                 "received": from_us(frame.received).isoformat(), "data": event.data}  # fmt: skip
                    yield Job(handler.task, f"{handler.task}:{device.id}", arguments)

    def _seen(self, frames: list[Frame]) -> list[tuple[Device, int]]:
        latest = {
            frame.device.id: (frame.device, frame.received)
            for frame in frames
            if frame.received - self.seen_us.get(frame.device.id, 0) > SEEN_EVERY_US and frame.alive
        }
        return list(latest.values())

    def _states(self, frames: list[Frame]) -> list[tuple[Device, str, str]]:
        """A device's own word (birth, will) decides; any fresh message of one believed lost brings it back."""
        found: dict[int, tuple[Device, str, str]] = {}
        for frame in frames:
            state = "offline" if frame.online is False else "connected"
            if frame.online is None and (
                frame.retained or not frame.heard or self.online.get(frame.device.id) == "error"
            ):
                continue  # an error is the driver's to lift: another block of the device may be answering well
            if found.get(frame.device.id, (None, self.online.get(frame.device.id), ""))[1] != state:
                found[frame.device.id] = (frame.device, state, "")
        return list(found.values())

    # -- after it ------------------------------------------------------------------------------------------------

    def acknowledge(self, batch: Batch) -> None:
        """Everything is safe: tell the sources."""
        waiting: dict[tuple[int, int], tuple[Acknowledger, list[int]]] = {}
        for arrival in batch.arrivals:
            if arrival.token and arrival.acknowledger is not None:
                key = (id(arrival.acknowledger), arrival.session)
                waiting.setdefault(key, (arrival.acknowledger, []))[1].append(arrival.token)
        for (_, session), (acknowledger, tokens) in waiting.items():
            acknowledger.acknowledge(session, tokens)

    def remember(self, batch: Batch) -> None:
        """What was committed is now what the next batch is judged by."""
        self.evaluator.accept(batch.decision)
        self.calculator.accept()
        for point, (ts, *_) in batch.newest.items():
            self.newest_ts[point] = ts
        if batch.heard_until is not None:
            self.heard_until = batch.heard_until
        for device, received in batch.seen:
            self.seen_us[device.id] = received
        for device, state, detail in batch.states:
            self.online[device.id] = state
            if self.reports.get(device.id) == (device, state, detail):
                del self.reports[device.id]
        for proof in batch.proofs:
            self.commands.proved(proof)

    def publish(self, batch: Batch) -> None:
        """Tell the live screens. Values by point, the newest only."""
        if not self.live.readers:
            return
        for ts, value, quality, point, community in batch.newest.values() if self.live.heeds("point") else ():
            data: dict[str, Any] = {
                "value": value,
                "quality": int(quality),
                "ts": from_us(ts).isoformat(),
                "name": point.name,
            }
            self.live.publish(Change("point", community, str(point.id), data))
        for frame in batch.frames if self.live.heeds("event") else ():
            for event in frame.events:
                shown = visible(frame.device, event.name, event.data)
                data = {"device_id": frame.device.id, "device": frame.device.code, "name": event.name,
                        "ts": from_us(frame.ts).isoformat(), "data": shown}  # fmt: skip
                self.live.publish(Change("event", frame.device.community_id, event.id.hex(), data))
        self.alarms.tell(batch.alarms.changed, batch.alarms.urgent, batch.alarms.storms)
        for device, state, detail in batch.states:
            self.live.publish(Change("device", device.community_id, str(device.id), {"state": state, "detail": detail}))


def _command_job(wish: CommandWish) -> Job:
    device = wish.device
    arguments = {"community_id": device.community_id, "device_id": device.id, "name": wish.name,
                 "reason": wish.reason, "rule": wish.rule, "at": from_us(wish.at).isoformat()}  # fmt: skip
    return Job("hub.command", f"hub.command:{device.id}", arguments)


def visible(device: Device, event: str, data: dict[str, object]) -> dict[str, object]:
    """Event data with private fields (card, plate) masked to their last two characters."""
    fields = device.event(event).data
    return {k: _mask(str(v)) if k in fields and fields[k].private else v for k, v in data.items()}


def _mask(text: str) -> str:
    return "*" * max(len(text) - 2, 0) + text[-2:]
