"""Keeps running parts running: restarts with full-jitter backoff, publishes their state, logs each trouble once."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import psycopg
import structlog

from hub.backoff import full_jitter
from hub.clock import Clock
from hub.context import RunState, Status
from hub.errors import DriverError, Misconfigured
from hub.live import Change, Live
from hub.tasks import end

_log = structlog.get_logger()
_EXPECTED = (DriverError, psycopg.OperationalError, psycopg.InterfaceError, OSError)
_STEADY_S = 5.0  # a part that ran so long has recovered
_MISCONFIGURED_S = 60.0  # the cure may be on the other side (a password at the broker), where we see no change
_LONGEST_WAIT_S = 15.0  # a store or broker that fell several times in a minute must not be kept waiting when it stays
_WORTH_SAYING_S = 2.0  # a shorter trouble shows as a state, not as a line in the log


@dataclass
class _Trouble:
    """What keeps a part from running, until it has run steadily again."""

    attempts: int = 0
    since: float | None = None
    said: str = ""


class Supervisor:
    """Named parts, each a coroutine function started again whenever it ends."""

    def __init__(self, clock: Clock, status: Status, live: Live, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._status = status
        self._live = live
        self._random = rng or random.Random()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def parts(self) -> Collection[str]:
        """The names that are started and not stopped."""
        return self._tasks.keys()

    def start(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` under the name `part` until `stop`. ValueError when the name runs already."""
        if part in self._tasks:
            raise ValueError(f"{part} runs already")
        self._status.parts[part] = RunState(part, "starting", self._clock.now_us())
        self._tasks[part] = asyncio.create_task(self._keep(part, work), name=part)

    async def stop(self, *parts: str) -> None:
        """Stop these parts; comes back when they have ended."""
        for part in parts:
            task = self._tasks.pop(part, None)
            if task is not None:
                await end([task])
                self._set(part, "stopped")

    async def stop_all(self) -> None:
        """Stop every part, the last started first."""
        await self.stop(*reversed(self._tasks))

    async def _keep(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        trouble = _Trouble()
        while True:
            began = self._clock.monotonic()
            self._set(part, "retrying" if trouble.attempts else "running")
            steady = asyncio.get_running_loop().call_later(_STEADY_S, self._steady, part, trouble)
            try:
                await work()
                error: Exception = DriverError("ended without a reason")
            except Misconfigured as wrong:
                if str(wrong) != trouble.said:
                    trouble.said = str(wrong)
                    _log.error("misconfigured; looking again each minute", part=part, error=trouble.said)
                trouble.attempts += 1
                next_attempt = self._clock.now_us() + int(_MISCONFIGURED_S * 1e6)
                self._set(part, "misconfigured", wrong, trouble.attempts, next_attempt)
                await self._clock.sleep(_MISCONFIGURED_S)
                continue
            except _EXPECTED as expected:
                error = expected
            except Exception as broken:  # noqa: BLE001 a part that breaks must not take the house with it
                error = broken
                _log.error("a part broke and is started again", part=part, exc_info=broken)
            finally:
                steady.cancel()
            now = self._clock.monotonic()
            if now - began >= _STEADY_S:
                trouble = _Trouble()
            trouble.attempts += 1
            if trouble.since is None:
                trouble.since = now
            if now - trouble.since >= _WORTH_SAYING_S and str(error) != trouble.said:
                trouble.said = str(error)
                _log.warning("a part is down; trying again", part=part, error=trouble.said)
            wait = 0.2 + full_jitter(trouble.attempts - 1, 0.5, _LONGEST_WAIT_S, self._random)
            self._set(part, "retrying", error, trouble.attempts, self._clock.now_us() + int(wait * 1e6))
            await self._clock.sleep(wait)

    def _steady(self, part: str, trouble: _Trouble) -> None:
        self._set(part, "running")
        if trouble.said:
            _log.info("a part is well again", part=part)

    def _set(
        self, part: str, state: str, error: Exception | None = None, attempts: int = 0, next_attempt: int | None = None
    ) -> None:
        before = self._status.parts.get(part)
        since = before.since if before and before.state == state else self._clock.now_us()
        last = str(error) if error else (before.last_error if before and state != "running" else "")
        self._status.parts[part] = RunState(part, state, since, attempts, last, next_attempt)
        if before is None or before.state != state:
            data = {"part": part, "state": state, "last_error": last}
            self._live.publish(Change("run_state", 0, part, data))
