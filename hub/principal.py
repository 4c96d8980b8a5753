"""Who asks. Identity comes from the connection (session, API key, rule), never from a payload."""

from dataclasses import dataclass
from typing import Literal

from hub.errors import Refused

Role = Literal["viewer", "guard", "engineer", "finance", "admin"]

RIGHTS: dict[str, frozenset[Role]] = {
    "see": frozenset({"viewer", "guard", "engineer", "finance", "admin"}),
    "acknowledge": frozenset({"guard", "engineer", "admin"}),
    "work": frozenset({"guard", "engineer", "admin"}),
    "bill": frozenset({"finance", "admin"}),
    "replay": frozenset({"engineer", "admin"}),
    "maintain": frozenset({"engineer", "admin"}),
    "configure": frozenset({"engineer", "admin"}),
    "supervise": frozenset({"admin"}),
    "administer": frozenset({"admin"}),
}
"""Right -> roles that have it. Rights to single commands stand in `kinds.yaml` (`roles`)."""


@dataclass(frozen=True)
class Principal:
    """A signed-in person, machine or rule in one community."""

    actor: str  # "user:li", "key:gate-kiosk", "rule:door-forced"
    community_id: int
    role: Role
    remote: str = ""
    language: str = "zh-CN"

    def require(self, right: str) -> None:
        """Refused(403) when the role lacks the right."""
        if self.role not in RIGHTS[right]:
            raise Refused("forbidden", f"the role {self.role} may not {right}", 403)
