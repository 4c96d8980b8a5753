"""What just became true, for live screens: fan-out after the commit. Never the record; a slow reader resyncs."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import msgspec

Topic = Literal[
    "point", "event", "alarm", "command", "device", "workorder", "run_state",
    "storm", "patrol", "duty", "safety", "notice", "rule",
]  # fmt: skip


class Change(msgspec.Struct, frozen=True):
    """One thing that changed. `key` names the thing: of two waiting changes of one key only the newer counts."""

    topic: Topic
    community_id: int
    key: str
    data: dict[str, Any]  # JSON-ready
    urgent: bool = False  # of life safety: a reader that is behind is told all the same


class Subscription:
    """A reader's bounded mailbox, newest per (topic, key). Over the bound all but the urgent is
    dropped for one resync."""

    def __init__(self, wants: Callable[[Change], bool], bound: int, topics: Callable[[Topic], bool] | None) -> None:
        self._wants = wants
        self._bound = bound
        self._topics = topics
        self._waiting: dict[tuple[str, str], Change] = {}
        self._ready = asyncio.Event()
        self.lost = False

    def heeds(self, topic: Topic) -> bool:
        """Whether it may want changes of this topic now."""
        return self._topics is None or self._topics(topic)

    def put(self, change: Change) -> None:
        if not self.heeds(change.topic) or not self._wants(change):
            return
        key = (change.topic, change.key)
        self._waiting.pop(key, None)
        if not self.lost and len(self._waiting) >= self._bound:
            self.lose()
        if not self.lost or (change.urgent and len(self._waiting) < self._bound):  # the rest is read again anyway
            self._waiting[key] = change
        self._ready.set()

    def lose(self) -> None:
        """Make the reader read the whole state again."""
        self._waiting = {key: change for key, change in self._waiting.items() if change.urgent}
        self.lost = True
        self._ready.set()

    def hand_on(self, other: "Subscription") -> None:
        """Put what waits here into another mailbox, too."""
        for change in self._waiting.values():
            other.put(change)
        if self.lost:
            other.lose()

    async def take(self) -> tuple[list[Change], bool]:
        """Wait for changes; gives them in order and whether some were lost (then: read the whole state again)."""
        await self._ready.wait()
        self._ready.clear()
        changes, self._waiting = list(self._waiting.values()), {}
        lost, self.lost = self.lost, False
        return changes, lost


class Live:
    """The one fan-out of a process. Publishing never blocks and never fails."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def subscribe(
        self, wants: Callable[[Change], bool], bound: int = 256, topics: Callable[[Topic], bool] | None = None
    ) -> Subscription:
        """A mailbox of changes that `wants` says yes to; the caller must `unsubscribe` it. `topics`: among which these
        are, now; None: any."""
        subscription = Subscription(wants, bound, topics)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    @property
    def readers(self) -> int:
        return len(self._subscriptions)

    def heeds(self, topic: Topic) -> bool:
        """Whether anybody wants to hear of this topic now: what nobody does need not be put together."""
        return any(subscription.heeds(topic) for subscription in self._subscriptions)

    def publish(self, change: Change) -> None:
        for subscription in self._subscriptions:
            subscription.put(change)

    def resync(self) -> None:
        """Something changed that nobody can name: every reader reads again."""
        for subscription in self._subscriptions:
            subscription.lose()
