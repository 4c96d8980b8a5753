"""When a word is judged after a time in which nobody listened. Seconds stand for microseconds times 10⁶."""

import pytest

from rules.away import LISTEN, MOST, Away, begun, heard

S = 1_000_000
LONG = begun(None, 100 * S, 1000 * S)


def test_it_is_listened_as_long_as_nobody_did_and_ten_seconds_at_most() -> None:
    assert Away(100 * S, 1000 * S, 1010 * S) == LONG
    assert begun(None, 100 * S, 103 * S).over == 106 * S


def test_a_second_time_away_goes_on_with_the_first_while_that_is_caught_up_with() -> None:
    assert begun(LONG, 1005 * S, 1007 * S) == Away(100 * S, 1007 * S, 1017 * S)
    assert begun(LONG, 1010 * S, 1012 * S) == Away(1010 * S, 1012 * S, 1014 * S)


@pytest.mark.parametrize(
    ("said", "received", "judged", "over"),
    [
        (500, 1001, 500, 1011),  # said meanwhile
        (500, 1100, 500, 1110),  # and come late: more may come
        (1002, 1005, 1002, 1010),  # said after it, and come behind the rest
        (1002, 1020, 1020, 1010),  # held up by somebody else
        (50, 1005, 100, 1010),  # held up before it: not heard before nobody listened
        (50, 1020, 1020, 1010),
        (990, 999, 999, 1010),  # heard before it was over: it waited here
        (1020, 1005, 1005, 1010),  # a clock ahead
    ],
)
def test_a_word_is_judged_when_it_would_have_been_heard(said: int, received: int, judged: int, over: int) -> None:
    away, at = heard(LONG, said * S, received * S)
    assert at == judged * S
    assert away == Away(100 * S, 1000 * S, over * S)


def test_a_time_away_is_past_one_day() -> None:
    assert heard(LONG, 500 * S, LONG.until + MOST) == (None, LONG.until + MOST)
    away, _ = heard(LONG, 500 * S, LONG.until + MOST - 1)
    assert away is not None
    assert away.over < LONG.until + MOST + LISTEN
