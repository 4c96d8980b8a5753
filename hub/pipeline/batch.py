"""What one batch holds on its way through the stages."""

from dataclasses import dataclass, field

from hub.alarms.book import Outcome, Transition
from hub.commands.desk import Proof
from hub.decisions import Decision
from hub.model import Arrival, DeadLetter, Device, Frame
from hub.store.writer import Newest


@dataclass
class Batch:
    """Filled stage by stage; nothing of it is true before `commit`."""

    arrivals: list[Arrival]
    frames: list[Frame] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    duplicates: int = 0
    decision: Decision = field(default_factory=lambda: Decision([], [], []))
    heard_until: int | None = None  # up to when all that could be heard has been, where that is to be written down
    proofs: list[Proof] = field(default_factory=list)
    alarms: Outcome = field(default_factory=Outcome)
    newest: Newest = field(default_factory=dict)
    seen: list[tuple[Device, int]] = field(default_factory=list)  # device, received
    states: list[tuple[Device, str, str]] = field(default_factory=list)  # device, run state, detail

    @property
    def transitions(self) -> list[Transition]:
        return self.alarms.transitions
