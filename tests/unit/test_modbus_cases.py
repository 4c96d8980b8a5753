"""Recordings as data: `tests/cases/modbus/<profile>/*.yaml`, frames worked out by hand from the manuals' tables.

A case gives the source and payload of an arrival, and either the readings (null: bad) or the dead-letter reason.
"""

from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from drivers.modbus import ModbusDriver
from hub.catalog.load import Catalog, load_catalog
from hub.catalog.paths import packaged_config
from hub.clock import SystemClock
from hub.codecs.modbus import decode_block, encode_block, plan_blocks
from hub.errors import BadFrame
from hub.model import Arrival, Device, Frame, Quality
from hub.vocabulary.modbus import ModbusBus
from hub.vocabulary.profiles import ModbusProfile
from tests.unit.modbus_devices import device_of

FOLDER = Path(__file__).parents[1] / "cases" / "modbus"
CASES = sorted(FOLDER.glob("*/*.yaml"))


@cache
def catalog() -> Catalog:
    return load_catalog([packaged_config()], {})


def shipped(name: str) -> Device:
    profile = catalog().profiles[name]
    assert isinstance(profile, ModbusProfile)
    return device_of(profile, catalog().kinds[profile.kind], 7, "dev-7")


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    case = YAML(typ="safe").load(path)
    bus = ModbusBus.model_validate({"protocol": "modbus", "host": "127.0.0.1"})
    driver = ModbusDriver("bus", bus, [shipped(path.parent.name)], SystemClock(), lambda *_: None)
    arrival = Arrival("bus", case["source"], bytes.fromhex(case["payload"]), 1)
    if "reason" in case:
        with pytest.raises(BadFrame) as caught:
            driver.decoder().decode(arrival)
        assert caught.value.reason == case["reason"]
        return
    (frame,) = driver.decoder().decode(arrival)
    assert isinstance(frame, Frame)
    assert {reading.point.name: reading.value for reading in frame.readings} == case["readings"]
    assert all((reading.value is None) == bool(reading.quality & Quality.BAD) for reading in frame.readings)


def test_every_shipped_modbus_profile_has_a_case() -> None:
    profiles = {name for name, profile in catalog().profiles.items() if isinstance(profile, ModbusProfile)}
    assert profiles == {path.parent.name for path in CASES}


@pytest.mark.parametrize("name", sorted({path.parent.name for path in CASES}))
def test_what_a_simulated_device_says_is_what_is_read(name: str) -> None:
    device = shipped(name)
    assert isinstance(device.profile, ModbusProfile)
    for block in plan_blocks(device.profile.modbus, device.kind.points):
        values = {entry.name: float(max(entry.spec.values.values(), default=8)) for entry in block.points}
        found = decode_block(device, block, encode_block(block, values))
        assert {reading.point.name: reading.value for reading in found} == pytest.approx(values, rel=1e-6)
