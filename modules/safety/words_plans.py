"""The words of emergency plans and drills, in both languages."""

from modules.safety.words import Text

TITLE: Text = {"zh": "应急预案", "en": "Emergency plans"}

EVERY: dict[int, Text] = {
    0: {"zh": "不要求", "en": "Not required"},
    1: {"zh": "每月", "en": "Monthly"},
    3: {"zh": "每季度", "en": "Quarterly"},
    6: {"zh": "每半年", "en": "Half-yearly"},
    12: {"zh": "每年", "en": "Yearly"},
    24: {"zh": "每两年", "en": "Every two years"},
}

SAYS: dict[str, Text] = {
    "plans": {"zh": "现行预案", "en": "Plans in force"},
    "overdue_plans": {"zh": "演练逾期", "en": "Drills overdue"},
    "none": {"zh": "没有预案。规则里写了处置步骤（procedure），就是一份预案。",
             "en": "No plans. A rule with a procedure is a plan."},
    "priority": {"zh": "优先级", "en": "Priority"},
    "plan": {"zh": "预案", "en": "Plan"},
    "used": {"zh": "30 天启用", "en": "Used, 30 days"},
    "every": {"zh": "演练周期", "en": "Drilled"},
    "drilled": {"zh": "最近演练", "en": "Last drill"},
    "due": {"zh": "下次演练", "en": "Next drill"},
    "never": {"zh": "从未演练", "en": "Never"},
    "overdue": {"zh": "逾期", "en": "overdue"},
    "actions": {"zh": "操作", "en": "Actions"},
    "open": {"zh": "查看", "en": "Open"},
    "note": {"zh": "记录演练", "en": "Note a drill"},
    "back": {"zh": "全部预案", "en": "All plans"},
    "steps": {"zh": "处置步骤", "en": "Steps"},
    "past": {"zh": "演练记录", "en": "Drills"},
    "no_drills": {"zh": "还没有演练记录。", "en": "No drills yet."},
    "uses": {"zh": "最近启用", "en": "Used last"},
    "no_uses": {"zh": "还没有报警用过这份预案。", "en": "No alarm has used this plan yet."},
    "day": {"zh": "日期", "en": "Day"},
    "minutes": {"zh": "用时（分钟）", "en": "Minutes"},
    "people": {"zh": "参加人员", "en": "Who took part"},
    "found": {"zh": "发现的问题与改进", "en": "Found, and what to mend"},
    "by": {"zh": "记录人", "en": "Noted by"},
    "alarm": {"zh": "报警", "en": "Alarm"},
    "device": {"zh": "设备", "en": "Device"},
    "raised": {"zh": "发生时间", "en": "Raised"},
    "needed": {"zh": "请填写参加人员。", "en": "Say who took part."},
    "needed_day": {"zh": "请填写日期。", "en": "A day is needed."},
    "ask": {"zh": "演练已经举行？写下何时、谁参加、发现了什么。",
            "en": "The drill was held? Say when, who took part, what was found."},
    "set": {"zh": "演练周期", "en": "How often"},
    "ask_set": {"zh": "消防安全重点单位至少每半年、其他单位至少每年演练一次（公安部令第 61 号第四十条）。",
                "en": "Key units drill at least each half year, others each year (Order 61 of the Ministry of Public "
                "Security, article 40)."},
    "save": {"zh": "保存", "en": "Save"},
    "photograph": {"zh": "添加照片", "en": "Add a photograph"},
    "safety": {"zh": "生命安全", "en": "life safety"},
}  # fmt: skip
