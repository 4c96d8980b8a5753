"""What every route and page reaches: the running hub's context and the desks over it. One an app, never global."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import HTTPConnection

from hub.accounts.service import Accounts
from hub.context import Context
from hub.errors import Refused
from hub.readmodel.desk import ReadDesk
from hub.rulebook.service import Rulebook
from hub.shared import Shared


@dataclass
class Hub:
    """The desks behind the pages and the API."""

    context: Context
    accounts: Accounts = field(init=False)
    reads: ReadDesk = field(init=False)
    shared: Shared[Any] = field(init=False, default_factory=Shared)

    def __post_init__(self) -> None:
        context = self.context
        self.accounts = Accounts(context.database, context.clock, session_hours=context.settings.session_hours)
        self.reads = ReadDesk(context)

    @property
    def rulebook(self) -> Rulebook:
        """The rules' desk. Refused(503) in a hub without a rules engine."""
        if self.context.rulebook is None:
            raise Refused("no_rulebook", "this hub has no rulebook", 503)
        return self.context.rulebook


def hub_of(connection: HTTPConnection) -> Hub:
    """The hub behind a request or socket."""
    hub = connection.app.state.hub
    assert isinstance(hub, Hub)
    return hub
