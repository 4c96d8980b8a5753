"""From a site's bus to what the client needs to know: address, credentials, TLS."""

import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

from drivers.mqtt.options import MqttOptions
from drivers.mqtt.packets import Version
from hub.errors import Misconfigured
from hub.vocabulary.mqtt import MqttBus

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}

MAX_PACKET: Final[dict[Version, int]] = {5: 2 << 20, 4: 16 << 20}
"""Bytes. A 5.0 broker is told and drops longer ones; a 3.1.1 broker is not, and would send the same one for ever, so
the limit is wide and its own must be set below it (mosquitto: `message_size_limit`)."""

_VERSIONS: Final[dict[str, Version]] = {"3.1.1": 4, "5": 5}


def receiver_options(name: str, bus: MqttBus, subscriptions: tuple[tuple[str, int], ...]) -> MqttOptions:
    """The connection that receives; a persistent session stays at the broker while the hub is away. Misconfigured."""
    return _options(name, bus, bus.client_id, subscriptions, clean=not bus.persistent)


def urgent_options(name: str, bus: MqttBus, subscriptions: tuple[tuple[str, int], ...]) -> MqttOptions:
    """The connection that receives what life-safety devices say; a session of the same sort. Misconfigured."""
    return _options(name, bus, f"{bus.client_id}-urgent", subscriptions, clean=not bus.persistent)


def sender_options(name: str, bus: MqttBus) -> MqttOptions:
    """The connection that sends commands: nothing of it stays. Misconfigured."""
    return _options(name, bus, f"{bus.client_id}-commands", (), clean=True)


def _options(
    name: str, bus: MqttBus, client_id: str, subscriptions: tuple[tuple[str, int], ...], clean: bool
) -> MqttOptions:
    try:
        url = urlsplit(bus.url)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise Misconfigured(f"{name}: url: {error}") from None
    if url.scheme not in PORTS or not host or url.path.strip("/") or url.query:
        raise Misconfigured(f"{name}: url: mqtt://host:1883 or mqtts://host:8883 was expected")
    username = bus.username or unquote(url.username or "") or None
    password = bus.password or unquote(url.password or "") or None
    version = _VERSIONS[bus.version]
    return MqttOptions(
        host=host,
        port=port or PORTS[url.scheme],
        client_id=client_id,
        subscriptions=subscriptions,
        version=version,
        username=username,
        password=password,
        tls=_tls(name, bus) if url.scheme == "mqtts" else None,
        keepalive_s=max(1, int(bus.keepalive.total_seconds())),
        clean_start=clean,
        session_expiry_s=0 if clean else 7 * 86_400,
        max_packet_size=MAX_PACKET[version],
    )


def _tls(name: str, bus: MqttBus) -> ssl.SSLContext:
    if bool(bus.certificate_file) != bool(bus.key_file):
        raise Misconfigured(f"{name}: certificate_file and key_file belong together")
    try:
        context = ssl.create_default_context(cafile=bus.ca_file or None)
        if bus.certificate_file:
            context.load_cert_chain(bus.certificate_file, bus.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"{name}: the certificate files cannot be used: {error}") from error
    return context
