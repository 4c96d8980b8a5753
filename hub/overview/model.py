"""What a room tells the overview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Text = Mapping[str, str]


@dataclass(frozen=True)
class Tile:
    """One figure. `value` is a number, an amount or share as text, or a word in both languages; `ill`: somebody has to
    look; `href`: the page that says more."""

    title: Text
    value: int | str | Text
    href: str
    ill: bool = False
    note: Text | None = None


@dataclass(frozen=True)
class Section:
    """A room's figures under its name, the most important first."""

    title: Text
    tiles: Sequence[Tile]
