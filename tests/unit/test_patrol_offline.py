"""The check-in kept on the phone: all that it loads, and another one as soon as any of it is another."""

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.pages.shell import STATIC
from modules.patrol import offline


async def worker(shared: Path) -> str:
    app = FastAPI()
    app.include_router(offline.make_offline(shared))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as client:
        return (await client.get("/patrol/sw.js")).text


async def test_all_that_the_form_loads_is_kept() -> None:
    files = json.loads(re.findall(r"FILES = (\[.*?\]);", await worker(STATIC))[0])
    own = Path(offline.__file__).with_name("static")
    for script in (own / "checkin.js", own / "queue.js", own / "pictures.js", STATIC / "shrink.js"):
        assert set(re.findall(r'from "(/[^"]+)"', script.read_text("utf-8"))) <= set(files)


@pytest.mark.parametrize("name", ["shrink.js", "hub.css", "hub.svg"])
async def test_another_shared_file_makes_another_worker(tmp_path: Path, name: str) -> None:
    shutil.copytree(STATIC, tmp_path / "static")
    assert await worker(tmp_path / "static") == await worker(STATIC)
    with (tmp_path / "static" / name).open("a") as file:
        file.write("\n")
    assert await worker(tmp_path / "static") != await worker(STATIC)
