"""The devices of the shipped demonstration site, for tests of the simulator."""

from collections.abc import Mapping
from functools import cache

from hub.catalog.devices import LocalIds, build_devices
from hub.catalog.load import Catalog, load_catalog
from hub.catalog.paths import packaged_config
from hub.model import Device


@cache
def demo_catalog(environment: tuple[tuple[str, str], ...] = ()) -> Catalog:
    """The shipped configuration with these environment variables."""
    return load_catalog([packaged_config()], dict(environment))


def demo_devices(environment: Mapping[str, str] | None = None) -> list[Device]:
    """Every device of `config/sites/demo.yaml`."""
    catalog = demo_catalog(tuple(sorted((environment or {}).items())))
    return [one for one in build_devices(catalog, LocalIds()).values() if one.community == "demo"]
