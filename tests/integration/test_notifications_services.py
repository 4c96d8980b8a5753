"""Real senders of apprise to local stand-ins of WeCom, DingTalk, Feishu (over TLS, by their own names) and mail."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.wecombot import NotifyWeComBot

from modules.notifications.channels import Outcome, Senders
from modules.notifications.outgoing import Gateway, networks
from tests.integration.notifications_ground import MailServer

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
HERE = networks(["127.0.0.0/8"])
NAMES = ("qyapi.weixin.qq.com", "oapi.dingtalk.com", "open.feishu.cn")


async def resolver(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


class Service:
    """A TLS server with a certificate for the services' names."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {"errcode": 0}
        self.got: list[tuple[str, str, Any]] = []  # host, path, body
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.got.append((headers["host"], head[0].split()[1], json.loads(body)))
            text = json.dumps(self.answer).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)
            await writer.drain()
        finally:
            writer.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    names = ",".join(f"DNS:{name}" for name in NAMES)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-addext",
         f"subjectAltName={names}", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
async def service(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    service, context = Service(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, ssl=context)
    port = service.port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    for plugin in (NotifyWeComBot, NotifyDingTalk, NotifyFeishu):
        host = urlsplit(plugin.notify_url).netloc
        monkeypatch.setattr(plugin, "notify_url", plugin.notify_url.replace(host, f"{host}:{port}"))
    yield service
    server.close()


def sending(url: str, gateway: Gateway | None = None) -> Any:
    return Senders(gateway or Gateway(resolver)).send(url, "【2级·高】强行开门", "1号楼 <b>门</b>", HERE, NOW)


async def test_wecom_by_its_own_name(service: Service):
    assert await sending("wecombot://11111111-2222-3333-4444-555555555555") == Outcome(True, 200)
    [(host, path, body)] = service.got
    assert host == f"{NAMES[0]}:{service.port}"
    assert path == "/cgi-bin/webhook/send?key=11111111-2222-3333-4444-555555555555"
    assert body["msgtype"] == "text"
    assert "强行开门" in body["text"]["content"] and "1号楼 <b>门</b>" in body["text"]["content"]


async def test_dingtalk_is_signed(service: Service):
    outcome = await sending("dingtalk://SEC0123456789abcdef@0123456789abcdef0123456789abcdef")
    assert outcome.delivered
    [(host, path, _)] = service.got
    assert host.startswith(NAMES[1]) and {"timestamp", "sign", "access_token"} <= parse_qs(urlsplit(path).query).keys()


async def test_feishu(service: Service):
    service.answer = {"code": 0, "msg": "success", "data": {}}
    assert (await sending("feishu://0123456789abcdef0123456789abcdef")).delivered
    [(host, _, body)] = service.got
    assert host.startswith(NAMES[2]) and "强行开门" in body["content"]["text"]


@pytest.mark.parametrize("answer", [{"errcode": 45009, "errmsg": "api freq out of limit"}, {"errcode": 93000}])
async def test_a_refusal_under_http_200_is_seen(service: Service, answer: dict[str, Any]):
    service.answer = answer
    outcome = await sending("wecombot://11111111-2222-3333-4444-555555555555")
    assert not outcome.delivered and str(answer["errcode"]) in outcome.detail
    assert (outcome.retry_after is not None) == (answer["errcode"] == 45009)


async def test_a_certificate_of_another_name_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch):
    url = f"https://evil.example.com:{service.port}/?key={{key}}"
    monkeypatch.setattr(NotifyWeComBot, "notify_url", url)
    outcome = await sending("wecombot://11111111-2222-3333-4444-555555555555")
    assert (outcome.delivered, outcome.detail) == (False, "no connection (ConnectError)") and not service.got


async def test_a_private_address_behind_a_public_name_is_refused(service: Service):
    sender = Senders(Gateway(resolver))
    outcome = await sender.send("wecombot://11111111-2222-3333-4444-555555555555", "t", "b", (), NOW)
    assert not outcome.delivered and "neither public" in outcome.detail and not service.got


@pytest.mark.parametrize("url", ["wecombot://", "exec://x", "dingtalk://!!", "mailtos://x?pgp=sign", "json://"])
async def test_urls_apprise_does_not_understand(url: str, caplog: pytest.LogCaptureFixture):
    outcome = await sending(url)
    assert not outcome.delivered and "not understood" in outcome.detail
    assert not caplog.records


async def test_mail_by_a_server_on_the_premises():
    async with MailServer() as server:
        url = f"mailto://mail.local:{server.port}/?smtp=127.0.0.1&from=hub@example.com&to=office@example.com"
        assert (await sending(url)).delivered
        [(to, mail)] = server.got
        assert "强行开门" in mail["Subject"] and mail["To"] == to == "office@example.com"
        assert "1号楼" in mail.get_content()

        async def elsewhere(host: str, port: int) -> list[str]:
            return ["10.9.9.9"]

        barred = await sending(url, Gateway(elsewhere))
        assert not barred.delivered and len(server.got) == 1
