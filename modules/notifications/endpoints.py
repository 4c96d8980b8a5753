"""What people and programs do with the endpoints of webhooks. The REST API and the pages call this."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.live import Change
from hub.principal import Principal
from hub.store.database import Connection, Row
from modules.notifications import store, webhooks
from modules.notifications.files import Files
from modules.notifications.model import FAILING
from modules.notifications.outgoing import Forbidden, Gateway, NotSent, networks

ROTATION = timedelta(hours=24)
_ENDPOINTS = 50


class Endpoints:
    """Use cases over endpoints, for one principal at a time."""

    def __init__(self, context: Context, files: Files, gateway: Gateway) -> None:
        self._context = context
        self._files = files
        self._gateway = gateway
        self.wake: Callable[[], None] = lambda: None

    async def recent(self, who: Principal) -> list[Row]:
        """The webhooks' endpoints and how they are, without their secrets."""
        who.require("configure")
        async with self._context.database.session([who.community_id]) as connection:
            found = await store.rows(connection, "endpoints", community_id=who.community_id)
            known = {
                row["target"]: row for row in await store.rows(connection, "targets", community_id=who.community_id)
            }
        return [{**row, **health(known.get(f"webhook:{row['id']}"))} for row in found]

    async def create(self, who: Principal, name: str, url: str, types: Sequence[str]) -> tuple[int, str]:
        """A new endpoint: its id and its signing secret, shown this once. Refused."""
        who.require("configure")
        now, secret = self._context.clock.now(), webhooks.new_secret()
        async with self._context.database.session([who.community_id]) as connection:
            await self._check_url(connection, who, url)
            if len(await store.rows(connection, "endpoints", community_id=who.community_id)) >= _ENDPOINTS:
                raise Refused("too_many", f"a community has at most {_ENDPOINTS} endpoints", 409)
            row = await store.first(
                connection, "insert_endpoint", community_id=who.community_id, name=_required(name, 60), url=url,
                types=_types(types), secret=secret, at=now, actor=who.actor,
            )  # fmt: skip
            if row is None:
                raise Refused("name_taken", f"there is an endpoint {name[:60]!r} already", 409)
            await audit.record(connection, who, "webhook.create", f"webhook:{row['id']}", now, {"types": list(types)})
        show_screens(self._context, who, [])
        self.wake()
        return int(row["id"]), secret

    async def change(self, who: Principal, endpoint_id: int, url: str, types: Sequence[str]) -> None:
        """Another address or other events. NotThere, Refused."""
        who.require("configure")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            await self._endpoint(connection, who, endpoint_id)
            await self._check_url(connection, who, url)
            await store.run(connection, "change_endpoint", id=endpoint_id, url=url, types=_types(types), at=now)
            await audit.record(connection, who, "webhook.change", f"webhook:{endpoint_id}", now, {"types": list(types)})
        show_screens(self._context, who, [])
        self.wake()

    async def rotate(self, who: Principal, endpoint_id: int) -> str:
        """A new signing secret, shown this once; for a day both sign. NotThere, Refused."""
        who.require("configure")
        now, secret = self._context.clock.now(), webhooks.new_secret()
        async with self._context.database.session([who.community_id]) as connection:
            await self._endpoint(connection, who, endpoint_id)
            await store.run(connection, "rotate", id=endpoint_id, secret=secret, until=now + ROTATION, at=now)
            await audit.record(connection, who, "webhook.rotate", f"webhook:{endpoint_id}", now)
        return secret

    async def pause(self, who: Principal, endpoint_id: int) -> None:
        """Deliveries wait until it is resumed. NotThere, Refused."""
        await self._set_state(who, endpoint_id, "paused")

    async def resume(self, who: Principal, endpoint_id: int) -> None:
        """Go on, also after a receiver's 410. NotThere, Refused."""
        await self._set_state(who, endpoint_id, "active")

    async def remove(self, who: Principal, endpoint_id: int) -> None:
        """No more deliveries; its secret is forgotten. NotThere, Refused."""
        await self._set_state(who, endpoint_id, "removed")

    async def test(self, who: Principal, endpoint_id: int) -> int:
        """Send a test event; the delivery's id. NotThere, Refused."""
        who.require("configure")
        now = self._context.clock.now()
        key = f"test:{now.isoformat()}"
        async with self._context.database.session([who.community_id]) as connection:
            await self._endpoint(connection, who, endpoint_id)
            community = await self._community(connection, who)
            body = webhooks.body_of("test", key, community["code"], now, None, {"actor": who.actor})
            target = f"webhook:{endpoint_id}"
            number = await store.insert(connection, now, now, {
                "community_id": who.community_id, "target": target, "event": "test", "event_key": key, "body": body,
                "happened_at": now, "expires_at": now,
            })  # fmt: skip
            await store.run(connection, "forget_retry", community_id=who.community_id, targets=[target])
            await audit.record(connection, who, "webhook.test", target, now)
        assert number is not None
        show_screens(self._context, who, [number])
        self.wake()
        return number

    async def _set_state(self, who: Principal, endpoint_id: int, state: str) -> None:
        who.require("configure")
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            await self._endpoint(connection, who, endpoint_id)
            await store.run(connection, "endpoint_state", id=endpoint_id, state=state, detail="", at=now)
            target = f"webhook:{endpoint_id}"
            if state == "removed":
                values = {"community_id": who.community_id, "target": target, "at": now, "detail": "endpoint removed"}
                await store.run(connection, "drop_target", **values)
            else:
                await store.run(connection, "forget_retry", community_id=who.community_id, targets=[target])
            await audit.record(connection, who, f"webhook.{state}", target, now)
        show_screens(self._context, who, [])
        self.wake()

    async def _endpoint(self, connection: Connection, who: Principal, endpoint_id: int) -> Row:
        of = {"id": endpoint_id, "community_id": who.community_id}
        return await store.needed(connection, "endpoint", f"endpoint {endpoint_id}", **of)

    async def _community(self, connection: Connection, who: Principal) -> Row:
        [row] = await store.rows(connection, "communities", ids=[who.community_id])
        return row

    async def _check_url(self, connection: Connection, who: Principal, url: str) -> None:
        """Refused(422) for what is no address of an endpoint, or one that may not be sent to."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise Refused("bad_url", "the URL cannot be read", 422) from None
        plain = parts.scheme in ("http", "https") and parts.hostname and not parts.username and not parts.fragment
        if not plain or parts.hostname is None or len(url) > 2000 or not url.isascii() or not url.isprintable():
            raise Refused("bad_url", "an http or https URL without user, password and fragment is needed", 422)
        file = self._files.of((await self._community(connection, who))["code"])
        try:
            _, own = await self._gateway.address(parts.hostname, port, networks(file.gateways) if file else ())
        except Forbidden as error:
            raise Refused("forbidden_address", str(error), 422) from None
        except NotSent:
            return  # a name that is not known today may be tomorrow; it is checked at every delivery
        if parts.scheme == "http" and not own:
            raise Refused("forbidden_address", "http only to addresses of `gateways`: elsewhere https", 422)


def show_screens(context: Context, who: Principal, ids: Sequence[int]) -> None:
    """Tell the open pages that these deliveries, or the endpoints, changed."""
    for number in ids or [0]:
        context.live.publish(Change("notice", who.community_id, str(number), {}))


def health(row: Row | None) -> dict[str, Any]:
    """How a target is, from its row; one without a row was never used."""
    if row is None:
        return {"failures": 0, "failing": False, "failing_since": None, "retry_at": None, "delivered_at": None,
                "trouble": "", "waiting": 0, "dead": 0}  # fmt: skip
    return {
        "failures": row["failures"], "failing": row["failures"] >= FAILING, "failing_since": row["failing_since"],
        "retry_at": row["retry_at"], "delivered_at": row["delivered_at"], "trouble": row["detail"],
        "waiting": row["waiting"], "dead": row["dead"],
    }  # fmt: skip


def _types(types: Sequence[str]) -> list[str]:
    known = set(webhooks.TYPES.values())
    wrong = [one for one in types if one not in known]
    if wrong or not types:
        raise Refused("bad_types", f"types are of {', '.join(sorted(known))}", 422)
    return sorted(set(types))


def _required(text: str, most: int) -> str:
    text = text.strip()
    if not text or len(text) > most or not text.isprintable():
        raise Refused("bad_text", f"a name of 1 to {most} printable characters is needed", 422)
    return text
