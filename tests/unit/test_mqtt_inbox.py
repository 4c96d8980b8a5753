"""PUBACKs: one for each delivery, in the order of arrival, never before what came is safe."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt.inbox import Inbox


def taken(*packet_ids: int) -> Inbox:
    inbox = Inbox()
    for packet_id in packet_ids:
        inbox.take(packet_id)
    return inbox


def test_what_is_safe_early_waits_for_what_came_before_it() -> None:
    inbox = taken(1, 2, 3)
    assert (inbox.release([3, 2]), len(inbox)) == ([], 3)
    assert (inbox.release([1]), len(inbox)) == ([1, 2, 3], 0)


def test_an_id_that_is_not_waited_for_is_passed_over() -> None:
    inbox = taken(1)
    assert inbox.release([0, 7]) == []
    assert inbox.release([1, 1]) == [1]
    assert inbox.release([1]) == []


def test_an_id_used_again_before_its_puback_is_owed_two() -> None:
    inbox = taken(5, 6, 5)
    assert inbox.release([5]) == [5]
    assert inbox.release([5]) == []
    assert (inbox.release([6]), len(inbox)) == ([6, 5], 0)


@given(st.lists(st.integers(1, 4), max_size=40), st.data())
def test_as_many_as_are_safe_and_in_order(came: list[int], data: st.DataObject) -> None:
    inbox, left, out = taken(*came), list(data.draw(st.permutations(came))), []
    said: Counter[int] = Counter()
    while left:
        count = data.draw(st.integers(1, len(left)))
        safe, left = left[:count], left[count:]
        said.update(safe)
        out += inbox.release(safe)
        assert out == came[: len(out)]
        assert not Counter(out) - said
        rest = said - Counter(out)
        assert len(out) == len(came) or not rest[came[len(out)]]  # nothing that may go is held back
    assert out == came
    assert len(inbox) == 0
