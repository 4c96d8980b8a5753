"""Every word a person reads on the pages, from the gettext catalogues in `api/locale`. A key that is missing is a bug
the tests find; at run time it shows itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from io import BytesIO
from zoneinfo import ZoneInfo

from babel.messages.pofile import read_po

from hub.accounts.service import LANGUAGES
from hub.vocabulary.units import UNITS

Texts = Callable[[str], str]
_FOLDERS = {"zh-CN": "zh_CN", "en": "en"}
_QUALITIES = {1: "bad", 2: "clock", 4: "late", 8: "range", 16: "retained"}


@cache
def catalogue(language: str) -> dict[str, str]:
    """Key -> text of a language. KeyError for one we do not speak."""
    path = files("api") / "locale" / _FOLDERS[language] / "LC_MESSAGES" / "hub.po"
    return {str(m.id): str(m.string) for m in read_po(BytesIO(path.read_bytes())) if m.id and m.string}


def texts(language: str) -> Texts:
    """What looks up keys in a language."""
    words = catalogue(language)
    return lambda key: words.get(key, key)


def choose(wanted: str | None, accept: str = "") -> str:
    """The language asked for, or the browser's first that we speak, or zh-CN."""
    if wanted in LANGUAGES:
        return str(wanted)
    for part in accept.split(",")[:10]:
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("zh"):
            return "zh-CN"
        if tag.startswith("en"):
            return "en"
    return "zh-CN"


def pick(text: dict[str, str] | None, language: str) -> str:
    """The side of a two-language text."""
    if not text:
        return ""
    return text.get("zh" if language.startswith("zh") else "en") or next(iter(text.values()), "")


def clock_time(moment: datetime | None, zone: str, now: datetime) -> str:
    """`HH:mm:ss` today, `MM-dd HH:mm` this year, else with the year, in the community's time zone."""
    if moment is None:
        return "—"
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    if local.date() == today.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local:%Y-%m-%d %H:%M}"


def wall_ms(moment: datetime, zone: str) -> int:
    """The community's wall clock as if it were UTC, in milliseconds: what a chart axis in UTC must be given."""
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)
    return round(local.timestamp() * 1000)


def unit_symbol(code: str) -> str:
    """What stands behind a value."""
    return UNITS[code].symbol if code in UNITS else code


def value_text(
    value: float | None, values: dict[str, int], words: dict[str, dict[str, str]], unit: str, language: str
) -> str:
    """A value as a person reads it: of a state (`values`: code -> number) its word, or a number with its unit."""
    if value is None:
        return "—"
    for code, number in values.items():
        if number == value:
            return pick(words.get(code), language) or code
    digits = f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1e5 else f"{value:,.4g}"
    if not float(value).is_integer() and abs(value) >= 1e3:
        digits = f"{value:,.2f}"
    return f"{digits} {unit_symbol(unit)}".strip()


def quality_text(quality: int | None, t: Texts) -> str:
    """The bits of a quality as words."""
    if quality is None:
        return "—"
    if quality == 0:
        return t("quality.good")
    return ", ".join(t(f"quality.{word}") for bit, word in _QUALITIES.items() if quality & bit)
