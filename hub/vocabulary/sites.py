"""Which devices exist, where, on which bus: `config/sites/<community>.yaml`."""

from typing import Annotated, Literal

from pydantic import Field

from hub.vocabulary.base import Code, Model, Text
from hub.vocabulary.modbus import ModbusAddress, ModbusBus
from hub.vocabulary.mqtt import MqttAddress, MqttBus
from hub.vocabulary.rtsp import RtspAddress, RtspBus
from hub.vocabulary.virtual import VirtualAddress, VirtualBus

PlaceKind = Literal["community", "building", "unit", "floor", "room", "gate", "plant_room", "elevator_shaft", "area"]

PlacePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}$")]
"""`b1/u1/f03/0301`: building, unit, floor, room."""

DrawingFile = Annotated[str, Field(pattern=r"^drawings/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\.(svg|png|jpg|jpeg|webp)$")]
"""`drawings/garage.svg`, beside the site file."""

Share = Annotated[float, Field(ge=0, le=1)]

Bus = Annotated[MqttBus | ModbusBus | RtspBus | VirtualBus, Field(discriminator="protocol")]


class Community(Model):
    """The residential community (小区) a site file describes."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    name: Text
    time_zone: str = "Asia/Shanghai"
    drawing: DrawingFile | None = Field(default=None, description="the site plan (总平面图) on which its places stand")


class Place(Model):
    """A node of the asset tree; its parent is its path without the last part."""

    path: PlacePath
    kind: PlaceKind
    name: Text
    drawing: DrawingFile | None = Field(default=None, description="its floor plan, on which what is in it stands")


class DeviceSpec(Model):
    """One installed device."""

    id: Code
    name: Text
    profile: Code
    place: PlacePath
    bus: Code
    address: MqttAddress | ModbusAddress | RtspAddress | VirtualAddress = VirtualAddress()
    parent: Code | None = Field(
        default=None, description="the device above it (main meter, controller); default: the gateway of its bus"
    )
    outdoors: bool = Field(default=False, description="it stands in the open: its temperature is the weather's")
    multiplier: int = Field(default=1, ge=1, le=100_000, description="current/voltage transformer ratio of a meter")
    rollover: int | None = Field(default=None, ge=1, description="counter returns to 0 at this many canonical units")


class Position(Model):
    """Where a device, or a place, stands on the drawing of the nearest place that has one (for a place: above it)."""

    device: Code | None = None
    place: PlacePath | None = None
    x: Share = Field(description="share of the drawing's width, from its left edge")
    y: Share = Field(description="share of its height, from its top edge")


class SiteFile(Model):
    """A site as a whole. Long lists may stand in CSV files beside it, named under `tables`."""

    community: Community
    places: list[Place] = []
    buses: dict[Code, Bus]
    devices: list[DeviceSpec] = []
    positions: list[Position] = Field(default=[], description='the page "Floor plan" writes this table')
    tables: dict[Literal["places", "devices", "positions"], str] = Field(
        default={},
        description="CSV beside the site file; columns are the field names, nested ones dotted (name.zh)",
    )
