"""The list is whole again after the server was killed, and after the laptop slept. A real hub, a real broker."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Error, Page, sync_playwright

from tests.e2e.chaosproxy import ChaosProxy
from tests.e2e.desks import CHROMIUM
from tests.e2e.harness import COMMUNITY, Stack, make_account, publish, stack, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
DOORS = 12


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
    account = make_account(house.database_url, "guard", "guard")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)  # type: ignore[arg-type]
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"http://127.0.0.1:{port}/login?lang=en")
        page.fill("input[name=name]", account.name)
        page.fill("input[name=password]", account.password)
        page.click("button[type=submit]")
        page.wait_for_function("window.did_handshake === true")
        page.evaluate("document.title = 'not loaded again'")
        yield page
        browser.close()


def _shown(page: Page, doors: set[str]) -> None:
    wait_for(f"the desk shows {sorted(doors)}", lambda: listed(page) == doors, 60, 0.2)


def test_list_is_whole_after_the_server_was_killed() -> None:
    with stack(DOORS) as house:
        house.hub.start()
        with desk(house, house.hub.port) as page:
            force(house, house.doors[0])
            _shown(page, {house.doors[0]})
            house.hub.kill9()
            page.locator(".live .lost").wait_for(state="visible", timeout=30_000)
            for door in house.doors[1:4]:  # the broker keeps them for the hub
                force(house, door)
            house.hub.start()
            _shown(page, set(house.doors[:4]))
            force(house, house.doors[4])
            _shown(page, set(house.doors[:5]))


@pytest.mark.parametrize("slept_s", [3, 16], ids=["page kept", "page forgotten"])
def test_list_is_whole_after_the_laptop_slept(slept_s: int) -> None:
    """Asleep, nothing passes either way; before 10 s the server still keeps the page, later it has forgotten it."""
    with stack(DOORS) as house:
        house.hub.start()
        with ChaosProxy(house.hub.port) as wire, desk(house, wire.port) as page:
            force(house, house.doors[0])
            _shown(page, {house.doors[0]})
            wire.black_hole(True)
            wire.reset()
            for door in house.doors[1:7]:
                force(house, door)
            time.sleep(slept_s)
            assert listed(page) == {house.doors[0]}
            wire.black_hole(False)
            _shown(page, set(house.doors[:7]))
            assert (page.title() == "not loaded again") is (slept_s < 10)
            force(house, house.doors[7])
            _shown(page, set(house.doors[:8]))
