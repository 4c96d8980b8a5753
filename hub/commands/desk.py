"""The command desk: authorise, send, wait for proof, and say honestly how it ended.

One desk a process. A command is never retained, never sent twice, and after a restart never sent again: what was
unfinished then is `expired` (not yet sent) or `unknown` (sent, the outcome not seen).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import structlog

from hub import audit
from hub.clock import Clock, to_us
from hub.commands.model import State, may_follow
from hub.commands.proof import proves
from hub.errors import DriverError, Expired, OutcomeUnknown, Refused
from hub.live import Change, Live
from hub.model import CommandRequest, Device, Frame
from hub.ports import Driver
from hub.principal import Principal
from hub.store.database import Connection, Database, NotThere, Row
from hub.store.queries import load_queries
from hub.tasks import end
from hub.vocabulary.kinds import CommandSpec, ConfirmSpec

_SQL = load_queries("hub.commands")
_LATE_PROOF_S = 60.0
_AGAIN_S = 2.0
_STORE_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
_log = structlog.get_logger()


class Pending(msgspec.Struct):
    """A command on its way whose proof the pipeline watches for."""

    request: CommandRequest
    confirm: ConfirmSpec
    sent_at: int
    proved: asyncio.Event


class Proof(msgspec.Struct, frozen=True):
    """A frame proved a command."""

    command_id: str
    community_id: int
    frame_key: bytes
    at: int


class CommandDesk:
    """Use cases of commands, and the watch list the pipeline asks."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        live: Live,
        devices: Callable[[], Mapping[int, Device]],
        driver_of: Callable[[Device], Driver],
    ) -> None:
        self._database = database
        self._clock = clock
        self._live = live
        self._devices = devices
        self._driver_of = driver_of
        self._pending: dict[int, dict[str, Pending]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- people's side -------------------------------------------------------------------------------------------

    async def request(
        self, who: Principal, device_id: int, name: str, reason: str, key: str, since: datetime | None = None
    ) -> Row:
        """Ask for a command; gives its row at once (state `authorised` or `refused`), the rest follows live.

        Its time to live counts from `since`, or from now. The same `key` of the same actor gives the first command
        again and sends nothing.
        NotThere for an unknown device; Refused for an unknown command, a missing reason or a role without the right
        (stored as a refused command too); Refused `idempotency_mismatch` for a key used for something else.
        """
        device = self._devices().get(device_id)
        if device is None or device.community_id != who.community_id:
            raise NotThere(f"device {device_id}")
        spec = device.kind.commands.get(name)
        if spec is None:
            known = ", ".join(device.kind.commands) or "none"
            raise Refused("unknown_command", f"a {device.kind_name} has no command {name!r} (it has: {known})", 422)
        refusal = _refusal(who, spec, reason)
        now = self._clock.now()
        command_id = uuid4()
        values: dict[str, Any] = {
            "id": command_id, "community_id": who.community_id, "device_id": device.id, "name": name,
            "reason": reason[:500], "requested_by": who.actor, "idempotency_key": key, "at": now,
            "expires_at": (since or now) + spec.ttl, "state": "refused" if refusal else "authorised",
            "detail": refusal.detail if refusal else "",
        }  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            row, created = await self._store(connection, who, values)
        if not created:
            if (row["device_id"], row["name"]) != (device.id, name):
                raise Refused("idempotency_mismatch", "this Idempotency-Key was used for another command", 422)
            return row
        self._announce(row)
        if refusal:
            raise refusal
        request = CommandRequest(str(command_id), device, name, reason, to_us(values["expires_at"]))
        task = asyncio.create_task(self._carry_out(request, spec), name=f"command-{command_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return row

    async def carry_out_wish(
        self, *, community_id: int, device_id: int, name: str, reason: str, rule: str, at: str
    ) -> None:
        """A job: give the command a rule decided on at `at` (ISO 8601); a second run gives the first one again."""
        who = Principal(f"rule:{rule}", community_id, "engineer")
        try:
            await self.request(who, device_id, name, reason, f"{rule}:{device_id}:{at}", datetime.fromisoformat(at))
        except (Refused, NotThere) as refused:  # it is stored as refused; trying again would not change that
            _log.warning("a rule's command was refused", rule=rule, command=name, device=device_id, why=str(refused))

    async def show(self, who: Principal, command_id: UUID) -> Row:
        """A command with its history. NotThere."""
        async with self._database.session([who.community_id]) as connection:
            row = await self._one(connection, command_id)
            history = await connection.execute(_SQL["history_of"], {"id": command_id})
            return {**row, "history": await history.fetchall()}

    async def recent(
        self, who: Principal, *, device_id: int | None = None, before: tuple[datetime, UUID] | None = None,
        limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """Commands newest first; `before` is (requested_at, id) of the last one seen."""
        moment, number = before or (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
        async with self._database.session([who.community_id]) as connection:
            cursor = await connection.execute(
                _SQL["list"], {"device_id": device_id, "before": moment, "before_id": number, "limit": limit}
            )
            return await cursor.fetchall()

    # -- the pipeline's side -------------------------------------------------------------------------------------

    def watch(self, frames: Sequence[Frame]) -> list[Proof]:
        """Which frames prove a command on its way. Pure look: nothing changes before `proved`."""
        if not self._pending:
            return []
        return [
            Proof(pending.request.id, frame.device.community_id, frame.key, frame.received)
            for frame in frames
            for pending in self._pending.get(frame.device.id, {}).values()
            if not frame.retained
            and frame.received >= pending.sent_at
            and proves(frame, pending.confirm, pending.request.id)
        ]

    def proved(self, proof: Proof) -> None:
        """The proof is committed: wake whoever waits and tell the screens."""
        for waiting in self._pending.values():
            if pending := waiting.get(proof.command_id):
                pending.proved.set()

    # -- the way of one command ----------------------------------------------------------------------------------

    async def _carry_out(self, request: CommandRequest, spec: CommandSpec) -> None:
        pending = Pending(request, spec.confirm, self._clock.now_us(), asyncio.Event())
        waiting = self._pending.setdefault(request.device.id, {})
        waiting[request.id] = pending
        try:
            await self._send(request, pending)
        except _STORE_AWAY as error:
            _log.warning("the store went away while a command was on its way", command=request.id, error=str(error))
            await self._close_later(request)
        except Exception as error:  # noqa: BLE001 a driver that breaks must not leave a command open for ever
            _log.error("a command broke on its way", command=request.id, exc_info=error)
            await self._close_later(request)
        finally:
            waiting.pop(request.id, None)
            if not waiting:
                self._pending.pop(request.device.id, None)

    async def _send(self, request: CommandRequest, pending: Pending) -> None:
        if self._clock.now_us() >= request.expires:
            await self._move(request, "expired", "time to live was over before it could be sent")
            return
        if not await self._move(request, "sent", ""):
            return  # somebody closed it meanwhile: it is not sent
        try:
            receipt = await self._driver_of(request.device).execute(request)
        except Expired as error:
            end: tuple[State, str] = ("expired", str(error))
        except OutcomeUnknown as error:
            end = ("unknown", str(error))
        except DriverError as error:
            end = ("failed", str(error))
        else:
            if receipt.acknowledged and not pending.proved.is_set():
                await self._move(request, "acknowledged", receipt.detail)
            await self._await_proof(request, pending)
            return
        await self._move(request, *end)
        if end[0] == "unknown":
            await self._await_late_proof(request, pending)

    async def _close_later(self, request: CommandRequest) -> None:
        """Write down, when the store is back, that nobody saw how it ended. It is not sent after all if it was not."""
        while True:
            await self._clock.sleep(_AGAIN_S)
            try:
                for state in ("unknown", "expired"):  # was sent; was not
                    await self._move(request, state, "the database went away while the command was on its way")
            except _STORE_AWAY:
                continue
            return

    async def _await_proof(self, request: CommandRequest, pending: Pending) -> None:
        left = (request.expires - self._clock.now_us()) / 1e6
        try:
            async with asyncio.timeout(max(left, 0.0)):
                await pending.proved.wait()
        except TimeoutError:
            await self._move(request, "unknown", "the device did not show the effect in time")
            await self._await_late_proof(request, pending)
        else:
            await self._tell(request)

    async def _await_late_proof(self, request: CommandRequest, pending: Pending) -> None:
        """What nobody saw in time may still be seen: then it is known after all."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LATE_PROOF_S):
                await pending.proved.wait()
            await self._tell(request)

    async def _move(self, request: CommandRequest, state: State, detail: str) -> bool:
        """False where the command has gone another way meanwhile and stays as it is."""
        community = request.device.community_id
        values: dict[str, Any] = {
            "id": UUID(request.id), "community_id": community, "state": state, "detail": detail[:500],
            "proof": None, "at": self._clock.now(),
        }  # fmt: skip
        async with self._database.session([community]) as connection:
            row = await (await connection.execute(_SQL["lock"], values)).fetchone()
            if row is None or not may_follow(row["state"], state):
                return False
            await connection.execute(_SQL["move"], values)
            await connection.execute(_SQL["history"], values)
            changed = await self._one(connection, values["id"])
        self._announce(changed)
        return True

    async def _tell(self, request: CommandRequest) -> None:
        async with self._database.session([request.device.community_id]) as connection:
            self._announce(await self._one(connection, UUID(request.id)))

    async def recover(self, communities: Sequence[int]) -> int:
        """After a start: nothing unfinished is ever sent again. Gives how many were closed."""
        async with self._database.session(communities) as connection:
            rows = await (await connection.execute(_SQL["unfinished"])).fetchall()
            for row in rows:
                sent = row["state"] in ("sent", "acknowledged")
                values = {
                    "id": row["id"], "community_id": row["community_id"], "proof": None, "at": self._clock.now(),
                    "state": "unknown" if sent else "expired",
                    "detail": "the hub was restarted while the command was on its way",
                }  # fmt: skip
                await connection.execute(_SQL["move"], values)
                await connection.execute(_SQL["history"], values)
        return len(rows)

    async def stop(self) -> None:
        """Let go of commands on their way; `recover` names them at the next start."""
        await end(self._tasks)

    async def _store(self, connection: Connection, who: Principal, values: dict[str, Any]) -> tuple[Row, bool]:
        inserted = await (await connection.execute(_SQL["insert"], values)).fetchone()
        if inserted is None:
            row = await (await connection.execute(_SQL["by_key"], values)).fetchone()
            assert row is not None
            return row, False
        for state in ("requested", values["state"]):
            await connection.execute(_SQL["history"], {**values, "state": state})
        await audit.record(
            connection, who, f"command.{values['name']}", f"device:{values['device_id']}", values["at"],
            {"command": str(values["id"]), "state": values["state"], "reason": values["reason"]},
        )  # fmt: skip
        return await self._one(connection, values["id"]), True

    async def _one(self, connection: Connection, command_id: UUID) -> Row:
        row = await (await connection.execute(_SQL["one"], {"id": command_id})).fetchone()
        if row is None:
            raise NotThere(f"command {command_id}")
        return row

    def _announce(self, row: Row) -> None:
        self._live.publish(Change("command", row["community_id"], str(row["id"]), command_json(row)))


def command_json(row: Row) -> dict[str, Any]:
    """A command row as plain JSON values (times ISO 8601 UTC)."""
    plain = {key: value for key, value in row.items() if key not in ("history", "idempotency_key")}
    return {k: v.isoformat() if isinstance(v, datetime) else str(v) if isinstance(v, UUID) else v
            for k, v in plain.items()}  # fmt: skip


def _refusal(who: Principal, spec: CommandSpec, reason: str) -> Refused | None:
    if who.role not in spec.roles:
        return Refused("forbidden", f"the role {who.role} may not give this command", 403)
    if spec.reason_required and not reason.strip():
        return Refused("reason_required", "this command needs a reason", 422)
    return None
