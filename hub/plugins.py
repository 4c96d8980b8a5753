"""Plugs: what entry points of the group `hub.plugins` may offer, each by a small protocol.

A plug is any object. The hub asks with isinstance what it offers; ours stand in `pyproject.toml` like anybody's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from hub.analyses.model import Analysis
from hub.context import Context
from hub.decisions import Calculator, Evaluator
from hub.model import Device
from hub.ports import DriverFactory
from hub.rulebook.model import RuleTools
from hub.vocabulary.kinds import KindSpec

Task = Callable[..., Awaitable[None]]
"""A job: keyword arguments are JSON values; it must be idempotent, for it may run again after a crash."""


@runtime_checkable
class OffersDrivers(Protocol):
    def drivers(self) -> Mapping[str, DriverFactory]:
        """Protocol name -> what makes a driver for a bus."""
        ...


@runtime_checkable
class OffersEvaluator(Protocol):
    def evaluator(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Evaluator:
        """The rules of the `rules/` folders under `roots`, the packaged one first."""
        ...


@runtime_checkable
class OffersMigrations(Protocol):
    def migrations(self) -> Path:
        """Folder of numbered `.sql` files."""
        ...


@runtime_checkable
class OffersTasks(Protocol):
    def tasks(self, context: Context) -> Mapping[str, Task]:
        """Job name (`module.verb`) -> what does it."""
        ...


@runtime_checkable
class OffersHandlers(Protocol):
    def handlers(self) -> Mapping[str, str]:
        """Domain event (`alarm_raised`, `work_order_wanted`) -> job queued in the transaction that caused it."""
        ...


@runtime_checkable
class OffersCalculator(Protocol):
    def calculator(self) -> Calculator:
        """What computes the calculated points of virtual devices."""
        ...


@runtime_checkable
class OffersAnalyses(Protocol):
    def analyses(self, rules: Sequence[Any]) -> Sequence[Analysis]:
        """Those of an evaluator's `rules` that are judged by the hour, over stored history."""
        ...


@runtime_checkable
class OffersRuleTools(RuleTools, Protocol):
    """Reads, tries and puts rules in force for the rulebook (`hub.rulebook`)."""


@dataclass(frozen=True)
class EventHandler:
    """A job that hears of events of devices. It is given community_id, device_id, event_id (hex), name, at and received
    (ISO 8601 UTC), data."""

    task: str
    wants: Callable[[Device], bool]  # asked for every such event: a job nobody needs delays those that are needed


@runtime_checkable
class OffersEventHandlers(Protocol):
    def event_handlers(self, context: Context) -> Mapping[tuple[str, str], EventHandler]:
        """(kind, event) -> the job queued in the transaction that stores the event."""
        ...


@runtime_checkable
class OffersParts(Protocol):
    def parts(self, context: Context) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """Name -> what runs until cancelled, supervised: started again with growing waits whenever it ends."""
        ...


@runtime_checkable
class OffersPorts(Protocol):
    def ports(self, context: Context) -> Mapping[str, Any]:
        """Read-only faces for other modules and pages, by `module.name`."""
        ...


@runtime_checkable
class OffersRoutes(Protocol):
    def routes(self, context: Context) -> Any:
        """A FastAPI APIRouter mounted under /api/v1 (typed Any: the hub knows no web framework)."""
        ...


@runtime_checkable
class OffersServer(Protocol):
    async def serve(self, context: Context, plugs: Sequence[object]) -> None:
        """Serve people until cancelled."""
        ...


Offer = TypeVar("Offer")


def load_plugs() -> list[object]:
    """Every installed plug, made once; ordered by name so that two starts are alike."""
    return [entry.load()() for entry in sorted(entry_points(group="hub.plugins"), key=lambda entry: entry.name)]


def offering(plugs: Sequence[object], protocol: type[Offer]) -> list[Offer]:
    """Those plugs that offer it."""
    return [plug for plug in plugs if isinstance(plug, protocol)]
