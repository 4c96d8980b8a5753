"""The words of duty's pages, in both languages."""

Text = dict[str, str]

FORM_CANCEL = {"zh": "取消", "en": "Cancel"}

FORM_WORKING = {"zh": "正在处理……", "en": "Working …"}

FORM_NEEDED = {"zh": "请填写：", "en": "Needed: "}

FORM_MISSING = {"zh": "已不存在，请重新载入。", "en": "It is not there any more; load the page again."}

FORM_OTHER = {"zh": "没有做成：", "en": "It was refused: "}

FORM_REFUSED: dict[str, Text] = {
    "forbidden": {"zh": "您的角色不能这样做。", "en": "Your role may not do this."},
    "not_signed_in": {"zh": "登录已结束，请重新登录。", "en": "The session is over; sign in again."},
    "bad_text": {
        "zh": "有文字为空、过长或含有不可显示的字符。",
        "en": "A text is empty, too long or has unprintable characters.",
    },
    "bad_phone": {"zh": "电话号码应有 5 至 15 位数字。", "en": "A telephone number has 5 to 15 digits."},
    "bad_card": {"zh": "卡号应为 4 至 64 位字母或数字。", "en": "A card number is 4 to 64 letters and digits."},
    "bad_period": {"zh": "日期不对：末日早于首日，或时间太长。", "en": "The days are wrong: reversed, or too many."},
    "bad_since": {
        "zh": "“自何时起”须在所选日期的班次之内。",
        "en": "The time it begins at must lie in a shift of these days.",
    },
    "bad_time": {
        "zh": "时间须在最近 31 天以内，且不在将来。",
        "en": "The time must be in the last 31 days and not to come.",
    },
    "bad_value": {"zh": "有内容不是所要求的格式。", "en": "Something is not in the form that is needed."},
    "account_taken": {"zh": "另一人已用这个账号。", "en": "Somebody else has this account."},
    "card_taken": {"zh": "另一人已持这张卡。", "en": "Somebody else has this card."},
    "shift_in_use": {
        "zh": "已排的班用着这个班次的时间，请停用它并新增一个。",
        "en": "Rosters to come use its hours: retire it and add another.",
    },
    "breaks_rules": {
        "zh": "违反排班规则；确要如此，请勾选“仍然执行”。",
        "en": "It breaks rules; to do so all the same, tick “Do it anyway”.",
    },
    "has_holes": {
        "zh": "有岗位无人；确要如此，请勾选“仍然执行”。",
        "en": "Places stay uncovered; to do so all the same, tick “Do it anyway”.",
    },
    "roster_changed": {"zh": "排班刚被别人改过，请看最新的。", "en": "The roster was changed meanwhile: look again."},
    "too_late": {"zh": "一周以前的不能再改。", "en": "What is more than a week ago stays as it is."},
    "too_early": {"zh": "交班前一小时起才能签字。", "en": "It can be signed from an hour before the change on."},
    "same_person": {"zh": "交班和接班不能是同一人。", "en": "One person cannot hand over to themselves."},
    "signed": {"zh": "这一侧已经签字。", "en": "This side has been signed."},
    "busy_solving": {
        "zh": "正在生成另一张排班表，请稍后。",
        "en": "Another roster is being made; try again in a moment.",
    },
    "wrong_state": {"zh": "现在的状态不能这样做。", "en": "Not possible as it now stands."},
    "corrected": {"zh": "这条已被更正，请更正新的那条。", "en": "It was corrected already: correct the correction."},
    "issued": {"zh": "已经借出，或已停用。", "en": "It is issued already, or retired."},
    "not_issued": {"zh": "没有人借用。", "en": "Nobody has it."},
}

HAND_OVER_TITLE = {"zh": "交接班", "en": "Shift hand-over"}

HAND_OVER_SAYS: dict[str, Text] = {
    "change": {"zh": "换班时间", "en": "Change of shifts"},
    "state": {"zh": "状态", "en": "State"},
    "outgoing": {"zh": "交班人员（排班）", "en": "Going (roster)"},
    "incoming": {"zh": "接班人员（排班）", "en": "Coming (roster)"},
    "note": {"zh": "交班留言", "en": "Note of the outgoing side"},
    "sign_out": {"zh": "交班签字", "en": "Sign as outgoing"},
    "sign_in": {"zh": "接班签字", "en": "Sign as incoming"},
    "ask_out": {
        "zh": "签字后，下面的清单就此固定，不能再改。",
        "en": "Once signed, the list below is fixed and cannot change.",
    },
    "ask_in": {"zh": "您已看过清单，现在由您接班。", "en": "You have read the list and take over now."},
    "free": {"zh": "要交代的事（可不填）", "en": "What the list does not say (optional)"},
    "late": {"zh": "迟交", "en": "late"},
    "fixed": {"zh": "已签字固定", "en": "signed and fixed"},
    "now": {"zh": "现在的情况", "en": "as it is now"},
    "storm": {"zh": "报警风暴进行中，已计", "en": "Alarm storm going on, counted"},
    "cut": {
        "zh": "只列出最紧急的 200 条，可能还有更多：",
        "en": "Only the most urgent 200 are listed, there may be more: ",
    },
    "off_roster": {"zh": "不在排班", "en": "not on the roster"},
    "history": {"zh": "交接记录", "en": "Hand-overs so far"},
    "no_history": {
        "zh": "还没有交接记录。第一次交班签字后列在这里。",
        "en": "None yet. They are listed here once the first is signed.",
    },
    "no_shifts": {
        "zh": "还没有班次。请主管先在“排班”里设好班次和岗位。",
        "en": "There are no shifts yet: set them up under “Roster”.",
    },
    "list": {"zh": "交接清单", "en": "Hand-over list"},
    "by": {"zh": "交 → 接", "en": "From → to"},
    "nobody": {"zh": "无人", "en": "nobody"},
}

HAND_OVER_PARTS: dict[str, tuple[Text, Text]] = {
    "alarms": ({"zh": "未结报警", "en": "Open alarms"}, {"zh": "没有未结的报警。", "en": "No open alarms."}),
    "silent": (
        {"zh": "搁置、抑制与停用", "en": "Shelved, suppressed, out of service"},
        {"zh": "没有被搁置、抑制或停用的。", "en": "Nothing is shelved, suppressed or out of service."},
    ),
    "work_orders": ({"zh": "未完成工单", "en": "Unfinished work orders"}, {"zh": "没有未完成的工单。", "en": "None."}),
    "rounds": (
        {"zh": "进行中或没走完的巡更", "en": "Patrols under way or not walked"},
        {"zh": "没有进行中的，近 12 小时没有漏巡。", "en": "None is under way, none failed in the last 12 hours."},
    ),
    "incidents": ({"zh": "未结治安事件", "en": "Open incidents"}, {"zh": "没有未结的事件。", "en": "None."}),
    "equipment": (
        {"zh": "警械设备与钥匙", "en": "Equipment and keys"},
        {"zh": "没有登记设备。", "en": "None is registered."},
    ),
}

HAND_OVER_HEADS: dict[str, Text] = {
    "part": {"zh": "类别", "en": "Part"},
    "what": {"zh": "事项", "en": "What"},
    "place": {"zh": "地点", "en": "Place"},
    "more": {"zh": "说明", "en": "More"},
    "since": {"zh": "时间", "en": "Since"},
}

HAND_OVER_VIEWS: dict[str, Text] = {
    "shelved": {"zh": "搁置", "en": "Shelved"},
    "suppressed": {"zh": "设计抑制", "en": "Suppressed by design"},
    "out_of_service": {"zh": "停用", "en": "Out of service"},
}

ROUND_STATES: dict[str, Text] = {
    "planned": {"zh": "待巡", "en": "Planned"},
    "running": {"zh": "进行中", "en": "Under way"},
    "overdue": {"zh": "逾期", "en": "Overdue"},
    "complete": {"zh": "完成", "en": "Complete"},
    "late": {"zh": "完成（有超时）", "en": "Complete, late"},
    "incomplete": {"zh": "未走全", "en": "Incomplete"},
    "missed": {"zh": "漏巡", "en": "Missed"},
}

ROUND_EXPECTED: Text = {"zh": "应巡", "en": "Expected"}
ROUND_WALKED: Text = {"zh": "实巡", "en": "Walked by"}
ROUND_STAND_IN: Text = {"zh": "代巡", "en": "Stand-in"}

HAND_OVER_IN_STORE = {"zh": "在库", "en": "in store"}

ROSTER_TITLE = {"zh": "排班", "en": "Roster"}

ROSTER_SAYS: dict[str, Text] = {
    "before": {"zh": "‹ 前一周", "en": "‹ Week before"},
    "today": {"zh": "本周", "en": "This week"},
    "after": {"zh": "后一周 ›", "en": "Week after ›"},
    "post": {"zh": "班次 · 岗位", "en": "Shift · post"},
    "lacks": {"zh": "缺", "en": "lacks"},
    "absent": {"zh": "缺勤", "en": "absent"},
    "fine": {"zh": "岗位都有人，没有违反规则。", "en": "Every place is covered and no rule is broken."},
    "no_needs": {
        "zh": "还没有岗位和班次。主管可在“人员与岗位”里设置，或放一个 config/duty 文件。",
        "en": "There are no posts and shifts yet. Who supervises sets them up under “People and posts”.",
    },
    "people": {"zh": "人员与岗位", "en": "People and posts"},
    "figures": {"zh": "每人统计", "en": "Figures by person"},
    "name": {"zh": "姓名", "en": "Name"},
    "shifts": {"zh": "班数", "en": "Shifts"},
    "nights": {"zh": "夜班", "en": "Nights"},
    "free_days": {"zh": "周末节假日班", "en": "Weekends, holidays"},
    "hours": {"zh": "工时", "en": "Hours"},
    "absences": {"zh": "请假与病假", "en": "Absences"},
    "no_absences": {"zh": "这段时间没有人请假。", "en": "Nobody is away."},
    "add_absence": {"zh": "登记请假", "en": "Note an absence"},
    "cancel": {"zh": "销假", "en": "Cancel"},
    "kind": {"zh": "类别", "en": "Kind"},
    "first": {"zh": "首日", "en": "First day"},
    "last": {"zh": "末日", "en": "Last day"},
    "since": {"zh": "当班途中离开的时间（可不填）", "en": "Left during the shift at (optional)"},
    "note": {"zh": "说明（可不填）", "en": "Note (optional)"},
    "versions": {"zh": "草稿与版本", "en": "Drafts and versions"},
    "version": {"zh": "版本", "en": "Version"},
    "days": {"zh": "日期", "en": "Days"},
    "origin": {"zh": "来历", "en": "Made"},
    "by": {"zh": "何人何时", "en": "By, at"},
    "no_versions": {"zh": "还没有排班。点“自动排班”生成一张草稿。", "en": "None yet: “Make a roster” makes a draft."},
    "draft": {"zh": "草稿", "en": "Draft"},
    "published": {"zh": "已发布", "en": "Published"},
    "discarded": {"zh": "已作废", "en": "Discarded"},
    "generate": {"zh": "自动排班", "en": "Make a roster"},
    "manual": {"zh": "手工草稿", "en": "Draft by hand"},
    "generate_text": {
        "zh": "按岗位、班次、工时、休息、连续夜班、资质、请假和意愿生成一张草稿，最多 20 秒；排不满的岗位会逐一列出。",
        "en": "A draft by posts, shifts, hours, rest, nights, qualifications, absences and wishes, "
        "in 20 s at most; every place that cannot be covered is named.",
    },
    "publish": {"zh": "发布", "en": "Publish"},
    "discard": {"zh": "作废", "en": "Discard"},
    "accept": {"zh": "仍然执行（缺人或违反规则时）", "en": "Do it anyway (holes, broken rules)"},
    "remark": {"zh": "说明", "en": "Note"},
    "stand_in": {"zh": "由谁顶班", "en": "Who stands instead"},
    "nobody": {"zh": "（不排人）", "en": "(nobody)"},
    "swap": {"zh": "或与下面的班互换", "en": "Or swap with this one"},
    "no_swap": {"zh": "（不互换）", "en": "(no swap)"},
    "save": {"zh": "保存", "en": "Save"},
    "leave": {"zh": "请假", "en": "Leave"},
    "sick": {"zh": "病假", "en": "Sick"},
    "training": {"zh": "培训", "en": "Training"},
    "away": {"zh": "不在", "en": "Away"},
    "granted": {"zh": "满足意愿", "en": "Wishes granted"},
    "unsettled": {
        "zh": "到达求解上限，可能还有更均衡的排法",
        "en": "the solver stopped at its limit; a fairer one may exist",
    },
    "person": {"zh": "人员", "en": "Person"},
    "actions": {"zh": "操作", "en": "Actions"},
}

ROSTER_ORIGINS: dict[str, Text] = {
    "rotation": {"zh": "轮班表", "en": "rotation"},
    "automatic": {"zh": "自动", "en": "solver"},
    "manual": {"zh": "手工", "en": "by hand"},
    "change": {"zh": "调班", "en": "change"},
}

ROSTER_RULES: dict[str, Text] = {
    "absent": {"zh": "请假期间排班", "en": "absent that day"},
    "unqualified": {"zh": "缺资质", "en": "lacks a qualification"},
    "overlap": {"zh": "时间重叠", "en": "two shifts at once"},
    "rest": {"zh": "休息不足", "en": "too little rest"},
    "weekly_hours": {"zh": "周工时超限", "en": "too many hours that week"},
    "unknown": {"zh": "人员已停用", "en": "not on the register"},
    "nights": {"zh": "连续夜班过多", "en": "too many nights in a row"},
    "days": {"zh": "连续上班过多", "en": "too many days in a row"},
}

REGISTER_TITLE = {"zh": "人员与岗位", "en": "People and posts"}

REGISTER_SAYS: dict[str, Text] = {
    "people": {"zh": "保安人员", "en": "People"},
    "posts": {"zh": "岗位", "en": "Posts"},
    "shifts": {"zh": "班次", "en": "Shifts"},
    "needs": {"zh": "每班人数", "en": "People needed"},
    "equipment": {"zh": "警械设备与钥匙", "en": "Equipment and keys"},
    "code": {"zh": "编号", "en": "Code"},
    "name": {"zh": "姓名", "en": "Name"},
    "title": {"zh": "名称", "en": "Name"},
    "zh": {"zh": "中文名", "en": "Chinese name"},
    "en": {"zh": "英文名", "en": "English name"},
    "account": {"zh": "登录账号", "en": "Account"},
    "phone": {"zh": "电话", "en": "Telephone"},
    "card": {"zh": "巡更卡", "en": "Patrol card"},
    "qualifications": {"zh": "资质", "en": "Qualifications"},
    "weekly_hours": {"zh": "周工时上限", "en": "Hours a week at most"},
    "state": {"zh": "状态", "en": "State"},
    "active": {"zh": "在用", "en": "Active"},
    "retired": {"zh": "停用", "en": "Retired"},
    "hours": {"zh": "时间", "en": "Hours"},
    "begins": {"zh": "开始", "en": "Begins"},
    "ends": {"zh": "结束（早于开始即次日）", "en": "Ends (earlier: the next day)"},
    "place": {"zh": "位置", "en": "Place"},
    "post": {"zh": "岗位", "en": "Post"},
    "shift": {"zh": "班次", "en": "Shift"},
    "count": {"zh": "人数", "en": "People"},
    "weekdays": {"zh": "星期（1 一 … 7 日）", "en": "Weekdays (1 Mo … 7 Su)"},
    "holder": {"zh": "领用人", "en": "With"},
    "since": {"zh": "领用时间", "en": "Since"},
    "actions": {"zh": "操作", "en": "Actions"},
    "edit": {"zh": "修改", "en": "Edit"},
    "add": {"zh": "新增", "en": "Add"},
    "save": {"zh": "保存", "en": "Save"},
    "issue": {"zh": "领用", "en": "Issue"},
    "return": {"zh": "归还", "en": "Take back"},
    "note": {"zh": "说明（可不填）", "en": "Note (optional)"},
    "none": {"zh": "还没有登记。", "en": "Nothing is registered yet."},
    "in_store": {"zh": "在库", "en": "in store"},
    "keep_card": {"zh": "新卡号（不填则不变；填 - 收回）", "en": "New card (empty: no change; - takes it away)"},
    "card_set": {"zh": "已发卡", "en": "issued"},
    "commas": {"zh": "资质（用逗号分开）", "en": "Qualifications (with commas)"},
    "privacy": {
        "zh": "电话和卡属于个人信息：号码只向主管完整显示，卡号只存密钥散列，不再显示。",
        "en": "Numbers and cards are personal data: numbers in full for who supervises only, "
        "cards kept as keyed hashes and never shown.",
    },
    "limits": {"zh": "排班规则", "en": "Limits of rosters"},
    "rest_hours": {"zh": "两班间隔（小时）", "en": "Rest between shifts (h)"},
    "nights_in_a_row": {"zh": "连续夜班上限", "en": "Nights in a row at most"},
    "days_in_a_row": {"zh": "连续上班天数上限", "en": "Days in a row at most"},
    "late_minutes": {"zh": "交接迟到（分钟）", "en": "A hand-over is late after (min)"},
}

LOG_LOG = {"zh": "值班记录", "en": "Duty log"}

LOG_INCIDENTS = {"zh": "治安情况记录", "en": "Incidents"}

LIST_SAYS: dict[str, Text] = {
    "search": {"zh": "搜索文字、地点、记录人", "en": "Search text, place, writer"},
    "all": {"zh": "全部", "en": "all"},
    "count": {"zh": "显示 %n 条，共 %t 条", "en": "%n shown of %t"},
    "more": {"zh": "再显示一些（还有 %n 条）", "en": "Show more (%n are left)"},
    "nothing": {"zh": "没有符合条件的记录。", "en": "Nothing matches."},
}

LOG_SAYS: dict[str, Text] = {
    "time": {"zh": "时间", "en": "Time"},
    "number": {"zh": "编号", "en": "Number"},
    "kind": {"zh": "类别", "en": "Kind"},
    "text": {"zh": "内容", "en": "Text"},
    "place": {"zh": "地点", "en": "Place"},
    "by": {"zh": "记录人", "en": "Noted by"},
    "actions": {"zh": "操作", "en": "Actions"},
    "write": {"zh": "记一笔", "en": "Write"},
    "correct": {"zh": "更正", "en": "Correct"},
    "correct_text": {
        "zh": "原来的记录保留不变，更正另记一条并互相指明。",
        "en": "The entry stays as it is; the correction is a further one, each naming the other.",
    },
    "at": {"zh": "发生时间（不填为现在）", "en": "When (empty: now)"},
    "save": {"zh": "保存", "en": "Save"},
    "none": {"zh": "还没有值班记录。点“记一笔”写下第一条。", "en": "The log is empty: “Write” makes the first entry."},
    "sheet": {"zh": "今日日报", "en": "Sheet of today"},
    "incidents": {"zh": "治安事件", "en": "Incidents"},
    "no_incidents": {"zh": "没有治安事件记录。", "en": "No incidents."},
    "report": {"zh": "记录事件", "en": "Record an incident"},
    "what": {"zh": "经过", "en": "What happened"},
    "persons": {"zh": "相关人员（仅记录人和主管可见）", "en": "People involved (for the writer and supervisors)"},
    "measures": {"zh": "处理措施", "en": "Measures taken"},
    "police": {"zh": "移交公安", "en": "Police"},
    "police_number": {"zh": "公安受案编号", "en": "Number of the police"},
    "alarm": {"zh": "报警编号（可不填）", "en": "Number of the alarm (optional)"},
    "state": {"zh": "状态", "en": "State"},
    "open": {"zh": "未结", "en": "Open"},
    "closed": {"zh": "已结", "en": "Closed"},
    "show": {"zh": "查看", "en": "Show"},
    "add": {"zh": "补充", "en": "Add"},
    "close": {"zh": "结案", "en": "Close the case"},
    "conclusion": {"zh": "结论", "en": "Conclusion"},
    "hidden": {"zh": "（仅记录人和主管可见）", "en": "(for the writer and supervisors)"},
    "steps": {"zh": "经办记录", "en": "Steps"},
    "shut": {"zh": "关闭", "en": "Close"},
    "print": {"zh": "打印", "en": "Print"},
    "before": {"zh": "‹ 前一天", "en": "‹ Day before"},
    "after": {"zh": "后一天 ›", "en": "Day after ›"},
    "empty": {"zh": "无", "en": "None"},
    "signature": {"zh": "主管签字：", "en": "Supervisor: "},
    "opened": {"zh": "记录", "en": "recorded"},
    "added": {"zh": "补充", "en": "added"},
    "photographed": {"zh": "添加照片", "en": "added a photograph"},
    "photograph": {"zh": "添加照片", "en": "Add photographs"},
    "pictures": {"zh": "照片", "en": "Photographs"},
    "alarm_link": {"zh": "报警", "en": "Alarm"},
}
