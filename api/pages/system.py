"""How the hub is: parts, queue, lag, counters, drops, and the letters nobody could read."""

from typing import Any

from nicegui import ui

from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import Table, box, facts, head, panel, tag
from hub.clock import from_us
from hub.codecs.reasons import REASON_TEXTS, DeadReason
from hub.live import Change
from hub.store.database import Row

_SLOW_US = 2_000_000
PARTS = {
    "alarms": "part.alarms", "analyses": "part.analyses", "audit": "part.audit", "bus": "part.bus",
    "clips": "part.clips", "configuration": "part.configuration", "duty": "part.duty", "jobs": "part.jobs",
    "notifications": "part.notifications", "pages": "part.pages", "patrol": "part.patrol",
    "pipeline": "part.pipeline", "snapshots": "part.snapshots", "upkeep": "part.upkeep",
}  # fmt: skip
COUNTERS = {
    "alarm_transitions": "counter.alarm_transitions", "arrivals": "counter.arrivals", "batches": "counter.batches",
    "clips": "counter.clips", "clips_left_out": "counter.clips_left_out",
    "dead_letters": "counter.dead_letters", "dropped": "counter.dropped", "duplicates": "counter.duplicates",
    "events": "counter.events", "frames": "counter.frames", "readings": "counter.readings",
}  # fmt: skip


def install(shell: Shell) -> None:
    """Put the system page into the shell."""

    async def build(view: View, _: int | None) -> None:
        await SystemPage(view).build()

    shell.add("/system", "nav.system", "monitor_heart", 90, build)


class SystemPage:
    """One open system page."""

    def __init__(self, view: View) -> None:
        self._view = view

    async def build(self) -> None:
        view, t = self._view, self._view.t
        head(t("system.title"))
        self._refused = view.refused_files()
        with box("tiles"):
            self._figures = {name: self._tile(f"system.{name}") for name in ("queue", "lag", "last_commit", "readers")}
            self._figures["dead"] = self._tile("system.dead_letters")
            self._figures["drops"] = self._tile("system.drops")
        with box("columns wide-left"):
            with box(""):
                with panel(t("system.parts")):
                    self._parts = Table(
                        [
                            ("part", t("system.part")),
                            ("state", t("system.state")),
                            ("since", t("system.since")),
                            ("attempts", t("system.attempts"), "num"),
                            ("next", t("system.next_attempt")),
                            ("error", t("system.last_error")),
                        ],
                        [],
                        t("system.no_parts"),
                    )
                with panel(t("system.drops")):
                    self._drops = Table(
                        [
                            ("bus", t("device.bus")),
                            ("class", t("system.delivery")),
                            ("count", t("system.amount"), "num"),
                            ("last", t("system.last_at")),
                        ],
                        [],
                        t("system.no_drops"),
                    )
            with panel(t("system.counters")):
                self._counters = Table(
                    [("name", t("system.counter")), ("count", t("system.amount"), "num")], [], t("system.no_counters")
                )
        with panel(t("system.dead_letters")):
            columns: list[tuple[str, ...]] = [
                ("last", t("system.last_at")),
                ("source", t("device.source")),
                ("reason", t("system.reason")),
                ("detail", t("device.detail")),
                ("count", t("system.amount"), "num"),
                ("replayed", t("system.replayed")),
            ]
            if view.may("replay"):
                columns.append(("do", t("system.view"), "actions"))
            self._letters = Table(columns, [], t("system.no_dead_letters"))
            self._letters.on("action", lambda event: view.act(self._open)(event.args))
        with ui.dialog() as self._dialog, box("dialog wide") as self._body:
            pass
        await self._show()
        ui.timer(2.0, view.act(self._show))
        view.follow(["run_state"], self._changed, self._show)

    def _tile(self, key: str) -> tuple[ui.element, Any]:
        with box("tile") as tile:
            tag("span", self._view.t(key), "muted")
            value = tag("b", "")
        return tile, value

    async def _changed(self, _: list[Change]) -> None:
        await self._show()

    async def _show(self) -> None:
        view = self._view
        system = await view.hub.reads.system(view.principal)
        self._refused.show()
        last = system["last_commit"]
        counts = system["counts"]
        self._figure("queue", f"{system['queue']:,}", system["queue"] > system["queue_size"] // 2)
        self._figure("lag", f"{system['lag_us'] / 1000:,.0f} ms", system["lag_us"] > _SLOW_US)
        self._figure("last_commit", view.stamp(from_us(last)) if last else "—", False)
        self._figure("readers", str(system["readers"]), False)
        self._figure("dead", f"{counts['dead_letters']:,}", counts["dead_letters"] > 0)
        self._figure("drops", f"{counts['drops']:,}", counts["drops"] > 0)
        self._parts.show([self._part(part) for part in system["parts"]])
        self._counters.show(
            [{"name": self._counter_name(name), "count": f"{count:,}"} for name, count in system["counters"].items()]
        )
        self._drops.show(
            [
                {
                    "bus": row["bus"],
                    "class": row["delivery"],
                    "count": f"{row['count']:,}",
                    "last": view.stamp(row["last_at"]),
                }
                for row in system["drops"]
            ]
        )
        letters = await view.hub.reads.dead_letters(view.principal, limit=50)
        self._letters.show([self._letter(row) for row in letters])

    def _figure(self, name: str, text: str, ill: bool) -> None:
        tile, value = self._figures[name]
        value.text = text
        tile.classes(add="ill" if ill else "", remove="" if ill else "ill")

    def _part_name(self, part: str) -> str:
        """`bus:demo/gw-b1` as "Bus gw-b1"; the community is named by the page."""
        sort, _, name = part.partition(":")
        word = self._view.t(PARTS[sort]) if sort in PARTS else sort
        return f"{word} {name.rpartition('/')[2]}".strip()

    def _counter_name(self, counter: str) -> str:
        name, _, bus = counter.partition(":")
        word = self._view.t(COUNTERS[name]) if name in COUNTERS else name
        return f"{word} · {bus.rpartition('/')[2]}" if bus else word

    def _reason(self, reason: str) -> str:
        try:
            text = REASON_TEXTS[DeadReason(reason)]
        except ValueError:
            return reason
        words = self._view.pick({"zh": text.zh, "en": text.en})
        return words[:1].upper() + words[1:]

    def _part(self, part: Row) -> Row:
        view = self._view
        following = part["next_attempt"]
        return {
            "id": part["part"],
            "part": self._part_name(part["part"]),
            "state": view.word("part_state", part["state"]),
            "since": view.stamp(from_us(part["since"])),
            "attempts": part["attempts"] or "—",
            "next": view.stamp(from_us(following)) if following else "—",
            "error": part["last_error"] or "—",
            "tone": "" if part["state"] in ("running", "starting") else "ill",
        }

    def _letter(self, row: Row) -> Row:
        view = self._view
        return {
            "id": row["id"],
            "last": view.stamp(row["last_at"]),
            "source": f"{row['bus']} · {row['source']}",
            "reason": self._reason(row["reason"]),
            "detail": row["detail"],
            "count": f"{row['count']:,}",
            "replayed": view.stamp(row["replayed_at"]),
            "do": [("view", view.t("system.view"))],
        }

    async def _open(self, argument: object) -> None:
        view = self._view
        first = argument[0] if isinstance(argument, list) and argument else 0
        number = first if isinstance(first, int) and 0 < first < 2**62 else 0
        row = await view.hub.reads.dead_letter(await view.who(), number)
        self._body.clear()
        self._dialog.props["aria-label"] = self._reason(row["reason"])
        with self._body:
            tag("h2", self._reason(row["reason"]))
            tag("p", row["detail"], "muted")
            facts(
                [
                    (view.t("device.bus"), row["bus"]),
                    (view.t("device.source"), row["source"]),
                    (view.t("system.size"), f"{row['size']:,} B"),
                    (view.t("system.amount"), f"{row['count']:,}"),
                    (view.t("system.last_at"), view.stamp(row["last_at"])),
                    (view.t("system.replayed"), view.stamp(row["replayed_at"])),
                ]
            )
            if row["size"] > len(row["raw"]):
                tag("p", view.t("system.size_cut"), "muted")
            tag("h3", view.t("system.hex"))
            tag("pre", hex_view(row["raw"][:4096]), "mono hex", tabindex="0")
            with box("actions"):
                tag("button", view.t("system.close"), "ghost", type="button").on("click", self._dialog.close)
                tag("button", view.t("system.replay"), "solid", type="button").on(
                    "click", lambda _: view.act(self._replay)(number)
                )
        self._dialog.open()

    async def _replay(self, number: int) -> None:
        count = await self._view.hub.reads.replay(await self._view.who(), [number])
        self._dialog.close()
        ui.notify(f"{self._view.t('system.replay_done')}: {count}", position="top")
        await self._show()


def hex_view(raw: bytes) -> str:
    """Offset, 16 bytes, and their printable ASCII; a line each."""
    lines = []
    for start in range(0, len(raw), 16):
        part = raw[start : start + 16]
        plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {plain}")
    return "\n".join(lines)
