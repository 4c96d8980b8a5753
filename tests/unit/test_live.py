"""The mailbox of a live screen: bounded, the newest counts, and what is urgent is told whatever happens."""

from hub.live import Change, Live, Subscription


def alarm(key: str, urgent: bool = False, at: int = 0) -> Change:
    return Change("alarm", 1, key, {"at": at}, urgent)


def mailbox(bound: int = 4) -> tuple[Live, Subscription]:
    live = Live()
    return live, live.subscribe(lambda change: change.topic == "alarm", bound)


async def told(box: Subscription) -> tuple[list[str], bool]:
    changes, lost = await box.take()
    return [change.key for change in changes], lost


async def test_of_two_changes_of_one_thing_the_newer_counts() -> None:
    live, box = mailbox()
    for change in (alarm("a", at=1), alarm("b"), alarm("a", at=2), Change("point", 1, "p", {})):
        live.publish(change)
    changes, lost = await box.take()
    assert [(change.key, change.data["at"]) for change in changes] == [("b", 0), ("a", 2)] and not lost


async def test_what_is_urgent_is_told_though_the_rest_must_be_read_again() -> None:
    live, box = mailbox()
    live.publish(alarm("fire", urgent=True))
    for n in range(10):
        live.publish(alarm(f"door-{n}"))
    live.publish(alarm("gas", urgent=True))
    assert await told(box) == (["fire", "gas"], True)
    live.publish(alarm("door"))
    assert await told(box) == (["door"], False)


async def test_even_the_urgent_is_bounded() -> None:
    live, box = mailbox()
    for n in range(10):
        live.publish(alarm(f"fire-{n}", urgent=True))
    keys, lost = await told(box)
    assert lost and len(keys) <= 4


async def test_a_reader_is_told_of_the_topics_it_heeds_at_that_moment() -> None:
    live, open_details = Live(), False
    assert not live.heeds("alarm")
    box = live.subscribe(lambda change: True, topics=lambda topic: topic == "alarm" or open_details)
    live.publish(Change("event", 1, "e1", {}))
    assert (live.heeds("alarm"), live.heeds("event")) == (True, False)
    open_details = True
    assert live.heeds("event")
    for change in (Change("event", 1, "e2", {}), alarm("a")):
        live.publish(change)
    assert await told(box) == (["e2", "a"], False)
    live.unsubscribe(box)
    assert not live.heeds("event")
