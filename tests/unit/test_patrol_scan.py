"""A checkpoint's code in a photograph: found when it is turned, small or blurred, and the own one among others."""

import pytest

from hub.errors import Refused
from hub.media.picture import read_picture
from modules.patrol.codes import CodeBook
from modules.patrol.scan import codes_in, read_code
from tests.unit.photographs import photograph

BOOK = CodeBook("demo", b"k" * 32, {"garage": 2})
OWN = BOOK.printed("garden")
ADDRESS = "http://192.168.1.20:8080/patrol/checkin#"


@pytest.mark.parametrize("shot", [
    {"angle": 0}, {"angle": 90}, {"angle": 137}, {"angle": 33, "side": 180, "blur": 0.7},
    {"angle": 8, "side": 700, "blur": 4}, {"size": (3000, 4000), "side": 500}, {"sort": "PNG"}, {"sort": "WEBP"},
])  # fmt: skip
def test_a_code_is_read_as_phones_see_it(shot: dict[str, object]) -> None:
    given = photograph(ADDRESS + OWN, **shot)  # type: ignore[arg-type]
    assert codes_in(read_picture(given).body) == [ADDRESS + OWN]


async def test_the_own_code_is_taken_whatever_stands_beside_it() -> None:
    for texts in (("https://pay.example/1", ADDRESS + OWN), (ADDRESS + OWN, "https://pay.example/1"), (OWN,)):
        assert await read_code(read_picture(photograph(*texts)), BOOK) == OWN


@pytest.mark.parametrize(("texts", "code"), [
    ((), "no_code"),
    (("https://pay.example/1",), "bad_code"),
    ((ADDRESS + CodeBook("other", b"o" * 32).printed("garden"),), "bad_code"),
    ((ADDRESS + CodeBook("demo", b"k" * 32).printed("garage"),), "old_code"),
    ((ADDRESS + BOOK.screen("garden"),), "bad_code"),
])  # fmt: skip
async def test_what_is_no_code_of_ours_is_told_apart(texts: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        await read_code(read_picture(photograph(*texts)), BOOK)
    assert (refused.value.code, refused.value.status) == (code, 422)
