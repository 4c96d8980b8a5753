"""How raw bytes become a number: shared by Modbus registers and binary MQTT payloads."""

from typing import Literal

from pydantic import Field, model_validator

from hub.vocabulary.base import Model

NumberType = Literal[
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float32", "float64", "bcd16", "bcd32", "bcd48", "bcd64", "string",
]  # fmt: skip

WordOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
"""ABCD big-endian; CDAB words swapped; BADC bytes swapped in each word; DCBA little-endian. Longer types alike."""

BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "float32": 4, "float64": 8, "bcd16": 2, "bcd32": 4, "bcd48": 6, "bcd64": 8,
}  # fmt: skip


class Scaling(Model):
    """raw -> canonical value: `map` first where given, else (raw * scale + offset), exact for powers of ten."""

    scale: float = Field(default=1.0, description="canonical units per raw count; converts the unit once, here")
    offset: float = 0.0
    map: dict[str, float | str] | None = Field(
        default=None, description="raw value as text -> number, or a state word of the kind"
    )

    @model_validator(mode="after")
    def _scale_is_useful(self) -> "Scaling":
        if self.scale == 0:
            raise ValueError("`scale` 0 would make every value the same")
        if self.map is not None and (self.scale, self.offset) != (1.0, 0.0):
            raise ValueError("a mapped value is not scaled: give `map` or `scale`/`offset`, not both")
        return self


class NumberLayout(Scaling):
    """A number's place in bytes."""

    type: NumberType
    order: WordOrder | None = Field(default=None, description="overrides the section's order")
    bit: int | None = Field(default=None, ge=0, le=63, description="take one bit of an integer type")
    length: int | None = Field(default=None, ge=1, le=120, description="type string: bytes")

    @model_validator(mode="after")
    def _fits(self) -> "NumberLayout":
        if (self.type == "string") != (self.length is not None):
            raise ValueError("`length` belongs to type string, and to it always")
        if self.bit is not None and (
            self.type not in BYTES or "int" not in self.type or self.bit >= BYTES[self.type] * 8
        ):
            raise ValueError("`bit` must lie inside an integer type")
        return self
