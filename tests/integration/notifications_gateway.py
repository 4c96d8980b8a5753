"""A stand-in of an SMS or voice gateway that calls back, and a hub that it calls."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from modules.notifications import Parts, answers
from modules.notifications.callbacks import make_callbacks
from tests.integration.notifications_ground import Ground, Receiver, roster

LI = {"person": 2, "code": "g02", "name": "李志强", "account": "guard", "phone": "13800000002", "post": "control"}
ZHAO = {"person": 7, "code": "g07", "name": "赵立新", "account": "", "phone": "13800000007", "post": "control"}
TOKEN = "token-of-the-sms-gateway"
SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="
FIELDS = {"phone": "mobile", "text": "content", "id": "sn", "time": "at"}


@dataclass
class Gateway:
    """A stand-in of an SMS or voice gateway: what it was told to send, and its calls back."""

    ground: Ground
    sent: Receiver
    browser: httpx.AsyncClient
    channel: str = "sms"
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {TOKEN}"})
    number: int = 0

    async def says(
        self, text: str, phone: str = "+8613800000002", *, again: bool = False, **more: Any
    ) -> dict[str, Any]:
        """Bring an answer; with `again` the last one once more."""
        self.number += 0 if again else 1
        body = {"mobile": phone, "content": text, "sn": self.number, "at": self.ground.clock.now().isoformat(), **more}
        answer = await self.browser.post(f"/replies/demo/{self.channel}", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        [result] = answer.json()["results"]
        return dict(result)

    async def dies(self, monkeypatch: pytest.MonkeyPatch, where: str, text: str = "1") -> None:
        """Bring an answer, and the hub dies there."""

        def dies(name: str) -> None:
            if name == where:
                raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(answers, "failpoint", dies)
            with pytest.raises(ConnectionError):
                await self.says(text)

    def code(self, index: int = -1) -> str:
        """The code in a message that was sent."""
        return re.findall(r"1 ([2-9A-Z]{4})", self.sent.got[index].json["message"])[0]


@asynccontextmanager
async def world(ground: Ground, **channel: Any) -> AsyncIterator[tuple[Parts, Gateway]]:
    """The module with an SMS channel that people answer, two guards on shift, and its gateway."""
    async with Receiver() as sent:
        url = sent.url.replace("http", "json") + "/send?:to={phone}"
        more = {"replies": {"secret": TOKEN, "fields": FIELDS}, **channel}
        ground.write([{"id": "sms", "url": url, **more}], {"high": [{"post": "control", "channels": ["sms"]}]})
        async with ground.running(ports=roster(LI, ZHAO)) as parts:
            app = FastAPI()
            app.include_router(make_callbacks(parts.answers))
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://hub") as browser:
                yield parts, Gateway(ground, sent, browser)


def book(ground: Ground) -> list[tuple[Any, ...]]:
    return ground.rows("SELECT state, acknowledged_by FROM hub.alarm ORDER BY id")
