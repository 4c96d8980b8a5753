"""The manager's overview: a few figures of every room; what is ill stands out, each leads to where it is mended."""

from api.pages.shell import Shell
from api.pages.view import View
from api.pages.widgets import box, head, panel, tag
from hub.overview.model import Section, Tile
from hub.overview.service import OverviewDesk

_FOLLOWED = ["alarm", "device", "workorder", "patrol", "duty", "safety"]
_SETTLE_S = 15.0  # a dozen queries: it is read at most so often, however much changes


def install(shell: Shell) -> None:
    """Put the page into the shell."""

    async def build(view: View, _: int | None) -> None:
        await OverviewPage(view).build()

    shell.add("/overview", "nav.overview", "dashboard", 50, build, home=["admin", "viewer"])


class OverviewPage:
    """One open overview."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._desk = OverviewDesk(view.hub.context)
        self._shown: list[Section] = []

    async def build(self) -> None:
        view = self._view
        with head(view.t("overview.title")):
            self._at = tag("span", "", "muted num")
        self._place = box("overview")
        await self._show()
        view.follow(_FOLLOWED, self._show, self._show, _SETTLE_S)

    async def _show(self, _: object = None) -> None:
        view = self._view
        sections = await view.shared(f"overview.{view.principal.role}", lambda: self._desk.sections(view.principal))
        self._at.text = f"{view.t('overview.as_of')} {view.stamp(view.now())}"
        if sections == self._shown:
            return
        self._shown = sections
        self._place.clear()
        with self._place:
            for section in sections:
                with panel(view.pick(dict(section.title))), box("tiles"):
                    for tile in section.tiles:
                        self._paint(tile)

    def _paint(self, tile: Tile) -> None:
        view = self._view
        value = f"{tile.value:,}" if isinstance(tile.value, int) else tile.value
        with box("tile ill" if tile.ill else "tile", "a", href=tile.href):
            tag("span", view.pick(dict(tile.title)), "muted")
            tag(
                "b",
                f"{value:,}" if isinstance(value, int) else value if isinstance(value, str) else view.pick(dict(value)),
            )
            tag("small", view.pick(dict(tile.note)) if tile.note else "", "muted")
