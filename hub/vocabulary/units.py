"""The units we accept: UCUM codes (ucum.org, case-sensitive), each with the symbol and names people read."""

from dataclasses import dataclass

from hub.vocabulary.base import Text


@dataclass(frozen=True)
class Unit:
    """How one UCUM code is shown."""

    symbol: str
    name: Text


def _unit(symbol: str, zh: str, en: str) -> Unit:
    return Unit(symbol, Text(zh=zh, en=en))


UNITS: dict[str, Unit] = {
    "1": _unit("", "无量纲", "dimensionless"),
    "%": _unit("%", "百分比", "percent"),
    "s": _unit("s", "秒", "second"),
    "min": _unit("min", "分钟", "minute"),
    "h": _unit("h", "小时", "hour"),
    "m": _unit("m", "米", "metre"),
    "mm": _unit("mm", "毫米", "millimetre"),
    "m/s": _unit("m/s", "米每秒", "metre per second"),
    "mm/s": _unit("mm/s", "毫米每秒", "millimetre per second"),
    "kg": _unit("kg", "千克", "kilogram"),
    "m3": _unit("m³", "立方米", "cubic metre"),
    "L": _unit("L", "升", "litre"),
    "m3/h": _unit("m³/h", "立方米每小时", "cubic metre per hour"),
    "L/s": _unit("L/s", "升每秒", "litre per second"),
    "Pa": _unit("Pa", "帕", "pascal"),
    "kPa": _unit("kPa", "千帕", "kilopascal"),
    "MPa": _unit("MPa", "兆帕", "megapascal"),
    "Cel": _unit("°C", "摄氏度", "degree Celsius"),
    "W": _unit("W", "瓦", "watt"),
    "kW": _unit("kW", "千瓦", "kilowatt"),
    "kW.h": _unit("kWh", "千瓦时", "kilowatt hour"),
    "kV.A": _unit("kVA", "千伏安", "kilovolt-ampere"),
    "V": _unit("V", "伏", "volt"),
    "A": _unit("A", "安", "ampere"),
    "mA": _unit("mA", "毫安", "milliampere"),
    "Hz": _unit("Hz", "赫兹", "hertz"),
    "/min": _unit("r/min", "转每分", "per minute"),
    "lx": _unit("lx", "勒克斯", "lux"),
    "dB": _unit("dB", "分贝", "decibel"),
    "ug/m3": _unit("µg/m³", "微克每立方米", "microgram per cubic metre"),
    "mg/m3": _unit("mg/m³", "毫克每立方米", "milligram per cubic metre"),
    "[ppm]": _unit("ppm", "百万分之一", "parts per million"),
    "mg/L": _unit("mg/L", "毫克每升", "milligram per litre"),
    "[pH]": _unit("pH", "酸碱度", "acidity"),
}


def symbol(code: str) -> str:
    """What a person reads beside a value; "" for plain numbers. KeyError for a code outside the list."""
    return UNITS[code].symbol
