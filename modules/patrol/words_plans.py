"""What the page of plans says, in both languages."""

from modules.patrol.words import Text

TITLE: Text = {"zh": "巡更计划", "en": "Patrol plans"}

SAYS: dict[str, Text] = {
    "patrols": {"zh": "巡更", "en": "Patrols"},
    "in_force": {"zh": "当前生效", "en": "In force"},
    "file": {"zh": "文件 config/patrols/{}.yaml", "en": "The file config/patrols/{}.yaml"},
    "nothing": {"zh": "还没有文件，也没有保存过的版本", "en": "Neither a file nor a saved version yet"},
    "version": {"zh": "版本 {}", "en": "Version {}"},
    "by": {"zh": "{0}，{1}", "en": "{0}, {1}"},
    "unfiled": {"zh": "没有文件", "en": "there is no file"},
    "over": {"zh": "覆盖在文件之上；文件改了也不影响，直到“恢复使用文件”。",
             "en": "It is over the file, whatever the file says, until the file is followed again."},
    "begun": {"zh": "改动只影响尚未开始的班次；已开始的班次按开始时的内容走完。",
              "en": "A change holds for rounds that have not begun; one under way is walked by what it began with."},
    "only_file": {
        "zh": "读卡器、门禁、相机、显示屏等证明，传感器比对，以及设备本身，只在文件中设置；这里照原样显示并保留。",
        "en": "Proofs bound to devices (reader, door, camera, display), what a sensor is compared with, and devices "
              "themselves are set in the files only; here they are shown, and kept as they are.",
    },
    "download": {"zh": "下载 YAML", "en": "Download YAML"},
    "follow_file": {"zh": "恢复使用文件", "en": "Follow the file again"},
    "ask_follow": {"zh": "保存的版本保留在历史中，以后可以恢复。",
                   "en": "The version stays in the history and can be put in force again."},
    "compare_file": {"zh": "与文件的差别", "en": "Differences from the file"},
    "checkpoints": {"zh": "巡更点", "en": "Checkpoints"},
    "routes": {"zh": "路线", "en": "Routes"},
    "plans": {"zh": "计划", "en": "Plans"},
    "versions": {"zh": "版本历史", "en": "History of versions"},
    "add_checkpoints": {"zh": "新增巡更点", "en": "New checkpoint"},
    "add_routes": {"zh": "新增路线", "en": "New route"},
    "add_plans": {"zh": "新增计划", "en": "New plan"},
    "none_checkpoints": {"zh": "还没有巡更点。", "en": "There is no checkpoint yet."},
    "none_routes": {"zh": "还没有路线。", "en": "There is no route yet."},
    "none_plans": {"zh": "还没有计划。", "en": "There is no plan yet."},
    "none_versions": {"zh": "还没有在页面或接口上保存过。", "en": "Nothing was saved on the page or over the API yet."},
    "edit": {"zh": "修改", "en": "Edit"},
    "remove": {"zh": "删除", "en": "Remove"},
    "ask_remove": {"zh": "发布之前可以放弃改动。用到它的路线或计划会在检查中列出。",
                   "en": "Until it is in force the change can be dropped. What refers to it is named by the check."},
    "done": {"zh": "确定", "en": "Done"},
    "draft": {"zh": "有未生效的改动", "en": "Changes that are not in force"},
    "preview": {"zh": "预览影响", "en": "Preview"},
    "drop": {"zh": "放弃改动", "en": "Drop changes"},
    "ask_drop": {"zh": "未生效的改动将丢失。", "en": "Changes that are not in force are lost."},
    "put": {"zh": "保存并生效", "en": "Save and put in force"},
    "ask_put": {"zh": "立即生效，适用于所有尚未开始的班次，并记入审计。",
                "en": "In force at once, for every round that has not begun; it is audited."},
    "note": {"zh": "备注", "en": "Note"},
    "saved": {"zh": "已生效。", "en": "In force."},
    "preview_title": {"zh": "预览：{} 至 {}", "en": "Preview: {} to {}"},
    "rounds": {"zh": "班次", "en": "Rounds"},
    "no_rounds": {"zh": "这段时间的班次不变。", "en": "No round of this time changes."},
    "first": {"zh": "只列出前 {} 条。", "en": "The first {} are listed."},
    "no_blind": {"zh": "每个巡更点都有计划覆盖（无死角）。", "en": "Every checkpoint is covered by a plan."},
    "blind": {"zh": "没有计划覆盖的巡更点（死角）", "en": "Checkpoints that no plan covers (blind spots)"},
    "diff": {"zh": "逐行差别", "en": "Line by line"},
    "alike": {"zh": "没有差别。", "en": "No difference."},
    "wrong": {"zh": "要先改正", "en": "To be put right first"},
    "newer": {"zh": "其间已有更新：{}。你的改动还在本页，尚未生效。",
              "en": "Meanwhile something newer is in force: {}. Your changes are still here, and not in force."},
    "take_newer": {"zh": "放弃我的改动，采用更新的", "en": "Drop mine, take the newer"},
    "compare_newer": {"zh": "把我的改动与更新的比较", "en": "Compare mine with the newer"},
    "changed_file": {"zh": "文件已改动", "en": "the file, which was changed"},
    "restore": {"zh": "恢复此版本", "en": "Put in force again"},
    "compare": {"zh": "与上一版比较", "en": "Compare with the one before"},
    "up": {"zh": "上移", "en": "Move up"},
    "down": {"zh": "下移", "en": "Move down"},
    "add_stop": {"zh": "添加一站", "en": "Add a stop"},
    "stop": {"zh": "站", "en": "Stop"},
    "add_item": {"zh": "添加巡检项", "en": "Add an item"},
    "item": {"zh": "巡检项", "en": "Item"},
    "refused": {"zh": "文件已改动但没有生效", "en": "Changed files that are not in force"},
    "no_device": {"zh": "没有空闲的巡更计划设备：请先在小区文件中为新计划加一台 hub-patrol-route 虚拟设备。",
                  "en": "No device is free: first add a virtual device of profile hub-patrol-route for the new plan to "
                        "the site file."},
}  # fmt: skip

FIELDS: dict[str, Text] = {
    "id": {"zh": "代码（保存后不改）", "en": "Code (stays for good)"},
    "name_zh": {"zh": "中文名称", "en": "Name in Chinese"},
    "name_en": {"zh": "英文名称", "en": "Name in English"},
    "place": {"zh": "位置", "en": "Place"},
    "position": {"zh": "坐标 WGS-84（纬度, 经度；可空）", "en": "Position WGS-84 (latitude, longitude; may be empty)"},
    "qr": {"zh": "张贴二维码的证明力（0.1 至 1；空：不用）",
           "en": "What its printed code counts (0.1 to 1; empty: none)"},
    "items": {"zh": "巡检项", "en": "What is to be looked at"},
    "order": {"zh": "顺序", "en": "Order"},
    "stops": {"zh": "各站（Alt+↑/↓ 移动）", "en": "Stops (Alt+↑/↓ moves one)"},
    "route": {"zh": "路线", "en": "Route"},
    "device": {"zh": "报警所在的设备", "en": "Device on which its alarms stand"},
    "days": {"zh": "日期", "en": "Days"},
    "weekdays": {"zh": "星期", "en": "Days of the week"},
    "times": {"zh": "开始时间（如 22:00 00:00 02:00）", "en": "Begins at (22:00 00:00 02:00)"},
    "every": {"zh": "或每隔多少分钟", "en": "Or every so many minutes"},
    "from": {"zh": "从", "en": "From"},
    "to": {"zh": "到（可到次日清晨）", "en": "To (may be the next morning)"},
    "post": {"zh": "岗位", "en": "Post"},
    "shift_zh": {"zh": "班次的中文名称", "en": "What the shift is called in Chinese"},
    "shift_en": {"zh": "班次的英文名称", "en": "What the shift is called in English"},
    "early": {"zh": "提前几分钟计入", "en": "Minutes before the beginning that count"},
    "late": {"zh": "容差（分钟）", "en": "Tolerance in minutes"},
    "remind": {"zh": "提前几分钟提醒", "en": "Reminder, minutes before a stop is due"},
    "grace": {"zh": "逾期后几分钟内可补走", "en": "Minutes in which an overdue round can be finished"},
    "checkpoint": {"zh": "巡更点", "en": "Checkpoint"},
    "min": {"zh": "不早于（分）", "en": "Not before (min)"},
    "max": {"zh": "不迟于（分）", "en": "Not after (min)"},
    "zh": {"zh": "中文", "en": "Chinese"},
    "en": {"zh": "英文", "en": "English"},
    "answer": {"zh": "填写", "en": "Answer"},
    "unit": {"zh": "单位", "en": "Unit"},
    "required": {"zh": "必检", "en": "Required"},
    "photo": {"zh": "须拍照", "en": "Photograph"},
    "equipment": {"zh": "消防器材编号", "en": "Number of fire equipment"},
}  # fmt: skip

COLUMNS: dict[str, Text] = {
    "name": {"zh": "名称", "en": "Name"},
    "place": {"zh": "位置", "en": "Place"},
    "proofs": {"zh": "证明", "en": "Proofs"},
    "items": {"zh": "巡检项", "en": "Items"},
    "cover": {"zh": "覆盖", "en": "Coverage"},
    "stops": {"zh": "各站", "en": "Stops"},
    "order": {"zh": "顺序", "en": "Order"},
    "minutes": {"zh": "全程（分）", "en": "Length (min)"},
    "route": {"zh": "路线", "en": "Route"},
    "days": {"zh": "日期", "en": "Days"},
    "times": {"zh": "开始时间", "en": "Begins"},
    "late": {"zh": "容差（分）", "en": "Tolerance (min)"},
    "who": {"zh": "岗位/班次", "en": "Post/shift"},
    "device": {"zh": "设备", "en": "Device"},
    "do": {"zh": "操作", "en": "Actions"},
    "version": {"zh": "版本", "en": "Version"},
    "source": {"zh": "来源", "en": "From"},
    "author": {"zh": "保存人", "en": "Author"},
    "at": {"zh": "时间", "en": "Time"},
    "note": {"zh": "备注", "en": "Note"},
    "plan": {"zh": "计划", "en": "Plan"},
    "sort": {"zh": "变化", "en": "Change"},
    "begins": {"zh": "开始", "en": "Begins"},
    "was": {"zh": "原开始", "en": "Began"},
}  # fmt: skip

SOURCES: dict[str, Text] = {
    "file": {"zh": "恢复使用文件", "en": "File followed again"},
    "page": {"zh": "页面", "en": "Page"},
    "api": {"zh": "接口", "en": "API"},
}
ORDERS: dict[str, Text] = {
    "fixed": {"zh": "按顺序", "en": "In this order"},
    "free": {"zh": "不限顺序", "en": "In any order"},
}
ANSWERS: dict[str, Text] = {
    "yes_no": {"zh": "正常/异常", "en": "In order or not"},
    "reading": {"zh": "读数", "en": "Reading"},
}
DAYS: dict[str, Text] = {
    "every_day": {"zh": "每天", "en": "Every day"},
    "workdays": {"zh": "工作日", "en": "Workdays"},
    "rest_days": {"zh": "休息日", "en": "Days off"},
    "holidays": {"zh": "法定节假日", "en": "Public holidays"},
    "chosen": {"zh": "选定星期", "en": "Chosen days of the week"},
}
WEEK: dict[str, Text] = {
    "mon": {"zh": "一", "en": "Mon"}, "tue": {"zh": "二", "en": "Tue"}, "wed": {"zh": "三", "en": "Wed"},
    "thu": {"zh": "四", "en": "Thu"}, "fri": {"zh": "五", "en": "Fri"}, "sat": {"zh": "六", "en": "Sat"},
    "sun": {"zh": "日", "en": "Sun"},
}  # fmt: skip
CHANGES: dict[str, tuple[str, str, Text]] = {
    "added": ("＋", "done", {"zh": "新增", "en": "Added"}),
    "gone": ("✕", "ill", {"zh": "取消", "en": "Gone"}),
    "moved": ("→", "", {"zh": "改时间", "en": "Moved"}),
    "changed": ("✎", "", {"zh": "内容改变", "en": "Changed"}),
}
BLIND: dict[str, tuple[str, str, Text]] = {
    "newly": ("!", "ill", {"zh": "新的死角", "en": "New blind spot"}),
    "removed": ("✕", "ill", {"zh": "已删除，原有计划覆盖", "en": "Removed, was covered"}),
    "still": ("○", "", {"zh": "原来就没有计划", "en": "No plan before either"}),
}
ON_PLAN: Text = {"zh": "有计划", "en": "On a plan"}
OFF_PLAN: Text = {"zh": "死角", "en": "Blind spot"}
ANYBODY: Text = {"zh": "不限", "en": "Anybody"}
EVERY: Text = {"zh": "每 {} 分钟，{}–{}", "en": "every {} min, {}–{}"}
CHANGED: Text = {"zh": "已改", "en": "changed"}
WRONG_FIELD: Text = {"zh": "请检查：{}", "en": "Please look at: {}"}
TAKEN: Text = {"zh": "代码已被使用", "en": "this code is taken"}
