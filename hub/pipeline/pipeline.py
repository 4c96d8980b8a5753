"""The pipeline: one readable list of stages over batches, each batch one transaction."""

import asyncio
import random

import psycopg
import structlog

from hub.backoff import full_jitter
from hub.clock import Clock
from hub.context import Status
from hub.failpoint import failpoint
from hub.model import Arrival, DeadLetter
from hub.pipeline.batch import Batch
from hub.pipeline.intake import ArrivalQueue
from hub.pipeline.pace import Pace
from hub.pipeline.stages import SEEN_EVERY_US, Stages
from hub.settings import Settings

_log = structlog.get_logger()

# Passing reasons: the same batch is right when tried again.
_PASSING = (psycopg.OperationalError, psycopg.InterfaceError)
# A race with another writer: right when tried again, but not for ever.
_CONFLICT = (psycopg.errors.UniqueViolation, psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_CONFLICT_TRIES = 5
_STEP_US = 2_000_000  # the wall clock may drift from the monotonic one; a step is more
_DEAF_US = 1_000_000  # a batch that takes longer keeps the hub from hearing its devices


class Pipeline:
    """Takes arrivals from the queue until cancelled. Nothing is acknowledged that is not committed."""

    def __init__(self, queue: ArrivalQueue, stages: Stages, clock: Clock, settings: Settings, status: Status) -> None:
        self._queue = queue
        self._stages = stages
        self._clock = clock
        self._pace = Pace(settings.batch_size)
        self._window_s = settings.batch_window_ms / 1000
        self._status = status
        self._random = random.Random()
        self._busy = asyncio.Lock()
        self._begun: int | None = None  # when the batch at hand was taken
        self._offset: int | None = None  # wall clock less monotonic clock, microseconds
        self._in_doubt = False  # the connection broke while a batch was committed: it may be stored or not

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            arrivals = await self._queue.take(self._pace.size, self._window_s, self._wake())
            async with self._busy:
                self._begun, begun = self._clock.now_us(), self._clock.monotonic()
                waiting = (arrivals[0].received if arrivals else None, self._queue.oldest)
                self._status.unstored = min((at for at in waiting if at is not None), default=None)
                try:
                    await self.settle(arrivals)
                except BaseException:
                    self._queue.give_back(arrivals)  # what of it is stored is known as a duplicate
                    raise
                self._excuse()
                self._pace.took(len(arrivals), self._clock.monotonic() - begun)
            self._status.queue, self._status.unstored = len(self._queue), self._queue.oldest

    def _wake(self) -> int:
        """When the next batch is due though nothing comes: a wake-up, or to write down that nothing came."""
        due, idle = self._stages.evaluator.next_wake(), self._clock.now_us() + SEEN_EVERY_US
        return idle if due is None else min(due, idle)

    def between_batches(self) -> asyncio.Lock:
        """`async with` it to change rules, devices or decoders while no batch is under way."""
        return self._busy

    async def settle(self, arrivals: list[Arrival], behind: int | None = None) -> None:
        """Bring arrivals to their end: stored, or set aside. Waits out a database that is away; splits a batch that
        cannot be stored until the poisonous arrival stands alone. `behind`: when the next arrival after these was
        received; no time passes for the rules beyond it."""
        attempt = 0
        while True:
            try:
                await self.process(arrivals, behind)
            except (*_PASSING, *_CONFLICT) as error:
                attempt += 1
                if not isinstance(error, _CONFLICT) or attempt <= _CONFLICT_TRIES:
                    await self._wait(attempt, error)
                    continue
                await self._divide(arrivals, error, behind)
            except Exception as error:  # noqa: BLE001 whatever one arrival does to us must not stop the others
                await self._divide(arrivals, error, behind)
            if attempt > 1:
                _log.info("the store is back", tries=attempt)
            return

    async def process(self, arrivals: list[Arrival], behind: int | None = None) -> Batch:
        """The stages, in order. Any exception: nothing of the batch is true."""
        stages, batch = self._stages, Batch(arrivals)
        stages.parse(batch)
        await stages.writer.ensure_days(batch.frames)
        async with stages.writer.transaction():
            await stages.deduplicate(batch)  # waits for a commit that is still under way on a lost connection
            doubted = self._in_doubt
            if doubted:
                await stages.recall()  # else the rules would not know what they did, if they did
            await self._watch_clock()
            stages.mark_late(batch.frames, batch.newest)
            await stages.calculate(batch)
            self._excuse()
            stages.evaluate(batch, self._present(behind), self._queue.overtaken(arrivals))
            await stages.commit(batch)
            drops = +self._queue.dropped
            if drops:
                await stages.writer.put_drops(drops, stages.bus_community, self._clock.now())
            failpoint("before_commit")
            self._in_doubt = True
        if doubted:
            stages.live.resync()  # what was stored unseen was told to nobody
        self._in_doubt = False
        failpoint("after_commit")
        self._queue.dropped.subtract(drops)
        self._status.counters.update({f"dropped:{bus}:{delivery}": count for (bus, delivery), count in drops.items()})
        stages.remember(batch)
        stages.acknowledge(batch)
        failpoint("after_acknowledge")
        stages.publish(batch)
        self._count(batch)
        return batch

    def _excuse(self) -> None:
        """Tell the rules of a time in which nothing could be heard."""
        now = self._clock.now_us()
        if self._begun is not None and now - self._begun > _DEAF_US:
            self._stages.evaluator.deaf(self._begun, now)

    async def _watch_clock(self) -> None:
        """A wall clock that steps must neither make everything late nor everybody silent."""
        now = self._clock.now_us()
        offset = now - int(self._clock.monotonic() * 1e6)
        step = offset - self._offset if self._offset is not None else 0
        if abs(step) > _STEP_US:
            _log.warning("the machine's clock was set", seconds=round(step / 1e6, 1))
            if step > 0:
                self._stages.evaluator.deaf(now - step, now, stepped=True)
            else:
                await self._stages.set_back()
        self._offset = offset

    def _present(self, behind: int | None) -> int:
        """How far time has come for the rules: a silence must not be judged before what waits has been heard."""
        waiting = [at for at in (behind, self._queue.oldest) if at is not None]
        return min([self._clock.now_us(), *waiting])

    async def _divide(self, arrivals: list[Arrival], error: Exception, behind: int | None) -> None:
        if len(arrivals) > 1:
            middle = len(arrivals) // 2
            await self.settle(arrivals[:middle], arrivals[middle].received)
            await self.settle(arrivals[middle:], behind)
        elif arrivals:
            _log.error("an arrival cannot be stored and is set aside", bus=arrivals[0].bus, exc_info=error)
            await self._set_aside(arrivals[0], error)
        else:
            _log.error("rules failed on a wake-up", exc_info=error)
            await self._clock.sleep(1.0)

    async def _set_aside(self, arrival: Arrival, error: Exception) -> None:
        batch = Batch([arrival], dead=[DeadLetter(arrival, "poison", f"{type(error).__name__}: {error}")])
        while True:
            try:
                async with self._stages.writer.transaction():
                    await self._stages.commit(batch)
            except _PASSING as away:
                await self._wait(1, away)
            else:
                break
        self._stages.acknowledge(batch)
        self._count(batch)

    async def _wait(self, attempt: int, error: Exception) -> None:
        if attempt == 1:
            _log.warning("the store does not take the batch; trying again", error=str(error).strip())
        await self._clock.sleep(0.05 + full_jitter(attempt, 0.1, 5.0, self._random))

    def _count(self, batch: Batch) -> None:
        counters, now = self._status.counters, self._clock.now_us()
        counters["batches"] += 1
        counters["arrivals"] += len(batch.arrivals)
        counters["frames"] += len(batch.frames)
        counters["readings"] += sum(len(frame.readings) for frame in batch.frames)
        counters["events"] += sum(len(frame.events) for frame in batch.frames)
        counters["duplicates"] += batch.duplicates
        counters["dead_letters"] += len(batch.dead)
        counters["alarm_transitions"] += len(batch.transitions)
        if batch.arrivals:
            self._status.lag_us = now - min(batch.arrivals[0].received, self._queue.oldest or now)
            self._status.last_commit = now
