"""Who is told: HTTP receivers that write down every request, and what a site needs besides its doors."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.e2e.harness import COMMUNITY


class Receiver:
    """Answers 200 to every POST. `ids`: how often each webhook-id came; `texts`: JSON bodies of the rest, in order."""

    def __init__(self) -> None:
        self.ids: Counter[str] = Counter()
        self.events: dict[str, dict[str, Any]] = {}  # webhook-id -> CloudEvent
        self.differing: list[str] = []  # ids that came again with another body
        self.texts: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        received = self._received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                body = self.rfile.read(length)
                if len(body) < length:  # the hub was killed in the middle of a word: not heard
                    self.close_connection = True
                    return
                received(self.headers.get("webhook-id"), json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class calls it so
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver", daemon=True)

    def _received(self, name: str | None, body: dict[str, Any]) -> None:
        with self._lock:
            if name is None:
                self.texts.append(body)
                return
            self.ids[name] += 1
            if self.events.setdefault(name, body) != body:
                self.differing.append(name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def write_file(config: Path, name: str, content: dict[str, Any]) -> None:
    """A file of a configuration folder; JSON is YAML."""
    path = config / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def write_channels(config: Path, channels: dict[str, str], steps: dict[str, list[dict[str, Any]]]) -> None:
    """Channels (id -> apprise URL) and the escalation; this machine may be sent to."""
    named = [{"id": name, "name": {"zh": name, "en": name}, "url": url} for name, url in channels.items()]
    content = {"community": COMMUNITY, "public_url": "http://127.0.0.1", "gateways": ["127.0.0.0/8"],
               "channels": named, "escalation": steps}  # fmt: skip
    write_file(config, f"notifications/{COMMUNITY}.yaml", content)


def add_devices(config: Path, *devices: tuple[str, str], gateway_of: str = "") -> None:
    """More devices (id, profile) in the site; those of a `hub-` profile stand on a virtual bus, `gateway_of`: for that
    bus."""
    path = config / f"sites/{COMMUNITY}.yaml"
    site = json.loads(path.read_text("utf-8").replace("!env HUB_MQTT_URL", '"HUB_MQTT_URL"'))
    virtual = {"bus": "virtual"} | ({"address": {"bus": gateway_of}} if gateway_of else {})
    for name, profile in devices:
        device = {"id": name, "name": {"zh": name, "en": name}, "profile": profile, "place": "b1"}
        wired = {"bus": "mqtt-main", "address": {"device": name}}
        site["devices"].append(device | (virtual if profile.startswith("hub-") else wired))
    site["buses"]["virtual"] = {"protocol": "virtual"}
    path.write_text(json.dumps(site, ensure_ascii=False).replace('"HUB_MQTT_URL"', "!env HUB_MQTT_URL"), "utf-8")


def event_rule(name: str, kind: str, event: str, **more: Any) -> dict[str, Any]:
    """A rule that raises at an event and returns at once."""
    return {
        "rule": name, "title": {"zh": name, "en": name}, "when": {"kinds": [kind]}, "priority": "critical",
        "event": {"name": event}, "text": {"zh": "$device", "en": "$device"},
        "examples": [
            {"name": "It happens", "steps": [{"at": "0s", "event": event, "expect": ["raised", "returned"]}]},
            {"name": "It does not", "steps": [{"at": "0s", "heard": True}]},
        ],
        **more,
    }  # fmt: skip
