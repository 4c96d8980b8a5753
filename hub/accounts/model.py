"""What a sign-in gives, and what a session or key says of who asks."""

from dataclasses import dataclass
from datetime import datetime
from typing import cast

from hub.errors import Refused
from hub.principal import Principal, Role
from hub.store.database import Row


@dataclass(frozen=True)
class NewAccount:
    """An account just made; the only moment its password is known."""

    name: str
    password: str


@dataclass(frozen=True)
class Session:
    """A sign-in: the token goes to the browser and nowhere else."""

    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Membership:
    """A role in one community."""

    community_id: int
    code: str
    name: dict[str, str]
    time_zone: str
    role: Role


@dataclass(frozen=True)
class Identity:
    """Who a valid session or API key belongs to, with every community it opens."""

    actor: str
    name: str
    language: str
    memberships: tuple[Membership, ...]
    expires_at: datetime | None = None

    def membership(self, code: str | None = None) -> Membership:
        """The community asked for, or the first. Refused(403) alike for a foreign and an unknown one."""
        for membership in self.memberships:
            if code in (None, "", membership.code):
                return membership
        raise Refused("forbidden", "no role in this community", 403)

    def principal(self, code: str | None = None, remote: str = "") -> Principal:
        """The principal in that community. Refused(403)."""
        membership = self.membership(code)
        return Principal(self.actor, membership.community_id, membership.role, remote, self.language)


def membership_of(row: Row) -> Membership:
    """A membership from a row of the queries `identify` and `identify_key`."""
    return Membership(
        row["community_id"], row["code"], row["community_name"], row["time_zone"], cast(Role, row["role"])
    )
