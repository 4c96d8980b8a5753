"""A whole hub as a process of its own, its servers, and what may be done to them."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hub.accounts.model import NewAccount
from hub.accounts.service import Accounts
from hub.clock import SystemClock
from hub.embedded.postgres import EmbeddedPostgres
from hub.store.database import Database
from tests.e2e.audit import connect
from tests.e2e.chaosproxy import ChaosProxy
from tests.e2e.mqtttap import MqttTap
from tests.integration.mosquitto import Mosquitto, free_port
from tests.integration.postgres import ROOT, new_database, open_folder

COMMUNITY = "e2e"
PATROL = "patrol-1"
PATIENCE_S = 180.0
"""Nothing is proved by it: a machine with other work takes ten times as long as one without."""


def seed() -> int:
    """HUB_E2E_SEED, or drawn; printed by every test that uses it."""
    return int(os.environ.get("HUB_E2E_SEED") or random.SystemRandom().randrange(10**6))


def wait_for(what: str, probe: Callable[[], Any], seconds: float = PATIENCE_S, step: float = 0.05) -> Any:
    """The first true answer of `probe`. AssertionError naming `what` when none came."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(step)
    return answer


def percentile(values: list[float], share: float) -> float:
    """Nearest rank; 0 for none."""
    return sorted(values)[min(round(share * (len(values) - 1)), len(values) - 1)] if values else 0.0


def write_site(folder: Path, doors: int, *, identity: bool = False, silent_after: str = "") -> list[str]:
    """A site of `doors` doors and a patrol reader on one broker as a configuration folder; the doors' ids.

    `identity`: their profile also names the device in the payload. `silent_after`: their profile's own.
    """
    profile = "heyue-dc200"
    if identity or silent_after:
        profile = "e2e-door"
        text = (ROOT / "config/profiles/door/heyue-dc200.yaml").read_text("utf-8")
        text = text.replace("profile: heyue-dc200", f"profile: {profile}", 1).replace("model: DC2", "model: E2E", 2)
        if silent_after:
            text = text.replace("level: simulated", f"level: simulated\nsilent_after: {silent_after}")
        if identity:
            text = text.replace("door/{device}/event\n", "door/{device}/event\n      device: /device\n", 1)
        (folder / "profiles/door").mkdir(parents=True)
        (folder / f"profiles/door/{profile}.yaml").write_text(text, "utf-8")
    names = [f"door-{number:03d}" for number in range(doors)]
    site: dict[str, Any] = {
        "community": {"code": COMMUNITY, "name": {"zh": "故障小区", "en": "Fault Court"}, "time_zone": "Asia/Shanghai"},
        "buses": {"mqtt-main": {"protocol": "mqtt", "url": "HUB_MQTT_URL", "client_id": "hub-e2e"}},
        "places": [{"path": "b1", "kind": "building", "name": {"zh": "1栋", "en": "Building 1"}}],
        "devices": [
            {"id": name, "name": {"zh": name, "en": name}, "profile": profile, "place": "b1", "bus": "mqtt-main",
             "address": {"device": name}}
            for name in names
        ],
    }  # fmt: skip
    reader = {
        "id": PATROL,
        "name": {"zh": PATROL, "en": PATROL},
        "profile": "heyue-pr10",
        "address": {"device": PATROL},
    }
    site["devices"].append({**reader, "place": "b1", "bus": "mqtt-main"})
    (folder / "sites").mkdir(parents=True)
    # JSON is YAML, but for the one tag
    text = json.dumps(site, ensure_ascii=False).replace('"HUB_MQTT_URL"', "!env HUB_MQTT_URL")
    (folder / f"sites/{COMMUNITY}.yaml").write_text(text, "utf-8")
    return names


def publish(
    port: int, topic: str, *payloads: str, retain: bool = False, credentials: tuple[str, str] | None = None
) -> list[str]:
    """Messages at QoS 1 through paho on MQTT 5, one connection; the broker's word on each."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    words: list[str] = []
    client.on_publish = lambda _c, _u, _mid, code, _p: words.append(str(code))
    if credentials:
        client.username_pw_set(*credentials)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for payload in payloads:
            client.publish(topic, payload, 1, retain).wait_for_publish(PATIENCE_S)
        wait_for("the broker's word", lambda: len(words) == len(payloads))
    finally:
        client.disconnect()
        client.loop_stop()
    return words


class Listener:
    """Everything said on some topics: (topic, payload, retained)."""

    def __init__(self, port: int, topics: str) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload, m.retain))
        self._client.on_connect = lambda client, *_: client.subscribe(topics, 1)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class HubProcess:
    """`hub run` as users start it. `environment` overrides; the log is kept over restarts."""

    def __init__(self, folder: Path, database_url: str, mqtt_url: str, config_dir: Path) -> None:
        self.port = free_port()
        self.log_file = folder / "hub.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HUB_")},
            "HUB_DATABASE_URL": database_url, "HUB_MQTT_URL": mqtt_url, "HUB_CONFIG_DIR": str(config_dir),
            "HUB_HTTP_PORT": str(self.port), "HUB_DATA_DIR": str(folder / "data"),
        }  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def start(self, *, ready: bool = True, **environment: str) -> None:
        """Start; with `ready` wait until it answers."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub", "run"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**self._environment, **environment},
            )  # fmt: skip
        if ready:
            try:
                wait_for("the hub answers", self._answers)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{self.log[-3000:]}") from None

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the hub ended with {self.process.returncode}:\n{self.log[-3000:]}"
        try:
            return httpx.get(f"{self.url}/healthz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def died(self, seconds: float = PATIENCE_S) -> int:
        """Wait until it ends by itself; its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill9(self) -> None:
        self.signal(signal.SIGKILL)
        self.died()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.died()

    def rss(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill9()


class Server:
    """A PostgreSQL of its own that may be killed, and come back on the same files."""

    def __init__(self, folder: Path) -> None:
        self.embedded = EmbeddedPostgres(folder / "postgres")
        self.embedded.start()

    @property
    def socket(self) -> Path:
        return self.embedded.socket_dir / ".s.PGSQL.5432"

    def kill9(self) -> None:
        """Postmaster and children, at once."""
        pid = self.embedded.pid
        assert pid is not None
        for victim in (pid, *children(pid)):
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue  # a backend that had just ended
        wait_for("PostgreSQL is dead", lambda: self.embedded.pid is None)

    def start(self) -> None:
        self.embedded.start()


def children(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


@dataclass
class Stack:
    """Broker, database, proxies before both, one hub."""

    folder: Path
    server: Server
    broker: Mosquitto
    tap: MqttTap
    mqtt_proxy: ChaosProxy
    hub: HubProcess
    database_url: str
    pg_proxy: ChaosProxy
    doors: list[str]


@contextmanager
def stack(
    doors: int, *, persistence: bool = False, pg_proxied: bool = False, silent_after: str = "", identity: bool = False,
    users: dict[str, str] | None = None, acl: str | None = None,
) -> Iterator[Stack]:  # fmt: skip
    """Everything, the hub not started yet. `pg_proxied`: the hub reaches its database over TCP, through `pg_proxy`."""
    with ExitStack() as house:
        folder = house.enter_context(open_folder())
        names = write_site(folder / "config", doors, identity=identity, silent_after=silent_after)
        server = Server(folder)
        house.callback(server.embedded.stop)
        broker = house.enter_context(Mosquitto(folder / "broker", persistence=persistence, users=users, acl=acl))
        tap = MqttTap()
        mqtt_proxy = house.enter_context(ChaosProxy(broker.port, tap))
        pg_proxy = house.enter_context(ChaosProxy(server.socket))
        url = new_database(server.embedded.url())
        name = urlsplit(url).path.strip("/")
        seen = f"postgresql://hub@127.0.0.1:{pg_proxy.port}/{name}" if pg_proxied else url
        user = f"hub:{users['hub']}@" if users else ""
        hub = HubProcess(folder, seen, f"mqtt://{user}127.0.0.1:{mqtt_proxy.port}", folder / "config")
        house.enter_context(hub)
        yield Stack(folder, server, broker, tap, mqtt_proxy, hub, url, pg_proxy, names)


def make_account(url: str, name: str, role: str) -> NewAccount:
    """An account of the site's community, made as `hub demo` makes them."""

    async def make() -> NewAccount:
        database = Database(url)
        await database.open()
        try:
            with connect(url) as link:
                community = link.execute("SELECT id FROM hub.community WHERE code = %s", [COMMUNITY]).fetchone()
            assert community is not None
            return await Accounts(database, SystemClock()).create_account(name, None, {community[0]: role})  # type: ignore[dict-item]
        finally:
            await database.close()

    return asyncio.run(make())


def signed_in(hub: HubProcess, account: NewAccount) -> httpx.Client:
    """A client with this account's session, which writes as a browser page of this hub would."""
    client = httpx.Client(base_url=hub.url, timeout=60, headers={"Origin": hub.url})
    answer = client.post("/api/v1/login", json={"name": account.name, "password": account.password})
    assert answer.status_code == 204, answer.text
    return client
