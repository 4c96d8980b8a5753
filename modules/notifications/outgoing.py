"""The one gateway out: resolve once, check every address, connect to the one checked, follow nothing, wait not long.

What may be reached: public addresses over https, and networks of the community's own `gateways` over http too. So that
neither a mistyped nor a malicious address makes the hub talk to its own database, a camera or a cloud's metadata.

A request waits in a thread, not on the hub's loop: its answer is seen at once, whatever the loop is busy with, and also
while the hub stops.
"""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

CONNECT_S = 3.0
TOTAL_S = 8.0
MOST_BYTES = 65_536
_TIMEOUT = httpx.Timeout(TOTAL_S, connect=CONNECT_S)
_NAT64 = ip_network("64:ff9b::/96")
# Ways into private networks that Python's `is_global` takes for public: IPv4-compatible (RFC 4291 §2.5.5.1),
# site-local (RFC 3879), local-use NAT64 (RFC 8215), IPv4-translated (RFC 2765).
_INSIDE = tuple(map(ip_network, ("::/96", "fec0::/10", "64:ff9b:1::/48", "::ffff:0:0:0/96")))
_LONGEST = timedelta(hours=2)
_THREADS = 512  # more than there are channels: threads that hang keep nobody else's message waiting
_NOT_THEIRS = ("host", "content-length", "accept-encoding")  # headers the gateway writes itself


class Forbidden(Exception):
    """An address that may not be sent to. The text names no address: it would tell a prober what exists."""


class NotSent(Exception):
    """Nobody answered, or nothing that is an answer, in time. `perhaps`: it may have arrived all the same."""

    def __init__(self, detail: str, *, perhaps: bool = False) -> None:
        super().__init__(detail)
        self.perhaps = perhaps


@dataclass(frozen=True)
class Answer:
    """What came back; of a body at most 64 KiB."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def retry_after(self, now: datetime) -> timedelta | None:
        """The answer's Retry-After (RFC 9110 §10.2.3: seconds or a date), at most 2 h."""
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return min(timedelta(seconds=int(value[:9])), _LONGEST)
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
        return max(timedelta(0), min(wait, _LONGEST))


async def resolve(host: str, port: int) -> Sequence[str]:
    """Addresses of a name, as the system says. OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def network(name: str) -> str:
    """An address or network as it is written in a file. ValueError saying what is expected."""
    try:
        return str(ip_network(name))
    except ValueError:
        raise ValueError("an address or a network, such as 192.168.10.5 or 192.168.10.0/24") from None


def networks(names: Sequence[str]) -> tuple[Network, ...]:
    """What a community's file lists as `gateways`."""
    return tuple(ip_network(name) for name in names)


def is_public(address: Address) -> bool:
    """Whether it is an address of the open internet; IPv4 in IPv6 clothes counts as what it leads to."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in network for network in _INSIDE):
            return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True)
class Way:
    """A request's URL with the checked address in it, and the host that it names."""

    url: str
    netloc: str
    host: str


class Gateway:
    """Sends requests out. One a hub. `threads`: one for each message that is on its way, and nobody else's."""

    def __init__(self, resolver: Resolve = resolve) -> None:
        self._resolve = resolver
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="notify")
        self._context: ssl.SSLContext | None = None

    async def address(self, host: str, port: int, allowed: Sequence[Network]) -> tuple[str, bool]:
        """The checked address to connect to, and whether it is one of `allowed`. Forbidden, NotSent."""
        try:
            async with asyncio.timeout(CONNECT_S):  # its TimeoutError is an OSError
                found = [ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError):
            raise NotSent("the name of the host is not known") from None
        if not found:
            raise NotSent("the name of the host is not known")
        own = [any(one in network for network in allowed) for one in found]
        if not all(ours or is_public(one) for ours, one in zip(own, found, strict=True)):
            raise Forbidden("the address is neither public nor one of `gateways`")
        return str(found[0]), own[0]

    async def way(self, url: str, allowed: Sequence[Network]) -> Way:
        """Where a request to this URL goes, if it may. Forbidden, NotSent."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise NotSent("no connection (InvalidURL)") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Forbidden("only http and https are sent to")
        address, own = await self.address(parts.hostname, port, allowed)
        if parts.scheme == "http" and not own:
            raise Forbidden("http only to addresses of `gateways`: elsewhere https")
        netloc = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        pinned = parts._replace(netloc=netloc, fragment="").geturl()
        return Way(pinned, parts.netloc.rpartition("@")[2], parts.hostname)

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes, allowed: Sequence[Network],
        heard: Callable[[Answer], None] = lambda _: None,
    ) -> Answer:  # fmt: skip
        """One request, no redirects, 8 s at most. Forbidden, NotSent; any answer at all, a redirect too, is given, and
        to `heard` in the request's thread, though nobody waits for it any more."""
        way = await self.way(url, allowed)

        def ask() -> Answer:
            answer = self.ask(method, way, headers, content)
            heard(answer)
            return answer

        return await asyncio.get_running_loop().run_in_executor(self.threads, ask)

    def ask(self, method: str, way: Way, headers: Mapping[str, str], content: bytes) -> Answer:
        """The same in a thread, the way being known. NotSent."""
        line = _Line()
        try:
            with line.cut_after(TOTAL_S):
                answer = self._ask(method, way, headers, content, line)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL) as error:
            raise NotSent(f"no connection ({type(error).__name__})") from None
        except (httpx.HTTPError, OSError, ValueError) as error:
            if line.late or isinstance(error, httpx.TimeoutException):
                raise NotSent("no answer in time", perhaps=True) from None
            raise NotSent(f"no answer ({type(error).__name__})", perhaps=True) from None
        if line.late:  # the end of what goes on until its connection closes was ours
            raise NotSent("no answer in time", perhaps=True)
        return answer

    def _ask(self, method: str, way: Way, headers: Mapping[str, str], content: bytes, line: "_Line") -> Answer:
        # What is packed is not unpacked: a few bytes can unpack to all memory there is.
        named = {"Host": way.netloc, "Accept-Encoding": "identity"}
        own_words = {name: value for name, value in headers.items() if name.lower() not in _NOT_THEIRS}
        # A client a request: a connection kept open for one host must not serve another at the same address.
        with (
            httpx.Client(verify=self._tls(), trust_env=False, timeout=_TIMEOUT) as client,
            client.stream(
                method, way.url, headers={**own_words, **named}, content=content,
                extensions={"sni_hostname": way.host, "trace": line.trace},
            ) as response,
        ):  # fmt: skip
            body = b""
            for chunk in response.iter_raw():
                body += chunk
                if len(body) >= MOST_BYTES:
                    break
            return Answer(response.status_code, dict(response.headers), body[:MOST_BYTES])

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = httpx.create_ssl_context()
        return self._context


class _Line:
    """The connection of one request, to be cut: a peer that says a byte now and then would hold it for ever."""

    def __init__(self) -> None:
        self.late = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """What httpcore tells of its steps: here the connection, a copy of which is kept."""
        if name == "connection.connect_tcp.complete":
            theirs = info["return_value"].get_extra_info("socket")
            self._socket = socket.socket(fileno=os.dup(theirs.fileno()))

    @contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Whoever waits on it after so long gets an error."""
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                if self._socket is not None:
                    self._socket.close()
                    self._socket = None

    def _cut(self) -> None:
        with self._lock:
            self.late = True
            if self._socket is not None:
                with suppress(OSError):  # the other side has gone already
                    self._socket.shutdown(socket.SHUT_RDWR)
