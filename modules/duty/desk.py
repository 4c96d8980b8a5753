"""What every use case of duty needs: the transaction, the person behind the account, the word to live screens."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from hub.context import Context
from hub.live import Change
from hub.principal import RIGHTS, Principal
from hub.store.database import Connection, Row
from modules.duty import store


class Desk:
    """The ground of the services of duty."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def session(self, who: Principal) -> AbstractAsyncContextManager[Connection]:
        return self._context.database.session([who.community_id])

    def now(self) -> datetime:
        return self._context.clock.now()

    def announce(self, community_id: int, what: str, key: object = "") -> None:
        """Live screens read again what they show; who may not see a person learns nothing from this."""
        self._context.live.publish(Change("duty", community_id, f"{what}:{key}", {"what": what, "id": str(key)}))


def may(who: Principal, right: str) -> bool:
    return who.role in RIGHTS[right]


async def person_of(connection: Connection, who: Principal) -> Row | None:
    """The person whose account the principal signed in with; None for keys, rules and accounts of nobody here."""
    sort, _, account = who.actor.partition(":")
    if sort != "user":
        return None
    return await store.row(connection, "person_of_account", who.community_id, account=account)


def plain(value: Any) -> Any:
    """Rows as JSON values: instants ISO 8601 UTC, days and times ISO 8601, the same at any depth."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
