"""Virtual devices: a patrol route, a gateway, a group of meters. They have no wire; the hub itself speaks for them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from hub.vocabulary.base import Code, Model, Name

Expression = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""A CEL expression (Common Expression Language); `rules/expressions.py` says which names and functions it knows."""


class CalculatedPoint(Model):
    """A point computed from points of other devices, each time one of them changes."""

    expression: Expression = Field(
        description="over the address's `inputs`: `main.flow`, `sum(subs.flow)`; nothing is stored while one is unknown"
    )


class VirtualSection(Model):
    """`virtual:` of a profile."""

    points: list[Name] = Field(default=[], description="told by a module or by the hub")
    calculated: dict[Name, CalculatedPoint] = {}


class VirtualBus(Model):
    """Where a site's virtual devices stand; nothing is connected."""

    protocol: Literal["virtual"]


class VirtualAddress(Model):
    """What a virtual device stands for."""

    bus: Code | None = Field(default=None, description="kind gateway: the bus whose connection it shows")
    inputs: dict[Name, Code | list[Code]] = Field(
        default={}, description="what its expressions call a device, or several -> device ids of this site"
    )
