"""Why an arrival became a dead letter: the closed list that `BadFrame.reason` is taken from."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from hub.vocabulary.base import Text


class DeadReason(StrEnum):
    """Stable codes: stored with each dead letter, counted in metrics, filtered by in the API."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TRUNCATED = "truncated"
    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_SOURCE = "unknown_source"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_EVENT = "unknown_event"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    UNMAPPED_VALUE = "unmapped_value"
    INVALID_BCD = "invalid_bcd"
    IDENTITY_MISMATCH = "identity_mismatch"
    CLOCK = "clock"
    POISON = "poison"


REASON_TEXTS: Final[Mapping[DeadReason, Text]] = {
    DeadReason.MALFORMED: Text(zh="报文无法解析", en="the payload cannot be parsed"),
    DeadReason.TOO_LARGE: Text(zh="报文超过允许的大小", en="the payload is larger than allowed"),
    DeadReason.TOO_DEEP: Text(zh="报文嵌套过深", en="the payload is nested deeper than allowed"),
    DeadReason.TRUNCATED: Text(zh="报文不完整", en="the payload ends too early"),
    DeadReason.UNKNOWN_TOPIC: Text(zh="没有设备型号使用该主题", en="no profile uses this topic"),
    DeadReason.UNKNOWN_SOURCE: Text(zh="来源中没有已配置的点位", en="no configured point lies at this source"),
    DeadReason.UNKNOWN_DEVICE: Text(zh="设备未登记", en="the device is not installed"),
    DeadReason.UNKNOWN_EVENT: Text(zh="设备型号中没有该事件", en="the profile does not know this event"),
    DeadReason.MISSING_FIELD: Text(zh="缺少必需的字段", en="a required field is missing"),
    DeadReason.WRONG_TYPE: Text(zh="字段类型不符", en="a field has the wrong type"),
    DeadReason.NOT_FINITE: Text(zh="数值为非数或无穷大", en="the number is NaN or infinite"),
    DeadReason.UNMAPPED_VALUE: Text(zh="原始值没有对应的含义", en="the raw value has no meaning in the profile"),
    DeadReason.INVALID_BCD: Text(zh="BCD 码无效", en="a BCD nibble is above 9"),
    DeadReason.IDENTITY_MISMATCH: Text(zh="报文中的设备与来源不符", en="payload and source name different devices"),
    DeadReason.CLOCK: Text(zh="设备时间无法使用", en="the device time cannot be used"),
    DeadReason.POISON: Text(zh="可以解析，但无法入库", en="understood, but the store refused it"),
}
