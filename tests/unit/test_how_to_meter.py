"""`docs/how-to/add-a-meter-model*.md`, followed to the letter: its files, its commands, what it says they print."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hub.cli.check import check_command
from rules.plugin import RulesPlugin

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_check(command: str) -> str:
    """What `hub check …` prints; the sub-command is called as the program wires it."""
    app = typer.Typer()
    app.command("check")(check_command)
    words = shlex.split(command)
    assert words[:2] == ["hub", "check"]
    return CliRunner().invoke(app, words[2:]).output


@pytest.mark.parametrize("page", ["add-a-meter-model.md", "add-a-meter-model.zh-CN.md"])
def test_the_page_is_true(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hub.cli.check.load_plugs", lambda: [RulesPlugin()])  # the web pages take seconds to import
    blocks = _BLOCK.findall((HOW_TO / page).read_text(encoding="utf-8"))
    assert [kind for kind, _ in blocks] == ["sh", "yaml", "sh", "text", "text", "yaml", "sh", "text", "yaml"]
    mkdir, meter, command, problems, repaired, site, again, installed, water = (text for _, text in blocks)
    folder = Path(mkdir.removeprefix("mkdir -p ").strip())
    folder.mkdir(parents=True)
    (folder / "acme-em7.yaml").write_text(meter, encoding="utf-8")
    assert run_check(command) == problems
    (folder / "acme-em7.yaml").write_text(meter.replace("adress", "address"), encoding="utf-8")
    assert run_check(command) == repaired
    (tmp_path / "my-site/sites").mkdir()
    (tmp_path / "my-site/sites/garden.yaml").write_text(site, encoding="utf-8")
    assert run_check(again) == installed
    (tmp_path / "my-site/profiles/water_meter").mkdir()
    (tmp_path / "my-site/profiles/water_meter/acme-wm2.yaml").write_text(water, encoding="utf-8")
    assert installed.replace("19", "20") == run_check(again)
