"""What one file alone cannot know, part 2: a site against profiles and itself."""

from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

from hub.catalog.checkmqtt import check_zone
from hub.catalog.document import Document
from hub.catalog.problems import Key, closest, one_of
from hub.catalog.topology import check_topology
from hub.vocabulary.kinds import KindSpec
from hub.vocabulary.modbus import ModbusAddress
from hub.vocabulary.mqtt import MqttAddress, MqttBus
from hub.vocabulary.profiles import AnyProfile, MqttProfile, VirtualProfile
from hub.vocabulary.rtsp import RtspAddress, RtspBus, is_stream
from hub.vocabulary.sites import DeviceSpec, SiteFile
from hub.vocabulary.virtual import VirtualAddress

_FORMS: dict[str, tuple[type, str]] = {
    "modbus": (ModbusAddress, "`unit` (a number, 1 to 247)"),
    "mqtt": (MqttAddress, "`device` (its level in the topics)"),
    "rtsp": (RtspAddress, "`url` (rtsp://host:554/path)"),
    "virtual": (VirtualAddress, "`inputs` and `bus` only"),
}
_BROADCAST = 0  # a Modbus unit that never answers


def check_site(
    document: Document,
    site: SiteFile,
    profiles: Mapping[str, AnyProfile],
    kinds: Mapping[str, KindSpec],
    broken: set[str],
    numbers: Sequence[int],
) -> None:
    """Places have parents, buses are usable, devices have a profile, a place, a bus and an address of their own.

    `broken`: profiles whose own problems are already reported. `numbers`: where each device stands in the document.
    """
    check_zone(document, ("community", "time_zone"), site.community.time_zone)
    places = _check_places(document, site)
    for name, bus in site.buses.items():
        if isinstance(bus, MqttBus):
            _check_broker(document, ("buses", name), bus)
        elif isinstance(bus, RtspBus):
            _check_secret(document, ("buses", name), bus.password)
    ids: set[str] = set()
    addresses: dict[tuple[str, ...], str] = {}
    topics: dict[tuple[str, str, str], str] = {}
    for index, device in zip(numbers, site.devices, strict=True):
        path: Key = ("devices", index)
        if device.id in ids:
            document.report((*path, "id"), "an id that no other device has", sort="duplicate")
        ids.add(device.id)
        if device.place not in places:
            hint = _hint(document, device.place, places)
            document.report((*path, "place"), "a place of this site", suggestion=hint, sort="reference")
        _check_seen(document, path, device, places)
        profile = profiles.get(device.profile)
        if profile is None:
            if device.profile not in broken:
                hint = _hint(document, device.profile, profiles)
                document.report((*path, "profile"), "an existing profile id", suggestion=hint, sort="reference")
            continue
        if _check_bus(document, path, site, device, profile):
            _check_address(document, path, device, addresses)
            _check_probe(document, site, device, profile, kinds)
            if isinstance(profile, MqttProfile):
                _check_topics(document, path, site, device, profile, topics)
        _check_meter(document, path, device, profile, kinds)
    check_topology(document, site, numbers)


def _hint(document: Document, word: str, words: Collection[str]) -> str | None:
    """The word that was probably meant, for the first problems only: the search is slow."""
    return closest(word, words) if len(document.problems) < 50 and len(words) < 10_000 else None


def _check_places(document: Document, site: SiteFile) -> set[str]:
    paths = {place.path for place in site.places}
    seen: set[str] = set()
    for index, place in enumerate(site.places):
        at: Key = ("places", index, "path")
        if place.path in seen:
            document.report(at, "a path that no other place has", sort="duplicate")
        seen.add(place.path)
        parent, _, own = place.path.rpartition("/")
        if own and parent and parent not in paths:
            document.report(at, f"a place whose parent '{parent}' is listed too", sort="reference")
    return paths


def _check_secret(document: Document, path: Key, password: str) -> None:
    if password and (*path, "password") not in document.references:
        document.report((*path, "password"), "`!env NAME` or `!file path`: no secret stands in a file", sort="secret")


def _check_broker(document: Document, path: Key, bus: MqttBus) -> None:
    _check_secret(document, path, bus.password)
    try:
        parts = urlsplit(bus.url)
        usable = parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if parts.password is not None and (*path, "url") not in document.references:
        expected = "no password in the address: give `password: !env NAME`"
        document.report((*path, "url"), expected, found="***", sort="secret")
    elif not usable and (*path, "url") not in document.broken:
        document.report((*path, "url"), "mqtt://host:1883 or mqtts://host:8883")


def _check_bus(document: Document, path: Key, site: SiteFile, device: DeviceSpec, profile: AnyProfile) -> bool:
    bus = site.buses.get(device.bus)
    if bus is None:
        hint = _hint(document, device.bus, site.buses)
        document.report((*path, "bus"), one_of(site.buses), suggestion=hint, sort="reference")
        return False
    if bus.protocol != profile.protocol:
        expected = f"a bus with protocol {profile.protocol}, as the profile {profile.profile} needs"
        document.report((*path, "bus"), expected, found=f"'{device.bus}' ({bus.protocol})")
        return False
    if not isinstance(device.address, _FORMS[bus.protocol][0]):
        found = None if "address" in device.model_fields_set else "nothing"
        document.report((*path, "address"), f"{_FORMS[bus.protocol][1]} on this bus ({bus.protocol})", found=found)
        return False
    return not isinstance(profile, VirtualProfile)


def _check_address(document: Document, path: Key, device: DeviceSpec, addresses: dict[tuple[str, ...], str]) -> None:
    if isinstance(device.address, ModbusAddress):
        at: Key = (*path, "address", "unit")
        key: tuple[str, ...] = (device.bus, str(device.address.unit))
        if device.address.unit == _BROADCAST:
            document.report(at, "1 to 247 (255 for a server that ignores it): 0 is broadcast and never answers")
    elif isinstance(device.address, RtspAddress):
        at = (*path, "address", "url")
        key = (device.bus, device.address.url)
        _check_stream(document, at, device.address.url)
        if device.address.clip and device.address.clip.url:
            _check_stream(document, (*path, "address", "clip", "url"), device.address.clip.url)
    else:
        assert isinstance(device.address, MqttAddress)
        at = (*path, "address", "device")
        key = (device.bus, device.address.device, device.profile)
    other = addresses.setdefault(key, device.id)
    if other != device.id:
        document.report(at, f"an address of its own on {device.bus} ({other} has this one)", sort="duplicate")


def _check_probe(
    document: Document, site: SiteFile, device: DeviceSpec, profile: AnyProfile, kinds: Mapping[str, KindSpec]
) -> None:
    """A camera that fails once is not silent yet."""
    bus, kind, at = site.buses[device.bus], kinds.get(profile.kind), ("buses", device.bus, "probe")
    if not isinstance(bus, RtspBus) or kind is None or at in document.broken:
        return
    silent_after = profile.silent_after or kind.silent_after
    if 2 * bus.probe + bus.timeout > silent_after:
        most, after = (silent_after - bus.timeout).total_seconds() / 2, silent_after.total_seconds()
        expected = f"at most {most:g} s: {device.id} is silent after {after:g} s, and two looks must fit into that"
        document.report(at, expected, found=f"{bus.probe.total_seconds():g} s")


def _check_seen(document: Document, path: Key, device: DeviceSpec, places: Collection[str]) -> None:
    if isinstance(device.address, RtspAddress):
        for number, place in enumerate(device.address.sees):
            if place not in places:
                hint = _hint(document, place, places)
                at: Key = (*path, "address", "sees", number)
                document.report(at, "a place of this site", suggestion=hint, sort="reference")


def _check_stream(document: Document, at: Key, url: str) -> None:
    if "@" in url.removeprefix("rtsp://").partition("/")[0]:
        expected = "no name or password in the address: give `username` and `password: !env NAME` to the bus"
        document.report(at, expected, found="***", sort="secret")
    elif not is_stream(url):
        document.report(at, "rtsp://host:554/path, of characters that an address may have")


def _check_topics(
    document: Document,
    path: Key,
    site: SiteFile,
    device: DeviceSpec,
    profile: MqttProfile,
    topics: dict[tuple[str, str, str], str],
) -> None:
    """Two profiles on one bus must not both claim a message of the same address."""
    assert isinstance(device.address, MqttAddress)
    address = device.address.device
    section = profile.mqtt
    patterns = [message.topic for message in section.messages]
    for pattern in patterns + ([section.status.topic] if section.status else []):
        topic = pattern.replace("{community}", site.community.code).replace("{device}", address)
        other = topics.setdefault((device.bus, topic, address), profile.profile)
        if other != profile.profile:
            expected = f"topics of its own: {other} uses {topic[:80]} for the address '{address}' too"
            document.report((*path, "profile"), expected, sort="duplicate")
            return


def _check_meter(
    document: Document,
    path: Key,
    device: DeviceSpec,
    profile: AnyProfile,
    kinds: Mapping[str, KindSpec],
) -> None:
    kind = kinds.get(profile.kind)
    if kind is None or any(point.type == "counter" for point in kind.points.values()):
        return
    for name in ("multiplier", "rollover"):
        if name in device.model_fields_set:
            document.report((*path, name), f"no `{name}`: a {profile.kind} has no counter")
