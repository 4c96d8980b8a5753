"""The channel file: what it must say, what it must not, and that its secrets are never shown."""

from pathlib import Path

import pytest

from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError
from modules.notifications.spec import load_files, read_files

GOOD = """
community: demo
public_url: https://hub.example.com
people: [{person: boss, name: 王, phone: "139"}]
channels:
  - {id: a, name: {zh: 甲, en: A}, url: !env CHANNEL_A, fallback: b, digest: 15m}
  - {id: b, name: {zh: 乙, en: B}, url: off, fallback: c, recipients: [boss]}
  - {id: c, name: {zh: 丙, en: C}, url: "jsons://gw.example.com/s?:to={phone}"}
escalation:
  high: [{after: 5m, channels: [b]}, {channels: [a]}]
"""
SECRET = "wecombot://11111111-2222-3333-4444-555555555555"


def folder(tmp_path: Path, text: str) -> list[Path]:
    (tmp_path / "notifications").mkdir(exist_ok=True)
    (tmp_path / "notifications" / "demo.yaml").write_text(text, encoding="utf-8")
    return [tmp_path]


def test_the_packaged_file_is_good_without_any_secret():
    file = load_files([packaged_config()], {})["demo"]
    assert not any(channel.on for channel in file.channels)
    assert {len(file.steps(priority)) for priority in (1, 2)} == {3}
    given = {"HUB_NOTIFY_WECOM": SECRET, "HUB_NOTIFY_SMS": "jsons://g.example.com/?:to={phone}"}
    file = load_files([packaged_config()], given)["demo"]
    assert [channel.id for channel in file.channels if channel.on] == ["desk-group", "sms"]


def test_a_good_file(tmp_path: Path):
    file = load_files(folder(tmp_path, GOOD), {"CHANNEL_A": SECRET})["demo"]
    assert [step.channels for step in file.steps(2)] == [["a"], ["b"]] and file.steps(4) == []
    third = file.usable("b")
    assert third is not None and third.id == "c" and third.personal and third.address_field == "phone"
    assert SECRET not in repr(file) and SECRET not in str(file.model_dump())
    assert "139" not in repr(file)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("!env CHANNEL_A", "exec://rm", "channels[0].url"),
        ("!env CHANNEL_A", "!env MISSING", "channels[0].url"),
        ("!env CHANNEL_A", "mailtos://u:p@x.example.com?to=a@x.com&cc=b@x.com", "channels[0].url"),
        ("!env CHANNEL_A", "ntfys://push.example.com/a/b", "channels[0].url"),
        ("!env CHANNEL_A", "barks://push.example.com/KEY?to=OTHER", "channels[0].url"),
        ('phone: "139"}', 'phone: "139", push: a b}', "people[0].push"),
        ("fallback: b", "fallback: a", "channels[0].fallback"),
        ("fallback: b", "fallback: zz", "channels[0].fallback"),
        ("recipients: [boss]", "recipients: [nobody]", "channels[1].recipients[0]"),
        ("{id: b", "{id: a", "channels[1]"),
        ("channels: [b]", "channels: [zz]", "escalation.high[0].channels[0]"),
        ("digest: 15m", "digest: 1s", "channels[0].digest"),
        ("digest: 15m", "quiet: {begins: 22:00, ends: 7}", "channels[0].quiet.ends"),
        ("https://hub.example.com", "https://hub.example.com/x", "public_url"),
        ("https://hub.example.com", "javascript:alert(1)", "public_url"),
        ("people:", "templates: {title: {zh: $price, en: x}}\npeople:", "templates.title"),
        ("digest: 15m", "voice: true", "channels[0].voice"),
        ("digest: 15m", 'success: {field: code, equals: "0"}', "channels[0].success"),
        ("digest: 15m", 'success: {field: "co de", equals: "0"}', "channels[0].success.field"),
        ("people:", "gateways: [nowhere]\npeople:", "gateways[0]"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, old: str, new: str, where: str):
    assert old in GOOD
    with pytest.raises(CatalogError) as wrong:
        load_files(folder(tmp_path, GOOD.replace(old, new)), {"CHANNEL_A": SECRET})
    assert where in str(wrong.value)


def test_a_secret_is_not_shown_in_a_problem(tmp_path: Path):
    _, problems = read_files(folder(tmp_path, GOOD), {"CHANNEL_A": "exec://very-secret"})
    assert problems and "very-secret" not in "".join(map(str, problems))


@pytest.mark.parametrize(
    ("old", "new", "hidden"),
    [
        ("!env CHANNEL_A", "wecombt://633a31f6-7f9c-key", "633a31f6"),
        ("!env CHANNEL_A", "https://open.feishu.cn/open-apis/bot/v2/hook/8f3a", "8f3a"),
        ("!env CHANNEL_A", "https://oapi.dingtalk.com/robot/send?access_token=8f3a", "8f3a"),
        ("!env CHANNEL_A", "mqtt://gate:p/w@host" + "0" * 60, "p/w"),
        ('phone: "139"', 'phone: "139 0000 0099"', "0099"),
        ('phone: "139"', "email: boss.at.example", "boss.at"),
        ('phone: "139"', 'push: "My Push+Key"', "Push"),
    ],
)
def test_what_stands_in_the_file_itself_is_not_shown_either(tmp_path: Path, old: str, new: str, hidden: str):
    _, problems = read_files(folder(tmp_path, GOOD.replace(old, new)), {"CHANNEL_A": SECRET})
    assert problems and hidden not in "".join(map(str, problems))
