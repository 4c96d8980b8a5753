"""The list is whole again after the server was killed, and after the laptop slept. A real hub, a real broker."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Error, Page, sync_playwright

from tests.e2e.chaosproxy import ChaosProxy
from tests.e2e.desks import CHROMIUM
from tests.e2e.harness import COMMUNITY, PATIENCE_S, Stack, make_account, publish, stack, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
DOORS = 30
FORGETS_S = 10
"""So long the server keeps a page whose connection is gone."""


@pytest.fixture(scope="module")
def opened() -> Iterator[Stack]:
    with stack(DOORS) as one:
        yield one


@pytest.fixture
def house(opened: Stack) -> Stack:
    """The hub runs, also where a test left it dead."""
    if opened.hub.process is None or opened.hub.process.poll() is not None:
        opened.hub.start()
    return opened


def force(house: Stack, door: str) -> None:
    """Its controller says that it was forced."""
    said = {"type": "forced", "ts": round(time.time() * 1000), "seq": 1, "boot": 1}
    publish(house.broker.port, f"community/{COMMUNITY}/door/{door}/event", json.dumps(said))


def listed(page: Page) -> set[str]:
    """The doors whose alarms stand on the desk; none while it is being loaded."""
    try:
        rows = page.eval_on_selector_all("li.alarm .where", "all => all.map(e => e.textContent)")
    except Error:
        return set()
    return {text.split(" · ")[-1] for text in rows}


@contextmanager
def desk(house: Stack, port: int) -> Iterator[Page]:
    """An open alarm desk that reaches the hub through `port`."""
    account = make_account(house.database_url, f"guard-{port}", "guard")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"http://127.0.0.1:{port}/login?lang=en")
        page.fill("input[name=name]", account.name)
        page.fill("input[name=password]", account.password)
        page.click("button[type=submit]")
        page.wait_for_function("window.did_handshake === true")
        page.evaluate("document.title = 'not loaded again'")
        yield page
        browser.close()


def _shown(page: Page, doors: set[str]) -> None:
    wait_for(f"the desk shows {sorted(doors)}", lambda: listed(page) == doors, step=0.2)


def test_list_is_whole_after_the_server_was_killed(house: Stack) -> None:
    with desk(house, house.hub.port) as page:
        there, doors = _doors(house, page)
        force(house, doors[0])
        _shown(page, {*there, doors[0]})
        house.hub.kill9()
        page.locator(".live .lost").wait_for(state="visible", timeout=PATIENCE_S * 1000)
        for door in doors[1:4]:  # the broker keeps them for the hub
            force(house, door)
        house.hub.start()
        _shown(page, {*there, *doors[:4]})
        force(house, doors[4])
        _shown(page, {*there, *doors[:5]})


@pytest.mark.parametrize("slept_s", [3, 16], ids=["page kept", "page forgotten"])
def test_list_is_whole_after_the_laptop_slept(house: Stack, slept_s: int) -> None:
    """Asleep, nothing passes either way; before 10 s the server still keeps the page, later it has forgotten it."""
    with ChaosProxy(house.hub.port) as wire, desk(house, wire.port) as page:
        there, doors = _doors(house, page)
        force(house, doors[0])
        _shown(page, {*there, doors[0]})
        cut = time.monotonic()
        wire.black_hole(True)
        wire.reset()
        for door in doors[1:7]:
            force(house, door)
        time.sleep(slept_s)
        assert listed(page) == {*there, doors[0]}
        wire.black_hole(False)
        _shown(page, {*there, *doors[:7]})
        kept = page.title() == "not loaded again"
        if time.monotonic() < cut + FORGETS_S:  # a busy machine may need longer than the server keeps a page
            assert kept
        assert not kept or slept_s < FORGETS_S
        force(house, doors[7])
        _shown(page, {*there, *doors[:8]})


def _doors(house: Stack, page: Page) -> tuple[set[str], list[str]]:
    """Those whose alarms stand on the desk, of tests before, and the others."""
    there = listed(page)
    return there, [door for door in house.doors if door not in there]
