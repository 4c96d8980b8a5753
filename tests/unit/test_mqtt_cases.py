"""Every case under tests/cases/mqtt: a payload as it comes, and what it must become. Data only; no case needs code.

A case is a folder with `case.yaml` and a payload file. `case.yaml`:

    profile: heyue-dc200            # a shipped profile, or `inline:` with one
    device: door-1                  # code and address
    topic: community/demo/door/door-1/event
    payload: payload.json           # file beside it; `payload_text` or `payload_repeat: ["[", 15000]` instead
    received: 2026-05-01T00:00:00Z  # and `retained: true`
    frames:                         # what must come out, or
      - {device: door-1, ts: ..., timed: true, readings: {open: [1, 0]}, events: [[unlocked, {cause: remote}]]}
    dead: [wrong_type]              # reasons of the dead letters, of the whole arrival or of parts of it
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.catalog.yaml import load_yaml
from hub.clock import from_us, to_us
from hub.codecs.mqtt import MqttDecoder
from hub.codecs.reasons import DeadReason
from hub.errors import BadFrame
from hub.model import Arrival, DeadLetter, Frame
from hub.vocabulary.profiles import MqttProfile
from tests.unit.mqtt_devices import make_device

CASES = sorted(Path(__file__).parents[1].glob("cases/mqtt/*/case.yaml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 15


@pytest.mark.parametrize("path", CASES, ids=[path.parent.name for path in CASES])
def test_case(path: Path) -> None:
    document = load_yaml(path, {})
    assert not document.problems
    case = document.data
    profile = MqttProfile.model_validate(case["inline"]) if "inline" in case else case["profile"]
    codes = case["device"] if isinstance(case["device"], list) else [case["device"]]
    decoder = MqttDecoder([make_device(profile, code) for code in codes])
    arrival = Arrival(
        "mqtt-main",
        case["topic"],
        _payload(path.parent, case),
        _us(case.get("received", "2026-05-01T00:00:00Z")),
        retained=case.get("retained", False),
        token=7,
    )
    dead: list[str] = []
    frames: list[Frame] = []
    try:
        for item in decoder.decode(arrival):
            if isinstance(item, DeadLetter):
                dead.append(item.reason)
            else:
                frames.append(item)
    except BadFrame as error:
        dead.append(error.reason)
    assert dead == case.get("dead", [])
    assert all(DeadReason(reason) for reason in dead)
    expected = case.get("frames", [])
    assert [_shown(frame, wanted) for frame, wanted in zip(frames, expected, strict=True)] == expected


def _payload(folder: Path, case: dict[str, Any]) -> bytes:
    if "payload_text" in case:
        return str(case["payload_text"]).encode()
    if "payload_repeat" in case:
        unit, times = case["payload_repeat"]
        return str(unit).encode() * int(times)
    return (folder / case["payload"]).read_bytes()


def _us(text: str) -> int:
    return to_us(datetime.fromisoformat(text).astimezone(UTC))


def _shown(frame: Frame, wanted: dict[str, Any]) -> dict[str, Any]:
    """The frame in the words of a case; only what the case names, but always readings and events."""
    everything = {
        "device": frame.device.code,
        "ts": from_us(frame.ts).isoformat().replace("+00:00", "Z"),
        "timed": frame.timed,
        "natural": frame.natural,
        "sequence": frame.sequence,
        "online": frame.online,
        "retained": frame.retained,
        "readings": {reading.point.name: [reading.value, int(reading.quality)] for reading in frame.readings},
        "events": [[event.name, event.data] for event in frame.events],
    }
    return {
        key: value for key, value in everything.items() if key in wanted or (key in ("readings", "events") and value)
    }
