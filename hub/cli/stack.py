"""The servers under a hub: those of the settings, or the embedded ones under `data_dir`."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from hub.embedded.nats import BrokerUser, EmbeddedBroker
from hub.embedded.postgres import EmbeddedPostgres
from hub.settings import Settings


@contextmanager
def servers(settings: Settings) -> Iterator[Settings]:
    """Settings with both URLs filled in; embedded servers run while the context is open.

    EmbeddedError when one cannot start (it says why: a port taken, a data folder owned by another process).
    """
    with ExitStack() as stack:
        filled: dict[str, str] = {}
        if not settings.database_url:
            postgres = EmbeddedPostgres(settings.data_dir / "pg")
            filled["database_url"] = postgres.start()
            stack.callback(postgres.stop)
        if not settings.mqtt_url:
            words = _broker_words(settings.data_dir)
            hub = BrokerUser("hub", words["hub"], ["#"], ["#"])
            devices = BrokerUser("devices", words["devices"], ["community/#"], ["community/#"])
            broker = EmbeddedBroker(settings.data_dir / "broker", settings.broker_port, [hub, devices])
            url = broker.start()
            stack.callback(broker.stop)
            filled["mqtt_url"] = with_credentials(url, "hub", words["hub"])
        ready = settings.model_copy(update=filled)
        note = settings.data_dir / "running.json"
        write_private(note, {"database_url": ready.database_url, "mqtt_url": ready.mqtt_url, "pid": os.getpid()})
        stack.callback(note.unlink, missing_ok=True)
        yield ready


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The database of a hub that runs, of the settings, or the embedded one started for a moment."""
    running = _running(settings.data_dir).get("database_url", "")
    if settings.database_url or running:
        yield settings.database_url or running
        return
    with EmbeddedPostgres(settings.data_dir / "pg") as postgres:
        yield postgres.url()


def devices_url(settings: Settings) -> str:
    """The broker as simulated devices see it: their own user where the broker is ours."""
    words = settings.data_dir / "broker.json"
    if f":{settings.broker_port}" not in settings.mqtt_url or not words.is_file():
        return settings.mqtt_url
    return with_credentials(
        f"mqtt://127.0.0.1:{settings.broker_port}", "devices", _broker_words(settings.data_dir)["devices"]
    )


def with_credentials(url: str, name: str, password: str) -> str:
    """`mqtt://host:1883` as `mqtt://name:password@host:1883`."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(name, safe='')}:{quote(password, safe='')}@{rest}"


def write_private(path: Path, value: object) -> None:
    """JSON only we can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)


def _broker_words(data_dir: Path) -> dict[str, str]:
    path = data_dir / "broker.json"
    if not path.is_file():
        write_private(path, {"hub": secrets.token_urlsafe(24), "devices": secrets.token_urlsafe(24)})
    words: dict[str, str] = json.loads(path.read_text("utf-8"))
    return words


def running_broker(settings: Settings) -> str:
    """The broker of the settings or of the hub that runs on `data_dir`; empty when neither is known."""
    return settings.mqtt_url or _running(settings.data_dir).get("mqtt_url", "")


def _running(data_dir: Path) -> dict[str, str]:
    """What the hub that runs here wrote down; empty when none runs."""
    note = data_dir / "running.json"
    if not note.is_file():
        return {}
    known: dict[str, str] = json.loads(note.read_text("utf-8"))
    alive = Path(f"/proc/{known['pid']}").exists() if Path("/proc").is_dir() else True
    return known if alive else {}
