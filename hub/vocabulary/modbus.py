"""The Modbus part of profiles and sites (MODBUS Application Protocol V1.1b3)."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from hub.vocabulary.base import Duration, Model, Name
from hub.vocabulary.numbers import NumberLayout, WordOrder

Table = Literal["coil", "discrete", "holding", "input"]


class Report(Model):
    """When a polled value is stored: on change beyond `deadband`, and at least `every`. Default: each poll."""

    deadband: float = Field(ge=0, description="canonical units; 0 stores every change")
    every: Duration = Field(description="store at least so often, changed or not")


class ModbusPoint(NumberLayout):
    """One point in a Modbus table."""

    table: Table
    address: int = Field(ge=0, le=65535, description="zero-based protocol address, not 4xxxx notation")
    poll: Duration = timedelta(seconds=10)
    report: Report | None = None

    @model_validator(mode="after")
    def _bits_are_bool(self) -> "ModbusPoint":
        if (self.table in ("coil", "discrete")) != (self.type == "bool"):
            raise ValueError("coils and discrete inputs are type bool; registers are not (use `bit`)")
        if self.poll.total_seconds() < 0.1:
            raise ValueError("`poll` below 100ms floods a bus")
        return self


class ModbusWrite(Model):
    """A command as one register or coil write (functions 5, 6, 16)."""

    table: Literal["coil", "holding"]
    address: int = Field(ge=0, le=65535)
    type: Literal["bool", "uint16", "int16", "uint32", "int32", "float32"] = "uint16"
    value: float = Field(description="raw value written")


class ModbusSection(Model):
    """`modbus:` of a profile."""

    byte_order: WordOrder = "ABCD"
    max_gap: int = Field(default=8, ge=0, le=124, description="read over so many unused registers to save a request")
    max_block: int = Field(default=125, ge=1, le=125, description="registers per request")
    points: dict[Name, ModbusPoint]
    commands: dict[Name, ModbusWrite] = {}


class ModbusBus(Model):
    """A Modbus TCP server or gateway of a site."""

    protocol: Literal["modbus"]
    host: str
    port: int = Field(default=502, ge=1, le=65535)
    timeout: Duration = timedelta(seconds=1)


class ModbusAddress(Model):
    """Where on its bus a device is."""

    unit: int = Field(ge=0, le=255)
