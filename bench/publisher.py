"""Publishes QoS 1 messages of 150 bytes from 500 devices over a raw socket, and says how fast the broker took them.

`python -m bench.publisher PORT COUNT RATE`: RATE 0 is as fast as the broker acknowledges (window 4 000).
"""

import json
import select
import socket
import sys
import time

from drivers.mqtt.packets import encode_connect

DEVICES = 500
WINDOW = 4000
_PAD = "x" * 52


def packet(device: int, sequence: int, boot: int, ts_us: int, packet_id: int) -> bytes:
    """One PUBLISH (MQTT 3.1.1, QoS 1) whose payload has 150 bytes."""
    topic = b"community/bench/bench/s%03d/state" % device
    body = b'{"ts":%d,"seq":%d,"boot":%d,"temperature":%d.%d,"pad":"' % (
        ts_us, sequence, boot, 20 + sequence % 10, sequence % 10)  # fmt: skip
    body = (body + _PAD.encode() + b"x" * 150)[:148] + b'"}'
    rest = len(topic).to_bytes(2, "big") + topic + packet_id.to_bytes(2, "big") + body
    return b"\x32" + bytes((len(rest) & 0x7F | 0x80, len(rest) >> 7)) + rest


def publish(port: int, count: int, rate: float) -> float:
    """Send `count` messages; gives the seconds until the broker acknowledged the last."""
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.sendall(encode_connect(4, f"bench-{time.time_ns()}", clean_start=True, keepalive_s=0, session_expiry_s=0))
    link.recv(4)
    link.setblocking(False)
    boot = time.time_ns() // 1_000_000_000
    begin = time.perf_counter()
    sent = acknowledged = spare = 0
    while acknowledged < count:
        due = count if not rate else min(count, int((time.perf_counter() - begin) * rate))
        room = min(due - sent, WINDOW - (sent - acknowledged), 200)
        if room > 0:
            now = time.time_ns() // 1000
            chunk = b"".join(
                packet((sent + n) % DEVICES, (sent + n) // DEVICES, boot, now + n, (sent + n) % 60_000 + 1)
                for n in range(room)
            )
            while chunk:
                select.select([], [link], [], 5.0)
                chunk = chunk[link.send(chunk) :]
            sent += room
        ready, _, _ = select.select([link], [], [], 0.0 if room > 0 else 0.001)
        if ready:
            spare += len(link.recv(262_144))
            acknowledged, spare = acknowledged + spare // 4, spare % 4
    return time.perf_counter() - begin


if __name__ == "__main__":
    port, count, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps({"seconds": publish(port, count, rate), "count": count}))
