"""What a door, a pump or an electricity meter *is*: `config/kinds.yaml`. Rules, billing and pages know only this."""

from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from hub.vocabulary.base import Duration, Model, Name, Text


class Delivery(StrEnum):
    """How hard the hub fights for a message when it is flooded; from hardest to softest."""

    LIFE_SAFETY = "life_safety"
    SECURITY = "security"
    STATE = "state"
    TELEMETRY = "telemetry"
    MEDIA = "media"


class PointSpec(Model):
    """One measured or counted quantity of a kind."""

    name: Text
    unit: str = Field(description="UCUM code; '1' for a plain number or an enumeration")
    type: Literal["gauge", "counter", "state"] = Field(
        description="gauge: any value now; counter: only grows, consumption is a difference; state: one of `values`"
    )
    values: dict[Name, int] = Field(default={}, description="state points: code name -> stored number")
    minimum: float | None = Field(default=None, description="below this a value is implausible")
    maximum: float | None = Field(default=None, description="above this a value is implausible")
    required: bool = False
    note: str = Field(default="", description="meaning, sign convention")

    @model_validator(mode="after")
    def _state_has_values(self) -> "PointSpec":
        if (self.type == "state") != bool(self.values):
            raise ValueError("`values` belong to points of type state, and to them always")
        return self


class FieldSpec(Model):
    """One field of an event's data."""

    name: Text
    type: Literal["text", "number", "boolean", "code"]
    values: list[Name] = Field(default=[], description="type code: the allowed words")
    private: bool = Field(default=False, description="masked in logs and for roles without the right (card, plate)")


class EventSpec(Model):
    """Something that happened at a device of a kind."""

    name: Text
    delivery: Delivery
    data: dict[Name, FieldSpec] = {}


class ConfirmSpec(Model):
    """What proves that a command took effect: the device's own event, or a point read back."""

    event: Name | None = None
    where: dict[Name, str] = Field(default={}, description="event data fields that must equal these")
    point: Name | None = None
    equals: Name | float | None = Field(default=None, description="value or state word the point must show")

    @model_validator(mode="after")
    def _one_proof(self) -> "ConfirmSpec":
        if (self.event is None) == (self.point is None):
            raise ValueError("exactly one of `event` and `point` proves a command")
        return self


class CommandSpec(Model):
    """What may be asked of a device of a kind."""

    name: Text
    ttl: Duration = Field(description="time to live; afterwards it is never sent (door 10s, barrier 5s)")
    confirm: ConfirmSpec
    roles: list[Literal["guard", "engineer", "finance", "admin"]] = ["guard", "engineer", "admin"]
    reason_required: bool = False


class KindSpec(Model):
    """A kind of device: its points, events and commands."""

    name: Text
    delivery: Delivery = Field(description="class of its readings")
    silent_after: Duration = Field(description="no message for so long means the device is silent")
    points: dict[Name, PointSpec] = {}
    events: dict[Name, EventSpec] = {}
    commands: dict[Name, CommandSpec] = {}
    values: dict[Name, Text] = Field(
        default={}, description="words of its values; those that are missing: the table `values` of the file"
    )

    @property
    def codes(self) -> set[str]:
        """The values that its state points and its events' fields can have."""
        said = {code for event in self.events.values() for field in event.data.values() for code in field.values}
        return said.union(*(point.values for point in self.points.values()))

    def word(self, code: str) -> Text:
        """A value as people read it; the code itself where it has no word."""
        return self.values.get(code) or Text(zh=code, en=code)

    @model_validator(mode="after")
    def _proofs_exist(self) -> "KindSpec":
        for name, command in self.commands.items():
            proof = command.confirm
            if proof.event is not None and proof.event not in self.events:
                raise ValueError(f"commands.{name}.confirm.event: this kind has no event {proof.event!r}")
            if proof.point is not None and proof.point not in self.points:
                raise ValueError(f"commands.{name}.confirm.point: this kind has no point {proof.point!r}")
        return self


class KindsFile(Model):
    """`config/kinds.yaml` as a whole."""

    kinds: dict[Name, KindSpec]
    values: dict[Name, Text] = Field(default={}, description="words of values, for every kind that has them")
