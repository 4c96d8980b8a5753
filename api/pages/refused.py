"""Changed files that are not in force, on any page whose people may mend them."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from api.pages.widgets import box, panel, tag
from hub.catalog.refusals import Refusal

if TYPE_CHECKING:
    from api.pages.view import View


class RefusedFiles:
    """A panel for each refusal that is open; nothing where all is well, and for who may not configure. `only`: of these
    files alone."""

    def __init__(self, view: "View", only: Collection[str] = ()) -> None:
        self._view = view
        self._only = only
        self._shown: list[Refusal] = []
        self._place = box("")
        self.show()

    def show(self) -> None:
        """As it is now; nothing is sent where it is as before."""
        refused = self._view.hub.reads.refused(self._view.principal)
        found = [one for one in refused if not self._only or one.what in self._only]
        if found == self._shown:
            return
        self._shown = found
        self._place.clear()
        with self._place:
            for one in found:
                self._paint(one)

    def _paint(self, one: Refusal) -> None:
        view, t = self._view, self._view.t
        with panel(f"{t('refused.title')} · {view.word('refused', one.what)}", "refused"):
            since = view.stamp(one.since) if one.since else t("refused.start")
            tag("p", t("refused.says").format(at=view.stamp(one.at), since=since), role="status")
            with box("", "ul"):
                for problem in one.problems:
                    tag("li", problem.render(view.language))
                if one.hidden:
                    tag("li", t("refused.hidden").format(count=one.hidden), "muted")
