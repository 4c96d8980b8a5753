"""What stands above and below a device: pure."""

from collections.abc import Collection, Mapping

from hub.model import Device


def ancestors(devices: Mapping[int, Device], device_id: int) -> list[int]:
    """Device ids above this one, the nearest first. None at all where the chain runs in a circle: a mistake in the site
    file must not silence anybody."""
    chain: list[int] = []
    here = devices.get(device_id)
    while here is not None and here.parent is not None:
        if here.parent in chain or here.parent == device_id:
            return []
        chain.append(here.parent)
        here = devices.get(here.parent)
    return chain


def descendants(devices: Mapping[int, Device], of: Collection[int]) -> dict[int, int]:
    """Every device below one of these -> the topmost of them above it."""
    found = {}
    for device_id in devices:
        above = [number for number in ancestors(devices, device_id) if number in of]
        if above:
            found[device_id] = above[-1]
    return found
