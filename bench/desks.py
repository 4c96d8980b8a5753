"""Alarm to screen: how long from a door's message at the pipeline's entry until the row stands in an alarm desk's DOM.

`python -m bench.desks [--desks 20] [--alarms 120]` prints one JSON object. Real parts: the hub with its pages,
PostgreSQL (fsync on), one Chromium page with a MutationObserver, and desks - 1 more page sockets that are read but not
drawn, all in a process of their own. Beside it, in the same run: as many alarms to as many plain WebSocket readers.
Both sides read the machine's clock; Chromium's shows whole milliseconds.
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
      const door = /door (\\d+)/.exec(row.textContent)?.[1];
      if (door && !(door in window.seen)) window.seen[door] = now;
    }
  };
  new MutationObserver(look).observe(document.getElementById("main"), { childList: true, subtree: true });
}"""

Seen = dict[str, float]
"""Door number -> when it was seen, milliseconds since 1970."""


def make_site(folder: Path, doors: int) -> None:
    """As many doors as alarms: every alarm is a condition of its own. It stands in for the demonstration's site."""
    (folder / "sites").mkdir(parents=True)
    rows = "\n".join(f"d{n},门 door {n:04},door {n:04},heyue-dc200,hall,mqtt-main,d{n}" for n in range(doors))
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
        page = (await client.get("/")).text
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
    for door in re.findall(r"door (\d{4})", text):
        seen.setdefault(door, now)


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


def forced(door: int) -> Arrival:
    """What a door's controller sends when it is forced."""
    now = time.time_ns() // 1000
    payload = json.dumps({"type": "forced", "ts": now // 1000, "seq": 1, "boot": 1}).encode()
    return Arrival("demo/mqtt-main", f"community/demo/door/d{door}/event", payload, now)


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
    begun: Seen = {}
    for door in range(first, first + arguments.alarms):
        begun[f"{door:04}"] = time.time() * 1000
        hub.queue.offer([forced(door)])
        await asyncio.sleep(arguments.every)
    await asyncio.sleep(2)
    child.stdin.write(b"\n")
    report = json.loads(await child.stdout.readline())
    await child.wait()
    sockets = [moment - begun[door] for seen in report["sockets"] for door, moment in seen.items() if door in begun]
    result = {"sockets": len(report["sockets"]), "at_sockets": summary(sockets)}
    if kind == "page":
        drawn = [moment - begun[door] for door, moment in report["page"].items() if door in begun]
        result |= {"in_the_dom": summary(drawn)}
    return result


def summary(times: list[float]) -> dict[str, Any]:
    ordered = sorted(times)
    return {"n": len(times), "p50_ms": round(statistics.median(ordered), 1),
            "p99_ms": round(ordered[int(len(ordered) * 0.99)], 1), "most_ms": round(ordered[-1], 1)}  # fmt: skip


async def run(url: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    make_site(folder / "config", 2 * arguments.alarms)
    port = free_port()
    settings = Settings(database_url=url, data_dir=folder, config_dir=folder / "config", http_port=port)
    hub = Hub(settings, {}, plugs=[DriversPlugin(), RulesPlugin(), ApiPlugin()])
    context = await hub.start()
    base = f"http://127.0.0.1:{port}"
    try:
        await Desks(context).accounts.create_account(NAME, PASSWORD, {context.communities["demo"]: "guard"})
        return {
            "desks": arguments.desks, "alarms": arguments.alarms, "every_s": arguments.every,
            "pages": await watch(hub, base, "page", arguments, 0),
            "bare_websocket": await watch(hub, base, "stream", arguments, arguments.alarms),
        }  # fmt: skip
    finally:
        await hub.stop()


def main() -> None:
    configure_logging("console")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--desks", type=int, default=20)
    parser.add_argument("--alarms", type=int, default=120)
    parser.add_argument("--every", type=float, default=0.05, help="seconds between two alarms: 20 changes a second")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
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
