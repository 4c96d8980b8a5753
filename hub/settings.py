"""Settings from the environment. Every one has a default that works on one machine; secrets only by reference."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from hub.errors import Misconfigured
from hub.vocabulary.base import Model

PREFIX = "HUB_"


class Settings(Model):
    """One process's settings; the variable of a field is HUB_ and its name in capitals."""

    database_url: str = Field(default="", repr=False, description="PostgreSQL URL; empty: the embedded server")
    mqtt_url: str = Field(default="", repr=False, description="broker for sites that say !env HUB_MQTT_URL")
    broker_port: int = Field(default=18883, ge=1, le=65535, description="port of the embedded broker")
    config_dir: Path | None = Field(default=None, description="the site's own folder, laid over the packaged config/")
    data_dir: Path = Field(default=Path("var"), description="embedded database, broker store, logs")
    http_host: str = Field(default="127.0.0.1", description="address the pages and the API listen on")
    http_port: int = Field(default=8080, ge=1, le=65535)
    http_tls: bool = Field(default=False, description="served over TLS by a proxy in front: cookies become Secure")
    session_hours: int = Field(default=12, ge=1, le=168, description="a sign-in ends after so long")
    batch_size: int = Field(default=2000, ge=1, le=20_000, description="arrivals in one transaction at most")
    batch_window_ms: int = Field(default=20, ge=1, le=1000, description="how long a batch waits to fill")
    queue_size: int = Field(default=20_000, ge=100, le=1_000_000, description="arrivals held before sources must wait")
    dead_letter_bytes: int = Field(default=65_536, ge=256, description="raw bytes kept of a dead letter")
    dead_letters: int = Field(default=10_000, ge=100, description="dead letters kept a community; the oldest go first")
    sample_days: int = Field(default=400, ge=1, description="raw readings are kept so long; roll-ups for good")
    frame_days: int = Field(default=90, ge=1, description="raw frames are kept so long")
    event_days: int = Field(
        default=730, ge=180, description="device events, deliveries and patrol rounds are kept so long"
    )
    picture_days: int = Field(
        default=730,
        ge=180,
        description="pictures are kept so long; those in a sealed evidence pack or of an incident "
        "handed to the police for good",
    )
    clip_days: int = Field(
        default=90, ge=1, description="clips of alarms are kept so long; those in a sealed evidence pack for good"
    )
    log_format: str = Field(default="console", pattern="^(console|json)$")


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Settings from `HUB_…` variables. Misconfigured names the variable, what was found (not for secrets) and why."""
    fields = Settings.model_fields
    given = {name: environment[PREFIX + name.upper()] for name in fields if environment.get(PREFIX + name.upper())}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        found = "" if not fields[name].repr else f"found {given.get(name)!r}, "
        raise Misconfigured(f"{PREFIX}{name.upper()}: {found}{first['msg']}") from None
