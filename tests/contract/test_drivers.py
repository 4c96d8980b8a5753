"""What every driver promises (`hub.ports.Driver`), whatever its protocol. A new driver joins CASES and must pass."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from drivers.plugin import DriversPlugin
from hub.clock import SystemClock, to_us
from hub.errors import BadFrame, Expired, Misconfigured, Unreachable
from hub.model import Arrival, CommandRequest, Device
from hub.ports import Driver
from hub.vocabulary.modbus import ModbusBus
from hub.vocabulary.mqtt import MqttBus
from hub.vocabulary.rtsp import RtspBus
from tests.unit.camera_devices import camera_device
from tests.unit.demo_devices import demo_devices

NOWHERE = 1  # a port nobody listens on
CASES: dict[str, tuple[MqttBus | ModbusBus | RtspBus, str, str]] = {
    "mqtt": (MqttBus(protocol="mqtt", url=f"mqtt://127.0.0.1:{NOWHERE}"), "door-b1-u1", "open"),
    "modbus": (ModbusBus(protocol="modbus", host="127.0.0.1", port=NOWHERE), "pump-1", "start"),
    "rtsp": (RtspBus(protocol="rtsp"), "cam-lobby", "open"),
}


class Deaf:
    """An intake that must hear nothing."""

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        raise AssertionError(f"nothing was there to say {arrivals}")

    def full(self, urgent: bool = False) -> bool:
        return False

    def on_room(self, callback: Any, urgent: bool = False) -> None:
        pass


def make(protocol: str) -> tuple[Driver, Device, str]:
    bus, code, command = CASES[protocol]
    known = [*demo_devices(), camera_device(f"rtsp://127.0.0.1:{NOWHERE}/live")]
    devices = [device for device in known if device.profile.protocol == protocol]
    device = next(device for device in devices if device.code == code)
    mates = [other for other in devices if other.spec.bus == device.spec.bus]
    driver = DriversPlugin().drivers()[protocol]("test", bus, mates, SystemClock(), lambda *_: None)
    return driver, device, command


def test_every_protocol_we_bring_is_held_to_the_contract() -> None:
    assert set(CASES) == set(DriversPlugin().drivers())


@pytest.mark.parametrize("protocol", CASES)
async def test_a_peer_that_is_not_there_is_unreachable_and_named(protocol: str) -> None:
    driver, _, _ = make(protocol)
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        async with asyncio.timeout(30):
            await driver.run(Deaf())


@pytest.mark.parametrize("protocol", CASES)
async def test_an_expired_command_is_never_sent(protocol: str) -> None:
    driver, device, command = make(protocol)
    expired = CommandRequest("c1", device, command, "test", to_us(SystemClock().now()) - 1)
    with pytest.raises(Expired, match="expired"):
        await driver.execute(expired)


@pytest.mark.parametrize("protocol", CASES)
async def test_a_command_the_profile_does_not_know_is_misconfigured(protocol: str) -> None:
    driver, device, _ = make(protocol)
    later = to_us(SystemClock().now()) + 500_000
    with pytest.raises(Misconfigured, match="dance"):
        await driver.execute(CommandRequest("c1", device, "dance", "test", later))


@pytest.mark.parametrize("protocol", CASES)
def test_bytes_from_nowhere_are_a_dead_letter_with_a_reason(protocol: str) -> None:
    driver, _, _ = make(protocol)
    for source in ("", "nonsense", "community/demo/door/nobody/event", "unit=250 holding 0+1"):
        with pytest.raises(BadFrame) as caught:
            driver.decoder().decode(Arrival("test", source, b"\x00\xff" * 40, to_us(SystemClock().now())))
        assert caught.value.reason and caught.value.detail


@pytest.mark.parametrize("protocol", CASES)
def test_the_same_devices_again_change_nothing_and_none_at_all_is_fine(protocol: str) -> None:
    driver, device, _ = make(protocol)
    driver.update([device])
    driver.update([msgspec.structs.replace(device)])
    driver.update([])
