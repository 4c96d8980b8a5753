"""The embedded broker as a process: topics are held to, sessions survive, nothing stays behind."""

import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from hub.embedded.nats import STORE_LIMIT, BrokerUser, EmbeddedBroker
from hub.embedded.process import AlreadyOwned, StartFailed, wait_until
from tests.integration.mosquitto import free_port
from tests.integration.postgres import gone, open_folder, owner


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as found:
        yield found


USERS = [
    BrokerUser("hub", 'p"\\$密', ["#"], ["#"]),
    BrokerUser("d1", "one", ["up/d1/#"], ["down/d1/+"]),
]


@pytest.fixture
def port() -> int:
    return free_port()


class Client:
    """A paho client that keeps what it hears."""

    def __init__(self, port: int, user: BrokerUser, name: str, clean: bool = True) -> None:
        self.heard: list[tuple[str, bytes, int]] = []
        self.granted: list[bool] = []
        self.codes: list[str] = []
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean)
        self.paho.username_pw_set(user.name, user.password)
        self.paho.on_message = lambda c, u, m: self.heard.append((m.topic, m.payload, m.qos))
        self.paho.on_subscribe = lambda c, u, mid, codes, p: self.granted.append(not codes[0].is_failure)
        self.paho.on_connect = lambda c, u, f, code, p: self.codes.append(str(code))
        self.paho.connect("127.0.0.1", port)
        self.paho.loop_start()
        assert wait_until(lambda: bool(self.codes), 60)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()

    def subscribe(self, topic: str) -> bool:
        before = len(self.granted)
        self.paho.subscribe(topic, qos=1)
        assert wait_until(lambda: len(self.granted) > before, 60)
        return self.granted[-1]

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        info = self.paho.publish(topic, payload, qos=1, retain=retain)
        info.wait_for_publish(60)
        assert info.is_published()

    def hears(self, *expected: tuple[str, bytes]) -> bool:
        return wait_until(lambda: [(t, p) for t, p, _ in self.heard] == list(expected), 60)


def test_broker_carries_qos1_and_holds_users_to_their_topics(folder: Path, port: int):
    with EmbeddedBroker(folder / "broker", port, USERS) as broker:
        assert (folder / "broker/nats.conf").stat().st_mode & 0o777 == 0o600
        assert broker.start() == f"mqtt://127.0.0.1:{port}"
        with Client(port, USERS[0], "hub") as hub, Client(port, USERS[1], "d1") as device:
            assert hub.subscribe("up/#")
            assert device.subscribe("down/d1/+")
            for closed in ("#", "up/#", "down/+/x", "$MQTT/sub/#", "$MQTT/msgs/#", "$JS/#"):
                assert not device.subscribe(closed)
            device.publish("up/d2/a", b"not mine", retain=True)  # acknowledged (MQTT 3.1.1) but dropped
            device.publish("$JS/API/STREAM/PURGE/$MQTT_msgs", b"")
            device.publish("up/d1/a", b"mine")
            hub.publish("down/d1/set", b"go")
            assert hub.hears(("up/d1/a", b"mine"))
            assert device.hears(("down/d1/set", b"go"))
            assert {qos for *_, qos in hub.heard + device.heard} == {1}
        with Client(port, BrokerUser("d1", "wrong", [], []), "x") as liar:
            assert liar.codes == ["Not authorized"]
        with Client(port, USERS[0], "late") as late:  # the refused retained message was not stored
            assert late.subscribe("up/d2/#")
            time.sleep(0.3)
            assert late.heard == []
        pid = broker.pid
    assert gone(pid)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_session_and_retained_survive_a_restart(folder: Path, port: int, how: str):
    with EmbeddedBroker(folder / "broker", port, USERS) as broker:
        with Client(port, USERS[1], "d1", clean=False) as device:
            assert device.subscribe("down/d1/+")
        with Client(port, USERS[0], "hub") as hub:
            for number in range(20):
                hub.publish("down/d1/set", b"%d" % number)
            hub.publish("state/d1", b"on", retain=True)
        if how == "stop":
            broker.stop()
        else:
            os.kill(broker.pid, signal.SIGKILL)
            assert wait_until(lambda: broker.pid is None, 60)
        broker.start()
        with Client(port, USERS[1], "d1", clean=False) as device:
            assert device.hears(*[("down/d1/set", b"%d" % number) for number in range(20)])
        with Client(port, USERS[0], "hub") as hub:
            assert hub.subscribe("state/+")
            assert hub.hears(("state/d1", b"on"))


def test_users_change_while_it_runs(folder: Path, port: int):
    hashed = BrokerUser(
        "d1", "$2b$04$abcdefghijklmnopqrstuuuiMd1XkP3MYkehzxpPHB6m5Tr0FZSYG", ["up/d1/#"], []
    )  # bcrypt of "one"
    monitor = free_port()
    with EmbeddedBroker(folder / "broker", port, USERS, monitor_port=monitor) as broker:
        with urllib.request.urlopen(f"http://127.0.0.1:{monitor}/healthz") as answer:
            assert answer.status == 200
        new = BrokerUser("d2", "two", ["up/d2/#"], [])
        broker.set_users([USERS[0], new])

        def admitted(user: BrokerUser) -> bool:
            with Client(port, user, f"probe-{user.name}") as client:
                return client.codes == ["Success"]

        assert wait_until(lambda: admitted(new), 60, 0.1)
        assert not admitted(USERS[1])
        assert admitted(USERS[0])
        assert 0 < broker.stored_bytes() < STORE_LIMIT
        broker.set_users([USERS[0], hashed])
        assert wait_until(lambda: admitted(USERS[1]), 60, 0.1)


def test_taken_port_is_named(folder: Path, port: int):
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StartFailed, match=f"port {port}"):
        EmbeddedBroker(folder / "broker", port, USERS).start()
    with EmbeddedBroker(folder / "broker", port, USERS) as broker:  # and nothing was left locked
        assert broker.pid


def test_second_broker_is_refused_and_a_killed_owner_leaves_none(folder: Path, port: int):
    with owner("broker", folder / "broker", port) as (process, pid):
        with pytest.raises(AlreadyOwned, match=f"pid {process.pid}"):
            EmbeddedBroker(folder / "broker", port, USERS).start()
        process.kill()
        process.wait()
        assert gone(pid)
    with EmbeddedBroker(folder / "broker", port, USERS) as broker:
        assert broker.pid
