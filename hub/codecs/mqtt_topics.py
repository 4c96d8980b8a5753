"""MQTT topics of a bus: from topic to route, and which filters to subscribe to (OASIS MQTT 5.0 section 4.7)."""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

Levels = tuple[str, ...]
Target = TypeVar("Target")


def pattern_levels(pattern: str, community: str) -> Levels:
    """The levels of a profile's topic with its community filled in; `{device}` and `{any}` stay."""
    return tuple([community if level == "{community}" else level for level in pattern.split("/")])


def concrete_topic(pattern: str, community: str, device: str, wildcard: str = "") -> str:
    """The topic of one device; `wildcard` stands for each `{any}`. ValueError if that is needed and empty."""
    if "{any}" in pattern.split("/") and not wildcard:
        raise ValueError(f"{pattern}: a word for {{any}} is needed")
    words = {"{community}": community, "{device}": device, "{any}": wildcard}
    return "/".join([words.get(level, level) for level in pattern.split("/")])


def topic_filter(levels: Levels) -> Levels:
    """The subscription that covers a pattern: `+` for `{device}` and `{any}`."""
    return tuple(["+" if level in ("{device}", "{any}") else level for level in levels])


def smallest_subscriptions(wanted: Iterable[tuple[Levels, int]]) -> tuple[tuple[str, int], ...]:
    """(filter, QoS) pairs no two of which can match one topic, so that no broker delivers a message twice.

    Filters that overlap are joined into one that covers both, with the higher QoS.
    """
    found: list[tuple[Levels, int]] = []
    for levels, qos in wanted:
        while clash := next((pair for pair in found if _overlap(pair[0], levels)), None):
            found.remove(clash)
            levels, qos = _joined(levels, clash[0]), max(qos, clash[1])  # noqa: PLW2901
        found.append((levels, qos))
    return tuple(sorted(("/".join(levels), qos) for levels, qos in found))


def separable(subscriptions: Iterable[str], speakers: Mapping[frozenset[Levels], bool]) -> frozenset[str]:
    """The subscriptions that bring what the chosen speakers say and nothing else, for those of whom that is true of all
    they say. `speakers`: the filters of each sort of speaker -> whether it is chosen. No two subscriptions overlap."""
    chosen = {filters for filters, wanted in speakers.items() if wanted}
    brought = {one: tuple(one.split("/")) for one in subscriptions}
    while True:
        rest = {levels for filters in speakers.keys() - chosen for levels in filters}
        mixed = {one for one, mine in brought.items() if any(_overlap(mine, levels) for levels in rest)}
        apart = {
            filters for filters in chosen
            if not any(_overlap(brought[one], levels) for one in mixed for levels in filters)
        }  # fmt: skip
        if apart == chosen:
            return frozenset(brought.keys() - mixed)
        chosen = apart


def _overlap(a: Levels, b: Levels) -> bool:
    return len(a) == len(b) and all(x == y or "+" in (x, y) for x, y in zip(a, b, strict=True))


def _joined(a: Levels, b: Levels) -> Levels:
    return tuple([x if x == y else "+" for x, y in zip(a, b, strict=True)])


class Family(msgspec.Struct, Generic[Target]):
    """All topics of one pattern: the targets by the address in the `{device}` level, or one target for any."""

    levels: Levels
    by_address: dict[str, Target]
    shared: Target | None = None

    def matches(self, topic: Levels) -> bool:
        """True if only `{device}` and `{any}` levels differ, and those are not empty."""
        return len(topic) == len(self.levels) and all(
            mine == level or (mine in ("{device}", "{any}") and level != "")
            for mine, level in zip(self.levels, topic, strict=True)
        )

    def target(self, topic: Levels) -> Target | None:
        """What this topic leads to; None where nobody has its address."""
        if self.shared is not None:
            return self.shared
        return self.by_address.get(topic[self.levels.index("{device}")])
