"""Where one device model keeps what its kind promises: `config/profiles/<kind>/<vendor>-<model>.yaml`."""

from typing import Annotated, Literal

from pydantic import Field

from hub.vocabulary.base import Code, Duration, Model, Name
from hub.vocabulary.modbus import ModbusSection
from hub.vocabulary.mqtt import MqttSection
from hub.vocabulary.rtsp import RtspSection
from hub.vocabulary.virtual import VirtualSection


class ModelName(Model):
    """A maker and what it calls this model."""

    vendor: str
    model: str


class ProfileBase(Model):
    """What every profile says, whatever its protocol."""

    profile: Code
    kind: Name
    names: list[ModelName] = Field(min_length=1)
    source: str = Field(min_length=3, description="the manual and page the addresses come from")
    level: Literal["draft", "simulated", "recorded", "field"] = "draft"
    silent_after: Duration | None = Field(default=None, description="overrides the kind's")


class MqttProfile(ProfileBase):
    """A device that speaks MQTT."""

    protocol: Literal["mqtt"]
    mqtt: MqttSection


class ModbusProfile(ProfileBase):
    """A device that answers Modbus."""

    protocol: Literal["modbus"]
    modbus: ModbusSection


class RtspProfile(ProfileBase):
    """A camera that gives its pictures by RTSP."""

    protocol: Literal["rtsp"]
    rtsp: RtspSection = RtspSection()


class VirtualProfile(ProfileBase):
    """A device without a wire: what it says is computed here or told by a module."""

    protocol: Literal["virtual"]
    virtual: VirtualSection = VirtualSection()


AnyProfile = MqttProfile | ModbusProfile | RtspProfile | VirtualProfile
"""A profile of any protocol."""

Profile = Annotated[MqttProfile | ModbusProfile | RtspProfile | VirtualProfile, Field(discriminator="protocol")]
