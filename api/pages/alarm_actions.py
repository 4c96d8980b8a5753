"""What a person can do about an alarm, from a key, a button of the drawer or many at once. The desk decides."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from nicegui import ui

from api.pages.view import View
from hub.alarms.shelving import NotShelvable, unshelvable
from hub.errors import Refused
from hub.evidence.service import EvidenceDesk
from hub.store.database import Row

SHELVE_MINUTES = (15, 60, 240, 480)
NAMED = 5  # of those that cannot be shelved
_MINUTE = timedelta(minutes=1)


class AlarmActions:
    """Actions over alarms of one open page; each asks what it must and calls the desk."""

    def __init__(self, view: View, links: dict[str, str]) -> None:
        self._view = view
        self._desk = view.hub.context.alarms
        self.links = links

    async def one(self, name: str, alarm: Row) -> None:
        """An action by its name: shelve, unshelve, reset, comment, work_order, evidence, note, out_of_service."""
        if name in ("work_order", "evidence"):
            await (self._work_order(alarm) if name == "work_order" else self._evidence(alarm))
            return
        if name == "shelve":
            await self.shelve([alarm["id"]])
            return
        asking: dict[str, Callable[[Row], None]] = {
            "unshelve": self._unshelve, "reset": self._reset, "comment": self._comment,
            "note": self._note, "out_of_service": self._out_of_service,
        }  # fmt: skip
        asking[name](alarm)

    async def acknowledge(self, ids: Sequence[int], note: str = "") -> None:
        """Say "seen, mine" of one or many."""
        who = await self._view.who()
        if len(ids) == 1:
            await self._desk.acknowledge(who, ids[0], note)
            return
        rows = await self._desk.acknowledge_many(who, list(ids), note)
        ui.notify(self._view.t("alarm.acknowledged_many").replace("%n", str(len(rows))), position="top")

    async def assign(self, ids: Sequence[int]) -> None:
        """Ask who shall see to it: those on shift first, then anybody by account name."""
        view, t = self._view, self._view.t
        people = await self._on_shift()

        async def do(given: dict[str, str]) -> None:
            who = await view.who()
            account = given["other"]
            chosen = f"user:{account.removeprefix('user:')}" if account else given["who"]
            for number in ids:
                await self._desk.assign(who, number, chosen)

        title = t("alarm.assign") if len(ids) == 1 else f"{t('alarm.assign')} ({len(ids)})"
        me = view.principal.actor
        others = [(actor, name) for actor, name in people if actor != me]
        fields = [
            view.field("who", t("alarm.owner"), "choice", me, [(me, t("alarm.me")), *others]),
            view.field("other", t("alarm.other_account")),
        ]
        view.form(title, t("alarm.assign_hint"), t("alarm.assign"), do, fields)

    async def _on_shift(self) -> list[tuple[str, str]]:
        """Actor and name of everybody on duty now who has an account; nobody where there is no roster."""
        view = self._view
        port = view.hub.context.ports.get("duty.on_shift")
        rows: list[Any] = await port(view.principal.community_id, None, view.now()) if port else []
        return [(f"user:{row['account']}", f"{row['name']} · {row['post']}") for row in rows if row.get("account")]

    def _ask(
        self, alarm: Row, verb: str, text: str, work: Callable[[str], Awaitable[Any]], *, needed: str = ""
    ) -> None:
        view = self._view

        async def do(note: str) -> None:
            await work(note)

        view.ask(f"{verb}: {view.pick(alarm['title'])}", text, verb, do, field=view.t("alarm.note"), needed=needed)

    def _note(self, alarm: Row) -> None:
        async def do(note: str) -> None:
            await self.acknowledge([alarm["id"]], note)

        self._ask(alarm, self._view.t("alarm.acknowledge"), self._view.pick(alarm["text"]), do)

    def _reset(self, alarm: Row) -> None:
        async def do(note: str) -> None:
            await self._desk.reset(await self._view.who(), alarm["id"], note)

        self._ask(alarm, self._view.t("alarm.reset"), self._view.t("alarm.reset_hint"), do)

    def _unshelve(self, alarm: Row) -> None:
        view = self._view

        async def do(_: str) -> None:
            await self._desk.unshelve(await view.who(), alarm["id"])

        title = f"{view.t('alarm.unshelve')}: {view.pick(alarm['title'])}"
        view.ask(title, view.t("alarm.unshelve_hint"), view.t("alarm.unshelve"), do)

    def _comment(self, alarm: Row) -> None:
        view, t = self._view, self._view.t

        async def do(given: dict[str, str]) -> None:
            await self._desk.comment(await view.who(), alarm["id"], given["text"])

        field = view.field("text", t("alarm.comment"), "area", needed=t("alarm.comment_needed"))
        view.form(f"{t('alarm.comment')}: {view.pick(alarm['title'])}", "", t("alarm.save"), do, [field])

    async def shelve(self, ids: Sequence[int]) -> None:
        """Ask for how long and why, of one or many; one that cannot be shelved is refused before."""
        view, t = self._view, self._view.t
        alarm = await self._desk.show(view.principal, ids[0])
        if len(ids) == 1 and (why := unshelvable(alarm)):
            raise Refused(why, "it cannot be shelved")

        async def do(given: dict[str, str]) -> None:
            until = view.now() + int(given["minutes"]) * _MINUTE
            try:
                await self._desk.shelve_many(await view.who(), list(ids), until, given["reason"])
            except NotShelvable as error:
                if len(ids) == 1:
                    raise
                await self._name_refused(list(error.why))

        spans = [(str(m), f"{m} {t('time.minutes')}" if m < 60 else f"{m // 60} {t('time.hours')}")
                 for m in SHELVE_MINUTES]  # fmt: skip
        fields = [
            view.field("minutes", t("alarm.shelve_for"), "choice", str(SHELVE_MINUTES[1]), spans),
            view.field("reason", t("command.reason"), needed=t("command.reason_needed")),
        ]
        of = view.pick(alarm["title"]) if len(ids) == 1 else str(len(ids))
        view.form(f"{t('alarm.shelve')}: {of}", t("alarm.shelve_hint"), t("alarm.shelve"), do, fields)

    async def _name_refused(self, ids: Sequence[int]) -> None:
        """Say which of many cannot be shelved."""
        view = self._view
        alarms = [await self._desk.show(view.principal, number) for number in ids[:NAMED]]
        names = "; ".join(f"{view.pick(alarm['title'])} ({view.pick(alarm['device_name'])})" for alarm in alarms)
        more = " …" if len(ids) > NAMED else ""
        text = view.t("alarm.none_shelved").replace("%n", str(len(ids)))
        ui.notify(f"{text} {names}{more}", type="negative", position="top", timeout=10_000)

    def _out_of_service(self, alarm: Row) -> None:
        view, t = self._view, self._view.t

        async def do(given: dict[str, str]) -> None:
            who, until = await view.who(), view.moment(given["until"])
            await self._desk.take_out_of_service(who, alarm["device_id"], until, given["reason"], given["order"])

        order = (alarm["links"] or {}).get("work_order", "")
        fields = [
            view.field("until", t("maintenance.until"), "datetime-local", view.typed(view.now() + 480 * _MINUTE)),
            view.field("reason", t("command.reason"), needed=t("command.reason_needed")),
            view.field("order", t("alarm.work_order"), value=order, needed=t("maintenance.order_needed")),
        ]
        title = f"{t('maintenance.take_out')}: {view.pick(alarm['device_name'])}"
        view.form(title, t("maintenance.take_out_hint"), t("maintenance.take_out"), do, fields)

    async def _work_order(self, alarm: Row) -> None:
        """Go to the linked order, or offer to open one."""
        view, t = self._view, self._view.t
        reference = (alarm["links"] or {}).get("work_order")
        if reference and "work_order" in self.links:
            ui.navigate.to(f"{self.links['work_order']}{reference}")
            return
        port = view.hub.context.ports.get("workorders.open")
        if port is None or not view.may("work"):
            ui.notify(t("alarm.no_work_order"), position="top")
            return

        async def do(_: str) -> None:
            await port(await view.who(), alarm["id"])

        view.ask(f"{t('alarm.open_order')}: {view.pick(alarm['title'])}", t("alarm.open_order_hint"),
                 t("alarm.open_order"), do)  # fmt: skip

    async def _evidence(self, alarm: Row) -> None:
        """Everything about the alarm as one sealed file."""
        view = self._view
        ui.notify(view.t("alarm.evidence_wait"), position="top")
        name, content = await EvidenceDesk(view.hub.context).pack(await view.who(), alarm["id"])
        ui.download.content(content, name)
