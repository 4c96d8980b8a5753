"""Ranges of a body, as players ask for them (RFC 9110, 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.ranges import asked_part


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 50)), ("bytes=10-19", (10, 10)), ("bytes=0-0", (0, 1)), ("bytes=90-", (90, 10)),
        ("bytes=90-500", (90, 10)), ("bytes=-5", (95, 5)), ("bytes=-500", (0, 50)), ("bytes=99-99", (99, 1)),
        (None, None), ("", None), ("bytes=-", None), ("bytes=5-4", None), ("bytes=0-1,5-6", None), ("items=0-5", None),
        ("bytes=a-b", None), ("bytes=٠-٥", None), ("bytes=" + "9" * 19 + "-", None),
    ],
)  # fmt: skip
def test_parts_of_a_hundred_bytes(header: str | None, part: tuple[int, int] | None) -> None:
    assert asked_part(header, 100, 50) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_is_not_there(header: str) -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        asked_part(header, 100, 50)


@given(st.integers(0, 300), st.integers(1, 300), st.integers(1, 100))
def test_parts_one_after_the_other_are_the_whole(first: int, size: int, most: int) -> None:
    whole, got = bytes(n % 251 for n in range(size)), b""
    while len(got) < size:
        part = asked_part(f"bytes={len(got)}-", size, most)
        assert part is not None and 0 < part[1] <= most
        got += whole[part[0] : part[0] + part[1]]
    assert got == whole
