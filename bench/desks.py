"""Alarm to screen: how long from a door's message at the pipeline's entry until the row stands in an alarm desk's DOM.

`python -m bench.desks [--desks 20] [--alarms 120] [--flood 0]` prints one JSON object. Real: the hub with its pages,
PostgreSQL (fsync on), one Chromium page with a MutationObserver, and desks - 1 more page sockets that are read but not
drawn, all in a process of their own. Beside it, in the same run: as many alarms to as many plain WebSocket readers.
Both sides read the machine's clock; Chromium's shows whole milliseconds.

`--flood N`: meanwhile 2 000 other doors make about N alarm transitions a second through the same pipeline, rules and
alarm book (a forced entry is two), and what is watched are smoke detectors: in a flood the rest is shown in groups.
"""

import argparse
import asyncio
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import uvloop
import websockets
from playwright.async_api import async_playwright

from api.hub import Hub as Desks
from api.plugin import ApiPlugin
from drivers.plugin import DriversPlugin
from hub.app import Hub
from hub.embedded.postgres import EmbeddedPostgres
from hub.logs import configure_logging
from hub.model import Arrival
from hub.settings import Settings
from rules.plugin import RulesPlugin
from tests.integration.mosquitto import free_port

NAME, PASSWORD = "bench", "a bench needs no secret"
WATCH = """() => {
  window.seen = {};
  const look = () => {
    const now = Date.now();
    for (const row of document.querySelectorAll(".alarm")) {
      const place = /spot (\\d+)/.exec(row.textContent)?.[1];
      if (place && !(place in window.seen)) window.seen[place] = now;
    }
  };
  new MutationObserver(look).observe(document.getElementById("main"), { childList: true, subtree: true });
}"""

Seen = dict[str, float]
"""Number of a watched device -> when it was seen, milliseconds since 1970."""

FLOODED = 2000
QUEUED_MOST = 20_000
"""Messages that may wait at the entry; then the flood is held back, as a broker holds it."""


def make_site(folder: Path, watched: int, profile: str) -> None:
    """As many devices as alarms: every alarm is a condition of its own. It stands in for the demonstration's site."""
    (folder / "sites").mkdir(parents=True)
    named = [(f"w{n}", f"spot {n:04}", profile) for n in range(watched)]
    named += [(f"d{n}", f"door {n}", "heyue-dc200") for n in range(FLOODED)]
    rows = "\n".join(f"{code},设备 {name},{name},{model},hall,mqtt-main,{code}" for code, name, model in named)
    head = "id,name.zh,name.en,profile,place,bus,address.device\n"
    (folder / "sites" / "demo.devices.csv").write_text(head + rows + "\n", "utf-8")
    (folder / "sites" / "demo.yaml").write_text(
        "community: {code: demo, name: {zh: 测速, en: Bench}, time_zone: Asia/Shanghai}\n"
        "buses: {mqtt-main: {protocol: mqtt, url: mqtt://127.0.0.1:1, client_id: bench-hub}}\n"
        "places: [{path: hall, kind: area, name: {zh: 大厅, en: Hall}}]\n"
        "tables: {devices: demo.devices.csv}\n",
        "utf-8",
    )


# -- the readers, in their own process ---------------------------------------------------------------------------


async def sign_in(base: str) -> str:
    """A session of its own, as the Cookie header."""
    async with httpx.AsyncClient(base_url=base) as client:
        (await client.post("/api/v1/login", json={"name": NAME, "password": PASSWORD})).raise_for_status()
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


async def page_socket(base: str, cookie: str, ready: asyncio.Event, seen: Seen) -> None:
    """An alarm desk as the server sees it: the page is read, its socket joined and acknowledged, nothing drawn."""
    async with httpx.AsyncClient(base_url=base, headers={"Cookie": cookie}, timeout=30) as client:
        page = (await client.get("/alarms")).text
    found = re.search(r'["\']?client_id["\']?:\s*["\']([0-9a-f-]{36})', page)
    assert found, "the page names no client"
    client_id = found[1]
    url = base.replace("http", "ws", 1) + "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    joined = {"client_id": client_id, "tab_id": client_id, "document_id": client_id, "next_message_id": 0}
    headers = {"Cookie": cookie, "Origin": base}
    async with websockets.connect(url, additional_headers=headers, max_size=None) as socket:
        await socket.send("40")
        async for message in socket:
            text = str(message)
            if text == "2":
                await socket.send("3")
            elif text.startswith("40"):
                await socket.send('421["handshake",' + json.dumps(joined) + "]")
            elif text.startswith("431"):
                assert text.endswith("[true]"), text
                ready.set()
            note(seen, text)


async def stream_socket(base: str, cookie: str, ready: asyncio.Event, seen: Seen) -> None:
    """A reader of the plain WebSocket."""
    url = base.replace("http", "ws", 1) + "/api/v1/stream?topics=alarm"
    async with websockets.connect(url, additional_headers={"Cookie": cookie, "Origin": base}) as socket:
        async for message in socket:
            ready.set()
            note(seen, str(message))


def note(seen: Seen, text: str) -> None:
    now = time.time() * 1000
    for place in re.findall(r"spot (\d{4})", text):
        seen.setdefault(place, now)


async def browser_page(base: str, ready: asyncio.Event, done: asyncio.Event, seen: Seen) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        await page.goto(f"{base}/login")
        await page.fill("input[name=name]", NAME)
        await page.fill("input[name=password]", PASSWORD)
        await page.click("button[type=submit]")
        await page.wait_for_selector("h1")
        await page.wait_for_function("window.did_handshake === true")
        await page.evaluate(WATCH)
        ready.set()
        await done.wait()
        seen.update(await page.evaluate("window.seen"))
        await browser.close()


async def read(base: str, desks: int, kind: str) -> None:
    """Open the readers, say so, read until told to stop, tell what was seen when."""
    done, page_seen, others = asyncio.Event(), Seen(), [Seen() for _ in range(desks)]
    cookies = [await sign_in(base) for _ in range(2)]
    if kind == "page":
        others.pop()
    flags = [asyncio.Event() for _ in others]
    reader = page_socket if kind == "page" else stream_socket
    tasks = [
        asyncio.create_task(reader(base, cookies[0], flag, seen)) for flag, seen in zip(flags, others, strict=True)
    ]
    browser = None
    if kind == "page":
        flags.append(asyncio.Event())
        browser = asyncio.create_task(browser_page(base, flags[-1], done, page_seen))
    waiting = asyncio.create_task(all_set(flags))
    ended, _ = await asyncio.wait(
        [waiting, *tasks, *([browser] if browser else [])], return_when=asyncio.FIRST_COMPLETED
    )
    for task in ended:
        task.result()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    done.set()
    if browser:
        await browser
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps({"page": page_seen, "sockets": others}), flush=True)


async def all_set(flags: Sequence[asyncio.Event]) -> None:
    for flag in flags:
        await flag.wait()


# -- the hub ----------------------------------------------------------------------------------------------------


def forced(door: str, number: int) -> Arrival:
    """What a door's controller sends when it is forced."""
    now = time.time_ns() // 1000
    payload = b'{"type":"forced","ts":%d,"seq":%d,"boot":1}' % (now // 1000, number)
    return Arrival("demo/mqtt-main", f"community/demo/door/{door}/event", payload, now)


def smoke(detector: str) -> Arrival:
    now = time.time_ns() // 1000
    payload = json.dumps({"event": "ALARM", "t": now // 1_000_000, "n": 1}).encode()
    return Arrival("demo/mqtt-main", f"community/demo/smoke/{detector}/event", payload, now, urgent=True)


async def flood(hub: Hub, rate: int) -> None:
    """`rate` forced entries a second, door after door, until cancelled."""
    began, sent = time.perf_counter(), 0
    while True:
        due = min(int((time.perf_counter() - began) * rate) - sent, QUEUED_MOST - len(hub.queue))
        if due > 0:
            hub.queue.offer([forced(f"d{n % FLOODED}", 2 + n) for n in range(sent, sent + due)])
            sent += due
        await asyncio.sleep(0.01)


async def transitions(hub: Hub) -> int:
    async with hub.database.session(list(hub.context.communities.values())) as connection:
        row = await (await connection.execute("SELECT count(*) AS count FROM hub.alarm_history")).fetchone()
    return int(row["count"]) if row else 0


async def watch(hub: Hub, base: str, kind: str, arguments: argparse.Namespace, first: int) -> dict[str, Any]:
    """Raise the alarms while the readers look on."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.desks", "--read", base, "--kind", kind, "--desks", str(arguments.desks),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    if (await child.stdout.readline()).strip() != b"ready":
        raise RuntimeError("the readers did not come up")
    await asyncio.sleep(2)
    flooding = asyncio.create_task(flood(hub, arguments.flood // 2)) if arguments.flood else None
    begun: Seen = {}
    before, at = await transitions(hub), time.perf_counter()
    for number in range(first, first + arguments.alarms):
        begun[f"{number:04}"] = time.time() * 1000
        hub.queue.offer([smoke(f"w{number}") if flooding else forced(f"w{number}", 1)])
        await asyncio.sleep(arguments.every)
    reached = round((await transitions(hub) - before) / (time.perf_counter() - at))
    if flooding:
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    await asyncio.sleep(2)
    child.stdin.write(b"\n")
    report = json.loads(await child.stdout.readline())
    await child.wait()
    sockets = [moment - begun[place] for seen in report["sockets"] for place, moment in seen.items() if place in begun]
    result = {"transitions_per_s": reached, "sockets": len(report["sockets"]), "at_sockets": summary(sockets)}
    if kind == "page":
        drawn = [moment - begun[place] for place, moment in report["page"].items() if place in begun]
        result |= {"in_the_dom": summary(drawn)}
    return result


def summary(times: list[float]) -> dict[str, Any]:
    ordered = sorted(times)
    return {"n": len(times), "p50_ms": round(statistics.median(ordered), 1),
            "p95_ms": round(ordered[int(len(ordered) * 0.95)], 1),
            "p99_ms": round(ordered[int(len(ordered) * 0.99)], 1), "most_ms": round(ordered[-1], 1)}  # fmt: skip


async def run(url: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    make_site(folder / "config", 2 * arguments.alarms, "heyue-sd5" if arguments.flood else "heyue-dc200")
    port = free_port()
    settings = Settings(database_url=url, data_dir=folder, config_dir=folder / "config", http_port=port)
    hub = Hub(settings, {}, plugs=[DriversPlugin(), RulesPlugin(), ApiPlugin()])
    context = await hub.start()
    base = f"http://127.0.0.1:{port}"
    try:
        await Desks(context).accounts.create_account(NAME, PASSWORD, {context.communities["demo"]: "guard"})
        return {
            "desks": arguments.desks, "alarms": arguments.alarms, "every_s": arguments.every, "flood": arguments.flood,
            "pages": await watch(hub, base, "page", arguments, 0),
            "bare_websocket": await watch(hub, base, "stream", arguments, arguments.alarms),
        }  # fmt: skip
    finally:
        await hub.stop()


def main(further: Sequence[str] = ()) -> None:
    """`further`: arguments before those of the command line."""
    configure_logging("console")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--desks", type=int, default=20)
    parser.add_argument("--alarms", type=int, default=120)
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two alarms: 20 changes a second")
    parser.add_argument("--flood", type=int, default=0, help="alarm transitions a second meanwhile (A04: 10000)")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    arguments = parser.parse_args([*further, *sys.argv[1:]])
    if arguments.read:
        asyncio.run(read(arguments.read, arguments.desks, arguments.kind))
        return
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "postgres") as postgres:
            print(json.dumps(uvloop.run(run(postgres.url(), folder, arguments)), indent=1))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
