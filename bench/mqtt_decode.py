"""How many MQTT messages one core turns into frames, frame key included: `python -m bench.mqtt_decode`."""

import time
from collections.abc import Callable

import msgspec

from hub.codecs.mqtt import MqttDecoder
from hub.model import Arrival, frame_key
from tests.unit.mqtt_devices import make_device

ROUNDS, COUNT = 5, 100_000
TOPIC = "community/demo/door/d250/{}"
STATE = (
    b'{"ts":1700000000123,"seq":48213,"boot":17,"door":"closed","lock":"locked",'
    b'"fw":"1.4.2-b77","rssi":-61,"site":"b1-u1-lobby-main-entrance-north-wing"}'
)
EVENT = (
    b'{"ts":1700000000123,"seq":48213,"boot":17,"type":"access_granted","card":"04A1B2C3D4","method":"card",'
    b'"fw":"1.4.2-b77","rssi":-61,"site":"b1-u1-lobby"}'
)


def best(work: Callable[[Arrival], object], arrival: Arrival) -> float:
    """Calls a second in the fastest of the rounds."""
    fastest = float("inf")
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(COUNT):
            work(arrival)
        fastest = min(fastest, time.perf_counter() - begin)
    return COUNT / fastest


def main() -> None:
    decoder = MqttDecoder([make_device("heyue-dc200", f"d{i}") for i in range(500)])
    parse = msgspec.json.Decoder().decode
    for name, payload in (("state", STATE), ("event", EVENT)):
        arrival = Arrival("mqtt-main", TOPIC.format(name), payload, 1700000000500000, token=7)
        bare = best(lambda a: (parse(a.payload), frame_key("d250", "17:48213", a.payload)), arrival)
        full = best(decoder.decode, arrival)
        print(f"{name}: {len(payload)} bytes, bare JSON + key {bare:,.0f}/s, decode {full:,.0f}/s ({full / bare:.0%})")


if __name__ == "__main__":
    main()
