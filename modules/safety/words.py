"""What things are called, in both languages."""

Text = dict[str, str]

TITLE: Text = {"zh": "消防器材", "en": "Fire equipment"}

KIND_NAMES: dict[str, Text] = {
    "extinguisher_powder": {"zh": "干粉灭火器", "en": "Dry powder extinguisher"},
    "extinguisher_water": {"zh": "水基型灭火器", "en": "Water-based extinguisher"},
    "extinguisher_co2": {"zh": "二氧化碳灭火器", "en": "CO2 extinguisher"},
    "extinguisher_clean": {"zh": "洁净气体灭火器", "en": "Clean agent extinguisher"},
    "hydrant": {"zh": "消火栓", "en": "Hydrant"},
    "hose_reel": {"zh": "消防软管卷盘", "en": "Hose reel"},
    "sprinkler_valve": {"zh": "喷淋报警阀组", "en": "Sprinkler alarm valve"},
    "emergency_light": {"zh": "消防应急照明灯", "en": "Emergency light"},
    "exit_sign": {"zh": "疏散指示标志", "en": "Exit sign"},
    "fire_door": {"zh": "防火门", "en": "Fire door"},
    "fire_shutter": {"zh": "防火卷帘", "en": "Fire shutter"},
    "smoke_fan": {"zh": "防排烟风机", "en": "Smoke exhaust fan"},
    "fire_pump": {"zh": "消防水泵", "en": "Fire pump"},
    "call_point": {"zh": "手动火灾报警按钮", "en": "Manual call point"},
    "alarm_panel": {"zh": "火灾报警控制器", "en": "Fire alarm panel"},
    "breathing_apparatus": {"zh": "空气呼吸器", "en": "Breathing apparatus"},
    "escape_hood": {"zh": "消防自救呼吸器", "en": "Escape hood"},
    "other": {"zh": "其他", "en": "Other"},
}

PERIOD_NAMES: dict[str, Text] = {
    "day": {"zh": "每日", "en": "Daily"},
    "week": {"zh": "每周", "en": "Weekly"},
    "half_month": {"zh": "每半月", "en": "Half-monthly"},
    "month": {"zh": "每月", "en": "Monthly"},
    "quarter": {"zh": "每季度", "en": "Quarterly"},
    "half_year": {"zh": "每半年", "en": "Half-yearly"},
    "year": {"zh": "每年", "en": "Yearly"},
}

COLUMNS: dict[str, Text] = {
    "number": {"zh": "编号", "en": "Number"},
    "kind": {"zh": "类别", "en": "Kind"},
    "place": {"zh": "位置", "en": "Place"},
    "spot": {"zh": "具体位置", "en": "Spot"},
    "model": {"zh": "规格型号", "en": "Model"},
    "inspect": {"zh": "检查周期", "en": "Interval"},
    "made": {"zh": "出厂日期", "en": "Made"},
    "installed": {"zh": "安装日期", "en": "Installed"},
    "serviced": {"zh": "最近维修检测", "en": "Last serviced"},
    "inspected": {"zh": "最近检查", "en": "Last inspected"},
    "expires": {"zh": "报废日期", "en": "End of life"},
}
"""Columns of a list to be taken in, by field."""

DERIVED: dict[str, Text] = {
    "state": {"zh": "状态", "en": "State"},
    "inspect_due": {"zh": "下次检查", "en": "Inspection due"},
    "service_due": {"zh": "下次维修检测", "en": "Service due"},
    "life_ends": {"zh": "应报废", "en": "Scrap from"},
    "fault": {"zh": "故障", "en": "Fault"},
}
"""Columns that a list handed out has besides: taken in again they are passed over."""

STATES: dict[str, tuple[str, str, Text]] = {
    "expired": ("✕", "ill", {"zh": "过期应报废", "en": "Past its life"}),
    "faulty": ("!", "ill", {"zh": "故障", "en": "Faulty"}),
    "overdue": ("!", "ill", {"zh": "检查逾期", "en": "Inspection overdue"}),
    "service_overdue": ("!", "ill", {"zh": "维修检测逾期", "en": "Service overdue"}),
    "due": ("○", "", {"zh": "待检查", "en": "Inspection due"}),
    "normal": ("✓", "done", {"zh": "正常", "en": "In order"}),
    "retired": ("—", "done", {"zh": "已报废", "en": "Retired"}),
}
"""State -> mark, tone, word."""

RECORDS: dict[str, Text] = {
    "normal": {"zh": "检查正常", "en": "Inspected, in order"},
    "fault": {"zh": "发现故障", "en": "Fault found"},
    "service": {"zh": "维修检测", "en": "Serviced"},
}

WRONG: dict[str, Text] = {
    "row": {"zh": "第 %s 行", "en": "row %s"},
    "no_column": {"zh": "缺少这一列", "en": "this column is missing"},
    "unknown_column": {"zh": "不认识的列名", "en": "no column of this list"},
    "column_twice": {"zh": "列名重复", "en": "the column is there twice"},
    "needed": {"zh": "不能为空", "en": "must not be empty"},
    "bad_text": {"zh": "应为不超过 %s 个可显示字符", "en": "at most %s printable characters are expected"},
    "no_kind": {"zh": "不认识的类别：%s", "en": "no kind of fire equipment: %s"},
    "no_place": {"zh": "小区里没有（或不止一处）这个位置：%s", "en": "no place of the site, or more than one: %s"},
    "no_period": {"zh": "应为每日、每周、每半月、每月、每季度、每半年或每年，不是：%s",
                  "en": "daily, weekly, half-monthly, monthly, quarterly, half-yearly or yearly is expected, not: %s"},
    "bad_day": {"zh": "应为 1980 至 2100 年的日期，如 2024-03-15 或 2024年3月，不是：%s",
                "en": "a day from 1980 to 2100 such as 2024-03-15 is expected, not: %s"},
    "future": {"zh": "日期在将来：%s", "en": "the day is yet to come: %s"},
    "made_needed": {"zh": "灭火器必须有出厂日期；看不清出厂年月的应报废",
                    "en": "an extinguisher needs the day it was made; one that shows none must be scrapped"},
    "before_made": {"zh": "早于出厂日期：%s", "en": "before it was made: %s"},
    "twice": {"zh": "编号重复：%s", "en": "the number is there twice: %s"},
    "nothing": {"zh": "没有数据行", "en": "there is no row of data"},
}  # fmt: skip

SAYS: dict[str, Text] = {
    "all": {"zh": "全部在用", "en": "All in use"},
    "state": {"zh": "状态", "en": "State"},
    "everywhere": {"zh": "位置：全部", "en": "Place: all"},
    "search": {"zh": "搜索编号、位置、型号", "en": "Search number, spot, model"},
    "export": {"zh": "导出", "en": "Export"},
    "count": {"zh": "显示 %n 件，共 %t 件", "en": "%n shown of %t"},
    "more": {"zh": "再显示一些（还有 %n 件）", "en": "Show more (%n are left)"},
    "none": {
        "zh": "台账还是空的。导入 Excel 或 CSV 清单（列：编号、类别、位置、出厂日期……），或逐件新增。",
        "en": "The register is empty. Import an Excel or CSV list (columns: Number, Kind, Place, Made, …), or add "
        "pieces one by one.",
    },
    "nothing": {"zh": "没有符合条件的器材。", "en": "Nothing matches."},
    "total": {"zh": "在用", "en": "In use"},
    "add": {"zh": "新增", "en": "Add"},
    "edit": {"zh": "修改", "en": "Change"},
    "save": {"zh": "保存", "en": "Save"},
    "import": {"zh": "导入清单", "en": "Import a list"},
    "busy": {"zh": "正在导入…", "en": "Importing…"},
    "failed": {"zh": "没有送达，请再试一次。", "en": "It did not arrive; try again."},
    "imported": {"zh": "已导入：新增 %a 件，更新 %c 件，未变 %s 件。",
                 "en": "Imported: %a new, %c changed, %s as before."},
    "refused": {"zh": "清单有误，什么都没有导入：", "en": "The list is wrong; nothing of it was taken:"},
    "actions": {"zh": "操作", "en": "Actions"},
    "where": {"zh": "位置", "en": "Where"},
    "last": {"zh": "最近检查", "en": "Last inspected"},
    "normal": {"zh": "正常", "en": "In order"},
    "fault": {"zh": "故障", "en": "Fault"},
    "service": {"zh": "已维修检测", "en": "Serviced"},
    "retire": {"zh": "报废", "en": "Retire"},
    "restore": {"zh": "恢复使用", "en": "Use again"},
    "ask_normal": {"zh": "已到现场检查，完好有效？", "en": "Inspected on the spot, and in order?"},
    "ask_fault": {"zh": "请写明故障，例如：压力不足、铅封缺失、被遮挡。",
                  "en": "Say what is wrong: no pressure, seal missing, blocked."},
    "ask_service": {"zh": "维修、检测或更换部件完成的日期。", "en": "The day on which it was serviced or tested."},
    "ask_retire": {"zh": "从台账中移除，记录保留。请写明去向或原因。",
                   "en": "It leaves the register; its records stay. Say why, or where it went."},
    "ask_restore": {"zh": "重新列入台账？", "en": "Put it back on the register?"},
    "what": {"zh": "说明", "en": "What"},
    "needed": {"zh": "请填写说明。", "en": "Say what it is."},
    "day": {"zh": "日期", "en": "Day"},
    "note": {"zh": "备注", "en": "Note"},
    "photograph": {"zh": "添加照片", "en": "Add a photograph"},
    "records": {"zh": "检查与维修记录", "en": "Inspections and services"},
    "no_records": {"zh": "还没有记录。", "en": "No records yet."},
    "when": {"zh": "时间", "en": "When"},
    "result": {"zh": "结果", "en": "Result"},
    "by": {"zh": "人员", "en": "By"},
    "patrol": {"zh": "巡更", "en": "patrol"},
    "by_kind": {"zh": "按类别", "en": "as its kind"},
    "choose_place": {"zh": "请选择", "en": "Choose"},
    "wrong": {"zh": "填写有误：", "en": "Not usable: "},
    "back": {"zh": "消防器材台账", "en": "Register"},
    "faulty_since": {"zh": "故障自", "en": "Faulty since"},
    "retired_at": {"zh": "报废时间", "en": "Retired"},
}  # fmt: skip


def pick(text: Text, language: str) -> str:
    return text["zh" if language.startswith("zh") else "en"]
