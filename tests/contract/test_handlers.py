"""Every plug takes what the domain events it handles carry: a job that cannot be called is tried again for minutes, and
holds up what else there is to do for the same alarm."""

import inspect
from datetime import UTC, datetime
from typing import get_args

import pytest

from api.openapi import _unopened
from hub.alarms.jobs import EventName, Happened
from hub.plugins import OffersHandlers, OffersTasks, load_plugs, offering

OF_A_CALL = ("alarm_annunciated", "alarm_settled")
HANDLED = [
    (plug, event, job) for plug in offering(load_plugs(), OffersHandlers) for event, job in plug.handlers().items()
]


@pytest.mark.parametrize(
    ("plug", "event", "job"), HANDLED, ids=[f"{type(plug).__name__}-{event}" for plug, event, _ in HANDLED]
)
def test_a_handler_takes_what_its_event_carries(plug: OffersHandlers, event: EventName, job: str) -> None:
    assert event in get_args(EventName)
    assert isinstance(plug, OffersTasks)
    call = datetime(2026, 11, 22, tzinfo=UTC) if event in OF_A_CALL else None
    inspect.signature(plug.tasks(_unopened())[job]).bind(**Happened(event, 1, 2, call).arguments)
