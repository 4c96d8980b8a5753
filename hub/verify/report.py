"""What `hub verify` prints: every difference, in Chinese or English."""

from dataclasses import dataclass, field, fields

from hub.clock import from_us
from hub.vocabulary.base import Text

SHOWN = 20
"""Findings of one sort that are printed; the rest is counted."""

_TITLES: dict[str, Text] = {
    "missing_events": Text(zh="丢失的事件", en="Events missing"),
    "double_events": Text(zh="重复的事件", en="Events stored twice"),
    "altered_events": Text(zh="内容不符的事件", en="Events whose data differ"),
    "unexpected_events": Text(zh="从未发生的事件", en="Events that never happened"),
    "missing_alarms": Text(zh="漏报", en="Alarms missing"),
    "late_alarms": Text(zh="迟报", en="Alarms late"),
    "double_alarms": Text(zh="重复报警", en="Alarms raised twice"),
    "unexpected_alarms": Text(zh="误报", en="Alarms without a cause"),
    "standing_alarms": Text(zh="未恢复的报警", en="Alarms that did not return"),
    "counter_mismatches": Text(zh="读数不符", en="Counter readings that differ"),
}


@dataclass(frozen=True)
class Finding:
    """One difference: at which device, what (event, rule or point), when (microseconds UTC), and how."""

    device: str
    what: str
    at: int
    detail: str = ""

    def __str__(self) -> str:
        tail = f"  {self.detail}" if self.detail else ""
        return f"{from_us(self.at).isoformat(timespec='milliseconds')}  {self.device}  {self.what}{tail}"


@dataclass
class Report:
    """What was compared, and every difference found."""

    events: int = 0
    faults: int = 0
    counters: int = 0
    missing_events: list[Finding] = field(default_factory=list)
    double_events: list[Finding] = field(default_factory=list)
    altered_events: list[Finding] = field(default_factory=list)
    unexpected_events: list[Finding] = field(default_factory=list)
    missing_alarms: list[Finding] = field(default_factory=list)
    late_alarms: list[Finding] = field(default_factory=list)
    double_alarms: list[Finding] = field(default_factory=list)
    unexpected_alarms: list[Finding] = field(default_factory=list)
    standing_alarms: list[Finding] = field(default_factory=list)
    counter_mismatches: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not any(found for _, found in self.findings())

    def findings(self) -> list[tuple[str, list[Finding]]]:
        """(sort, findings) for every sort there is."""
        return [(one.name, getattr(self, one.name)) for one in fields(self) if one.name in _TITLES]

    def render(self, language: str = "en") -> str:
        """Lines for a terminal: what was compared, the verdict, and the differences."""
        zh = language.startswith("zh")
        compared = (
            f"已核对：{self.events} 个事件，{self.faults} 个故障，{self.counters} 个表计"
            if zh
            else f"Compared: {self.events} events, {self.faults} faults, {self.counters} counters"
        )
        if self.ok:
            return compared + "\n" + ("全部一致。" if zh else "All of it agrees.")
        lines = [compared]
        for sort, found in self.findings():
            if found:
                lines.append(f"{_TITLES[sort].get(language)}: {len(found)}")
                lines += [f"  {finding}" for finding in found[:SHOWN]]
                if len(found) > SHOWN:
                    more = len(found) - SHOWN
                    lines.append(f"  … 另有 {more} 条" if zh else f"  … and {more} more")
        return "\n".join(lines)
