"""What stands over and under a list that grows: words to seek, a choice, how many there are, more, and a file of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from modules.duty.words import LIST_SAYS

PAGE = 100
_WORDS = 100


class Listing:
    """The tools of one list. To be made above its table, `foot` below it. `changed` shows the list anew, `export` hands
    it out as csv or xlsx. `words`, `choice` ("" for all) and `most` say what is to be shown."""

    def __init__(
        self, view: Any, label: str, choices: Sequence[tuple[str, str]], changed: Callable[[], Awaitable[None]],
        export: Callable[[str], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.words, self.choice, self.most = "", "", PAGE
        self._view = view
        self._changed = changed
        known = dict(choices)
        with view.box("tools"):
            seek = view.box("search", "input", type="search", maxlength=str(_WORDS), placeholder=self._say("search"),
                            aria_label=self._say("search"))  # fmt: skip
            choose = view.box("search choice", "select", aria_label=label)
            with choose:
                for value, text in [("", f"{label}: {self._say('all')}"), *choices]:
                    view.tag("option", text, "", value=value)
            view.export_choice(export)
        self._count = view.tag("p", "", "muted count", role="status")

        async def sought(typed: object) -> None:
            self.words, self.most = str(typed)[:_WORDS], PAGE
            await changed()

        async def chosen(typed: object) -> None:
            self.choice, self.most = str(typed) if str(typed) in known else "", PAGE
            await changed()

        for element, event, work in ((seek, "input", sought), (choose, "change", chosen)):
            element.on(
                event, lambda told, work=work: view.act(work)(told.args), js_handler="(e) => emit(e.target.value)"
            )

    @property
    def asked(self) -> tuple[str, str, int]:
        """What is asked for now: an answer to something older is not shown."""
        return self.words, self.choice, self.most

    def foot(self, none: str) -> None:
        """The button for more; stands below the table. `none`: what the table says where there is nothing yet."""
        self._none = none
        self._more = self._view.tag("button", "", "ghost more", type="button")
        self._more.on("click", self._view.act(self._grow))

    def told(self, table: Any, shown: int, total: int) -> None:
        """How many are shown, of how many; and why there is none."""
        none = self._say("nothing") if self.words or self.choice else self._none
        if table.props["empty"] != none:
            table.props["empty"] = none
            table.update()
        self._count.text = self._say("count").replace("%n", str(shown)).replace("%t", str(total))
        self._more.text = self._say("more").replace("%n", str(total - shown))
        self._more.set_visibility(shown < total)

    async def _grow(self, _: object = None) -> None:
        self.most += PAGE
        await self._changed()

    def _say(self, name: str) -> str:
        return str(self._view.pick(LIST_SAYS[name]))
