"""What a running hub hands to its plugs."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hub.alarms.desk import AlarmDesk
from hub.catalog.plans import SitePlan
from hub.catalog.refusals import Refusals
from hub.clock import Clock
from hub.commands.desk import CommandDesk
from hub.live import Live
from hub.model import Device
from hub.reports.outbox import Reports
from hub.rulebook.service import Rulebook
from hub.settings import Settings
from hub.store.database import Database
from hub.vocabulary.kinds import KindSpec


class RunState(msgspec.Struct):
    """How a running part is: every driver and background task has one."""

    part: str  # "bus:mqtt-main", "rollups", "jobs"
    state: str  # "starting", "running", "retrying", "stopped", "misconfigured"
    since: int  # microseconds UTC
    attempts: int = 0
    last_error: str = ""
    next_attempt: int | None = None


@dataclass
class Status:
    """What the process knows of itself; shown on the system page and at /metrics."""

    parts: dict[str, RunState] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)  # arrivals, frames, readings, events, duplicates, dead …
    queue: int = 0  # arrivals waiting
    unstored: int | None = None  # when the oldest arrival was received that is not stored yet; None: all are
    lag_us: int = 0  # age of the oldest arrival of the last batch, or that it went ahead of, when it was committed
    last_commit: int | None = None


@dataclass
class Context:
    """The running hub as plugs see it. `devices` is by number and changes when the site is reloaded."""

    settings: Settings
    clock: Clock
    database: Database
    live: Live
    status: Status
    alarms: AlarmDesk
    commands: CommandDesk
    devices: Mapping[int, Device]
    communities: Mapping[str, int]  # code -> number
    replay: Callable[[int, list[int]], Awaitable[int]]  # dead letters of a community again through the pipeline
    reports: Reports
    ports: dict[str, Any] = field(default_factory=dict)  # read-only faces of modules, by "module.name"
    plans: Mapping[int, SitePlan] = field(default_factory=dict)  # drawings and positions by community; anew at a reload
    kinds: Mapping[int, Mapping[str, KindSpec]] = field(
        default_factory=dict
    )  # by community, as it calls them; likewise
    rulebook: Rulebook | None = None  # rules, their versions and back-tests; None without a rules engine
    refusals: Refusals = field(default_factory=Refusals)  # changed files that are not in force
