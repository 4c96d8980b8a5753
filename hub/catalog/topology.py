"""What stands above and behind a device: parents, gateways and the inputs of virtual devices."""

from collections.abc import Mapping, Sequence

from hub.catalog.document import Document
from hub.catalog.problems import Key, closest
from hub.vocabulary.sites import DeviceSpec, SiteFile
from hub.vocabulary.virtual import VirtualAddress, VirtualBus


def with_virtual_bus(site: SiteFile) -> SiteFile:
    """The site with a virtual bus, its own or one more: what analyses find of its devices comes in by that."""
    if any(isinstance(bus, VirtualBus) for bus in site.buses.values()):
        return site
    name = "virtual"
    while name in site.buses:
        name += "-2"
    return site.model_copy(update={"buses": {**site.buses, name: VirtualBus(protocol="virtual")}})


def gateways(site: SiteFile) -> Mapping[str, str]:
    """Bus -> id of the virtual device that shows whether it is connected."""
    return {
        device.address.bus: device.id
        for device in site.devices
        if isinstance(device.address, VirtualAddress) and device.address.bus is not None
    }


def parent_of(device: DeviceSpec, above: Mapping[str, str]) -> str | None:
    """The device above it: its own word, else the gateway of its bus. `above`: what `gateways` gave."""
    return device.parent or above.get(device.bus)


def check_topology(document: Document, site: SiteFile, numbers: Sequence[int]) -> None:
    """Parents, inputs and gateway buses exist, and nobody is above himself."""
    known = {device.id for device in site.devices}
    above = gateways(site)
    parents = {device.id: parent_of(device, above) for device in site.devices}
    for index, device in zip(numbers, site.devices, strict=True):
        path: Key = ("devices", index)
        if device.parent is not None and device.parent not in known:
            hint = closest(device.parent, known) if len(known) < 10_000 else None
            document.report((*path, "parent"), "a device of this site", suggestion=hint, sort="reference")
        else:
            _check_circle(document, (*path, "parent" if device.parent is not None else "bus"), device, parents)
        if isinstance(device.address, VirtualAddress):
            _check_inputs(document, (*path, "address"), site, device.address, known)


def _check_circle(document: Document, path: Key, device: DeviceSpec, parents: Mapping[str, str | None]) -> None:
    seen, at = [device.id], parents[device.id]
    while at is not None and at not in seen:
        seen.append(at)
        at = parents.get(at)
    if at == device.id:
        document.report(path, f"a device above it; here {' → '.join([*seen, at])} is a circle")


def _check_inputs(document: Document, path: Key, site: SiteFile, address: VirtualAddress, known: set[str]) -> None:
    if address.bus is not None and address.bus not in site.buses:
        hint = closest(address.bus, site.buses)
        document.report((*path, "bus"), "a bus of this site", suggestion=hint, sort="reference")
    for name, given in address.inputs.items():
        for code in [given] if isinstance(given, str) else given:
            if code not in known:
                hint = closest(code, known) if len(known) < 10_000 else None
                document.report(
                    (*path, "inputs", name), "devices of this site", found=f"'{code}'", suggestion=hint,
                    sort="reference",
                )  # fmt: skip
