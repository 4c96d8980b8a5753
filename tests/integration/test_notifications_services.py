"""Real senders of apprise to local stand-ins of WeCom, DingTalk, Feishu (over TLS, by their own names) and mail."""

import asyncio
import hmac
import json
import socket
import ssl
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.pushplus import NotifyPushplus
from apprise.plugins.serverchan import NotifyServerChan
from apprise.plugins.wechat import NotifyWeChat
from apprise.plugins.wecombot import NotifyWeComBot

from modules.notifications.channels import Outcome, Senders
from modules.notifications.outgoing import Gateway, networks
from modules.notifications.push import Urgency
from tests.integration.notifications_ground import MailServer

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
HERE = networks(["127.0.0.0/8"])
NAMES = (
    "sctapi.ftqq.com",
    "www.pushplus.plus",
    "qyapi.weixin.qq.com",
    "oapi.dingtalk.com",
    "open.feishu.cn",
    "gateway.example.com",
    "mail.example.com",
)


async def resolver(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


class Service:
    """A TLS server with a certificate for the services' names."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {"errcode": 0}
        self.got: list[tuple[str, str, Any]] = []  # host, path, body
        self.headers: dict[str, str] = {}  # of the last request
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
            form = "urlencoded" in headers.get("content-type", "")
            told = {name: values[0] for name, values in parse_qs(body).items()} if form else json.loads(body or "null")
            self.headers = headers
            self.got.append((headers["host"], head[0].split()[1], told))
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
    for plugin, field in ((NotifyWeComBot, "notify_url"), (NotifyDingTalk, "notify_url"), (NotifyFeishu, "notify_url"),
                          (NotifyWeChat, "token_url"), (NotifyWeChat, "notify_url"), (NotifyServerChan, "notify_url"),
                          (NotifyPushplus, "notify_url")):  # fmt: skip
        url = getattr(plugin, field)
        host = urlsplit(url).netloc
        monkeypatch.setattr(plugin, field, url.replace(host, f"{host}:{port}"))
    yield service
    server.close()


def sending(url: str, gateway: Gateway | None = None, **more: Any) -> Any:
    return Senders(gateway or Gateway(resolver)).send(url, "【2级·高】强行开门", "1号楼 <b>门</b>", HERE, NOW, **more)


async def test_wecom_by_its_own_name(service: Service):
    assert await sending("wecombot://11111111-2222-3333-4444-555555555555") == Outcome(True, 200)
    [(host, path, body)] = service.got
    assert host == f"{NAMES[2]}:{service.port}"
    assert path == "/cgi-bin/webhook/send?key=11111111-2222-3333-4444-555555555555"
    assert body["msgtype"] == "text"
    assert "强行开门" in body["text"]["content"] and "1号楼 <b>门</b>" in body["text"]["content"]


async def test_dingtalk_is_signed(service: Service):
    outcome = await sending("dingtalk://SEC0123456789abcdef@0123456789abcdef0123456789abcdef")
    assert outcome.delivered
    [(host, path, _)] = service.got
    asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    # https://open.dingtalk.com/document/robots/customize-robot-security-settings
    secret = "SEC0123456789abcdef"
    signed = hmac.digest(secret.encode(), f"{asked['timestamp']}\n{secret}".encode(), "sha256")
    assert host.startswith(NAMES[3]) and b64decode(asked["sign"]) == signed
    assert asked["access_token"] == "0123456789abcdef0123456789abcdef"


async def test_feishu(service: Service):
    service.answer = {"code": 0, "msg": "success", "data": {}}
    assert (await sending("feishu://0123456789abcdef0123456789abcdef")).delivered
    [(host, _, body)] = service.got
    assert host.startswith(NAMES[4]) and "强行开门" in body["content"]["text"]


async def test_a_wecom_application_asks_for_its_token_and_sends(service: Service):
    service.answer = {"errcode": 0, "access_token": "token-7", "expires_in": 7200}
    assert await sending("wechat://ww0123456789abcdef:secret-of-the-app@1000002/g02") == Outcome(True, 200)
    [(host, asked, _), (_, path, body)] = service.got
    assert host.startswith(NAMES[2]) and asked.startswith("/cgi-bin/gettoken?")
    assert parse_qs(urlsplit(asked).query) == {"corpid": ["ww0123456789abcdef"], "corpsecret": ["secret-of-the-app"]}
    assert path == "/cgi-bin/message/send?access_token=token-7"
    assert (body["touser"], str(body["agentid"])) == ("g02", "1000002") and "强行开门" in body["text"]["content"]


async def test_a_wecom_application_that_is_refused(service: Service):
    service.answer = {"errcode": 40001, "errmsg": "invalid credential"}
    outcome = await sending("wechat://ww0123456789abcdef:secret-of-the-app@1000002/g02")
    assert not outcome.delivered and "40001" in outcome.detail


async def test_a_gateway_that_wants_a_form(service: Service):
    name = f"gateway.example.com:{service.port}"
    assert (await sending(f"forms://user:pass@{name}/send?:mobile=13800000002&:message=content")).delivered
    [(host, path, form)] = service.got
    assert (host, path) == (name, "/send")
    assert (form["mobile"], "门" in form["content"]) == ("13800000002", True)


LINK = "https://hub.example.com/notice/demo/a-token"
LIFE, GRAVE, LOW = Urgency(2, True, LINK), Urgency(2, False, LINK), Urgency(4, False, LINK)


@pytest.mark.parametrize(("urgency", "priority"), [(LIFE, "max"), (GRAVE, "high"), (LOW, "low")])
async def test_ntfy_on_the_premises(service: Service, urgency: Urgency, priority: str):
    url = f"ntfys://tk_0123456789@gateway.example.com:{service.port}/guards"
    assert await sending(url, urgency=urgency) == Outcome(True, 200)
    [(host, path, body)] = service.got
    assert (host, path) == (f"gateway.example.com:{service.port}", "/")
    assert (body["topic"], "强行开门" in body["title"], "门" in body["message"]) == ("guards", True, True)
    told = service.headers
    assert (told["x-priority"], told["x-click"]) == (priority, LINK)
    assert told["authorization"] == "Bearer tk_0123456789"
    assert "x-icon" not in told  # a picture from a foreign host


@pytest.mark.parametrize(("urgency", "priority"), [(LIFE, 10), (GRAVE, 8), (LOW, 2)])
async def test_gotify_on_the_premises(service: Service, urgency: Urgency, priority: int):
    url = f"gotifys://gateway.example.com:{service.port}/A0123456789abcd"
    assert await sending(url, urgency=urgency) == Outcome(True, 200)
    [(_, path, body)] = service.got
    assert (path, body["priority"], service.headers["x-gotify-key"]) == ("/message", priority, "A0123456789abcd")
    assert "强行开门" in body["title"] and "门" in body["message"]


@pytest.mark.parametrize(("urgency", "level"), [(LIFE, "critical"), (GRAVE, "timeSensitive"), (LOW, "passive")])
async def test_bark_on_the_premises(service: Service, urgency: Urgency, level: str):
    service.answer = {"code": 200, "message": "success"}
    assert await sending(f"barks://gateway.example.com:{service.port}/Key0123", urgency=urgency) == Outcome(True, 200)
    [(_, path, body)] = service.got
    assert (path, body["device_key"], body["level"], body["url"]) == ("/push", "Key0123", level, LINK)
    assert "icon" not in body
    service.answer = {"code": 400, "message": "device key not found"}
    refused = await sending(f"barks://gateway.example.com:{service.port}/Key0123", urgency=urgency)
    assert (refused.delivered, refused.detail) == (False, "the service says code 400")


@pytest.mark.parametrize(
    ("url", "good", "bad"),
    [
        ("pushdeers://gateway.example.com:{port}/PDU0123", {"code": 0}, {"code": 80501}),
        ("schan://SCT0123456789", {"code": 0}, {"code": 40001}),
        ("pushplus://0123456789abcdef0123456789abcdef", {"code": 200}, {"code": 903}),
    ],
    ids=["pushdeer", "serverchan", "pushplus"],
)
async def test_push_services_in_china(service: Service, url: str, good: Any, bad: Any):
    service.answer = good
    assert await sending(url.format(port=service.port), urgency=LIFE) == Outcome(True, 200)
    assert "强行开门" in json.dumps(service.got[0][2], ensure_ascii=False)
    service.answer = bad
    outcome = await sending(url.format(port=service.port), urgency=LIFE)
    assert not outcome.delivered and str(bad["code"]) in outcome.detail


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


async def test_mail_over_tls_with_a_sign_in(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    known = socket.getaddrinfo

    def here(host: Any, *given: Any, **more: Any) -> Any:
        return known("127.0.0.1" if host == "mail.example.com" else host, *given, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    async with MailServer(tls=tls) as server:
        url = (
            f"mailtos://hub:secret@mail.example.com:{server.port}/?mode=starttls&from=hub@example.com&to=a@example.com"
        )
        assert await sending(url) == Outcome(True)
        assert server.signed_in == [b"\0hub\0secret"] and [to for to, _ in server.got] == ["a@example.com"]
        monkeypatch.setattr(socket, "getaddrinfo", known)
        other = url.replace("mail.example.com", "localhost")  # a certificate of another name
        assert not (await sending(other)).delivered and len(server.got) == 1
