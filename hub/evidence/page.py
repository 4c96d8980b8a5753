"""index.html of a pack: one page for paper and screen, both languages, nothing loaded from anywhere. Pure.

Every text goes through `html.escape`; a policy in the page forbids scripts and foreign resources besides.
"""

from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from hub.evidence.model import Entry, Evidence, Series
from hub.evidence.words import PRIORITIES, SORTS, STATES, Words, both
from hub.readmodel.lttb import thin
from hub.vocabulary.units import UNITS

_STYLE = """
body{font:13px/1.5 "Noto Sans SC","PingFang SC","Microsoft YaHei",system-ui,sans-serif;color:#1f2933;margin:24px auto;
max-width:1080px;padding:0 16px}h1{font-size:20px;margin:0 0 4px}h2{font-size:15px;margin:24px 0 8px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:4px 8px;
border-bottom:1px solid #d5d9dd;overflow-wrap:anywhere}th{color:#5b6770;font-weight:600}
thead{display:table-header-group}tr{break-inside:avoid}
time,.num{font-variant-numeric:tabular-nums;white-space:nowrap}dl{display:grid;gap:2px 16px;
grid-template-columns:max-content minmax(0,1fr);margin:8px 0}dt{color:#5b6770}dd{margin:0;overflow-wrap:anywhere}
.muted{color:#5b6770}.before{white-space:pre-line}code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}
figure{margin:0 0 12px;break-inside:avoid}figure img{max-width:100%;border:1px solid #d5d9dd}
svg{width:100%;height:auto;border:1px solid #d5d9dd}.mark{font-weight:600;background:#fff4c2}
@page{size:A4;margin:14mm}@media print{body{margin:0;max-width:none;padding:0}}
"""
_NO_MEDIA = '<p class="muted">没有快照 No snapshots.</p>'
_WIDTH, _HEIGHT, _LEFT, _TOP = 960, 180, 72, 12
_MOST_DRAWN = 600
_MOST_CHARTS = 8


def render(evidence: Evidence) -> str:
    """The page. Times are the community's, with its offset at the top."""
    alarm = evidence.alarm
    zone = ZoneInfo(evidence.zone)
    title = f"{_words(alarm['title'])} · #{alarm['id']}"
    parts = [
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
        f'<p class="muted">证据包 Evidence pack · {_words(evidence.community_name)}</p><h1>{title}</h1>',
        _facts(evidence, zone),
        _procedure(alarm["procedure"]),
        *_charts(evidence, zone),
        _timeline(evidence, zone),
        _media(evidence),
        _seal(evidence, zone),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _words(text: Words | None) -> str:
    """Both languages, escaped; once where they are the same."""
    zh, en = (text or {}).get("zh", ""), (text or {}).get("en", "")
    return escape(zh if zh == en or not en else f"{zh} {en}".strip())


def _stamp(moment: datetime | None, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}" if moment else "—"


def _facts(evidence: Evidence, zone: ZoneInfo) -> str:
    alarm = evidence.alarm
    offset = f"{evidence.zone} (UTC{evidence.since.astimezone(zone):%z})"
    state = STATES.get(alarm["state"], both(alarm["state"], alarm["state"]))
    links = ", ".join(f"{kind} {reference}" for kind, reference in sorted((alarm["links"] or {}).items()))
    pairs = [
        ("说明 Text", _words(alarm["text"])),
        ("设备 Device", f"{_words(alarm['device_name'])} ({escape(alarm['device'])})"),
        ("地点 Place", escape(alarm["place"])),
        ("优先级 Priority", f"{alarm['priority']} {_words(PRIORITIES.get(alarm['priority']))}"),
        ("状态 State", _words(state)),
        ("规则 Rule", escape(alarm["rule"])),
        ("发生 Raised", _stamp(alarm["raised_at"], zone)),
        ("恢复 Returned", _stamp(alarm["returned_at"], zone)),
        ("确认 Acknowledged", f"{_stamp(alarm['acknowledged_at'], zone)} {escape(alarm['acknowledged_by'] or '')}"),
        ("关联 Links", escape(links) or "—"),
        ("时段 Time", f"{_stamp(evidence.since, zone)} – {_stamp(evidence.until, zone)} · {escape(offset)}"),
    ]
    if evidence.masked:
        pairs.append(("脱敏 Masked", "卡号和车牌已脱敏，原始报文不含内容 cards and plates masked, raw frames withheld"))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in pairs) + "</dl>"


def _procedure(text: Words | None) -> str:
    if not text:
        return ""
    sides = "".join(f'<p class="before">{escape(text.get(side, ""))}</p>' for side in ("zh", "en"))
    return f"<h2>应急预案 Response procedure</h2>{sides}"


def _charts(evidence: Evidence, zone: ZoneInfo) -> Iterable[str]:
    drawn = [series for series in evidence.series if series.rows][:_MOST_CHARTS]
    if drawn:
        yield "<h2>趋势 Trend</h2>"
    for series in drawn:
        symbol = UNITS[series.unit].symbol if series.unit in UNITS else series.unit
        states = " · ".join(f"{number} = {_words(series.words[code])}" for code, number in series.values.items())
        yield f'<p>{_words(series.label)} {escape(symbol)} <span class="muted">{states}</span></p>'
        yield _chart(evidence, series, zone)


def _chart(evidence: Evidence, series: Series, zone: ZoneInfo) -> str:
    """A line (a state's steps) with the alarm's instant dashed and, where it is this point's, its limit."""
    alarm = evidence.alarm
    limit = alarm["limit_value"] if alarm["point"] == series.point else None
    heights = [value for _, value, _ in series.rows] + ([limit] if limit is not None else [])
    low, high = float(min(heights)), float(max(heights))
    span = (high - low) or 1.0
    begin, length = evidence.since.timestamp(), (evidence.until - evidence.since).total_seconds()

    def x(moment: datetime) -> float:
        share = min(max((moment.timestamp() - begin) / length, 0.0), 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - 8)

    def y(value: float) -> float:
        return _TOP + (high - value) / span * (_HEIGHT - 2 * _TOP - 16)

    corners = [(x(ts), y(value)) for ts, value, _ in series.rows]
    corners = [corners[index] for index in thin(corners, _MOST_DRAWN)]
    if series.values:
        corners.append((x(min(evidence.until, evidence.made_at)), corners[-1][1]))
        corners = [corner for before, (left, top) in zip([corners[0], *corners], corners, strict=False)
                   for corner in ((left, before[1]), (left, top))]  # fmt: skip
    points = " ".join(f"{left:.1f},{top:.1f}" for left, top in corners)
    raised, bottom = x(alarm["raised_at"]), _HEIGHT - _TOP - 12
    lines = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_words(series.label)}" font-size="12">',
        f'<text x="4" y="{_TOP + 8}">{high:g}</text><text x="4" y="{bottom}">{low:g}</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{_stamp(evidence.since, zone)}</text>',
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 4}" text-anchor="end">{_stamp(evidence.until, zone)}</text>',
        f'<polyline points="{points}" fill="none" stroke="#1f4e79" stroke-width="1.5"/>',
        f'<line x1="{raised:.1f}" x2="{raised:.1f}" y1="0" y2="{bottom}" stroke="#b00020" stroke-dasharray="4 3"/>',
    ]
    if limit is not None:
        lines.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y(limit):.1f}" y2="{y(limit):.1f}" stroke="#b45309"/>')
    return "".join([*lines, "</svg>"])


def _timeline(evidence: Evidence, zone: ZoneInfo) -> str:
    head = ("时间 Time", "类别 Sort", "事件 What", "设备 Device", "人员 Who", "说明 Detail")
    rows = "".join(_line(entry, zone) for entry in evidence.entries)
    heads = "".join(f"<th>{name}</th>" for name in head)
    return (f"<h2>时间线 Time line ({len(evidence.entries)})</h2>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")  # fmt: skip


def _line(entry: Entry, zone: ZoneInfo) -> str:
    data = " · ".join(
        f"{_words(entry.fields.get(key)) or escape(key)}: {_words(entry.words.get(key)) or escape(str(value))}"
        for key, value in entry.data.items()
    )
    detail = " — ".join(filter(None, (escape(entry.note), data)))
    if entry.sort == "frame":
        detail = f"<code>{detail}</code>"
    place = f'<br><span class="muted">{escape(entry.place)}</span>' if entry.place else ""
    mark = ' class="mark"' if entry.sort == "alarm" else ""
    return (
        f"<tr{mark}><td><time>{_stamp(entry.at, zone)}</time></td>"
        f"<td>{_words(SORTS[entry.sort])}</td><td>{_words(entry.what)}</td>"
        f"<td>{_words(entry.device_name)}{place}</td><td>{escape(entry.actor)}</td><td>{detail}</td></tr>"
    )


def _media(evidence: Evidence) -> str:
    """The pictures, in the page itself: what it loads from a file beside it depends on who opens it.
    Clips are linked."""
    shown = "".join(
        f'<figure><img alt="{escape(medium.name)}" src="data:image/jpeg;base64,{b64encode(medium.content).decode()}">'
        f"<figcaption>media/{escape(medium.name)}</figcaption></figure>"
        for medium in evidence.media
        if not medium.is_clip
    )
    clips = "".join(
        f'<li><a href="media/{escape(medium.name)}">media/{escape(medium.name)}</a></li>'
        for medium in evidence.media
        if medium.is_clip
    )
    linked = f"<h2>视频片段 Clips</h2><ul>{clips}</ul>" if clips else ""
    return f"<h2>快照 Snapshots</h2>{shown or _NO_MEDIA}{linked}"


def _seal(evidence: Evidence, zone: ZoneInfo) -> str:
    return (
        "<h2>封存 Seal</h2><p>manifest.json 记有每个文件的 SHA-256；它自己的 SHA-256 在制作时写入了审计链。"
        "manifest.json names the SHA-256 of each file; its own was written into the audit chain when this was made. "
        "<code>hub audit verify-pack FILE.zip</code></p><dl>"
        f"<dt>制作 Made</dt><dd>{escape(evidence.made_by)} · {_stamp(evidence.made_at, zone)}</dd>"
        f"<dt>此前链头 Chain before</dt><dd>{evidence.head_seq} <code>{escape(evidence.head_hash)}</code></dd></dl>"
    )
