"""What the figures are called, in both languages: pages and files say the same."""

from hub.kpis.model import Period

Words = dict[str, str]

FIGURES: dict[str, Words] = {
    "per_operator_hour": {"zh": "每名值班员每小时报警", "en": "Alarms per operator-hour"},
    "most_in_slot": {"zh": "10 分钟内最多", "en": "Most in 10 minutes"},
    "slots_over": {"zh": "超过 10 个的 10 分钟时段", "en": "10-minute periods above 10"},
    "flood_time": {"zh": "报警泛滥时间", "en": "Time in flood"},
    "top_ten_share": {"zh": "前十来源占比", "en": "Share of the top ten"},
    "chattering": {"zh": "抖动报警", "en": "Chattering alarms"},
    "stale": {"zh": "陈旧报警（超过 24 小时）", "en": "Stale alarms (over 24 h)"},
    "standing": {"zh": "持续报警", "en": "Standing alarms"},
    "unauthorised": {"zh": "未经授权的抑制", "en": "Unauthorised suppression"},
    "shelved": {"zh": "已搁置", "en": "Shelved"},
    "by_design": {"zh": "按设计抑制", "en": "Suppressed by design"},
    "out_of_service": {"zh": "停用", "en": "Out of service"},
    "acknowledged_p50": {"zh": "确认用时，半数以内", "en": "Time to acknowledge, median"},
    "acknowledged_p95": {"zh": "确认用时，95% 以内", "en": "Time to acknowledge, 95th percentile"},
    "unacknowledged": {"zh": "仍未确认", "en": "Not acknowledged yet"},
    "raised": {"zh": "记录的报警", "en": "Alarms recorded"},
    "priority_1": {"zh": "优先级 1 紧急", "en": "Priority 1, critical"},
    "priority_2": {"zh": "优先级 2 高", "en": "Priority 2, high"},
    "priority_3": {"zh": "优先级 3 中", "en": "Priority 3, medium"},
    "priority_4": {"zh": "优先级 4 低", "en": "Priority 4, low"},
}
UNITS: dict[str, Words] = {
    "1": {"zh": "", "en": ""},
    "1/h": {"zh": "个/小时", "en": "per hour"},
    "%": {"zh": "%", "en": "%"},
    "s": {"zh": "秒", "en": "s"},
}
JUDGED: dict[bool | None, Words] = {
    True: {"zh": "达标", "en": "on target"},
    False: {"zh": "未达标", "en": "off target"},
    None: {"zh": "数据太少", "en": "too few"},
}
PERIODS: dict[Period, Words] = {
    "day": {"zh": "24 小时", "en": "24 hours"},
    "week": {"zh": "7 天", "en": "7 days"},
    "month": {"zh": "30 天", "en": "30 days"},
}


def value_text(value: float | None) -> str:
    """At most one decimal; a dash for nothing; never a zero for a little."""
    if value is None:
        return "—"
    if 0 < value < 0.05:
        return "< 0.1"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
