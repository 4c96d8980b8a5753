"""What an MQTT client has to know before it connects."""

import ssl
from dataclasses import dataclass, field

from drivers.mqtt.packets import Version, Will, encode_connect, encode_subscribe
from hub.errors import Misconfigured

SUBSCRIBE_ID = 1
"""Packet id of the one SUBSCRIBE a connection sends; publishes count from 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttOptions:
    """Where, as whom and how. Misconfigured on what MQTT cannot say.

    `subscriptions`: (topic filter, QoS 0 or 1). `tls`: a context, with the client certificate loaded into it if
    the broker wants one; `server_name` is the name the certificate must carry if that is not `host`.
    `session_expiry_s` and `receive_maximum` (unacknowledged QoS 1 messages the broker may have under way to us)
    exist in MQTT 5 only; 3.1.1 sessions stay until the broker forgets them, and its window is the broker's setting.
    `max_packet_size`: bytes; a longer packet ends the connection, and in 3.1.1 the broker cannot know, so its own
    limit (`message_size_limit` in mosquitto) must be below this.
    """

    host: str
    port: int = 1883
    client_id: str
    subscriptions: tuple[tuple[str, int], ...] = ()
    version: Version = 5
    username: str | None = None
    password: str | bytes | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    keepalive_s: int = 30
    clean_start: bool = False
    session_expiry_s: int = 7 * 86_400
    receive_maximum: int = 4000
    max_packet_size: int = 1 << 20
    will: Will | None = None
    connect_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        try:
            self.connect_packet()
            self.subscribe_packet()
        except ValueError as error:
            raise Misconfigured(f"{self.where}: {error}") from error
        if self.version not in (4, 5):
            raise Misconfigured(f"{self.where}: MQTT protocol level {self.version} is neither 4 (3.1.1) nor 5")
        if not 0 < self.port < 65_536:
            raise Misconfigured(f"{self.where}: {self.port} is no TCP port")
        if self.keepalive_s < 1 or self.receive_maximum < 1 or self.max_packet_size < 256:
            raise Misconfigured(f"{self.where}: keepalive and receive maximum from 1, packet size from 256 on")

    @property
    def where(self) -> str:
        """The broker's address as people write it."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    def connect_packet(self) -> bytes:
        """CONNECT for these options."""
        return encode_connect(
            self.version,
            self.client_id,
            clean_start=self.clean_start,
            keepalive_s=self.keepalive_s,
            session_expiry_s=self.session_expiry_s,
            receive_maximum=self.receive_maximum,
            max_packet_size=self.max_packet_size,
            username=self.username,
            password=self.password,
            will=self.will,
        )

    def subscribe_packet(self) -> bytes:
        """SUBSCRIBE for these options, or nothing if there is nothing to subscribe to."""
        if not self.subscriptions:
            return b""
        return encode_subscribe(self.version, SUBSCRIBE_ID, self.subscriptions)
