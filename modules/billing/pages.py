"""Bill lines on a screen. No logic: it shows what the service gives, and drafts a period when a person asks for it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from hub.money import yuan
from hub.store.database import Row
from hub.vocabulary.units import symbol
from modules.billing.service import Billing, Run

Text = dict[str, str]

_TITLE = {"zh": "账单明细", "en": "Bill lines"}
_NONE = {
    "zh": "还没有账单明细。在上面选好账期，先试算，再起草。",
    "en": "No bill lines yet. Choose a period above, try it, then draft it.",
}
_FILTERS: dict[str, Text] = {
    "all": {"zh": "全部", "en": "All"},
    "drafted": {"zh": "草稿", "en": "Drafted"},
    "held": {"zh": "待核", "en": "Held"},
}
_COLUMNS: dict[str, tuple[Text, str]] = {
    "device": ({"zh": "表计", "en": "Meter"}, "link"),
    "place": ({"zh": "位置", "en": "Place"}, ""),
    "period": ({"zh": "账期（不含末日）", "en": "Period (last day excluded)"}, ""),
    "quantity": ({"zh": "用量", "en": "Quantity"}, "num"),
    "unit_price": ({"zh": "单价", "en": "Unit price"}, "num"),
    "amount": ({"zh": "金额", "en": "Amount"}, "num"),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "actions": ({"zh": "操作", "en": "Actions"}, "actions"),
}
_SAYS: dict[str, Text] = {
    "title": {"zh": "起草一个账期", "en": "Draft a period"},
    "from": {"zh": "从（含）", "en": "From (included)"},
    "to": {"zh": "到（不含）", "en": "To (excluded)"},
    "try": {"zh": "试算", "en": "Dry run"},
    "draft": {"zh": "起草", "en": "Draft"},
    "note": {
        "zh": "试算不写入任何东西。起草可以重复：已有的明细不会再写一次。",
        "en": "A dry run writes nothing. Drafting can be repeated: lines that are there are not written again.",
    },
    "sure": {"zh": "为这个账期写入账单明细？", "en": "Write the bill lines of this period?"},
    "no_date": {"zh": "请填写两个日期。", "en": "Both dates are needed."},
    "working": {"zh": "已处理表计", "en": "Meters done"},
    "explain": {"zh": "溯源", "en": "Explain"},
}
_SUMMARY: dict[str, Text] = {
    "meters": {"zh": "表计", "en": "Meters"},
    "drafted": {"zh": "草稿明细", "en": "Lines drafted"},
    "amount_fen": {"zh": "草稿金额", "en": "Amount drafted"},
    "held": {"zh": "待核明细", "en": "Lines held"},
    "existing": {"zh": "原已存在", "en": "There before"},
    "overlapping": {"zh": "与已有账期重叠（未写）", "en": "Overlapping (not written)"},
}
_REASONS: dict[str, Text] = {
    "no_reading_at_start": {"zh": "待核：期初无读数", "en": "Held: no reading at the start"},
    "no_reading_at_end": {"zh": "待核：期末无读数", "en": "Held: no reading at the end"},
    "doubtful_reading": {"zh": "待核：读数可疑", "en": "Held: doubtful reading"},
    "counter_fell": {"zh": "待核：表计倒走或换表", "en": "Held: counter went back or meter replaced"},
    "no_tariff": {"zh": "待核：无有效价目", "en": "Held: no tariff in force"},
    "unit_differs": {"zh": "待核：价目单位不符", "en": "Held: tariff is for another unit"},
}
_STEPS: dict[str, Text] = {
    "line": {"zh": "1. 明细", "en": "1. Line"},
    "tariff": {"zh": "2. 价目", "en": "2. Tariff"},
    "start": {"zh": "3. 期初读数与原始报文", "en": "3. Reading at the start, and its raw frames"},
    "end": {"zh": "4. 期末读数与原始报文", "en": "4. Reading at the end, and its raw frames"},
    "no_reading": {"zh": "没有读数。", "en": "There is no reading."},
    "no_frames": {
        "zh": "没有报文：已超过原始报文的保存期，或读数由其他途径得到。读数仍保存在明细中。",
        "en": "No frames: they are past their retention, or the reading came otherwise. The line keeps the reading.",
    },
    "no_tariff": {"zh": "没有有效价目。", "en": "No tariff is in force."},
    "version": {"zh": "价目版本", "en": "Tariff version"},
    "sum": {"zh": "计算", "en": "Sum"},
    "reading": {"zh": "读数", "en": "Reading"},
    "time": {"zh": "时间", "en": "Time"},
    "source": {"zh": "来源", "en": "Source"},
    "bytes": {"zh": "字节（十六进制）", "en": "Bytes (hex)"},
    "detail": {"zh": "详情", "en": "Detail"},
    "close": {"zh": "关闭", "en": "Close"},
}
_DONE = {True: {"zh": "试算结果", "en": "Dry run"}, False: {"zh": "起草结果", "en": "Drafted"}}


def add_pages(shell: Any, billing: Billing) -> None:
    """The newest lines, and the form that makes more."""

    async def build(view: Any, _: int | None) -> None:
        await LinesPage(view, billing).build()

    shell.add("/bill-lines", _TITLE, "receipt_long", 50, build, right="bill", home=["finance"])


class LinesPage:
    """One open list of bill lines."""

    def __init__(self, view: Any, billing: Billing) -> None:
        self._view = view
        self._billing = billing
        self._filter = "all"
        self._tried: tuple[date, date] | None = None
        today = view.now().astimezone(ZoneInfo(view.zone)).date()
        this_month = today.replace(day=1)
        last_month = (this_month - timedelta(days=1)).replace(day=1)
        self._typed = {"from": last_month.isoformat(), "to": this_month.isoformat()}

    async def build(self) -> None:
        view = self._view
        self._places = await view.places()
        view.head(view.pick(_TITLE))
        self._paint_form()
        with ui.dialog() as self._dialog, view.box("dialog wide") as self._body:
            pass
        with view.box("panel", "section"):
            with view.box("segmented", role="group", aria_label=view.pick(_TITLE)):
                self._buttons = {name: view.tag("button", view.pick(text), type="button")
                                 for name, text in _FILTERS.items()}  # fmt: skip
            for name, button in self._buttons.items():
                button.on("click", lambda _, name=name: view.act(self._choose)(name))
            columns = [(key, view.pick(title), sort) for key, (title, sort) in _COLUMNS.items()]
            self._table = view.table(columns, [], view.pick(_NONE))
        self._table.on("action", lambda event: view.act(self._explain)(event.args))
        await self._show()

    # -- the form ------------------------------------------------------------------------------------------------

    def _paint_form(self) -> None:
        view = self._view
        with view.panel(view.pick(_SAYS["title"])):
            view.tag("p", view.pick(_SAYS["note"]), "muted")
            with view.box("actions form"):
                for name in ("from", "to"):
                    with view.box("field", "label"):
                        view.tag("span", view.pick(_SAYS[name]))
                        line = view.box("search", "input", type="date", value=self._typed[name], required="true")
                    line.on("input", lambda event, name=name, line=line: self._type(name, line, event.args),
                            js_handler="(e) => emit(e.target.value)")  # fmt: skip
                tried = view.tag("button", view.pick(_SAYS["try"]), "ghost", type="button")
                self._draft = view.tag("button", view.pick(_SAYS["draft"]), "solid", type="button")
            tried.on("click", view.act(self._try))
            self._draft.on("click", self._ask)
            self._progress = view.box("", aria_live="polite")
        self._allow(None)

    def _type(self, name: str, line: Any, text: object) -> None:
        self._typed[name] = line.props["value"] = str(text)[:10]
        line.update()
        self._allow(None)

    def _allow(self, tried: tuple[date, date] | None) -> None:
        """Drafting is offered for exactly the period that was tried."""
        self._tried = tried
        self._draft.props["disabled"] = tried is None
        self._draft.update()

    async def _try(self, _: object = None) -> None:
        try:
            start, end = (date.fromisoformat(self._typed[name]) for name in ("from", "to"))
        except ValueError:
            self._say(self._view.pick(_SAYS["no_date"]))
            return
        await self._run(start, end, dry_run=True)
        self._allow((start, end))

    def _ask(self) -> None:
        view, chosen = self._view, self._tried
        if chosen is None:
            return

        async def draft(_: str) -> None:
            await self._run(*chosen, dry_run=False)
            self._allow(None)
            await self._show()

        title = f"{view.pick(_SAYS['draft'])}: {period(*chosen)}"
        view.ask(title, view.pick(_SAYS["sure"]), view.pick(_SAYS["draft"]), draft)

    async def _run(self, start: date, end: date, *, dry_run: bool) -> None:
        def progress(done: int, of: int) -> None:
            self._say(f"{self._view.pick(_SAYS['working'])}: {done} / {of}")

        progress(0, 0)
        try:
            run = await self._billing.draft_period(
                await self._view.who(), start, end, dry_run=dry_run, progress=progress
            )
        except BaseException:
            self._progress.clear()
            raise
        self._summarise(start, end, run)

    def _say(self, text: str) -> None:
        self._progress.clear()
        with self._progress:
            self._view.tag("p", text, role="status")

    def _summarise(self, start: date, end: date, run: Run) -> None:
        view = self._view
        self._progress.clear()
        with self._progress:
            view.tag("h3", f"{view.pick(_DONE[run.dry_run])} · {period(start, end)}")
            with view.box("tiles"):
                for name, title in _SUMMARY.items():
                    number = getattr(run, name)
                    if number or name in ("meters", "drafted", "amount_fen"):
                        with view.box("tile"):
                            view.tag("span", view.pick(title), "muted")
                            view.tag("b", yuan(number) if name == "amount_fen" else f"{number:,}")

    # -- the list ------------------------------------------------------------------------------------------------

    async def _choose(self, name: str) -> None:
        self._filter = name
        await self._show()

    async def _show(self) -> None:
        rows = await self._billing.recent(self._view.principal, state=None if self._filter == "all" else self._filter)
        for name, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if name == self._filter else "false"
            button.update()
        self._table.show([self._cells(row) for row in rows])

    def _cells(self, row: Row) -> dict[str, Any]:
        view, held = self._view, row["state"] == "held"
        unit = symbol(row["unit"])
        text = _REASONS[row["reason"]] if held else _FILTERS["drafted"]
        return {
            "id": row["id"],
            "device": view.device_cell(row["device_id"], row["device"]),
            "place": self._places.get(row["place"], row["place"]) or "—",
            "period": period(row["period_start"], row["period_end"]),
            "quantity": "—" if held else f"{row['quantity']:,f} {unit}",
            "unit_price": price(row["unit_price"], unit),
            "amount": "—" if held else yuan(row["amount_fen"]),
            "state": {"mark": "!" if held else "○", "text": view.pick(text), "tone": "ill" if held else ""},
            "actions": [("explain", view.pick(_SAYS["explain"]))],
        }

    # -- from the amount back to the bytes -----------------------------------------------------------------------

    async def _explain(self, argument: object) -> None:
        """A button of a row, as the browser sent it: [line id, "explain"]."""
        view = self._view
        number = argument[0] if isinstance(argument, list) and argument else 0
        number = number if isinstance(number, int) and 0 < number < 2**62 else 0
        line = await self._billing.show(await view.who(), number)
        found = await self._billing.walk_back(view.principal, number)
        cells = self._cells(line)
        title = f"{cells['device']['text']} · {cells['period']}"
        self._dialog.props["aria-label"] = title
        self._body.clear()
        with self._body:
            view.tag("h2", title)
            self._paint_line(line, cells, found["sum"])
            unit = symbol(line["unit"])
            for end in ("start", "end"):
                self._paint_end(_STEPS[end], found[end], unit)
            with view.box("actions"):
                view.tag("button", view.pick(_STEPS["close"]), "ghost", type="button").on("click", self._dialog.close)
        self._dialog.open()

    def _paint_line(self, line: Row, cells: dict[str, Any], total: str) -> None:
        pick, facts = self._view.pick, self._view.facts
        self._view.tag("h3", pick(_STEPS["line"]))
        known = [(pick(_COLUMNS[key][0]), cells[key]) for key in ("place", "quantity", "amount")]
        known.append((pick(_COLUMNS["state"][0]), cells["state"]["text"]))
        known += [(pick(_STEPS[key]), text) for key, text in (("sum", total), ("detail", line["detail"])) if text]
        facts(known)
        self._view.tag("h3", pick(_STEPS["tariff"]))
        if line["tariff_version"] is None:
            self._view.tag("p", pick(_STEPS["no_tariff"]), "muted")
        else:
            version = (pick(_STEPS["version"]), line["tariff_version"])
            facts([version, (pick(_COLUMNS["unit_price"][0]), cells["unit_price"])])

    def _paint_end(self, title: Text, end: dict[str, Any], unit: str) -> None:
        view, pick = self._view, self._view.pick
        view.tag("h3", pick(title))
        if end["ts"] is None:
            view.tag("p", pick(_STEPS["no_reading"]), "muted")
            return
        view.facts([(pick(_STEPS["reading"]), f"{end['value']} {unit}"), (pick(_STEPS["time"]), self._when(end["ts"]))])
        columns = [("time", pick(_STEPS["time"])), ("source", pick(_STEPS["source"])),
                   ("bytes", pick(_STEPS["bytes"]), "mono")]  # fmt: skip
        view.table(columns, self._frames(end["frames"]), pick(_STEPS["no_frames"]))

    def _frames(self, frames: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        return [
            {
                "id": frame["key"], "time": self._when(frame["received"]), "source": frame["source"],
                "bytes": bytes.fromhex(frame["hex"]).hex(" "),
            }
            for frame in frames
        ]  # fmt: skip

    def _when(self, moment: str) -> str:
        return str(self._view.stamp(datetime.fromisoformat(moment)))


def price(amount: Decimal | None, unit: str) -> str:
    """A unit price in yuan, exact: "¥0.5283/kWh"."""
    return "—" if amount is None else f"¥{amount:,f}/{unit}"


def period(start: date, end: date) -> str:
    """The days from `start` on, without `end`."""
    return f"{start} – {end}"
