"""What libraries log is told without what devices said."""

import asyncio
import logging
from collections.abc import Iterator

import procrastinate
import pytest
import structlog
from procrastinate.testing import InMemoryConnector

from hub.logs import configure_logging

CARD = "04A2B3C4D5"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    handlers, level, configured = logging.root.handlers[:], logging.root.level, structlog.get_config()
    yield
    structlog.configure(**configured)
    logging.basicConfig(level=level, handlers=handlers, force=True)


def test_a_job_that_fails_is_logged_without_the_card_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json")
    app = procrastinate.App(connector=InMemoryConnector())

    @app.task(name="patrol.tap")
    async def tap(data: dict[str, str]) -> None:
        raise RuntimeError("no such route")

    async def work() -> None:
        async with app.open_async():
            await tap.defer_async(data={"card": CARD})
            await app.run_worker_async(wait=False, install_signal_handlers=False)

    asyncio.run(work())
    said = capsys.readouterr().err
    assert "patrol.tap[1]" in said
    assert "no such route" in said
    assert CARD not in said
