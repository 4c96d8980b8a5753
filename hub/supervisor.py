"""Keeps running parts running: restarts with full-jitter backoff, publishes their state, logs each trouble once."""

import asyncio
import random
from collections.abc import Awaitable, Callable

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
_STEADY_S = 30.0  # a part that ran so long has recovered


class Supervisor:
    """Named parts, each a coroutine function started again whenever it ends."""

    def __init__(self, clock: Clock, status: Status, live: Live, rng: random.Random | None = None) -> None:
        self._clock = clock
        self._status = status
        self._live = live
        self._random = rng or random.Random()
        self._tasks: dict[str, asyncio.Task[None]] = {}

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
        attempt, said = 0, ""
        while True:
            began = self._clock.monotonic()
            self._set(part, "running" if attempt == 0 else "retrying")
            steady = asyncio.get_running_loop().call_later(_STEADY_S, self._steady, part, bool(said))
            try:
                await work()
                trouble: Exception = DriverError("ended without a reason")
            except Misconfigured as error:
                self._set(part, "misconfigured", error)
                _log.error("misconfigured; waiting for a change of the configuration", part=part, error=str(error))
                return
            except _EXPECTED as error:
                trouble = error
            except Exception as error:  # noqa: BLE001 a part that breaks must not take the house with it
                trouble = error
                _log.error("a part broke and is started again", part=part, exc_info=error)
            finally:
                steady.cancel()
            if self._clock.monotonic() - began >= _STEADY_S:
                attempt, said = 0, ""
            if str(trouble) != said:
                said = str(trouble)
                _log.warning("a part is down; trying again", part=part, error=said)
            wait = 0.2 + full_jitter(attempt, 0.5, 60.0, self._random)
            attempt += 1
            self._set(part, "retrying", trouble, attempt, self._clock.now_us() + int(wait * 1e6))
            await self._clock.sleep(wait)

    def _steady(self, part: str, was_down: bool) -> None:
        self._set(part, "running")
        if was_down:
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
