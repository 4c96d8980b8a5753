"""`hub rules` on a database that a hub has used: what it prints, what it keeps, and its exit codes."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hub.catalog.paths import packaged_config
from hub.cli.rules import app
from hub.errors import Misconfigured, Refused
from hub.rulebook.model import digest
from hub.store.database import NotThere
from rules.plugin import RulesPlugin
from tests.integration.module_hub import add_community, migrated
from tests.integration.postgres import new_database
from tests.integration.rulebook_ground import FILE, LOWER

Run = Callable[..., Result]
RULE = "pump-over-pressure"


@pytest.fixture
def run(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command over a database that knows the community of the shipped site."""
    url = new_database(postgres_url, migrated(postgres_url))
    with psycopg.connect(url) as link:
        add_community(link, "demo")
    monkeypatch.setenv("HUB_DATABASE_URL", url)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HUB_MQTT_URL", "mqtt://127.0.0.1:1")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return call


def file(folder: Path, text: str) -> str:
    path = folder / "rule.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_rules_are_listed_and_shown(run: Run) -> None:
    listed = run("list")
    assert listed.exit_code == 0, listed.output
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith("pump-over-pressure ")]
    assert "high" in line and "启用 on" in line and "pumps 1.0.0" in line
    shown = run("show", "pump-over-pressure")
    assert "rule: pump-over-pressure\n" in shown.stdout
    with pytest.raises(NotThere):
        raise _error(run("show", "no-such-rule"))


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (FILE, 0, "✓ over the limit"),
        (FILE.replace("point: pressure", "point: presure"), 1, "rule.yaml:4: threshold.point: found 'presure'"),
        (FILE.replace("{at: 40s, expect", "{at: 20s, expect"), 1, "✕ over the limit: step 2: expected raised"),
        ("rule: [", 1, "not YAML"),
    ],
)
def test_a_file_is_checked(run: Run, tmp_path: Path, text: str, code: int, said: str) -> None:
    done = run("check", file(tmp_path, text), "--language", "en")
    assert done.exit_code == code
    assert said in done.stdout


def test_a_file_that_is_no_text_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\x8c\xff\x00")
    for command in ("check", "backtest"):
        done = run(command, str(path))
        assert done.exit_code == 2
        said = re.sub(r"[\s│]", "", done.stderr)  # it stands in a frame
        assert "binary.yaml" in said and "UTF-8" in said


def test_a_file_is_tried_and_the_trial_recorded(run: Run, tmp_path: Path) -> None:
    done = run("backtest", file(tmp_path, LOWER), "--days", "2")
    assert done.exit_code == 0, done.output
    assert "2 天会产生 0 次报警" in done.stdout
    assert "It would have raised 0 alarms in 2 days" in done.stdout
    assert run("backtest", file(tmp_path, LOWER), "--days", "32").exit_code == 2


def test_versions_are_shown_and_rolled_back(run: Run) -> None:
    assert run("versions", "pump-over-pressure").stdout == ""  # the command line records none: the hub does
    with pytest.raises(NotThere):
        raise _error(run("rollback", "pump-over-pressure", "7"))
    assert run("versions", "pump-over-pressure", "--diff", "one").exit_code == 2


SITE = """\
community: {code: %s, name: {zh: 测试, en: Test}, time_zone: Asia/Shanghai}
buses: {virtual: {protocol: virtual}}
places:
  - {path: b1, kind: building, name: {zh: 一栋, en: One}}
devices:
  - {id: hub, name: {zh: 集成中枢, en: Hub}, profile: hub-itself, place: b1, bus: virtual}
"""


@pytest.fixture
def both(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command where a hub serves two communities, the first of which has enabled a version."""
    (tmp_path / "config" / "sites").mkdir(parents=True)
    for home in ("demo", "south"):
        (tmp_path / "config" / "sites" / f"{home}.yaml").write_text(SITE % home, "utf-8")
    monkeypatch.setenv("HUB_CONFIG_DIR", str(tmp_path / "config"))
    text = next(one.text for one in RulesPlugin().rule_texts([packaged_config()]) if one.rule == RULE)
    with psycopg.connect(os.environ["HUB_DATABASE_URL"]) as link:
        add_community(link, "south")
        for number, own in ((1, text), (2, text.replace("priority: high", "priority: low"))):
            link.execute(
                "INSERT INTO hub.rule_version (community_id, rule, version, text, digest, source, author, at)"
                " SELECT id, %s, %s, %s, %s, 'page', 'user:li', now() FROM hub.community WHERE code = 'demo'",
                [RULE, number, own, digest(own)],
            )
        link.execute(
            "INSERT INTO hub.rule_state_now SELECT id, %s, 2, true, now(), 'user:li' FROM hub.community"
            " WHERE code = 'demo'", [RULE],
        )  # fmt: skip
    return run


def _line(listed: Result) -> str:
    assert listed.exit_code == 0, listed.output
    return next(line for line in listed.stdout.splitlines() if line.startswith(f"{RULE} "))


def test_a_community_is_named_where_there_are_several(both: Run, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="--community; there are: demo, south"):
        raise _error(both("list"))
    assert " low " in _line(both("list", "--community", "demo")) and "v2" in _line(both("list", "--community", "demo"))
    assert " high " in _line(both("list", "--community", "south"))
    assert "priority: low" in both("show", RULE, "--community", "demo").stdout
    assert "priority: high" in both("show", RULE, "--community", "south").stdout
    assert both("versions", RULE, "--community", "south").stdout == ""
    with pytest.raises(NotThere):
        raise _error(both("rollback", RULE, "1", "--community", "south"))
    back = both("rollback", RULE, "1", "--community", "demo")
    assert back.exit_code == 0 and " high " in _line(back)
    tried = both("backtest", file(tmp_path, LOWER), "--days", "1", "--community", "south")
    assert tried.exit_code == 0, tried.output
    with psycopg.connect(os.environ["HUB_DATABASE_URL"]) as link:
        homes = link.execute("SELECT c.code FROM hub.rule_backtest JOIN hub.community c ON c.id = community_id")
        assert homes.fetchall() == [("south",)]
        states = link.execute(
            "SELECT c.code, s.version FROM hub.rule_state_now s JOIN hub.community c ON c.id = s.community_id"
        )
        assert states.fetchall() == [("demo", None)]


def test_a_wrong_text_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="rule:2"):
        raise _error(run("backtest", file(tmp_path, "rule: [")))


def _error(result: Result) -> Any:
    """What `hub` prints in one line, with exit code 2."""
    assert result.exit_code == 1
    return result.exception
