"""Checks of a profile's `modbus:` section against its kind."""

from hub.catalog.checkpoints import check_point
from hub.catalog.document import Document
from hub.catalog.problems import Key
from hub.vocabulary.kinds import KindSpec
from hub.vocabulary.modbus import ModbusPoint, ModbusSection, ModbusWrite
from hub.vocabulary.numbers import BYTES

_BITS = {"bool": (0, 1), "uint16": (0, 2**16 - 1), "int16": (-(2**15), 2**15 - 1)}
_RANGES = {**_BITS, "uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1)}


def words(point: ModbusPoint) -> int:
    """Registers a point takes; 1 for a coil or discrete input."""
    size = point.length or 0 if point.type == "string" else BYTES[point.type]
    return max(1, (size + 1) // 2)


def check_modbus(document: Document, section: ModbusSection, kind: KindSpec) -> None:
    """Points exist in the kind, registers lie in the table and in one request, written values fit their type."""
    for name, point in section.points.items():
        path: Key = ("modbus", "points", name)
        check_point(document, path, name, point, kind)
        if point.address + words(point) > 65_536:
            document.report((*path, "address"), f"at most {65_536 - words(point)}: {words(point)} registers follow")
        if words(point) > section.max_block and point.table in ("holding", "input"):
            document.report((*path, "type"), f"at most {section.max_block} registers (`max_block`)")
    for name, write in section.commands.items():
        _check_write(document, ("modbus", "commands", name), write)


def _check_write(document: Document, path: Key, write: ModbusWrite) -> None:
    if (write.table == "coil") != (write.type == "bool"):
        document.report((*path, "type"), "bool for a coil, an integer or float32 for a register")
        return
    if write.type in _RANGES:
        low, high = _RANGES[write.type]
        if not low <= write.value <= high or write.value != int(write.value):
            document.report((*path, "value"), f"a whole number from {low} to {high} ({write.type})")
    registers = 2 if write.type in ("uint32", "int32", "float32") else 1
    if write.address + registers > 65_536:
        document.report((*path, "address"), f"at most {65_536 - registers}: {registers} registers follow")
