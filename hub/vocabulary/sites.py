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

Bus = Annotated[MqttBus | ModbusBus | RtspBus | VirtualBus, Field(discriminator="protocol")]


class Community(Model):
    """The residential community (小区) a site file describes."""

    code: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    name: Text
    time_zone: str = "Asia/Shanghai"


class Place(Model):
    """A node of the asset tree; its parent is its path without the last part."""

    path: PlacePath
    kind: PlaceKind
    name: Text


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


class SiteFile(Model):
    """A site as a whole. Long lists may stand in CSV files beside it, named under `tables`."""

    community: Community
    places: list[Place] = []
    buses: dict[Code, Bus]
    devices: list[DeviceSpec] = []
    tables: dict[Literal["places", "devices"], str] = Field(
        default={},
        description="CSV beside the site file; columns are the field names, nested ones dotted (name.zh)",
    )
