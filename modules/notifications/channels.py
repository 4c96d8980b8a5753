"""Messages to people by apprise: which services, sent through our gateway, judged by what the service really said.

apprise is a library of synchronous senders over `requests`. They run in threads, and their requests go through
`Gateway` (one place that checks addresses, bounds time and follows no redirect). apprise takes HTTP 200 for success;
WeCom, DingTalk and Feishu say "too many" and "wrong key" in a body under HTTP 200, so the answers are read here.
"""

import asyncio
import contextvars
import importlib
import json
import logging
import re
import smtplib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import apprise
import requests
import requests.adapters
import requests.sessions

from modules.notifications import push
from modules.notifications.outgoing import TOTAL_S, Answer, Forbidden, Gateway, Network, NotSent
from modules.notifications.push import Urgency

# Scheme -> module and class of apprise. Asking apprise for a URL would load all of its 140 services.
_SERVICES = {
    "wecombot": ("wecombot", "NotifyWeComBot"),
    "wechat": ("wechat", "NotifyWeChat"),
    "dingtalk": ("dingtalk", "NotifyDingTalk"),
    "feishu": ("feishu", "NotifyFeishu"),
    "json": ("custom_json", "NotifyJSON"),
    "jsons": ("custom_json", "NotifyJSON"),
    "form": ("custom_form", "NotifyForm"),
    "forms": ("custom_form", "NotifyForm"),
    "mailto": ("email", "NotifyEmail"),
    "mailtos": ("email", "NotifyEmail"),
    **push.SERVICES,
}
SCHEMES = tuple(_SERVICES)
Success = tuple[str, str]
"""Which field of a gateway's answer must equal what."""
_MAIL = ("mailto", "mailtos")
# The first two make apprise read files or ask further hosts; the last would go out again with everybody's mail.
_NO_MAIL_OPTIONS = ("pgp", "wkd", "cc=", "bcc=")
# Scheme -> the code in the answer's body that means taken, beside 0.
_GOOD = {"wecombot": 0, "wechat": 0, "dingtalk": 0, "feishu": 0, **push.GOOD}
_RATE_CODES = {45009, 45033, 130101, 130102, 660026, 9499, 11232}  # WeCom, DingTalk, Feishu: too many messages
_RATE_WAIT = timedelta(minutes=1)
_MAIL_S = 20.0

# Its warnings name keys and tokens.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended. `detail` names no secret."""

    delivered: bool
    status: int | None = None
    detail: str = ""
    retry_after: timedelta | None = None
    gone: bool = False  # HTTP 410: never again
    perhaps: bool = False  # it may have arrived all the same


@dataclass
class _Outlet:
    """Where requests of one attempt go, and what was answered."""

    gateway: Gateway
    allowed: Sequence[Network]
    loop: asyncio.AbstractEventLoop
    taken: Callable[[], None]
    answers: list[Answer] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    said_yes: bool = False

    def yes(self) -> None:
        """The other side has taken it; told at once, and once."""
        if not self.said_yes:
            self.said_yes = True
            self.taken()

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        body = request.body
        content = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
        headers = {str(name): value.decode() if isinstance(value, bytes) else value
                   for name, value in request.headers.items()}  # fmt: skip
        finding = self.gateway.way(request.url or "", self.allowed)
        try:
            way = asyncio.run_coroutine_threadsafe(finding, self.loop).result(TOTAL_S)
            answer = self.gateway.ask(request.method or "", way, headers, content)
        except (Forbidden, NotSent, TimeoutError) as error:
            self.trouble.append(error)
            raise requests.ConnectionError("not sent") from None
        self.answers.append(answer)
        response = requests.Response()
        response.status_code, response.url, response.request = answer.status, request.url or "", request
        response.headers.update(answer.headers)
        response._content = answer.body
        return response


_outlet: contextvars.ContextVar[_Outlet | None] = contextvars.ContextVar("outlet", default=None)


class _ByGateway(requests.adapters.HTTPAdapter):
    """What sessions of `requests` send with: inside an attempt of ours the gateway, elsewhere as ever."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        outlet = _outlet.get()
        return super().send(request, *args, **kwargs) if outlet is None else outlet.send(request)


setattr(requests.sessions, "HTTPAdapter", _ByGateway)  # noqa: B010 - its name there is not exported


def known_scheme(url: str) -> bool:
    """Whether it is `off` or an apprise URL of a service we send by."""
    return url == "off" or (urlsplit(url).scheme in SCHEMES and "://" in url)


def hint(url: str) -> str:
    """A channel's service without its secrets: `wecombot://…`."""
    return "off" if url == "off" else f"{urlsplit(url).scheme}://…"


def addressed(url: str, address: str, reference: str = "") -> str:
    """The URL for one person: {phone}, {email}, {account}, {person} or {push} filled in, quoted, and {reference}."""
    url = re.sub(r"\{(phone|email|account|person|push)\}", lambda _: quote(address, safe=""), url)
    return url.replace("{reference}", reference)


def mail_options(url: str) -> list[str]:
    """Options of a mail URL that are not taken; of other URLs none."""
    parts = urlsplit(url)
    given = parts.query.lower().split("&") if parts.scheme in _MAIL else []
    return [part.partition("=")[0] for part in given if part.startswith(_NO_MAIL_OPTIONS)]


class Senders:
    """apprise, in the gateway's threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._pool = gateway.threads

    async def mailed(self, url: str) -> list[str]:
        """Whom a mail URL names, so that each gets a message of their own; nobody for other URLs."""
        if urlsplit(url).scheme not in _MAIL:
            return []
        plugin = await asyncio.get_running_loop().run_in_executor(self._pool, _plugin, url)
        return list(dict.fromkeys(address for _, address in plugin.targets)) if plugin is not None else []

    async def send(
        self, url: str, title: str, body: str, allowed: Sequence[Network], now: datetime, *, to: str = "",
        success: Success | None = None, urgency: Urgency | None = None, taken: Callable[[], None] = lambda: None,
    ) -> Outcome:  # fmt: skip
        """One message by an apprise URL, of a mail URL to one of those it names. Never raises for what the other side
        does. `taken` is called in the message's thread once that has said yes."""
        loop = asyncio.get_running_loop()
        outlet = _Outlet(self._gateway, allowed, loop, taken)
        plugin = await loop.run_in_executor(self._pool, _plugin, url)
        if plugin is None:
            return Outcome(False, detail="the channel's URL is not understood by apprise")
        scheme = urlsplit(url).scheme
        if urgency is not None:
            push.urge(plugin, scheme, urgency)
        try:
            if scheme in _MAIL:
                plugin.targets = [one for one in plugin.targets if to in ("", one[1])]
                await self._check_mail(plugin, allowed)

            def told() -> Outcome:
                _outlet.set(outlet)
                accepted = _notify(plugin, title, body)
                answers, trouble = outlet.answers, outlet.trouble
                outcome = judge(
                    scheme, accepted=accepted, outlet_answers=answers, trouble=trouble, now=now, success=success
                )
                if outcome.delivered:
                    outlet.yes()
                return outcome

            context = contextvars.copy_context()
            async with asyncio.timeout(_MAIL_S if scheme in _MAIL else 2 * TOTAL_S):
                return await loop.run_in_executor(self._pool, context.run, told)
        except TimeoutError:  # of the whole way: what has been said yes to is sent, whatever comes after it
            return Outcome(True) if outlet.said_yes else Outcome(False, detail="no answer in time", perhaps=True)
        except (Forbidden, NotSent) as error:
            return Outcome(False, detail=str(error))

    async def _check_mail(self, plugin: Any, allowed: Sequence[Network]) -> None:
        """Mail goes by smtplib, so its host is checked before, not pinned. Forbidden, NotSent."""
        _, own = await self._gateway.address(plugin.smtp_host, plugin.port or 25, allowed)
        if not plugin.secure and not own:
            raise Forbidden("mail without TLS only to addresses of `gateways`")


def _plugin(url: str) -> Any:
    """The sender of an apprise URL; None where it is none of ours or not understood."""
    scheme = urlsplit(url).scheme
    if scheme not in SCHEMES or mail_options(url):
        return None
    service = _service(*_SERVICES[scheme])
    asset = apprise.AppriseAsset(http_redirects=False, async_mode=False, plugin_paths=[], app_id="Community Hub")
    try:
        parsed = service.parse_url(url)
        plugin = service(**parsed, asset=asset) if parsed else None
    except (TypeError, apprise.exception.AppriseException):
        return None
    if plugin is not None:
        plugin.redirects, plugin.service_retry, plugin.verify_certificate = False, 0, True
    return plugin


@cache
def _service(module: str, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its mail asks for imghdr
        service = getattr(importlib.import_module(f"apprise.plugins.{module}"), name)
        if module == "email":
            smtp = importlib.import_module("apprise.plugins.email.smtp")
            setattr(smtp.AppriseSMTPController, "sendmail", _send_mail)  # noqa: B010 - it is ours from here on
        if module == "dingtalk":
            service.get_signature = _unquoted(service.get_signature)
        return service


def _unquoted(sign: Callable[[Any], tuple[str, str]]) -> Callable[[Any], tuple[str, str]]:
    """apprise quotes DingTalk's signature and `requests` quotes it again, which DingTalk refuses: once is enough."""

    def signature(robot: Any) -> tuple[str, str]:
        timestamp, quoted = sign(robot)
        return timestamp, unquote(quoted)

    return signature


def _send_mail(controller: Any, sender: str, to: list[str], message: str) -> bool:
    """In the place of apprise's, which hides what the server said and whether the mail may have left."""
    outlet = _outlet.get()
    assert outlet is not None
    try:
        refused = controller._socket.sendmail(sender, to, message)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        outlet.trouble.append(NotSent(f"the mail server says {error.smtp_code}"))
        return False
    except (OSError, smtplib.SMTPException, RuntimeError) as error:
        outlet.trouble.append(NotSent(f"the mail server went away ({type(error).__name__})", perhaps=True))
        return False
    for code, _ in refused.values():
        outlet.trouble.append(NotSent(f"the mail server refuses the address ({code})"))
    if not refused:  # it is sent now: how long the server takes to say good-bye changes nothing
        outlet.yes()
    return not refused


def _notify(plugin: Any, title: str, body: str) -> bool:
    return bool(plugin.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT))


def judge(
    scheme: str, *, accepted: bool, outlet_answers: Sequence[Answer], trouble: Sequence[Exception], now: datetime,
    success: Success | None = None,
) -> Outcome:  # fmt: skip
    """What an attempt came to: apprise's word, and the service's own code in the last answer."""
    if trouble:
        perhaps = any(not isinstance(one, Forbidden) and getattr(one, "perhaps", True) for one in trouble)
        return Outcome(False, detail=str(trouble[-1]) or "no answer in time", perhaps=perhaps)
    if not outlet_answers:  # mail, or apprise refused before it asked anybody
        return Outcome(accepted, detail="" if accepted else "no connection to the mail server, or no sign-in")
    answer = outlet_answers[-1]
    code = _service_code(answer.body) if scheme in _GOOD else 0
    if code and code != _GOOD[scheme]:
        wait = _RATE_WAIT if code in _RATE_CODES else None
        return Outcome(False, answer.status, f"the service says code {code}", wait)
    if not accepted or not answer.good:
        return Outcome(False, answer.status, f"HTTP {answer.status}", answer.retry_after(now))
    if success is not None and (said := _said(answer.body, success[0])) != success[1]:
        return Outcome(False, answer.status, f"the gateway says {success[0]} {said[:40]!r}")
    return Outcome(True, answer.status)


def _said(body: bytes, field: str) -> str:
    """The field of a JSON object as text, `0` and `true` as JSON has them; "" where it is not there."""
    try:
        found = json.loads(body)
        for name in field.split("."):
            found = found[name]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else json.dumps(found)


def _service_code(body: bytes) -> int:
    """`errcode` of WeCom and DingTalk, `code` or `StatusCode` of Feishu and of push services; 0: there is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return 0
    if not isinstance(said, dict):
        return 0
    codes = [said[name] for name in ("errcode", "code", "StatusCode") if isinstance(said.get(name), int)]
    return next((code for code in codes if code), 0)
