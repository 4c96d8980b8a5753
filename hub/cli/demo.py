"""`hub demo`: the whole community in one terminal, without hardware: servers, simulator, hub, pages."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hub.accounts.service import Accounts
from hub.app import Hub
from hub.cli.run import with_hub
from hub.cli.stack import devices_url, write_private
from hub.cli.verify import verify
from hub.clock import from_us
from hub.embedded import launch
from hub.settings import Settings

_GRACE_S = 20.0  # how long the simulator may take to say goodbye


class Demo:
    """One run of the demonstration."""

    def __init__(self, settings: Settings, seconds: float | None, seed: int, language: str) -> None:
        self._settings = settings
        self._seconds = seconds
        self._seed = seed
        self._zh = language.startswith("zh")
        self._console = Console(highlight=False, soft_wrap=True)
        self._truth = settings.data_dir / "truth" / "truth.jsonl"

    def run(self) -> int:
        """0: everything that happened is stored as it happened; 1: it is not; the servers' errors are raised."""
        self._say("[bold]和悦花园 Heyue Garden[/]  " + self._word("正在启动数据库、消息服务器与中枢……",
                                                              "starting database, broker and hub …"))  # fmt: skip
        return with_hub(self._settings, self._body)

    async def _body(self, hub: Hub, stop: asyncio.Event) -> int:
        accounts = await self._accounts(hub)
        self._truth = self._settings.data_dir / "truth" / f"{from_us(hub.clock.now_us()):%Y%m%d-%H%M%S}.jsonl"
        self._welcome(hub, accounts)
        simulator = await self._start_simulator(hub)
        watch = asyncio.create_task(self._progress(hub))
        ended = asyncio.create_task(simulator.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not ended.done():
                self._say(self._word("正在停止……", "stopping …"))
                simulator.send_signal(signal.SIGTERM)
                async with asyncio.timeout(_GRACE_S):
                    await asyncio.shield(ended)
            await hub.supervisor.stop(*(part for part in hub.status.parts if part.startswith("bus:demo/gw-")))
            await self._settle(hub)
        finally:
            for task in (watch, stopped):
                task.cancel()
            if not ended.done():
                simulator.kill()
                await ended
        return await self._summary(hub, 1 if simulator.returncode else 0)

    # -- what the person reads -----------------------------------------------------------------------------------

    def _welcome(self, hub: Hub, accounts: dict[str, str]) -> None:
        url = f"http://{self._settings.http_host}:{self._settings.http_port}/"
        table = Table(show_header=False, box=None, padding=(0, 2))
        table.add_row(self._word("网页", "pages"), f"[bold]{url}[/]")
        for name, password in accounts.items():
            table.add_row(self._word("登录", "sign in"), f"{name}  /  {password}")
        table.add_row(self._word("设备", "devices"), str(len(hub.devices)))
        table.add_row(self._word("真相记录", "truth log"), str(self._truth))
        end = self._word("Ctrl-C 结束；再次启动会保留数据。", "Ctrl-C ends it; the data is kept for the next start.")
        self._console.print(table)
        self._say(end)

    def _say(self, text: str) -> None:
        self._console.print(text)

    def _word(self, zh: str, en: str) -> str:
        return zh if self._zh else en

    async def _progress(self, hub: Hub) -> None:
        """New alarms as they come, and a line of figures now and then."""
        subscription = hub.live.subscribe(lambda change: change.topic == "alarm", 1000)
        figures = asyncio.create_task(self._figures(hub))
        shown: dict[str, str] = {}
        try:
            while True:
                for change in (await subscription.take())[0]:
                    alarm = change.data
                    if shown.get(change.key) == alarm["state"]:
                        continue
                    shown[change.key] = alarm["state"]
                    title = alarm["title"]["zh" if self._zh else "en"]
                    place = alarm["device_name"]["zh" if self._zh else "en"]
                    head = f"[bold red]{self._word('报警', 'ALARM')}[/] P{alarm['priority']}"
                    self._say(f"        {head} {title} · {place} · {alarm['state']}")
        finally:
            figures.cancel()
            hub.live.unsubscribe(subscription)

    async def _figures(self, hub: Hub) -> None:
        while True:
            await hub.clock.sleep(15.0)
            counters, lag = hub.status.counters, hub.status.lag_us / 1000
            troubles = [state.part for state in hub.status.parts.values() if state.state != "running"]
            tail = f"  [yellow]{self._word('异常', 'not running')}: {', '.join(troubles)}[/]" if troubles else ""
            self._say(
                f"        [dim]{self._word('消息', 'messages')} {counters['arrivals']}  "
                f"{self._word('读数', 'readings')} {counters['readings']}  "
                f"{self._word('事件', 'events')} {counters['events']}  "
                f"{self._word('延迟', 'lag')} {lag:.0f} ms[/]{tail}"
            )

    async def _summary(self, hub: Hub, code: int) -> int:
        report = await asyncio.to_thread(verify, hub.settings.database_url, self._truth, "demo")
        counters = hub.status.counters
        self._say("")
        self._say(f"{self._word('消息', 'messages')} {counters['arrivals']}  "
                  f"{self._word('读数', 'readings')} {counters['readings']}  "
                  f"{self._word('事件', 'events')} {counters['events']}  "
                  f"{self._word('报警变化', 'alarm transitions')} {counters['alarm_transitions']}  "
                  f"{self._word('重复', 'duplicates')} {counters['duplicates']}  "
                  f"{self._word('死信', 'dead letters')} {counters['dead_letters']}")  # fmt: skip
        self._console.print(report.render("zh" if self._zh else "en"), markup=False)
        return code if report.ok else 1

    # -- what it does --------------------------------------------------------------------------------------------

    async def _accounts(self, hub: Hub) -> dict[str, str]:
        """One account a role, passwords drawn at the first start and kept where only the owner reads them."""
        path = self._settings.data_dir / "demo-accounts.json"
        known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        accounts = Accounts(hub.database, hub.clock, session_hours=self._settings.session_hours)
        made = await accounts.create_demo_accounts(hub.communities["demo"])
        if made:
            known |= {account.name: account.password for account in made}
            write_private(path, known)
        return known

    async def _start_simulator(self, hub: Hub) -> asyncio.subprocess.Process:
        """In a process of its own, which the kernel ends should this one die."""
        self._truth.parent.mkdir(parents=True, exist_ok=True)
        arguments = ["-m", "simulators", "--site", "demo", "--seed", str(self._seed), "--truth", str(self._truth),
                     "--language", "zh" if self._zh else "en"]  # fmt: skip
        if self._seconds is not None:
            arguments += ["--for", f"{self._seconds:g}s"]
        wrapper = [str(Path(launch.__file__)), str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1"]
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", *wrapper, sys.executable, *arguments,
            env={**os.environ, "HUB_MQTT_URL": devices_url(hub.settings), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )  # fmt: skip

    async def _settle(self, hub: Hub) -> None:
        """Wait until what was said last is stored: the queue empty and nothing new for two seconds."""
        quiet = 0
        while quiet < 4:
            before = hub.status.counters["arrivals"]
            await hub.clock.sleep(0.5)
            quiet = quiet + 1 if before == hub.status.counters["arrivals"] and not len(hub.queue) else 0


def demo(settings: Settings, seconds: float | None, seed: int, language: str) -> int:
    """Run the demonstration; see `Demo.run`."""
    return Demo(settings, seconds, seed, language).run()
