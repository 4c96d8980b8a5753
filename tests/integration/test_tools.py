"""The integrators' tools, run as they run them: as commands, against real peers."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.mosquitto import Mosquitto, free_port
from tests.integration.pipeline_bench import make_bench


def hub(*words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """`hub WORDS` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "hub", *words], input=stdin, capture_output=True, timeout=60,
        env={**os.environ, **environment},
    )  # fmt: skip


def lines(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.decode().splitlines()]


def test_decode_shows_what_a_payload_becomes() -> None:
    done = hub(
        "decode", "heyue-dc200", stdin=b'{"type":"access_granted","ts":1795290000000,"seq":5,"boot":1,"card":"12"}'
    )
    assert done.returncode == 0, done.stderr
    [event] = lines(done.stdout)
    assert (event["event"], event["data"]) == ("access_granted", {"card": "12"})


def test_decode_takes_registers_as_hexadecimal_digits() -> None:
    done = hub("decode", "heyue-em300", "--hex", stdin=b"00 0F 12 06" + b" 00 00" * 4)
    assert done.returncode == 0, done.stderr
    assert {"point": "energy_import", "value": 9876.54}.items() <= lines(done.stdout)[0].items()
    done = hub("decode", "heyue-em300", "--hex", stdin=b"00 0F")
    assert done.returncode == 1 and b"holding 0+6 has 12 bytes, not 2" in done.stderr


@pytest.mark.parametrize(
    ("words", "stdin", "code", "said"),
    [
        (["heyue-dc200"], b'{"type":"nonsense"}', 1, "unknown_event"),
        (["heyue-dc200"], b"\xff", 1, "malformed"),
        (["heyue-dc200", "--topic", "a/b"], b"{}", 1, "unknown_topic"),
        (["heyue-dc20"], b"{}", 2, "heyue-dc200"),
        (["heyue-dc200", "--hex"], b"zz", 2, "hexadecimal"),
    ],
)
def test_decode_says_why_not(words: list[str], stdin: bytes, code: int, said: str) -> None:
    done = hub("decode", *words, stdin=stdin)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert said in done.stderr.decode() and "Traceback" not in done.stderr.decode()


@pytest.fixture(scope="module")
def community(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A broker and the simulated community on it, in a process of its own; yields the environment for `hub`."""
    folder = tmp_path_factory.mktemp("community")
    ports = {f"HUB_DEMO_MODBUS_PORT_{name}": str(free_port()) for name in ("B1", "B2", "PLANT")}
    with Mosquitto(folder / "mosquitto") as broker:
        environment = {**ports, "HUB_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}", "HUB_DATA_DIR": str(folder / "var")}
        simulator = subprocess.Popen(
            [sys.executable, "-m", "simulators", "--truth", str(folder / "truth.jsonl"), "--no-faults"],
            env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert simulator.stdout is not None
        for line in simulator.stdout:
            if "MQTT" in line:
                break
        yield environment
        simulator.terminate()
        simulator.communicate(timeout=60)


@pytest.mark.parametrize(("device", "point"), [("pump-1", "pressure"), ("em-b1-007", "energy_import")])
def test_read_asks_a_device_now(community: dict[str, str], device: str, point: str) -> None:
    done = hub("read", device, **community)
    assert done.returncode == 0, done.stderr
    assert point in [line.get("point") for line in lines(done.stdout)]


def test_read_of_a_device_that_only_talks_waits_for_its_word(community: dict[str, str]) -> None:
    done = hub("read", "door-b1-u1", **community)
    assert done.returncode == 0, done.stderr
    assert {line.get("point") for line in lines(done.stdout)} & {"open", "locked"}


@pytest.mark.parametrize(("device", "command"), [("door-b1-u1", "open"), ("pump-2", "stop"), ("barrier-in", "open")])
def test_write_is_done_only_when_the_device_showed_it(community: dict[str, str], device: str, command: str) -> None:
    done = hub("write", device, command, "--yes", **community)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"confirmed")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["write", "elevator-b1-u1", "open", "--yes"], "no command"), (["read", "nobody"], "nobody"),
        (["read", "pump-1", "--timeout", "soon"], "duration"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_clear_line_and_exit_code_2(community: dict[str, str], words: list[str], said: str) -> None:
    done = hub(*words, **community)
    assert done.returncode == 2
    assert said in done.stderr.decode() and "Traceback" not in done.stderr.decode()


def test_write_asks_first(community: dict[str, str]) -> None:
    done = hub("write", "door-b1-u1", "open", stdin=b"n\n", **community)
    assert done.returncode != 0 and b"confirmed" not in done.stdout


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    done = hub("read", "pump-1", HUB_DEMO_MODBUS_PORT_PLANT="1", HUB_DATA_DIR=str(tmp_path))
    assert done.returncode == 2 and b"127.0.0.1:1" in done.stderr


@asynccontextmanager
async def forced_door(database_url: str) -> AsyncIterator[str]:
    async with make_bench(database_url) as bench:
        await bench.feed(bench.door("forced", 1))
        [(number,)] = bench.query("SELECT id FROM telemetry.event")
        yield str(number)


async def test_explain_tells_the_whole_story_of_an_event(database_url: str) -> None:
    async with forced_door(database_url) as number:
        done = await asyncio.to_thread(hub, "explain", number, HUB_DATABASE_URL=database_url)
        text = done.stdout.decode()
        assert done.returncode == 0, done.stderr
        for part in ("door-b1-u1", "7b 22 74", "door_forced", "raised", "normal -> active_unacknowledged"):
            assert part in text
        done = await asyncio.to_thread(hub, "explain", "0" * 32, HUB_DATABASE_URL=database_url)
        assert done.returncode == 2 and b"no event" in done.stderr


async def test_an_account_is_made_once_and_its_password_is_shown_once(database_url: str) -> None:
    async with make_bench(database_url):
        done = await asyncio.to_thread(hub, "account", "add", "wang", "--role", "guard", HUB_DATABASE_URL=database_url)
        assert done.returncode == 0 and done.stdout.startswith(b"wang  /  ")
        done = await asyncio.to_thread(hub, "account", "add", "wang", "--role", "guard", HUB_DATABASE_URL=database_url)
        assert done.returncode == 2 and b"exists" in done.stderr
