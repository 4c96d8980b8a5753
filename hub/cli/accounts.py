"""`hub account`: sign-ins made from the command line, the first of all among them."""

from hub.accounts.model import NewAccount
from hub.accounts.service import Accounts
from hub.catalog.load import Catalog
from hub.cli.offline import offline
from hub.context import Context
from hub.errors import Misconfigured
from hub.principal import Role
from hub.settings import Settings


async def add(settings: Settings, conninfo: str, catalog: Catalog, community: str, name: str, role: Role) -> NewAccount:
    """A new account in a community with a drawn password. Refused: bad or taken name; Misconfigured: community."""
    async with offline(settings, conninfo, catalog) as context:
        accounts = Accounts(context.database, context.clock, session_hours=settings.session_hours)
        return await accounts.create_account(name, None, {community_of(context, community): role})


def community_of(context: Context, code: str) -> int:
    """The number of a community, of the only one when `code` is empty. Misconfigured names those there are."""
    known = ", ".join(sorted(context.communities)) or "none; start the hub once"
    if not code and len(context.communities) == 1:
        return next(iter(context.communities.values()))
    if code not in context.communities:
        raise Misconfigured(f"name a community with --community; there are: {known}")
    return context.communities[code]
