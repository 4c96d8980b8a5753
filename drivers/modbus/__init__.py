"""Modbus TCP on pymodbus: polls devices, writes commands, reads back."""

from drivers.modbus.driver import ModbusDriver

__all__ = ["ModbusDriver"]
