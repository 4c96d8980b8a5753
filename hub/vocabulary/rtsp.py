"""The RTSP part of profiles and sites (RFC 2326): cameras that give single pictures and short clips."""

import re
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints

from hub.vocabulary.base import Duration, Model

STREAM = re.compile(r"rtsp://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&()*+,;=:@%/?-]*)?")
"""How a stream's address is written; none of these characters can end a word of the list that ffmpeg is given."""


def is_stream(url: str) -> bool:
    """Whether this is a stream's address with a host and a port that there can be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        if ":" in host:
            IPv6Address(host)
        else:
            host.encode("idna")  # UnicodeError, a ValueError: a label that is empty or over 63 letters
    except ValueError:
        return False
    return STREAM.fullmatch(url) is not None and port != 0


Seen = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}$")]
"""The path of a place."""


class RtspSection(Model):
    """`rtsp:` of a profile. A camera is asked for pictures by its address alone."""


class RtspBus(Model):
    """Cameras of a site that share a name and password."""

    protocol: Literal["rtsp"]
    username: str = ""
    password: str = Field(default="", repr=False, description="`!env NAME` or `!file path`")
    timeout: Duration = Field(default=timedelta(seconds=10), description="a picture that takes longer is given up")
    probe: Duration = Field(default=timedelta(minutes=5), description="a picture so often shows that a camera works")
    at_once: int = Field(default=4, ge=1, le=32, description="pictures taken at the same time")


class ClipSpec(Model):
    """A clip of each alarm at the camera's place. For it the camera's stream is open all the time."""

    before: Duration = Field(
        default=timedelta(seconds=10), ge=timedelta(0), le=timedelta(seconds=30), description="0s to 30s"
    )
    after: Duration = Field(
        default=timedelta(seconds=20), ge=timedelta(seconds=1), le=timedelta(seconds=60), description="1s to 60s"
    )
    url: str = Field(default="", max_length=500, description="a stream for clips alone, such as the sub-stream")


class RtspAddress(Model):
    """Where a camera's stream is and what it looks at."""

    url: str = Field(max_length=500, description="rtsp://host:554/path, without name and password")
    sees: list[Seen] = Field(
        default=[], max_length=50, description="places it looks at beside its own, with all that is in them"
    )
    clip: ClipSpec | None = Field(default=None, description="without it there are pictures only")
