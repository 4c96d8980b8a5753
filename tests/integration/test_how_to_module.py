"""`docs/how-to/add-a-module*.md`, followed to the letter: its files as a module, run on a real database."""

import re
import sys
import tomllib
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import Depends, FastAPI, Request

import modules
from hub.clock import FakeClock
from hub.plugins import OffersHandlers, OffersMigrations, OffersRoutes, OffersTasks
from hub.principal import Principal
from hub.store.migrate import migrate
from tests.integration.module_hub import add_alarm, add_community, add_device, migrated, running
from tests.integration.postgres import new_database

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
_FILE = re.compile(r"^`(modules/tally/[\w/.-]+)`[:：]\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANSWER = re.compile(r'`(\{"items": .*?\]\})`')


@pytest.mark.parametrize("page", ["add-a-module.md", "add-a-module.zh-CN.md"])
async def test_the_page_is_true(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str):
    text = (HOW_TO / page).read_text("utf-8")
    files = dict(_FILE.findall(text))
    assert len(files) == 6
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    monkeypatch.setattr(modules, "__path__", [*modules.__path__, str(tmp_path / "modules")])
    entry, contract = _TOML.findall(text)
    target = tomllib.loads(entry)["project"]["entry-points"]["hub.plugins"]["tally"]
    assert "modules.tally" in tomllib.loads(contract)["modules"]
    try:
        module, name = target.split(":")
        plug = getattr(import_module(module), name)()
        for protocol in (OffersMigrations, OffersTasks, OffersHandlers, OffersRoutes):
            assert isinstance(plug, protocol)
        assert await _answer(plug, new_database(postgres_url, migrated(postgres_url))) == _ANSWER.findall(text)[0]
    finally:
        for name in [name for name in sys.modules if name.startswith("modules.tally")]:
            del sys.modules[name]


async def _answer(plug: object, url: str) -> str:
    migrate(url, [plug.migrations()])
    at = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)  # already the 21st in Shanghai
    with psycopg.connect(url) as link:
        here, there = add_community(link, "demo"), add_community(link, "other")
        alarms = [add_alarm(link, c, add_device(link, c, "door-1", "door"), at) for c in (here, there)]
    async with running(url, FakeClock(at), {"demo": here, "other": there}) as context:
        job = plug.tasks(context)[plug.handlers()["alarm_raised"]]
        for community, alarm in ((here, alarms[0]), (here, alarms[0]), (there, alarms[1])):
            await job(community_id=community, alarm_id=alarm)

        def sign_in(request: Request) -> None:
            request.state.principal = Principal("user:li", here, "viewer")

        app = FastAPI()
        app.include_router(plug.routes(context), dependencies=[Depends(sign_in)])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as client:
            answer = await client.get("/tally")
            return answer.text.replace(":", ": ").replace(",", ", ")
