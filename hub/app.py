"""The composition root: wires a running hub from settings, configuration and plugs. Reading it tells all that runs."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import structlog

from hub.alarms.desk import AlarmDesk
from hub.alarms.upkeep import AlarmUpkeep
from hub.analyses.model import Analysis
from hub.analyses.runner import Analyses
from hub.audit import AuditHeads
from hub.catalog.devices import on_bus
from hub.catalog.folders import ConfigFolders
from hub.catalog.load import Catalog
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from hub.clock import Clock, SystemClock
from hub.commands.desk import CommandDesk
from hub.context import Context, Status
from hub.decisions import Calculator, Evaluator, NoCalculator
from hub.errors import BadFrame, Misconfigured, Unreachable
from hub.jobs import job_app, run_jobs
from hub.live import Live
from hub.media.parts import camera_work
from hub.model import Arrival, Device, Frame
from hub.pipeline.intake import ArrivalQueue
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.replay import replay
from hub.pipeline.stages import Stages
from hub.plugins import (
    EventHandler,
    OffersAnalyses,
    OffersCalculator,
    OffersDrivers,
    OffersEvaluator,
    OffersEventHandlers,
    OffersHandlers,
    OffersMigrations,
    OffersParts,
    OffersPorts,
    OffersRuleTools,
    OffersServer,
    OffersTasks,
    load_plugs,
    offering,
)
from hub.ports import DeviceReport, Driver, DriverFactory
from hub.reports.driver import VirtualDriver
from hub.reports.outbox import Reports
from hub.rulebook.service import Rulebook
from hub.settings import Settings
from hub.store.database import Database
from hub.store.migrate import migrate
from hub.store.registry import register
from hub.store.upkeep import Upkeep
from hub.store.writer import Writer
from hub.supervisor import Supervisor
from hub.vocabulary.kinds import Delivery
from hub.vocabulary.sites import Bus

_log = structlog.get_logger()
_DRAIN_S = 5.0
_AGAIN_S = 2.0


def config_roots(settings: Settings) -> list[Path]:
    """The packaged `config/` and, over it, the site's own folder."""
    return [packaged_config(), *([settings.config_dir] if settings.config_dir else [])]


class Hub:
    """One hub process. `start`, then `stop`; everything in between is supervised."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], *, clock: Clock | None = None,
        plugs: Sequence[object] | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.clock = clock or SystemClock()
        self.plugs = list(plugs) if plugs is not None else load_plugs()
        self.roots = config_roots(settings)
        self._folders = ConfigFolders(self.roots, environment)
        self.live = Live()
        self.status = Status()
        self.supervisor = Supervisor(self.clock, self.status, self.live)
        self.queue = ArrivalQueue(self.clock, settings.queue_size, self._classify)
        self.database = Database(settings.database_url)
        self.reports = Reports(self.database)
        self.devices: dict[int, Device] = {}
        self.communities: dict[str, int] = {}
        self._drivers: dict[str, Driver] = {}
        self._buses: dict[str, Bus] = {}
        self._commands: CommandDesk | None = None
        self._rulebook: Rulebook | None = None
        self._stages: Stages | None = None
        self._reloading = asyncio.Lock()
        self._file_rules: Sequence[Any] = ()

    # -- life ----------------------------------------------------------------------------------------------------

    async def start(self) -> Context:
        """Bring everything up, or nothing: CatalogError when the configuration is wrong; psycopg.Error when the store
        is away."""
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> Context:
        catalog = await asyncio.to_thread(self._folders.load)
        folders = [plug.migrations() for plug in offering(self.plugs, OffersMigrations)]
        applied = await asyncio.to_thread(migrate, self.settings.database_url, folders)
        if applied:
            _log.info("database brought up to date", migrations=len(applied))
        registry, self.devices = await register(self.settings.database_url, catalog, self.clock.now())
        homes = self.communities = registry.communities
        await self.database.open()
        commands = self._commands = CommandDesk(
            self.database, self.clock, self.live, lambda: self.devices, self._driver_of
        )
        closed = await commands.recover(list(self.communities.values()))
        if closed:
            _log.warning("commands were on their way when the hub stopped; none is sent again", commands=closed)
        ports: dict[str, Any] = {}
        desk = AlarmDesk(self.database, self.clock, self.live, self._handlers(), self.devices, ports)
        context = Context(
            settings=self.settings, clock=self.clock, database=self.database, live=self.live, status=self.status,
            alarms=desk, commands=commands, devices=self.devices, communities=self.communities, replay=self.replay,
            reports=self.reports, ports=ports, plans=catalog.plans_of(homes), kinds=catalog.kinds_of(homes),
        )  # fmt: skip
        for plug in offering(self.plugs, OffersPorts):
            ports |= plug.ports(context)
        self.context = context
        for tools in offering(self.plugs, OffersRuleTools):
            self._rulebook = context.rulebook = Rulebook(
                self.database, self.clock, self.live, tools, roots=self.roots, kinds=catalog.kinds,
                devices=self.devices, price_at=lambda: context.ports.get("billing.price_at"),
            )  # fmt: skip
            await context.rulebook.read_files(catalog.kinds, self.communities)
            context.rulebook.on_change = self.apply_rules
        await self._start_pipeline(catalog, commands)
        self._start_background(context)
        self._apply_buses(catalog, self._make_drivers(catalog, self.devices))
        for server in offering(self.plugs, OffersServer):
            self.supervisor.start("pages", lambda server=server: server.serve(context, self.plugs))  # type: ignore[misc]
        return context

    async def stop(self) -> None:
        """End everything in order: sources first, then the pipeline, then the rest. What waits is given a moment to be
        stored; what is unacknowledged stays with its source."""
        if self._rulebook is not None:
            await self._rulebook.close()
        await self.supervisor.stop(*(f"bus:{name}" for name in self._drivers))
        await self._drain()
        if self._commands is not None:
            await self._commands.stop()
        await self.supervisor.stop_all()
        if self._stages is not None:
            await self._stages.writer.close()
        await self.database.close()

    async def _drain(self) -> None:
        deadline = self.clock.monotonic() + _DRAIN_S
        while (left := len(self.queue)) and self.clock.monotonic() < deadline and "pipeline" in self.supervisor.parts:
            await self.clock.sleep(0.05)
        if left:
            _log.warning("stopped with arrivals unstored; those of QoS 1 stay with their broker", arrivals=left)

    # -- parts ---------------------------------------------------------------------------------------------------

    async def _start_pipeline(self, catalog: Catalog, commands: CommandDesk) -> None:
        writer = Writer(self.settings.database_url, self.communities.values())
        evaluator = self._make_evaluator(catalog)
        self._file_rules = evaluator.rules
        if self._rulebook is not None:
            await self._rulebook.tell(self.communities)
        own = await self._own_rules(self.communities)
        evaluator.replace_rules(self._file_rules, self.clock.now_us(), own)
        self._stages = Stages(
            clock=self.clock, writer=writer, evaluator=evaluator, calculator=self._make_calculator(),
            commands=commands, alarms=self.context.alarms,
            live=self.live, status=self.status, decoders={}, bus_community={}, handlers=self._handlers(),
            event_handlers=self._event_handlers(),
            devices=self.devices, dead_letter_bytes=self.settings.dead_letter_bytes,
        )  # fmt: skip
        await self._stages.recall()
        self.pipeline = Pipeline(self.queue, self._stages, self.clock, self.settings, self.status)
        self.supervisor.start("pipeline", self.pipeline.run)

    def _make_evaluator(self, catalog: Catalog) -> Evaluator:
        makers = offering(self.plugs, OffersEvaluator)
        if len(makers) != 1:
            raise Misconfigured(f"one plug must bring the rules engine; {len(makers)} do")
        return makers[0].evaluator(self.roots, catalog.kinds)

    async def _own_rules(self, communities: Mapping[str, int]) -> Mapping[int, Sequence[Any]]:
        """The rules of the communities in which people put versions over those of the files."""
        return {} if self._rulebook is None else await self._rulebook.compose(self._file_rules, communities)

    async def apply_rules(self, community_id: int) -> None:
        """Judge one community by the rules now in force there, from the next batch on."""
        async with self._reloading:
            here = {code: number for code, number in self.communities.items() if number == community_id}
            own = await self._own_rules(here)
            rules = own.get(community_id, self._file_rules)
            assert self._stages is not None
            async with self.pipeline.between_batches():
                self._stages.evaluator.replace_rules_of(community_id, rules, self.clock.now_us())

    def _make_calculator(self) -> Calculator:
        return next((plug.calculator() for plug in offering(self.plugs, OffersCalculator)), NoCalculator())

    def _handlers(self) -> dict[str, list[str]]:
        handlers: dict[str, list[str]] = {}
        for plug in offering(self.plugs, OffersHandlers):
            for event, task in plug.handlers().items():
                handlers.setdefault(event, []).append(task)
        return handlers

    def _event_handlers(self) -> dict[tuple[str, str], list[EventHandler]]:
        handlers: dict[tuple[str, str], list[EventHandler]] = {}
        for plug in offering(self.plugs, OffersEventHandlers):
            for event, handler in plug.event_handlers(self.context).items():
                handlers.setdefault(event, []).append(handler)
        return handlers

    def _start_background(self, context: Context) -> None:
        upkeep = Upkeep(self.settings.database_url, self.clock, self.settings)
        self.supervisor.start("upkeep", upkeep.run)
        alarms = AlarmUpkeep(
            self.settings.database_url, self.clock, context.alarms, self._handlers(), self.devices, self.communities
        )
        self.supervisor.start("alarms", alarms.run)
        tasks = {name: task for plug in offering(self.plugs, OffersTasks) for name, task in plug.tasks(context).items()}
        tasks["hub.command"] = context.commands.carry_out_wish
        noting, asking = camera_work(context, self._driver_of)
        tasks |= noting
        for name, work in asking.items():
            self.supervisor.start(name, work)
        self.supervisor.start("jobs", lambda: run_jobs(job_app(self.settings.database_url, tasks), self.clock))
        self.supervisor.start("configuration", self._watch_configuration)
        self.supervisor.start("audit", AuditHeads(self.settings.database_url, self.clock).run)
        hourly = Analyses(
            self.database, self.clock, self.reports, self.devices, self._analyses,
            lambda: context.ports.get("billing.price_at"),
        )  # fmt: skip
        self.supervisor.start("analyses", hourly.run)
        for plug in offering(self.plugs, OffersParts):
            for name, work in plug.parts(context).items():
                self.supervisor.start(name, work)

    def _analyses(self, community_id: int) -> list[Analysis]:
        assert self._stages is not None
        rules = self._stages.evaluator.rules_of(community_id)
        return [each for plug in offering(self.plugs, OffersAnalyses) for each in plug.analyses(rules)]

    # -- buses ---------------------------------------------------------------------------------------------------

    def _factories(self) -> dict[str, DriverFactory]:
        plugged = {name: make for plug in offering(self.plugs, OffersDrivers) for name, make in plug.drivers().items()}
        return {"virtual": self._virtual_driver, **plugged}

    def _virtual_driver(
        self, name: str, bus: Bus, devices: Sequence[Device], clock: Clock, report: DeviceReport
    ) -> Driver:
        del bus, report  # a virtual bus has no options, and its devices are told of like all others
        return VirtualDriver(name, devices, lambda: self.devices, self.reports, clock, self.status.parts)

    def _make_drivers(self, catalog: Catalog, devices: Mapping[int, Device]) -> dict[str, Driver]:
        """A driver for every bus, those that run already too: what is wrong shows before anything is touched.

        Misconfigured.
        """
        factories, made = self._factories(), {}
        for code, site in catalog.sites.items():
            for bus_name, bus in site.buses.items():
                name = f"{code}/{bus_name}"
                if bus.protocol not in factories:
                    raise Misconfigured(f"{name}: no plug brings the protocol {bus.protocol!r}")
                make = factories[bus.protocol]
                made[name] = make(name, bus, on_bus(devices, code, bus_name), self.clock, self._report)
        return made

    def _apply_buses(self, catalog: Catalog, made: Mapping[str, Driver]) -> None:
        """Start the drivers of new buses; tell the others which devices they now have."""
        assert self._stages is not None
        decoders, communities = dict(self._stages.decoders), dict(self._stages.bus_community)
        for code, site in catalog.sites.items():
            for bus_name, bus in site.buses.items():
                name = f"{code}/{bus_name}"
                if name in self._drivers:
                    self._drivers[name].update(on_bus(self.devices, code, bus_name))
                    continue
                driver = made[name]
                self._drivers[name], self._buses[name] = driver, bus
                decoders[name], communities[name] = driver.decoder(), self.communities[code]
                self.supervisor.start(f"bus:{name}", lambda driver=driver: driver.run(self.queue))  # type: ignore[misc]
        self._stages.decoders, self._stages.bus_community = decoders, communities

    def _report(self, device: Device, state: str, detail: str) -> None:
        """A polling driver tells how a device is; it becomes true in the next batch."""
        assert self._stages is not None
        self._stages.reports[device.id] = (device, state, detail)
        self.queue.nudge()

    def _driver_of(self, device: Device) -> Driver:
        driver = self._drivers.get(f"{device.community}/{device.spec.bus}")
        if driver is None:
            raise Unreachable(f"the bus {device.spec.bus} is not running")
        return driver

    def _classify(self, arrival: Arrival) -> Delivery:
        """The hardest class among its frames; nobody fights for what nobody can read."""
        assert self._stages is not None
        try:
            found = self._stages.decoders[arrival.bus].decode(arrival)
        except BadFrame:
            return Delivery.TELEMETRY
        order = list(Delivery)
        return min((f.delivery for f in found if isinstance(f, Frame)), key=order.index, default=Delivery.TELEMETRY)

    # -- reload --------------------------------------------------------------------------------------------------

    async def _watch_configuration(self) -> None:
        async for _ in self._folders.changes():
            while True:
                try:
                    await self.reload()
                except (CatalogError, Misconfigured) as error:
                    self.context.refusals.tell("configuration", error, self.clock.now())
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    _log.warning("the store is away; the changed configuration waits", error=str(error).strip())
                    await self.clock.sleep(_AGAIN_S)
                    continue
                break

    async def reload(self) -> None:
        """Apply the configuration as it now is, touching only what changed. CatalogError, Misconfigured: all stays
        as it was."""
        async with self._reloading:
            catalog = await asyncio.to_thread(self._folders.load)
            evaluator = self._make_evaluator(catalog)  # a wrong rule refuses the whole, before anything is touched
            registry, devices = await register(self.settings.database_url, catalog, self.clock.now())
            made = self._make_drivers(catalog, devices)
            if self._rulebook is not None:
                await self._rulebook.read_files(catalog.kinds, registry.communities)
            self._file_rules = evaluator.rules
            own = await self._own_rules(registry.communities)
            gone = [name for name, bus in self._buses.items() if _bus_of(catalog, name) != bus]
            await self.supervisor.stop(*(f"bus:{name}" for name in gone))
            assert self._stages is not None
            async with self.pipeline.between_batches():
                last = await self._stages.newest()
                for name in gone:
                    del self._drivers[name], self._buses[name]
                if registry.communities != self.communities:
                    await self._stages.writer.close()  # its connection sees the old communities only
                self.communities.clear()
                self.communities.update(registry.communities)
                self.context.plans = catalog.plans_of(self.communities)
                self.context.kinds = catalog.kinds_of(self.communities)
                kept = {n: old if (old := self.devices.get(n)) == new else new for n, new in devices.items()}
                self.devices.clear()
                self.devices.update(kept)
                now, running = self.clock.now_us(), self._stages.evaluator
                running.replace_rules(self._file_rules, now, own)
                self._stages.configure(last)
                self._apply_buses(catalog, made)
        self.live.resync()  # names, places, drawings
        self.context.refusals.mend("configuration", self.clock.now())
        _log.info("configuration applied", devices=len(self.devices), buses=len(self._buses))

    async def replay(self, community_id: int, ids: list[int]) -> int:
        """Put dead letters of a community through the pipeline again; gives how many."""
        return await replay(self.database, self.queue, self._drivers, community_id, ids, self.clock.now())


def _bus_of(catalog: Catalog, name: str) -> Bus | None:
    code, _, bus = name.partition("/")
    return catalog.sites[code].buses.get(bus) if code in catalog.sites else None
