"""Tools for integrators on the hub's own code paths: decode a payload, read a device, give it a command."""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from hub.app import config_roots
from hub.catalog.devices import LocalIds, build_device, build_devices, on_bus
from hub.catalog.load import Catalog, load_catalog
from hub.clock import Clock, SystemClock, from_us
from hub.codecs.modbus import plan_blocks
from hub.commands.proof import proves
from hub.errors import BadFrame, Misconfigured, Unreachable
from hub.model import Arrival, CommandRequest, DeadLetter, Device, Frame, Quality
from hub.pipeline.intake import ArrivalQueue
from hub.pipeline.stages import visible
from hub.plugins import OffersDrivers, load_plugs, offering
from hub.ports import Decoder, Driver
from hub.settings import Settings
from hub.tasks import end
from hub.vocabulary.kinds import Delivery
from hub.vocabulary.modbus import ModbusAddress, ModbusBus
from hub.vocabulary.mqtt import MqttAddress, MqttBus
from hub.vocabulary.profiles import ModbusProfile, MqttProfile, RtspProfile, VirtualProfile
from hub.vocabulary.rtsp import RtspAddress, RtspBus
from hub.vocabulary.sites import Bus, Community, DeviceSpec, SiteFile


def catalog_of(settings: Settings, mqtt_url: str = "") -> Catalog:
    """The configuration as the running hub has it. CatalogError."""
    environment = {**os.environ, **({"HUB_MQTT_URL": mqtt_url} if mqtt_url else {})}
    return load_catalog(config_roots(settings), environment)


def make_driver(name: str, bus: Bus, devices: Sequence[Device], clock: Clock) -> Driver:
    """A driver of its own for a bus: an MQTT session of this tool, not the hub's. Misconfigured."""
    if isinstance(bus, MqttBus):
        bus = bus.model_copy(update={"client_id": f"{bus.client_id}-tool-{uuid4().hex[:8]}", "persistent": False})
    for plug in offering(load_plugs(), OffersDrivers):
        if make := plug.drivers().get(bus.protocol):
            return make(name, bus, devices, clock, lambda _device, _state, _detail: None)
    raise Misconfigured(f"no plug brings the protocol {bus.protocol!r}")


# -- decode ------------------------------------------------------------------------------------------------------


def decode(catalog: Catalog, profile: str, source: str, payload: bytes, clock: Clock) -> Iterator[str]:
    """JSON lines of what a payload would become at a device of this profile.

    Misconfigured: no such profile; BadFrame: why the payload would be a dead letter.
    """
    if isinstance(catalog.profiles.get(profile), VirtualProfile):
        raise Misconfigured(f"{profile!r} is the profile of a virtual device: nothing comes to it over a wire")
    if profile not in catalog.profiles:
        raise Misconfigured(f"there is no profile {profile!r}; there are: {', '.join(sorted(catalog.profiles))}")
    device = _specimen(catalog, profile)
    buses: dict[str, Bus] = {
        "mqtt": MqttBus(protocol="mqtt", url="mqtt://localhost"), "rtsp": RtspBus(protocol="rtsp"),
        "modbus": ModbusBus(protocol="modbus", host="localhost"),
    }  # fmt: skip
    decoder = make_driver("decode", buses[device.profile.protocol], [device], clock).decoder()
    arrival = Arrival("decode", source or default_source(device), payload, clock.now_us())
    yield from lines(decoder.decode(arrival), private=True)


def _specimen(catalog: Catalog, profile: str) -> Device:
    """An installed device of the profile, else one made up."""
    for device in build_devices(catalog, LocalIds()).values():
        if device.spec.profile == profile:
            return device
    made_up = catalog.profiles[profile]
    address: MqttAddress | ModbusAddress | RtspAddress = ModbusAddress(unit=1)
    if isinstance(made_up, MqttProfile):
        address = MqttAddress(device="device-1")
    elif isinstance(made_up, RtspProfile):
        address = RtspAddress(url="rtsp://localhost/")
    spec = DeviceSpec(
        id="device-1", name={"zh": "样机", "en": "specimen"}, profile=profile, place="somewhere", bus="bus",
        address=address,
    )  # fmt: skip
    site = SiteFile(community=Community(code="demo", name={"zh": "样板", "en": "specimen"}), buses={}, devices=[spec])
    return build_device(catalog, site, spec, 1, LocalIds(), {})


def default_source(device: Device) -> str:
    """The first topic of an MQTT profile, or the first block of a Modbus one, for this device."""
    if isinstance(device.profile, ModbusProfile):
        section = device.profile.modbus
        block = plan_blocks(section, device.kind.points)[0]
        assert isinstance(device.spec.address, ModbusAddress)
        return f"unit={device.spec.address.unit} {block.table} {block.address}+{block.count}"
    if isinstance(device.profile, VirtualProfile | RtspProfile):
        return device.code
    assert isinstance(device.spec.address, MqttAddress)
    words = {"{community}": device.community, "{device}": device.spec.address.device, "{any}": "any"}
    return "/".join(words.get(level, level) for level in device.profile.mqtt.messages[0].topic.split("/"))


def lines(found: Sequence[Frame | DeadLetter], *, private: bool = False) -> Iterator[str]:
    """Frames and dead letters as JSON lines; cards and plates masked unless `private` (they came from the caller)."""
    for item in found:
        if isinstance(item, DeadLetter):
            yield _line({"dead_letter": item.reason, "detail": item.detail})
            continue
        head = {"device": item.device.code, "at": from_us(item.ts).isoformat()}
        if item.online is not None:
            yield _line({**head, "online": item.online})
        for reading in item.readings:
            words = {number: word for word, number in reading.point.spec.values.items()}
            shown: dict[str, Any] = {"point": reading.point.name, "value": reading.value}
            if reading.value is not None and (word := words.get(int(reading.value))):
                shown["state"] = word
            if reading.point.spec.type != "state":
                shown["unit"] = reading.point.spec.unit
            if reading.quality:
                shown["quality"] = Quality(reading.quality).name
            yield _line({**head, **shown})
        for event in item.events:
            data = event.data if private else visible(item.device, event.name, event.data)
            yield _line({**head, "event": event.name, "id": event.id.hex(), "data": data})


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- read and write ----------------------------------------------------------------------------------------------


def find_device(catalog: Catalog, code: str) -> tuple[Device, Bus, list[Device]]:
    """A device by its id, its bus, and all devices of that bus. Misconfigured: there is none, or in two communities."""
    devices = build_devices(catalog, LocalIds())
    found = [device for device in devices.values() if code in (device.code, f"{device.community}/{device.code}")]
    if len(found) != 1:
        many = ", ".join(f"{device.community}/{device.code}" for device in found)
        raise Misconfigured(f"{code!r} is in several communities: {many}" if found else f"there is no device {code!r}")
    device = found[0]
    bus = catalog.sites[device.community].buses[device.spec.bus]
    return device, bus, on_bus(devices, device.community, device.spec.bus)


async def read(catalog: Catalog, code: str, timeout_s: float) -> list[str]:
    """What a device says now. Unreachable when it says nothing in time; Rejected; Misconfigured."""
    device, bus, devices = find_device(catalog, code)
    clock = SystemClock()
    driver = make_driver(f"{device.community}/{device.spec.bus}", bus, devices, clock)
    async with _Running(driver, clock) as running:
        arrivals = await running.until(driver.read(device), timeout_s)
        return [line for arrival in arrivals for line in lines(_of(driver.decoder(), arrival, device))]


async def write(catalog: Catalog, code: str, command: str, reason: str) -> tuple[bool, str]:
    """Give a device a command and wait for its own word. (confirmed, what was seen). DriverError."""
    device, bus, devices = find_device(catalog, code)
    spec = device.kind.commands.get(command)
    if spec is None:
        known = ", ".join(device.kind.commands) or "none"
        raise Misconfigured(f"a {device.kind_name} has no command {command!r} (it has: {known})")
    clock = SystemClock()
    driver = make_driver(f"{device.community}/{device.spec.bus}", bus, devices, clock)
    request = CommandRequest(
        str(uuid4()), device, command, reason, clock.now_us() + int(spec.ttl.total_seconds() * 1e6)
    )
    async with _Running(driver, clock) as running:
        receipt = await running.until(driver.execute(request), spec.ttl.total_seconds())
        while (left := (request.expires - clock.now_us()) / 1e6) > 0:
            for arrival in await running.queue.take(1000, 0.0, clock.now_us() + int(left * 1e6)):
                for frame in _of(driver.decoder(), arrival, device):
                    if proves(frame, spec.confirm, request.id):
                        return True, "\n".join(lines([frame]))
    return False, receipt.detail or "the device did not show the effect in time"


def _of(decoder: Decoder, arrival: Arrival, device: Device) -> list[Frame]:
    try:
        found = decoder.decode(arrival)
    except BadFrame:
        return []  # another device's; this tool is about one
    return [item for item in found if isinstance(item, Frame) and item.device.id == device.id]


class _Running:
    """A driver that runs while the context is open; what stops it stops the caller."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self.queue = ArrivalQueue(clock, 10_000, lambda _: Delivery.TELEMETRY)
        self._driver = driver

    async def __aenter__(self) -> "_Running":
        self._task: asyncio.Task[None] = asyncio.ensure_future(self._driver.run(self.queue))
        return self

    async def __aexit__(self, *_: object) -> None:
        await end([self._task])

    async def until(self, work: Any, timeout_s: float) -> Any:
        """The result of `work`, unless the driver ends or the time is over first."""
        asked = asyncio.ensure_future(work)
        await asyncio.wait({asked, self._task}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            return asked.result()
        asked.cancel()
        if self._task.done():
            self._task.result()
        raise Unreachable(f"no answer within {timeout_s:g} s")
