"""The words of the notifications page."""

from modules.notifications.model import State

Text = dict[str, str]

TITLE = {"zh": "通知", "en": "Notifications"}
SAYS: dict[str, Text] = {
    "channels": {"zh": "通知渠道", "en": "Channels"},
    "no_channels": {
        "zh": "没有渠道。渠道、收件人和升级策略写在 config/notifications/ 中。",
        "en": "No channels. Channels, people and escalation are set in config/notifications/.",
    },
    "webhooks": {"zh": "Webhook 推送", "en": "Webhooks"},
    "no_webhooks": {
        "zh": "没有推送地址。添加后，报警以签名的 CloudEvents 推送给其他系统。",
        "en": "No endpoints. Once there is one, alarms are sent to it as signed CloudEvents.",
    },
    "deliveries": {"zh": "投递记录", "en": "Deliveries"},
    "no_deliveries": {
        "zh": "没有投递记录。有报警响起或发送测试后，这里逐条显示投递状态。",
        "en": "No deliveries. When an alarm sounds or a test is sent, each delivery is listed here with its state.",
    },
    "add": {"zh": "添加推送地址", "en": "Add an endpoint"},
    "address": {"zh": "地址（https://…）", "en": "Address (https://…)"},
    "types": {"zh": "事件", "en": "Events"},
    "needed": {"zh": "请填写。", "en": "This is needed."},
    "name": {"zh": "名称", "en": "Name"},
    "secret": {"zh": "签名密钥（只显示这一次，请立即保存）", "en": "Signing secret (shown this once: keep it now)"},
    "hide": {"zh": "已保存，隐藏", "en": "Kept: hide it"},
    "sounding": {"zh": "报警响起与处理", "en": "Alarms that sound, and their end"},
    "everything": {"zh": "全部事件", "en": "Every event"},
    "tested": {"zh": "已发出测试，结果见投递记录。", "en": "A test is on its way; see the deliveries."},
    "group": {"zh": "群", "en": "Group"},
    "personal": {"zh": "个人", "en": "Personal"},
    "answerable": {"zh": "可回复", "en": "takes answers"},
    "acknowledged": {"zh": "已由此通知确认", "en": "Acknowledged from it"},
    "off": {"zh": "未接入", "en": "Not set up"},
    "well": {"zh": "正常", "en": "Well"},
    "failing": {"zh": "故障", "en": "Failing"},
    "retry": {"zh": "下次", "en": "next"},
    "unused": {"zh": "未使用", "en": "Not used yet"},
}
REFUSALS: dict[str, Text] = {
    "bad_url": {"zh": "地址无效：需要不含用户名、密码的 https 地址。",
                "en": "Not an address: https without user and password is needed."},
    "forbidden_address": {
        "zh": "不允许发往该地址：只能是公网 https，或配置文件 gateways 中的内网地址。",
        "en": "That address may not be sent to: only public https, or private addresses listed under `gateways`.",
    },
    "name_taken": {"zh": "已有同名的推送地址。", "en": "There is an endpoint of that name already."},
    "too_many": {"zh": "推送地址已达上限。", "en": "There are as many endpoints as there may be."},
    "too_many_deliveries": {
        "zh": "要重发的超过 5000 条，请从更晚的时间开始。",
        "en": "More than 5000 would go again; begin at a later time.",
    },
    "channel_off": {"zh": "该渠道未接入。", "en": "The channel is not set up."},
    "no_recipients": {"zh": "该渠道没有固定收件人，无法测试。",
                      "en": "The channel has no fixed recipients to test with."},
}  # fmt: skip
STATES: dict[State, tuple[str, Text]] = {
    "queued": ("○", {"zh": "待发", "en": "Queued"}),
    "held": ("◔", {"zh": "暂缓", "en": "Held"}),
    "sending": ("◑", {"zh": "发送中", "en": "Sending"}),
    "delivered": ("✓", {"zh": "已送达", "en": "Delivered"}),
    "rerouted": ("↷", {"zh": "经备用渠道送达", "en": "By the second channel"}),
    "cancelled": ("✕", {"zh": "不再需要", "en": "Not needed"}),
    "dead": ("!", {"zh": "失败", "en": "Failed"}),
}
RETRYING = {"zh": "重试中", "en": "Retrying"}
ENDPOINTS: dict[str, tuple[str, Text]] = {
    "active": ("✓", {"zh": "启用", "en": "Active"}),
    "paused": ("‖", {"zh": "暂停", "en": "Paused"}),
    "disabled": ("!", {"zh": "已停用", "en": "Disabled"}),
}
FILTERS: dict[str, tuple[Text, tuple[State, ...] | None]] = {
    "all": ({"zh": "全部", "en": "All"}, None),
    "waiting": ({"zh": "未送达", "en": "Waiting"}, ("queued", "held", "sending")),
    "dead": ({"zh": "失败", "en": "Failed"}, ("dead",)),
}
EVENTS: dict[str, Text] = {
    "annunciated": {"zh": "报警", "en": "Alarm"},
    "escalated": {"zh": "上报", "en": "Escalation"},
    "settled": {"zh": "报警已处理", "en": "Alarm settled"},
    "storm_began": {"zh": "报警风暴开始", "en": "Storm began"},
    "storm_ended": {"zh": "报警风暴结束", "en": "Storm ended"},
    "test": {"zh": "测试", "en": "Test"},
    "reply": {"zh": "对回复的应答", "en": "Answer to a reply"},
}
ACTIONS: dict[str, Text] = {
    "test": {"zh": "测试", "en": "Test"},
    "pause": {"zh": "暂停", "en": "Pause"},
    "resume": {"zh": "恢复", "en": "Resume"},
    "rotate": {"zh": "换密钥", "en": "Rotate"},
    "replay": {"zh": "重发", "en": "Replay"},
    "remove": {"zh": "删除", "en": "Remove"},
}
QUESTIONS: dict[str, Text] = {
    "test": {"zh": "现在发送一条测试？", "en": "Send a test now?"},
    "pause": {"zh": "暂停后，投递会排队等待。", "en": "Deliveries will wait until it is resumed."},
    "resume": {"zh": "恢复投递，包括排队等待的。", "en": "Go on, with what has waited."},
    "rotate": {
        "zh": "新密钥只显示一次；24 小时内新旧密钥同时签名。",
        "en": "The new secret is shown once; for 24 hours both sign.",
    },
    "replay": {
        "zh": "重新投递（Webhook 的编号不变，对方可去重）。",
        "en": "Deliver again (a webhook keeps its id, so the receiver can tell).",
    },
    "remove": {"zh": "删除该地址，排队的投递作废。", "en": "Remove it; what waits for it is given up."},
}
CHANNEL_COLUMNS: dict[str, tuple[Text, str]] = {
    "name": ({"zh": "渠道", "en": "Channel"}, ""),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "service": ({"zh": "服务", "en": "Service"}, ""),
    "sort": ({"zh": "对象", "en": "To"}, ""),
    "waiting": ({"zh": "待发 / 失败", "en": "Waiting / failed"}, "num"),
    "delivered": ({"zh": "最近送达", "en": "Last delivered"}, "num"),
    "fallback": ({"zh": "备用渠道", "en": "Second channel"}, ""),
    "trouble": ({"zh": "说明", "en": "Remark"}, ""),
    "actions": ({"zh": "操作", "en": "Actions"}, "actions"),
}
ENDPOINT_COLUMNS: dict[str, tuple[Text, str]] = {
    "name": ({"zh": "名称", "en": "Name"}, ""),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "url": ({"zh": "地址", "en": "Address"}, ""),
    "types": ({"zh": "事件", "en": "Events"}, ""),
    "waiting": ({"zh": "待发 / 失败", "en": "Waiting / failed"}, "num"),
    "delivered": ({"zh": "最近送达", "en": "Last delivered"}, "num"),
    "trouble": ({"zh": "说明", "en": "Remark"}, ""),
    "actions": ({"zh": "操作", "en": "Actions"}, "actions"),
}
DELIVERY_COLUMNS: dict[str, tuple[Text, str]] = {
    "created": ({"zh": "时间", "en": "Time"}, "num"),
    "state": ({"zh": "状态", "en": "State"}, "chip"),
    "event": ({"zh": "事件", "en": "Event"}, "link"),
    "target": ({"zh": "渠道", "en": "By"}, ""),
    "name": ({"zh": "收件人", "en": "To"}, ""),
    "attempts": ({"zh": "次数", "en": "Attempts"}, "num"),
    "next": ({"zh": "下次 / 完成", "en": "Next / done"}, "num"),
    "detail": ({"zh": "说明", "en": "Remark"}, ""),
    "actions": ({"zh": "操作", "en": "Actions"}, "actions"),
}
