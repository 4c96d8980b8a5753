"""Modbus devices for tests, without a store: kinds made to measure."""

from typing import Any

from hub.model import Device, Point
from hub.vocabulary.base import Text
from hub.vocabulary.kinds import KindSpec, PointSpec
from hub.vocabulary.modbus import ModbusAddress, ModbusSection
from hub.vocabulary.profiles import ModbusProfile
from hub.vocabulary.sites import DeviceSpec

NAME = Text(zh="测试", en="test")


def make_section(points: dict[str, dict[str, Any]], **more: Any) -> ModbusSection:
    return ModbusSection.model_validate({"points": points, **more})


def gauges(section: ModbusSection) -> dict[str, PointSpec]:
    """A plain gauge for every point of the section."""
    return {name: PointSpec(name=NAME, unit="1", type="gauge") for name in section.points}


def make_device(
    section: ModbusSection,
    unit: int = 1,
    code: str = "",
    specs: dict[str, PointSpec] | None = None,
    commands: dict[str, Any] | None = None,
) -> Device:
    """A device with the section's points; `commands` as in kinds.yaml."""
    code = code or f"dev-{unit}"
    kind = KindSpec.model_validate(
        {
            "name": NAME,
            "delivery": "telemetry",
            "silent_after": "1m",
            "points": specs or gauges(section),
            "commands": commands or {},
        }
    )
    profile = ModbusProfile.model_validate(
        {
            "profile": "test-1",
            "kind": "thing",
            "protocol": "modbus",
            "names": [{"vendor": "Test", "model": "1"}],
            "source": "made for the test",
            "modbus": section,
        }
    )
    return device_of(profile, kind, unit, code)


def device_of(profile: ModbusProfile, kind: KindSpec, unit: int, code: str) -> Device:
    spec = DeviceSpec(
        id=code, name=NAME, profile=profile.profile, place="plant", bus="bus-1", address=ModbusAddress(unit=unit)
    )
    points = {name: Point(index, name, point) for index, (name, point) in enumerate(kind.points.items(), 1)}
    return Device(
        id=unit,
        code=code,
        community_id=1,
        community="demo",
        zone="Asia/Shanghai",
        kind_name=profile.kind,
        kind=kind,
        profile=profile,
        spec=spec,
        points=points,
        place=NAME,
    )
