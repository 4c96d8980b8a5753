"""Every word of the pages stands in both catalogues, and nothing stands in them that no page says."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from api.pages.system import hex_view
from api.texts import catalogue, choose, clock_time, quality_text, texts, value_text, wall_ms
from hub.alarms.model import STATES, Suppression
from hub.commands.model import FINAL

API = Path(__file__).parents[2] / "api"
SUPPRESSIONS = get_args(Suppression)
TABS = ("desk", "shelved", "suppressed", "out_of_service", "stale")
GROUPS = {
    "alarm_state": STATES,
    "alarm_set": SUPPRESSIONS,
    "alarm_tab": TABS,
    "alarm_empty": TABS,
    "alarm_hint": TABS,
    "alarm_flag": ("first_out", "chattering", "historical", "latched"),
    "alarm_action": ("assign", "shelved", "suppressed_by_design", "out_of_service", "unsuppressed"),
    "delivery_state": ("queued", "held", "sending", "delivered", "rerouted", "cancelled", "dead"),
    "door_state": ("open", "unknown"),
    "maintenance_state": ("active", "planned"),
    "command_state": ("requested", "authorised", "sent", "acknowledged", *FINAL),
    "device_state": ("connected", "silent", "offline", "error", "none"),
    "part_state": ("starting", "running", "retrying", "stopped", "misconfigured"),
    "priority": ("1", "2", "3", "4"),
    "quality": ("good", "bad", "clock", "late", "range", "retained"),
    "role": ("viewer", "guard", "engineer", "finance", "admin"),
    "time": ("seconds", "minutes", "hours", "days"),
    "span": ("1h", "24h", "7d", "30d"),
    "keys": (
        "next",
        "previous",
        "pick",
        "acknowledge",
        "shelve",
        "assign",
        "comment",
        "work_order",
        "open",
        "evidence",
        "search",
        "mute",
        "leave",
        "help",
    ),
    "login": ("bad_credentials", "too_many_attempts", "cross_site"),
    "error": ("forbidden", "not_signed_in", "not_found", "busy", "reason_required", "other"),
    "device": ("step_raw", "step_hour", "step_day"),
    "system": ("queue", "lag", "last_commit", "readers"),
    "refused": ("configuration", "patrols", "patrol_versions", "notifications"),
}
"""Keys that are put together at run time."""


def _said() -> set[str]:
    """Every catalogue key that stands as a literal in our code, and those put together from the groups."""
    keys = {f"{group}.{word}" for group, words in GROUPS.items() for word in words}
    key = re.compile(r"^[a-z_]+\.[a-z0-9_]+$")
    known_groups = {name.split(".")[0] for name in catalogue("en")}
    for path in [*API.glob("*.py"), *API.glob("pages/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            word = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if key.match(word) and word.split(".")[0] in known_groups and not word.endswith((".css", ".js", "_")):
                keys.add(word)
    return keys


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_no_key_is_missing_or_untranslated(language: str) -> None:
    assert _said() - set(catalogue(language)) == set()


def test_catalogues_have_the_same_keys() -> None:
    assert set(catalogue("zh-CN")) == set(catalogue("en"))


def test_no_key_is_dead() -> None:
    assert set(catalogue("en")) - _said() == set()


def test_chinese_is_chinese() -> None:
    latin = {key for key, text in catalogue("zh-CN").items() if not re.search(r"[一-鿿]", text)}
    assert latin == {"shell.language", "shell.language_label"}


def test_language_is_chosen() -> None:
    assert choose(None, "en-GB,en;q=0.9") == "en"
    assert choose(None, "fr,zh;q=0.5") == "zh-CN"
    assert choose("en", "zh") == "en"
    assert choose("xx") == "zh-CN"


def test_times_are_the_communitys() -> None:
    now = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
    assert clock_time(datetime(2026, 2, 28, 16, 30, 5, tzinfo=UTC), "Asia/Shanghai", now) == "00:30:05"
    assert clock_time(datetime(2026, 2, 28, 15, 30, tzinfo=UTC), "Asia/Shanghai", now) == "02-28 23:30"
    assert clock_time(datetime(2025, 2, 28, 15, 30, tzinfo=UTC), "Asia/Shanghai", now) == "2025-02-28 23:30"
    assert clock_time(None, "Asia/Shanghai", now) == "—"
    assert wall_ms(now, "Asia/Shanghai") - wall_ms(now, "UTC") == 8 * 3_600_000


def test_values_as_people_read_them() -> None:
    assert value_text(641.5, {}, {}, "kPa", "en") == "641.5 kPa"
    assert value_text(12345.678, {}, {}, "kW.h", "en") == "12,345.68 kWh"
    words = {"closed": {"zh": "关", "en": "Closed"}}
    assert value_text(0.0, {"closed": 0, "open": 1}, words, "1", "en") == "Closed"
    assert value_text(0.0, {"closed": 0, "open": 1}, words, "1", "zh-CN") == "关"
    assert value_text(1.0, {"closed": 0, "open": 1}, words, "1", "en") == "open"
    assert value_text(None, {}, {}, "V", "en") == "—"
    assert value_text(21.0, {}, {}, "Cel", "en") == "21 °C"
    en = texts("en")
    assert quality_text(9, en) == "Bad, Out of range"
    assert quality_text(0, en) == "Good"


def test_hex_view() -> None:
    assert hex_view(b"hi\x00") == "000000  68 69 00                                         hi."
    assert len(hex_view(bytes(40)).splitlines()) == 3
