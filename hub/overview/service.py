"""Gathers the overview: alarms, devices and energy from here, the rest from the ports of the modules."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from hub.context import Context
from hub.errors import HubError
from hub.kpis.service import KpiDesk
from hub.kpis.words import value_text
from hub.money import yuan
from hub.overview.model import Section, Tile
from hub.principal import Principal
from hub.readmodel.desk import ReadDesk
from hub.store.queries import load_queries

_log = structlog.get_logger()
_SQL = load_queries("hub.overview")
PORT = ".overview"
LOSSES = timedelta(days=30)

Tell = Callable[[Principal], Awaitable[Section | None]]
"""A port `<module>.overview`: its section for a principal, None where they may see nothing of it."""


class OverviewDesk:
    """The overview, for one principal at a time. It only reads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reads = ReadDesk(context)
        self._kpis = KpiDesk(context)

    async def sections(self, who: Principal) -> list[Section]:
        """Alarms, devices, energy, then each module's in the order of their names; last, for who may mend them, files
        that are not in force. Refused(403)."""
        who.require("see")
        ports = [port for name, port in sorted(self._context.ports.items()) if name.endswith(PORT)]
        told = [await self._ask(tell, who) for tell in (self._alarms, self._devices, self._energy, *ports, self._files)]
        return [section for section in told if section is not None]

    async def _ask(self, tell: Tell, who: Principal) -> Section | None:
        """A room's section; one that fails leaves the others standing, and says so."""
        try:
            return await tell(who)
        except (HubError, LookupError, ValueError) as error:
            _log.error(
                "a room's overview failed", room=getattr(tell, "__qualname__", repr(tell)), error=str(error)[:200]
            )
            return Section({"zh": "暂缺", "en": "Missing"}, [
                Tile({"zh": "一个部分没有读到", "en": "A part could not be read"}, "—", "/system", True),
            ])  # fmt: skip

    async def _alarms(self, who: Principal) -> Section:
        counts = await self._reads.counts(who)
        day = await self._kpis.report(who, "day")
        figures = {figure.id: figure for figure in day.figures}
        rate, answered = figures["per_operator_hour"], figures["acknowledged_p50"]
        target = {"zh": f"目标 {rate.target} 个/小时", "en": f"target {rate.target} per hour"}
        waited = "—" if answered.value is None else f"{value_text(answered.value)} s"
        return Section({"zh": "报警", "en": "Alarms"}, [
            Tile({"zh": "待确认", "en": "Unacknowledged"}, counts["unacknowledged"], "/alarms",
                 counts["unacknowledged"] > 0),
            Tile({"zh": "未结束", "en": "Live"}, counts["live_alarms"], "/alarms"),
            Tile({"zh": "24 小时内提示，个/小时", "en": "Calls per hour, 24 h"}, value_text(rate.value),
                 "/alarm-performance", rate.within is False, target),
            Tile({"zh": "确认用时，中位数", "en": "Time to acknowledge, median"}, waited, "/alarm-performance"),
        ])  # fmt: skip

    async def _devices(self, who: Principal) -> Section:
        counts = await self._reads.counts(who)
        away = counts["not_connected"]
        silent = sum(row["active"] for row in await self._context.alarms.maintenance(who))
        return Section({"zh": "设备", "en": "Devices"}, [
            Tile({"zh": "不在线", "en": "Not connected"}, away, "/devices", away > 0,
                 {"zh": f"共 {counts['devices']:,} 台", "en": f"of {counts['devices']:,}"}),
            Tile({"zh": "停用与维护", "en": "Out of service"}, silent, "/maintenance"),
            Tile({"zh": "未能解读的报文", "en": "Dead letters"}, counts["dead_letters"], "/system",
                 counts["dead_letters"] > 0),
        ])  # fmt: skip

    async def _energy(self, who: Principal) -> Section:
        values = {"community_id": who.community_id, "since": self._context.clock.now() - LOSSES}
        async with self._context.database.session([who.community_id]) as connection:
            row = await (await connection.execute(_SQL["losses"], values)).fetchone()
        assert row is not None
        return Section({"zh": "能耗", "en": "Energy"}, [
            Tile({"zh": "异常损失，30 天", "en": "Cost of anomalies, 30 days"}, yuan(row["fen"]), "/alarms",
                 row["fen"] > 0, {"zh": f"{row['count']} 条报警", "en": f"alarms: {row['count']}"}),
        ])  # fmt: skip

    async def _files(self, who: Principal) -> Section | None:
        refused = self._reads.refused(who)
        if not refused:
            return None
        return Section({"zh": "设置文件", "en": "Configuration files"}, [
            Tile({"zh": "已改动但没有生效", "en": "Changed, not in force"}, len(refused), "/system", True),
        ])  # fmt: skip
