"""The words of a pack, in both languages: it is read outside the hub, often on paper."""

Words = dict[str, str]


def both(zh: str, en: str) -> Words:
    return {"zh": zh, "en": en}


SORTS: dict[str, Words] = {
    "alarm": both("报警", "Alarm"),
    "step": both("处置", "Response"),
    "access": both("门禁", "Access"),
    "vehicle": both("车辆", "Vehicle"),
    "patrol": both("巡更", "Patrol"),
    "event": both("设备事件", "Device event"),
    "command": both("指令", "Command"),
    "notice": both("通知", "Notice"),
    "snapshot": both("快照", "Snapshot"),
    "clip": both("视频片段", "Clip"),
    "frame": both("原始报文", "Raw frame"),
}
STATES: dict[str, Words] = {
    "normal": both("恢复正常", "normal"),
    "active_unacknowledged": both("未确认", "unacknowledged"),
    "active_acknowledged": both("已确认", "acknowledged"),
    "returned_unacknowledged": both("已恢复未确认", "returned, unacknowledged"),
    "latched_unacknowledged": both("锁存未确认", "latched, unacknowledged"),
    "latched_acknowledged": both("锁存已确认", "latched, acknowledged"),
}
ACTIONS: dict[str, Words] = {
    "raise": both("报警", "raised"),
    "return": both("条件恢复", "condition returned"),
    "acknowledge": both("确认", "acknowledged"),
    "reset": both("复位", "reset"),
    "shelved": both("搁置", "shelved"),
    "suppressed_by_design": both("按设计抑制", "suppressed by design"),
    "out_of_service": both("停用", "out of service"),
    "unsuppressed": both("解除抑制", "no longer suppressed"),
    "assign": both("指派", "assigned"),
    "comment": both("备注", "comment"),
    "step": both("处置步骤", "response step"),
}
COMMAND_STATES: dict[str, Words] = {
    "requested": both("已请求", "requested"),
    "authorised": both("已授权", "authorised"),
    "sent": both("已发送", "sent"),
    "acknowledged": both("设备已收到", "acknowledged"),
    "confirmed": both("已证实", "confirmed"),
    "refused": both("被拒绝", "refused"),
    "expired": both("已过期", "expired"),
    "failed": both("失败", "failed"),
    "unknown": both("结果不明", "outcome unknown"),
}
NOTICES: dict[str, Words] = {
    "queued": both("等待发送", "waits"),
    "held": both("暂缓", "held back"),
    "sending": both("发送中", "being sent"),
    "delivered": both("已送达", "delivered"),
    "rerouted": both("改由第二渠道送达", "reached by the second channel"),
    "cancelled": both("已取消", "cancelled"),
    "dead": both("未送达", "not delivered"),
}
PRIORITIES: dict[int, Words] = {
    1: both("紧急", "critical"),
    2: both("高", "high"),
    3: both("中", "medium"),
    4: both("低", "low"),
}
