"""What messages say, in both languages: templates filled in, private parts masked. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from string import Template
from typing import Any
from zoneinfo import ZoneInfo

from modules.notifications.model import LATE, masked

Text = dict[str, str]

_LONGEST = 300
_CHOICES = 4  # alarms named in one answer: an SMS is short
_MOST_BYTES = 1500  # of several messages in one

FIELDS = ("priority", "title", "text", "place", "device", "time", "community", "on_duty", "step")
EVENTS: dict[str, Text] = {
    "annunciated": {"zh": "报警", "en": "Alarm"},
    "escalated": {"zh": "报警无人确认，逐级上报", "en": "Alarm not acknowledged, escalated"},
    "settled": {"zh": "报警已处理", "en": "Alarm settled"},
    "storm_began": {"zh": "报警风暴开始", "en": "Alarm storm began"},
    "storm_ended": {"zh": "报警风暴结束", "en": "Alarm storm ended"},
    "test": {"zh": "测试通知", "en": "Test notification"},
    "reply": {"zh": "回复", "en": "Answer"},
}
ANSWERS: dict[str, Text] = {
    "acknowledged": {"zh": "已确认：$what。请按预案处置。", "en": "Acknowledged: $what. Please follow the procedure."},
    "already": {"zh": "$by 已于 $time 确认，无需再确认：$what", "en": "$by acknowledged it already, at $time: $what"},
    "over": {"zh": "报警已结束，无需确认：$what", "en": "It is over, nothing to acknowledge: $what"},
    "which": {
        "zh": "尚未确认：不能确定是哪条报警。请回复 1 和编号：",
        "en": "Not acknowledged: which alarm? Reply 1 and its code:",
    },
    "wrong_code": {"zh": "尚未确认：编号不对。", "en": "Not acknowledged: there is no such code."},
    "expired": {
        "zh": "尚未确认：通知已超过 $minutes 分钟，请登录报警台确认。",
        "en": "Not acknowledged: told over $minutes min ago. Please sign in at the alarm desk.",
    },
    "not_understood": {"zh": "看不懂回复，尚未确认。", "en": "Not understood, nothing is acknowledged."},
    "choice": {"zh": "回复 1 $code：$what", "en": "1 $code: $what"},
}
_PRIORITY: dict[int, Text] = {
    1: {"zh": "1级·危急", "en": "1 critical"},
    2: {"zh": "2级·高", "en": "2 high"},
    3: {"zh": "3级·中", "en": "3 medium"},
    4: {"zh": "4级·低", "en": "4 low"},
}
DEFAULTS: dict[str, Text] = {
    "title": {"zh": "【$priority】$title", "en": "[$priority] $title"},
    "body": {
        "zh": "$place $device\n$text\n$time · $community",
        "en": "$place $device\n$text\n$time · $community",
    },
}
_WORDS: dict[str, Text] = {
    "on_duty": {"zh": "值班：$names", "en": "On duty: $names"},
    "nobody": {
        "zh": "（值班表上无人，已按固定名单发送）",
        "en": "(Nobody on the roster: sent to the fixed list)",
    },
    "step": {"zh": "第 $step 次上报：尚无人确认", "en": "Escalation $step: nobody has acknowledged"},
    "late": {"zh": "（延迟送达，发生于 $time）", "en": "(Delivered late; it happened at $time)"},
    "repeated": {"zh": "（可能重复）", "en": "(Possibly a repetition)"},
    "second": {"zh": "（经备用通道）", "en": "(By the second channel)"},
    "open": {"zh": "查看：$link", "en": "Open: $link"},
    "acknowledge": {
        "zh": "确认（$minutes 分钟内有效）：$link",
        "en": "Acknowledge (good for $minutes min): $link",
    },
    "answer": {
        "zh": "回复 1 确认；有多条报警时回复 1 $code",
        "en": "Reply 1 to acknowledge; with several alarms, 1 $code",
    },
    "answer_several": {
        "zh": "回复 1 和编号确认，如 1 $code",
        "en": "Reply 1 and the code to acknowledge, such as 1 $code",
    },
    "press": {"zh": "请按 1 确认。", "en": "Press 1 to acknowledge."},
    "more": {"zh": "……另有 $count 条", "en": "… and $count more"},
    "several": {"zh": "$count 条通知", "en": "$count notifications"},
    "test": {
        "zh": "这是一条测试通知，收到即表示通道可用。",
        "en": "This is a test; if you read it, the channel works.",
    },
    "storm_began": {
        "zh": "短时间内报警过多，报警台已按规则和地点归并。",
        "en": "Too many alarms at once; the desk groups them by rule and place.",
    },
    "storm_ended": {"zh": "报警频率已恢复正常。", "en": "Alarms come at their usual rate again."},
    "settled": {"zh": "已确认或已恢复。", "en": "It was acknowledged, or it is over."},
}


def pick(text: Mapping[str, str] | None, language: str) -> str:
    """The text in a language (`zh-CN`, `en`), or in whichever there is."""
    text = text or {}
    key = "zh" if language.startswith("zh") else "en"
    return text.get(key) or next(iter(text.values()), "")


def word(key: str, language: str, **fields: object) -> str:
    return Template(pick(_WORDS[key], language)).safe_substitute(fields)


def local(moment: datetime, zone: str) -> str:
    return moment.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M:%S")


def shortened(text: str) -> str:
    """At most 300 characters: a WeCom message has 2048 bytes."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def alarm_message(
    alarm: Mapping[str, Any],
    event: str,
    language: str,
    zone: str,
    templates: Mapping[str, Text],
    names: Sequence[str] | None,
    step: int,
) -> tuple[str, str]:
    """Title and body of a message about an alarm row (with `device_name`, `place_name`, `community_name`).

    `names`: who is on duty; empty: nobody was on the roster; None: nothing is said of it.
    """  # fmt: skip
    fields = {
        "priority": pick(_PRIORITY[alarm["priority"]], language),
        "title": masked(pick(alarm["title"], language)),
        "text": shortened(masked(pick(alarm["text"], language))),
        "place": pick(alarm.get("place_name"), language) or alarm["place"],
        "device": pick(alarm["device_name"], language) or alarm["device"],
        "community": pick(alarm.get("community_name"), language),
        "time": local(alarm["raised_at"], zone),
        "on_duty": "、".join(names or ()) if language.startswith("zh") else ", ".join(names or ()),
        "step": str(step),
    }
    title, body = (
        Template(pick(templates.get(part) or DEFAULTS[part], language)).safe_substitute(fields)
        for part in ("title", "body")
    )
    if event == "settled":
        return f"{pick(EVENTS[event], language)}：{title}", f"{body}\n{word('settled', language)}"
    extra = [word("step", language, step=step)] if step else []
    if names is not None:
        extra.append(word("on_duty", language, names=fields["on_duty"]) if names else word("nobody", language))
    return title, "\n".join([body.strip(), *extra])


def what_of(message: Mapping[str, Any]) -> str:
    """A delivery row in one line."""
    return f"{message['title']} · {message['body'].splitlines()[0]}"


def answer_to(
    result: str, row: Mapping[str, Any] | None, waiting: Sequence[Mapping[str, Any]], zone: str, minutes: int
) -> str:
    """What is said back to somebody who answered about an alarm, its `row` as it now stands, in their language; "" to a
    stranger. `waiting`: what of theirs is open, each with its `code`: named where nothing came of it."""
    if row is None:
        return ""
    language = row["language"]
    fields: dict[str, object] = {"what": what_of(row), "minutes": minutes}
    if result == "already":
        at = row["acknowledged_at"]
        fields |= {"by": (row["acknowledged_by"] or "").partition(":")[2] or "—", "time": local(at, zone) if at else ""}
    said = Template(pick(ANSWERS[result], language)).safe_substitute(fields)
    if result not in ("which", "wrong_code", "not_understood"):
        return said
    choice = Template(pick(ANSWERS["choice"], language))
    return "\n".join(
        [said, *(choice.safe_substitute(code=one["code"], what=what_of(one)) for one in waiting[:_CHOICES])]
    )


def plain_message(event: str, language: str) -> tuple[str, str]:
    """Title and body of a message that is about no alarm."""
    return pick(EVENTS[event], language), word(event, language)


def finished(
    messages: Sequence[Mapping[str, Any]], now: datetime, zone: str, link: str, minutes: int | None,
    codes: Mapping[int, str] | None = None, *, voice: bool = False,
) -> tuple[str, str]:  # fmt: skip
    """Title and body as they are sent: of several delivery rows one text; marks for late, repeated and second channel;
    how to answer, where `codes` (delivery id -> code) says that one can, for `voice` by a key; the link, which
    acknowledges where it is good for `minutes`, if there is to be one."""
    first = messages[0]
    language = first["language"]
    oldest = min(one["happened_at"] for one in messages)
    marks = [
        *([word("late", language, time=local(oldest, zone))] if now - oldest > LATE else []),
        *([word("repeated", language)] if any(one["repeated"] for one in messages) else []),
        *([word("second", language)] if any(one["fallback_of"] for one in messages) else []),
    ]
    way = [word("acknowledge" if minutes else "open", language, link=link, minutes=minutes)] if link else []
    codes = codes or {}
    if codes:
        ask = "press" if voice else "answer" if len(messages) == 1 else "answer_several"
        way = [word(ask, language, code=next(iter(codes.values()))), *way]
    if len(messages) == 1:
        return first["title"], "\n".join([first["body"], *marks, *way])
    lines, size = [], 0
    for number, one in enumerate(messages, 1):
        code = f" [{codes[one['id']]}]" if codes and one["id"] in codes else ""
        line = f"{number}. {what_of(one)}{code}"
        size += len(line.encode())
        if size > _MOST_BYTES:
            lines.append(word("more", language, count=len(messages) - number + 1))
            break
        lines.append(line)
    return word("several", language, count=len(messages)), "\n".join([*lines, *marks, *way])
