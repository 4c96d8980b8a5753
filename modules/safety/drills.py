"""Emergency plans (应急预案) and their drills (演练): which plans are in force, when each was drilled, when it is due.

A plan is the response procedure of a rule in force: what is drilled is what the guard is shown. How often by
机关、团体、企业、事业单位消防安全管理规定 (Order 61 of the Ministry of Public Security), article 40: a unit that is no
key unit drills at least once a year, a key unit (消防安全重点单位) each half year, which is set plan by plan.
"""

from collections.abc import AsyncIterable
from datetime import date
from uuid import UUID

from hub import audit
from hub.context import Context
from hub.errors import Refused
from hub.live import Change
from hub.media.store import of_subjects
from hub.overview.model import Section, Tile
from hub.principal import Principal
from hub.store.database import NotThere, Row
from modules.safety import store
from modules.safety.model import months_later
from modules.safety.photographs import add_photograph
from modules.safety.service import text_of
from modules.safety.sheet import EARLIEST

YEARLY = 12
INTERVALS = (0, 1, 3, 6, 12, 24)
"""Months between drills that may be chosen; 0: never due."""


class Drills:
    """Plans and drills, for one principal at a time. Noting a drill needs the right `work`, an interval `supervise`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def plans(self, who: Principal) -> list[Row]:
        """Plans in force, life safety first, then by priority and id: plan (the rule's id), title, kinds, priority,
        life_safety, procedure, `count` of alarms in the last 30 days, months, drilled (day of the last drill or None),
        drills (how many), due (day or None), overdue. A plan that has to be drilled and never was is overdue."""
        who.require("see")
        book = self._context.rulebook
        rules = await book.rules(who) if book is not None else []
        async with self._context.database.session([who.community_id]) as connection:
            today = self._context.clock.now().astimezone(await store.zone(connection, who.community_id)).date()
            months = {row["plan"]: row["months"] for row in await store.rows(connection, "intervals", who.community_id)}
            last = {row["plan"]: row for row in await store.rows(connection, "last_drills", who.community_id)}
        order = ("critical", "high", "medium", "low")
        told = [
            _plan(rule, months, last.get(rule["rule"]), today)
            for rule in rules
            if rule["enabled"] and rule["procedure"]
        ]
        return sorted(told, key=lambda row: (not row["life_safety"], order.index(row["priority"]), row["plan"]))

    async def plan(self, who: Principal, plan: str) -> Row:
        """One plan with its `past` drills, newest first, each with its `photographs`, and the alarms that showed it
        last (`uses`). NotThere where no rule in force has it."""
        found = next((row for row in await self.plans(who) if row["plan"] == plan), None)
        if found is None:
            raise NotThere(f"plan {plan[:48]}")
        async with self._context.database.session([who.community_id]) as connection:
            past = await store.rows(connection, "drills", who.community_id, plan=plan)
            uses = await store.rows(connection, "uses", who.community_id, plan=plan)
            pictures = await of_subjects(connection, who.community_id, [f"drill:{one['id']}" for one in past])
        for one in past:
            one["photographs"] = [
                {name: picture[name] for name in ("id", "taken_at", "source", "gone")}
                for picture in pictures
                if picture["subject"] == f"drill:{one['id']}"
            ]
        return {**found, "past": past, "uses": uses}

    async def add(
        self, who: Principal, plan: str, day: date, people: str, found: str = "", minutes: int | None = None
    ) -> int:
        """Note a drill that was held: who took part, what was found; its number. NotThere; Refused(422)."""
        who.require("work")
        people, found = text_of(people, "people", 500), text_of(found, "found", 2000, least=0)
        if minutes is not None and not 1 <= minutes <= 1440:
            raise Refused("bad_minutes", "minutes: 1 to 1440", 422)
        await self.plan(who, plan)
        now = self._context.clock.now()
        async with self._context.database.session([who.community_id]) as connection:
            today = now.astimezone(await store.zone(connection, who.community_id)).date()
            if not EARLIEST <= day <= today:
                raise Refused("bad_day", "day: of a drill that was held, up to today", 422)
            made = await store.one(connection, "add_drill", who.community_id, "drill", plan=plan, day=day,
                                   minutes=minutes, people=people, found=found, actor=who.actor, at=now)  # fmt: skip
            await audit.record(connection, who, "safety.drill", f"plan:{plan}", now, {"drill": made["id"]})
        self._announce(who.community_id)
        return int(made["id"])

    async def set_interval(self, who: Principal, plan: str, months: int) -> None:
        """How many months may lie between two drills of a plan; 0: it is never due. NotThere; Refused(422)."""
        who.require("supervise")
        if months not in INTERVALS:
            raise Refused("bad_months", f"months: one of {', '.join(map(str, INTERVALS))}", 422)
        await self.plan(who, plan)
        async with self._context.database.session([who.community_id]) as connection:
            await store.do(connection, "set_interval", who.community_id, plan=plan, months=months)
            detail = {"months": months}
            await audit.record(connection, who, "safety.interval", f"plan:{plan}", self._context.clock.now(), detail)
        self._announce(who.community_id)

    async def photograph(self, who: Principal, drill: int, parts: AsyncIterable[bytes]) -> UUID:
        """Add a picture to a drill one noted oneself, within a day; its number. See `add_photograph`."""
        who.require("work")
        async with self._context.database.session([who.community_id]) as connection:
            row = await store.one(connection, "drill", who.community_id, f"drill {drill}", id=drill)
        number = await add_photograph(self._context, who, row, f"drill:{drill}", parts)
        self._announce(who.community_id)
        return number

    async def overview(self, who: Principal) -> Section:
        """What of the fire equipment and of the drills has to be done."""
        plans = await self.plans(who)
        async with self._context.database.session([who.community_id]) as connection:
            today = self._context.clock.now().astimezone(await store.zone(connection, who.community_id)).date()
            told = await store.one(connection, "figures", who.community_id, "figures", today=today)
        late, ill = told["overdue"] + told["service_overdue"], told["faulty"] + told["expired"]
        drills = sum(row["overdue"] for row in plans)
        return Section({"zh": "消防", "en": "Fire safety"}, [
            Tile({"zh": "器材检查逾期", "en": "Inspections overdue"}, late, "/fire-equipment", late > 0,
                 {"zh": f"在用 {told['total']:,} 件", "en": f"{told['total']:,} pieces in use"}),
            Tile({"zh": "故障或应报废", "en": "Faulty or past their life"}, ill, "/fire-equipment", ill > 0),
            Tile({"zh": "预案演练逾期", "en": "Drills overdue"}, drills, "/emergency-plans", drills > 0,
                 {"zh": f"共 {len(plans)} 份预案", "en": f"of {len(plans)} plans"}),
        ])  # fmt: skip

    def _announce(self, community_id: int) -> None:
        self._context.live.publish(Change("safety", community_id, "0", {"equipment": 0}))


def _plan(rule: Row, months: dict[str, int], last: Row | None, today: date) -> Row:
    """A rule's row as a plan. What may kill is drilled yearly unless somebody said otherwise."""
    every = months.get(rule["rule"], YEARLY if rule["life_safety"] else 0)
    drilled = last["day"] if last else None
    due = months_later(drilled, every) if every and drilled else None
    kept = ("title", "kinds", "priority", "life_safety", "procedure", "count")
    return {
        "plan": rule["rule"], **{name: rule[name] for name in kept}, "months": every, "drilled": drilled,
        "drills": last["drills"] if last else 0, "due": due,
        "overdue": bool(every) and (due is None or due < today),
    }  # fmt: skip
