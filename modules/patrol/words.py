"""What things are called, in both languages."""

from modules.patrol.plans import PatrolFile

Text = dict[str, str]

STATES: dict[str, tuple[str, str, Text]] = {
    "planned": ("○", "", {"zh": "待巡", "en": "Planned"}),
    "running": ("◑", "run", {"zh": "进行中", "en": "Under way"}),
    "overdue": ("!", "ill", {"zh": "逾期", "en": "Overdue"}),
    "complete": ("✓", "done", {"zh": "完成", "en": "Complete"}),
    "late": ("✓", "late", {"zh": "完成（有超时）", "en": "Complete, late"}),
    "incomplete": ("◐", "ill", {"zh": "未走全", "en": "Incomplete"}),
    "missed": ("✕", "ill", {"zh": "漏巡", "en": "Missed"}),
}
"""State -> mark, tone, word."""

SORTS: dict[str, Text] = {
    "reader": {"zh": "打卡", "en": "tap"},
    "qr": {"zh": "二维码", "en": "QR"},
    "display": {"zh": "动态码", "en": "display"},
    "door": {"zh": "门禁", "en": "door"},
    "camera": {"zh": "相机", "en": "camera"},
}

PROVED_LATER: Text = {"zh": "补证", "en": "Proved later"}
LATE: Text = {"zh": "超时", "en": "Late"}
OUT_OF_ORDER: Text = {"zh": "错序", "en": "Out of order"}
TOO_FAST: Text = {"zh": "过快", "en": "Too fast"}
UNANSWERED: Text = {"zh": "未检", "en": "Not inspected"}
UNPHOTOGRAPHED: Text = {"zh": "缺照片", "en": "No photograph"}
AWAY: Text = {"zh": "距检查点 {:,} m", "en": "{:,} m from the checkpoint"}
STAND_IN: Text = {"zh": "代巡", "en": "Stand-in"}
NOBODY: Text = {"zh": "排班无人", "en": "nobody on the roster"}
UNCOMPARED: Text = {"zh": "未比对", "en": "Not compared"}
UNKNOWN_PERSON: Text = {"zh": "未知人员", "en": "Unknown person"}


def pick(text: Text, language: str) -> str:
    return text["zh" if language.startswith("zh") else "en"]


def names_of(file: PatrolFile | None, language: str) -> dict[str, str]:
    """`plan:night` -> its name; so of `route:`, `checkpoint:`, `state:` and `sort:`."""
    found = {f"state:{state}": pick(text, language) for state, (_, _, text) in STATES.items()}
    found |= {f"sort:{sort}": pick(text, language) for sort, text in SORTS.items()}
    if file is not None:
        found |= {f"plan:{one.id}": one.name.get(language) for one in file.plans}
        found |= {f"route:{one.id}": one.name.get(language) for one in file.routes}
        found |= {f"item:{one.id}:{item.id}": item.name.get(language) for one in file.checkpoints for item in one.items}
        found |= {f"checkpoint:{one.id}": one.name.get(language) for one in file.checkpoints}
    return found
