"""/api/v1/stream: what just became true, for one community, to one bounded reader.

Messages are JSON objects: `{"hello": token}` first, then `{"changes": [{topic, key, data}, …]}`, and
`{"resync": token}` when the reader was too slow and changes were dropped: read the lists again, then go on.
Closes: 4401 not signed in (any more), 4403 foreign page, 4422 unknown topic, 1013 the reader did not take a message
within 10 s or the store is away, 1008 it talked too much.
"""

import asyncio
from itertools import count
from typing import Any, get_args

import msgspec
import psycopg
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.auth import bearer_of, identify, principal_of, same_origin
from api.hub import Hub, hub_of
from hub.errors import Refused
from hub.live import Subscription, Topic
from hub.principal import Principal

router = APIRouter()
SEND_WITHIN_S = 10.0
RECHECK_S = 30.0
TOPICS = frozenset(get_args(Topic))
_encode = msgspec.json.Encoder().encode
_tokens = count(1)


@router.websocket("/api/v1/stream")
async def stream(socket: WebSocket) -> None:
    """Changes of the asked `topics` (comma-separated; default all but `point`) of the asker's community."""
    hub = hub_of(socket)
    if bearer_of(socket) is None and not same_origin(socket):
        await _refuse(socket, 4403, "cross_site")
        return
    try:
        who = await _who(hub, socket)
    except Refused as error:
        await _refuse(socket, 4401 if error.status == 401 else 4403, error.code)
        return
    except psycopg.OperationalError:
        await _refuse(socket, 1013, "the store is away")
        return
    topics = set(socket.query_params.get("topics", "").split(",")) - {""} or TOPICS - {"point"}
    if not topics <= TOPICS:
        await _refuse(socket, 4422, "unknown_topic")
        return
    await socket.accept()
    subscription = hub.context.live.subscribe(_wants(who), topics=topics.__contains__)
    try:
        await _serve(hub, socket, who, subscription)
    finally:
        hub.context.live.unsubscribe(subscription)


async def _refuse(socket: WebSocket, code: int, reason: str) -> None:
    await socket.accept()
    await socket.close(code, reason)


async def _who(hub: Hub, socket: WebSocket) -> Principal:
    return principal_of(await identify(hub, socket), socket)


def _wants(who: Principal) -> Any:
    # Community 0: the process itself (run states). Private fields are masked before anything is published.
    return lambda change: change.community_id in (who.community_id, 0)


async def _serve(hub: Hub, socket: WebSocket, who: Principal, subscription: Subscription) -> None:
    """Send, listen for the end, and ask again who it is; the first of them to end ends all."""
    tasks = [
        asyncio.create_task(_send(socket, subscription)),
        asyncio.create_task(_listen(socket)),
        asyncio.create_task(_recheck(hub, socket, who)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ended = next((task.result() for task in done if not task.exception()), None)
    if ended is not None:
        code, reason = ended
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await socket.close(code, reason)
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            return


async def _send(socket: WebSocket, subscription: Subscription) -> tuple[int, str] | None:
    await _write(socket, {"hello": str(next(_tokens))})
    while True:
        changes, lost = await subscription.take()
        messages: list[dict[str, Any]] = [{"resync": str(next(_tokens))}] if lost else []
        if changes:
            messages.append({"changes": [{"topic": c.topic, "key": c.key, "data": c.data} for c in changes]})
        for message in messages:
            try:
                async with asyncio.timeout(SEND_WITHIN_S):
                    await _write(socket, message)
            except TimeoutError:
                return 1013, "too slow"


async def _write(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(_encode(message).decode())


async def _listen(socket: WebSocket) -> tuple[int, str] | None:
    """The reader has nothing to say; whoever says much is sent away."""
    for _ in range(100):
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
    return 1008, "talks too much"


async def _recheck(hub: Hub, socket: WebSocket, who: Principal) -> tuple[int, str]:
    while True:
        await hub.context.clock.sleep(RECHECK_S)
        try:
            now = await _who(hub, socket)
        except Refused as error:
            return 4401, error.code
        except psycopg.OperationalError:
            continue  # nobody can say; nothing new is told meanwhile either
        if (now.community_id, now.role) != (who.community_id, who.role):
            return 4401, "role_changed"
