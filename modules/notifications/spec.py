"""The file of a community's channels: `config/notifications/<community>.yaml`, read and checked at start."""

import re
from collections.abc import Mapping, Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from hub.catalog.document import Document
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.sources import find_files, read_document
from hub.catalog.validate import validate
from hub.decisions import Priority
from hub.vocabulary.base import Code, Duration, Model, Name, Text
from hub.vocabulary.sites import PlacePath
from modules.notifications.channels import SCHEMES, known_scheme, mail_options
from modules.notifications.model import Limits, Quiet, Rate, Wants
from modules.notifications.outgoing import network
from modules.notifications.push import several
from modules.notifications.replies import RepliesSpec
from modules.notifications.texts import EVENTS, FIELDS

PRIORITIES: dict[Priority, int] = {"critical": 1, "high": 2, "medium": 3, "low": 4}
Language = Literal["zh-CN", "en"]
Event = Literal["annunciated", "settled", "storm_began", "storm_ended"]
assert {*Event.__args__} < {*EVENTS}  # type: ignore[attr-defined]


def _clock(value: object) -> time:
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError('a time of day in quotes, such as "22:00"')


def _template(text: Text) -> Text:
    for name in re.findall(r"\$\{?([A-Za-z_]\w*)", text.zh + text.en):
        if name not in FIELDS:
            raise ValueError(f"of the fields only ${', $'.join(FIELDS)}")
    return text


def _channel_url(url: SecretStr) -> SecretStr:
    if not known_scheme(url.get_secret_value()):
        raise ValueError(f"`off`, or an apprise URL of one of {', '.join(SCHEMES)}, better as !env NAME or !file path")
    if barred := mail_options(url.get_secret_value()):
        raise ValueError(f"mail without {', '.join(barred)}; everybody it is for in `to`")
    if several(url.get_secret_value()):
        raise ValueError("one topic or device: another channel for another, or {person} or {push}")
    return url


def _push_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\w.-]{3,128}", key.get_secret_value(), re.ASCII):
        raise ValueError("3 to 128 letters, digits, - . _, better as !env NAME or !file path")
    return key


Clock = Annotated[time, BeforeValidator(_clock, json_schema_input_type=str)]


class QuietSpec(Model):
    """Hours of the community's own time in which this channel waits; life safety never does."""

    begins: Clock
    ends: Clock


class RateSpec(Model):
    """What is over the rate waits and then comes as one message."""

    messages: int = Field(ge=1, le=1000)
    per: Duration = timedelta(minutes=1)


class SuccessSpec(Model):
    """What a gateway's answer, a JSON object under HTTP 2xx, must say for the message to count as taken."""

    field: Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+)*$", max_length=100)] = Field(
        description="its name; with dots one within another"
    )
    equals: Annotated[str, Field(max_length=100)]


class Person(Model):
    """Somebody to be told, where the roster does not say all of it."""

    person: Code
    name: str = Field(min_length=1, max_length=60)
    account: Annotated[str, Field(max_length=32)] = ""
    phone: Annotated[str, Field(pattern=r"^\+?[0-9-]{3,20}$")] | None = Field(default=None, repr=False)
    email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)] | None = Field(default=None, repr=False)
    push: Annotated[SecretStr, AfterValidator(_push_key)] | None = Field(
        default=None, description="key of this person's app: a device of Bark or PushDeer, an application of Gotify"
    )
    language: Language | None = None


class Channel(Model):
    """One way to people."""

    id: Code
    name: Text
    url: Annotated[SecretStr, AfterValidator(_channel_url)] = Field(
        description="apprise URL; {phone}, {email}, {account}, {person} or {push} in it: one message to each person; "
        "`off`: not set up"
    )
    voice: bool = Field(
        default=False,
        description="a gateway that calls {phone} and reads out `message`; the link comes as `acknowledge`, to be "
        "POSTed when the called person presses 1",
    )
    success: SuccessSpec | None = Field(
        default=None, description="of json and form: what the gateway's answer must say; none: HTTP 2xx is enough"
    )
    replies: RepliesSpec | None = Field(default=None, description="of {phone} channels: people answer, 1 acknowledges")
    language: Language = "zh-CN"
    priority: Priority = Field(default="low", description="this and more urgent")
    kinds: Annotated[list[Name], Field(max_length=100)] = Field(default=[], description="empty: all")
    places: Annotated[list[PlacePath], Field(max_length=100)] = Field(default=[], description="subtrees; empty: all")
    events: list[Event] = Field(default=[], description="told of these whatever the escalation says")
    quiet: QuietSpec | None = None
    rate: RateSpec | None = None
    digest: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=1))] | None = None
    fallback: Code | None = Field(default=None, description="the channel that takes over when this one fails")
    recipients: Annotated[list[Code], Field(max_length=100)] = Field(
        default=[], description="of `people`: told where nobody is on the roster"
    )

    @property
    def on(self) -> bool:
        return self.url.get_secret_value() != "off"

    @property
    def answerable(self) -> bool:
        """Whether people can answer its messages."""
        return self.on and self.replies is not None and self.replies.on

    @property
    def personal(self) -> bool:
        """Whether every person gets a message of their own."""
        return bool(self.address_field)

    @property
    def address_field(self) -> str:
        """What of a person its URL needs: phone, email, account, person or push; "" for a group."""
        found = re.search(r"\{(phone|email|account|person|push)\}", self.url.get_secret_value())
        return found[1] if found else ""

    def limits(self) -> Limits:
        return Limits(
            Quiet(self.quiet.begins, self.quiet.ends) if self.quiet else None,
            Rate(self.rate.messages, self.rate.per) if self.rate else None,
            self.digest,
        )

    def wants(self) -> Wants:
        return Wants(PRIORITIES[self.priority], frozenset(self.kinds), tuple(self.places))


class Step(Model):
    """Who is told, and when, while nobody acknowledges."""

    after: Duration = Field(default=timedelta(0), description="since the alarm sounded")
    post: str | None = Field(default=None, max_length=60, description="post of the duty roster; none: all on shift")
    channels: Annotated[list[Code], Field(min_length=1, max_length=20)]


class NotificationsFile(Model):
    """A community's channels, the people behind them, and the escalation by priority."""

    community: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    public_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$")] = Field(
        description="how people reach this hub: links in messages begin with it"
    )
    link_minutes: int = Field(default=30, ge=1, le=1440, description="how long a link to acknowledge is good")
    gateways: list[Annotated[str, AfterValidator(network)]] = Field(
        default=[], max_length=100, description="private addresses that may be sent to: gateways on the premises"
    )
    people: Annotated[list[Person], Field(max_length=1000)] = []
    channels: Annotated[list[Channel], Field(max_length=100)]
    escalation: dict[Priority, Annotated[list[Step], Field(max_length=10)]] = {}
    templates: dict[Literal["title", "body"], Annotated[Text, AfterValidator(_template)]] = Field(
        default={}, description=f"of an alarm's message; fields: {', '.join(FIELDS)}"
    )

    def channel(self, name: str) -> Channel | None:
        return next((one for one in self.channels if one.id == name), None)

    def usable(self, name: str) -> Channel | None:
        """The channel of this name, or the first of its fallbacks that is set up."""
        seen: set[str] = set()
        channel = self.channel(name)
        while channel is not None and not channel.on and channel.id not in seen:
            seen.add(channel.id)
            channel = self.channel(channel.fallback) if channel.fallback else None
        return channel if channel is not None and channel.on else None

    def steps(self, priority: int) -> list[Step]:
        """The ladder of a priority (1 to 4), soonest first."""
        name = next(one for one, number in PRIORITIES.items() if number == priority)
        return sorted(self.escalation.get(name, []), key=lambda step: step.after)


def read_files(
    roots: Sequence[Path], environment: Mapping[str, str]
) -> tuple[dict[str, NotificationsFile], list[Problem]]:
    """Community code -> its file, of the `notifications/` folders under `roots`, the last root's file of a name
    counting; and every problem, each with file, line and field."""
    found: dict[str, NotificationsFile] = {}
    problems: list[Problem] = []
    for path in find_files(roots, "notifications/*.yaml").values():
        document = read_document(path, environment)
        file = validate(document, NotificationsFile)
        if file is not None:
            _check(document, file)
            if file.community in found:
                document.report(("community",), "a community that no other file speaks of", sort="duplicate")
            found[file.community] = file
        problems += document.problems
    return found, problems


def load_files(roots: Sequence[Path], environment: Mapping[str, str]) -> dict[str, NotificationsFile]:
    """The same. CatalogError with every problem."""
    found, problems = read_files(roots, environment)
    if problems:
        raise CatalogError(problems)
    return found


def _check(document: Document, file: NotificationsFile) -> None:
    """Names that must be unique or known."""
    for field, names in (("channels", [c.id for c in file.channels]), ("people", [p.person for p in file.people])):
        for index, name in enumerate(names):
            if name in names[:index]:
                document.report((field, index), f"each of {field} once", sort="duplicate")
    channels = {c.id for c in file.channels}
    for index in range(len(file.channels)):
        _check_channel(document, file, index)
    for priority, steps in file.escalation.items():
        for index, step in enumerate(steps):
            for n, name in enumerate(step.channels):
                if name not in channels:
                    at = ("escalation", priority, index, "channels", n)
                    document.report(at, "a channel of this file", sort="reference")


def _check_channel(document: Document, file: NotificationsFile, index: int) -> None:
    channel, at = file.channels[index], ("channels", index)
    if channel.fallback is not None and (channel.fallback == channel.id or file.channel(channel.fallback) is None):
        document.report((*at, "fallback"), "another channel of this file", sort="reference")
    url = channel.url.get_secret_value()
    if channel.voice and channel.on and not (channel.personal and url.startswith(("json", "form"))):
        document.report((*at, "voice"), "json or form with {phone} in its URL", sort="reference")
    if channel.success and channel.on and not url.startswith(("json", "form")):
        document.report((*at, "success"), "only for json and form", sort="reference")
    if channel.answerable and channel.replies is not None:
        _check_replies(document, channel, channel.replies, (*at, "replies"))
    people = {one.person for one in file.people}
    for n, person in enumerate(channel.recipients):
        if person not in people:
            document.report((*at, "recipients", n), "one of `people`", sort="reference")


def _check_replies(document: Document, channel: Channel, replies: RepliesSpec, at: tuple[str | int, ...]) -> None:
    if channel.address_field != "phone":
        document.report(at, "a channel with {phone} in its URL", sort="reference")
    if not (replies.signed or replies.fields.id or replies.fields.time):
        document.report((*at, "fields"), "id or time, to know a repetition by", sort="reference")
    if replies.token_in_url and not replies.sources:
        document.report((*at, "token_in_url"), "only with sources: addresses are written into logs", sort="reference")
    if replies.fields.reference and "{reference}" not in channel.url.get_secret_value():
        document.report((*at, "fields", "reference"), "{reference} in the channel's URL", sort="reference")
