"""What one `evaluate` would change, and the limits on what a rule may do: commands in a row, failing expressions."""

from collections.abc import Callable, Collection, Mapping

import msgspec
import structlog

from hub.decisions import Decision, Reason, RuleState
from hub.model import Device
from hub.vocabulary.base import Text
from rules.away import Away
from rules.conditions import State
from rules.engine import Effect, Observation, Step, step
from rules.expressions import ExpressionError
from rules.lags import LAG, Lag
from rules.model import Rule
from rules.observations import HISTORICAL
from rules.slots import (
    COMMAND_SPAN,
    DAY,
    DISABLED,
    MOST_A_DAY,
    MOST_COMMANDS,
    Key,
    Slot,
    alarm,
    row,
    stopped,
    wish,
)

_log = structlog.get_logger()

MOST_FAILURES = 5
FAILURE_SPAN = 600_000_000
MOST_SECONDS = 0.05
"""So often within so long (µs) may a rule's expression fail on a device, or work longer than this anywhere; then it
is stopped until rules are loaded again: on that device; in the whole community if it fails on another one of it or
works too long."""

CIRCLE = ""
"""In the place of a rule: all of them together."""


def everywhere(community_id: int) -> int:
    """In the place of a device id: all devices of a community."""
    return -community_id


class Overlay:
    """The changes of one `evaluate`; nothing of it is true before `accept`."""

    __slots__ = (
        "away", "decision", "failures", "heard", "lags", "moved", "muted", "orders", "overtaken", "popped", "pushed",
        "seen", "stopped",
    )  # fmt: skip

    def __init__(self, away: Away | None = None, overtaken: int | None = None) -> None:
        self.away = away
        self.overtaken = overtaken
        self.decision = Decision([], [], [])
        self.moved: dict[Key, tuple[State | None, int | None]] = {}
        self.heard: dict[int, int] = {}  # device -> last sign of life
        self.seen: dict[int, tuple[int, float | None]] = {}  # point -> newest device time and usable value
        self.lags: dict[int, Lag | None] = {}  # device -> how late it is
        self.orders: dict[Key, tuple[int, ...]] = {}
        self.pushed: list[tuple[int, str, int]] = []
        self.popped: list[tuple[int, str, int]] = []
        self.failures: dict[Key, tuple[int, ...]] = {}  # when, newest last
        self.stopped: dict[Key, Device] = {}  # rule and device, or `everywhere` -> device that has the alarm
        self.muted: dict[Key, int] = {}  # rules that may give a device no more commands, or broke on it


class Limits:
    """What is known of rules that misbehave, for this process: failing ones, stopped ones, muted ones."""

    def __init__(self, used: Callable[[], float]) -> None:
        self._used = used
        self.failures: dict[Key, tuple[int, ...]] = {}
        self.stopped: dict[Key, Device] = {}
        self.muted: dict[Key, int] = {}
        self.commanding: dict[int, list[Slot]] = {}  # device -> those that may command it
        self.crowded: dict[Key, int] = {}  # rules that look at too many devices of a community, and one from which
        self.told: dict[int, Rule | None] = {}  # a community's own `rule-disabled`: title, priority, procedure

    def accept(self, overlay: Overlay) -> None:
        self.failures.update(overlay.failures)
        self.stopped.update(overlay.stopped)
        self.muted.update(overlay.muted)

    def clear(self, here: Collection[int] | None = None) -> set[int]:
        """Forget all, or only what is of these devices (and `everywhere`); gives the devices at which an alarm told of
        a stopped rule."""
        ends = {key for key in (*self.stopped, *self.muted) if here is None or key[1] in here}
        told = {device.id for key, device in self.stopped.items() if key in ends}
        told |= {device for key, device in self.muted.items() if key in ends}
        self.failures = {} if here is None else {key: at for key, at in self.failures.items() if key[1] not in here}
        self.stopped = {key: device for key, device in self.stopped.items() if key not in ends}
        self.muted = {key: device for key, device in self.muted.items() if key not in ends}
        return told

    def judge(self, overlay: Overlay, slot: Slot, state: State | None, observed: Observation, now: int) -> Step | None:
        """`step` of a rule with an expression; None where it failed or is stopped."""
        key = slot.key
        for known in (self.stopped, overlay.stopped):
            if key in known or (key[0], everywhere(slot.device.community_id)) in known:
                return None
        begin = self._used()
        try:
            result: Step | None = step(slot.condition, state, observed, now)
        except ExpressionError as error:
            result, why = None, str(error)
        else:
            took = self._used() - begin
            if took <= MOST_SECONDS:
                return result
            key = (key[0], everywhere(slot.device.community_id))
            why = f"{took * 1000:.0f} ms > {MOST_SECONDS * 1000:.0f} ms"
        recent = overlay.failures.get(key, self.failures.get(key, ()))
        recent = (*(at for at in recent if abs(now - at) < FAILURE_SPAN), now)
        overlay.failures[key] = recent
        if len(recent) >= MOST_FAILURES:
            self._fails(overlay, slot, key, why, now, getattr(observed, "cause", None))
        return result

    def _fails(self, overlay: Overlay, slot: Slot, key: Key, why: str, now: int, cause: bytes | None) -> None:
        """Stop a rule whose expression fails on a device, or in the community; one alarm tells of it, at the first
        device."""
        known, home = {**self.stopped, **overlay.stopped}, slot.device.community_id
        first = next(
            (one for (rule, _), one in known.items() if rule == key[0] and one.community_id == home), slot.device
        )
        if first is not slot.device:
            key = (key[0], everywhere(home))
        overlay.stopped[key] = first
        zh, en = ("", "") if key[1] == everywhere(home) else (f"在 {slot.device.code} 上", f" on {slot.device.code}")
        text = Text(
            zh=f"表达式{zh} 10 分钟内 {MOST_FAILURES} 次失败或超时（{why}）",
            en=f"its expression failed or overran {MOST_FAILURES} times within 10 min{en} ({why})",
        )
        self._stop(overlay, slot, first, text, now, cause)

    def fault(self, overlay: Overlay, slot: Slot, error: Exception, now: int, cause: bytes | None) -> None:
        """The engine broke on one device: told once, and tried again with the next observation."""
        key = slot.key
        if key in self.muted or key in overlay.muted:
            return
        overlay.muted[key] = slot.device.id
        _log.error("a rule broke on a device", rule=slot.rule.rule, device=slot.device.code, exc_info=error)
        why = Text(
            zh=f"在 {slot.device.code} 上出现程序错误（{type(error).__name__}），在其他设备上继续",
            en=f"the program broke on {slot.device.code} ({type(error).__name__}); it goes on elsewhere",
        )
        self._stop(overlay, slot, slot.device, why, now, cause)

    def command(self, overlay: Overlay, slot: Slot, effect: Effect, now: int) -> None:
        """The rule's command, unless what it answers is history or rules command in a circle."""
        key, circle = slot.key, (CIRCLE, slot.device.id)
        if effect.historical:
            note = "no command is given for what happened long ago"
            overlay.decision.reasons.append(Reason(*key, effect.at, effect.cause, "no command", note))
            return
        if any(one in known for one in (key, circle) for known in (self.muted, overlay.muted)):
            return
        given = {
            each.key: [at for at in overlay.orders.get(each.key, each.orders) if now - at < DAY]
            for each in self.commanding[slot.device.id]
        }
        lately = sum(now - at < COMMAND_SPAN for orders in given.values() for at in orders)
        today = sum(map(len, given.values()))
        if lately < MOST_COMMANDS and today < MOST_A_DAY:
            overlay.orders[key] = (*given[key], now)
            overlay.decision.commands.append(wish(slot, now))
            return
        overlay.muted[circle] = slot.device.id
        count, zh, en = (MOST_COMMANDS, "10 分钟", "10 min") if lately >= MOST_COMMANDS else (today, "一天", "a day")
        by = ", ".join(sorted(rule for (rule, _), orders in given.items() if orders))
        cause = Text(
            zh=f"{zh}内 {by} 已向该设备下达 {count} 次命令，疑似循环，规则不再向它下达命令",
            en=f"{by} gave the device {count} commands within {en}, probably in a circle; rules give it no more",
        )
        self._stop(overlay, slot, slot.device, cause, now, effect.cause)

    def _stop(self, overlay: Overlay, slot: Slot, device: Device, why: Text, now: int, cause: bytes | None) -> None:
        """One alarm, at `device`, tells of it."""
        decision = overlay.decision
        decision.alarms.append(stopped(slot.rule, device, now, cause, why, self.told[device.community_id]))
        decision.states.append(RuleState(DISABLED, device.id, {"phase": "raised"}, None))
        decision.reasons.append(Reason(*slot.key, now, cause, "disabled", why.en))


def tell(overlay: Overlay, limits: Limits, slot: Slot, result: Step, now: int, real: int) -> None:
    """Alarms, commands and reasons of one step at `now`. What is judged so long after that is history."""
    decision, past = overlay.decision, real - now > HISTORICAL
    for told in result.effects:
        effect = msgspec.structs.replace(told, historical=True) if past and told.action == "raise" else told
        decision.alarms.append(alarm(slot, effect))
        if effect.action == "raise" and slot.rule.command is not None:
            limits.command(overlay, slot, effect, real)
    for note in result.reasons:
        by = f" [{origin}]" if note.outcome == "raised" and (origin := slot.rule.origin) else ""
        decision.reasons.append(Reason(*slot.key, note.at, note.cause, note.outcome, note.text + by))


def rows(overlay: Overlay, slots: Mapping[Key, Slot]) -> dict[Key, RuleState]:
    """The states that changed, as the store keeps them."""
    changed = {}
    for key, (state, wake) in overlay.moved.items():
        if state is not slots[key].state or key in overlay.orders:
            changed[key] = row(slots[key], state, wake, overlay.orders.get(key, slots[key].orders))
    for key, orders in overlay.orders.items():
        if key not in changed:
            changed[key] = row(slots[key], slots[key].state, slots[key].wake, orders)
    for device, lag in overlay.lags.items():
        changed[LAG, device] = RuleState(LAG, device, {} if lag is None else msgspec.to_builtins(lag), None)
    return changed
