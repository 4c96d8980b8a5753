"""The dialogs of the page of plans: a checkpoint, a route, a plan. What is wrong leaves them open, and is named."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import Refused
from modules.patrol import draft as drafts
from modules.patrol.draft import FORMS, Draft
from modules.patrol.pages_plans_parts import proof_text
from modules.patrol.planbook import PlanBook, said
from modules.patrol.widgets import RowList
from modules.patrol.words_plans import ANSWERS, ANYBODY, DAYS, FIELDS, ORDERS, SAYS, TAKEN, WEEK, WRONG_FIELD

_ORDER = {
    "checkpoints": ("name_zh", "name_en", "place", "position", "qr", "items"),
    "routes": ("name_zh", "name_en", "order", "stops"),
    "plans": ("name_zh", "name_en", "route", "device", "days", "weekdays", "times", "every", "from", "to", "late",
              "early", "remind", "grace", "post", "shift_zh", "shift_en"),
}  # fmt: skip
_FRESH: dict[str, dict[str, str]] = {"checkpoints": {"qr": f"{drafts.QR_WEIGHT:g}"}, "routes": {}, "plans": {}}
_MOST = {"items": 50, "stops": 100}


@dataclass(frozen=True)
class Dialogs:
    """Asks about the things of a draft. `choices`: places, devices and posts by code."""

    view: Any
    book: PlanBook
    choices: Mapping[str, Mapping[str, str]]

    def ask(self, draft: Draft, part: str, name: str, take: Callable[[Draft], Awaitable[None]]) -> None:
        """What a thing is, by its id; with "" a new one. `take` is given the draft as it was changed."""
        show, fill = FORMS[part]
        old = drafts.named(draft, part, name)
        title = f"{self._say('edit')} · {self.view.pick(old['name'])}" if old else self._say(f"add_{part}")
        fixed = ""
        if part == "checkpoints" and old is not None and (kept := drafts.fixed_proofs(old)):
            fixed = f"{' · '.join(proof_text(self.view, proof) for proof in kept)}. {self._say('only_file')}"

        async def save(given: dict[str, str]) -> None:
            code = name or given["id"]
            try:
                if not name and drafts.named(draft, part, code):
                    raise Refused("bad_text", f"id: {code}", 422)
                changed = drafts.put(draft, part, fill(old, code, given))
            except Refused as error:
                wrong = error.detail.partition(":")[0]
                label = self.view.pick(TAKEN if wrong == "id" else FIELDS.get(wrong, SAYS["wrong"]))
                return open_with(self.view.pick(WRONG_FIELD).format(label), given)
            here = f"{part}[{[one['id'] for one in changed[part]].index(code)}]"
            problems = await self.book.check(await self.view.who(), changed)
            mine = [one for one in problems if one.field.startswith(here)]
            if mine:
                told = "; ".join(said(one, self.view.language).removeprefix(f"{here}.") for one in mine[:5])
                return open_with(told, given)
            await take(changed)
            return None

        def open_with(text: str, values: Mapping[str, str]) -> None:
            keys = _ORDER[part] if name else ("id", *_ORDER[part])
            fields = [self._field(draft, key, values.get(key, ""), old) for key in keys]
            self.view.form(title, text, self._say("done"), save, fields)

        fresh = {"id": drafts.fresh_id(part.removesuffix("s")), **_FRESH[part]}
        open_with(fixed, show(old) if old is not None else show({}) | fresh)

    def _field(self, draft: Draft, key: str, value: str, old: Mapping[str, Any] | None) -> Any:
        view, label = self.view, self.view.pick(FIELDS[key])
        if key in ("stops", "items"):
            return view.field(key, label, "own", value, make=lambda keep: self._rows(draft, key, value, keep))
        if key == "weekdays":
            return view.field(key, label, "own", value, make=lambda keep: self._weekdays(value, keep))
        options = self._options(draft, key, old)
        if options:
            if value not in dict(options):  # also one that is gone from the site: the check will say so
                options = [(value, value or "—"), *options]
            return view.field(key, label, "choice", value, options)
        needed = view.pick(WRONG_FIELD).format(label) if key in ("id", "name_zh", "name_en") else ""
        return view.field(key, label, "time" if key in ("from", "to") else "text", value, needed=needed)

    def _options(self, draft: Draft, key: str, old: Mapping[str, Any] | None) -> list[tuple[str, str]]:
        pick = self.view.pick
        if key == "place":
            return list(self.choices["places"].items())
        if key == "route":
            return [(one["id"], pick(one["name"])) for one in draft["routes"]]
        if key == "device":
            taken = {one["device"] for one in draft["plans"] if one is not old}
            return [(code, f"{name} ({code})") for code, name in self.choices["devices"].items() if code not in taken]
        if key == "post":
            return [("", pick(ANYBODY)), *self.choices["posts"].items()]
        words = {"order": ORDERS, "days": DAYS}.get(key, {})
        return [(value, pick(word)) for value, word in words.items()]

    def _rows(self, draft: Draft, key: str, value: str, keep: Callable[[str], None]) -> RowList:
        pick = self.view.pick
        if key == "stops":
            names = [(one["id"], pick(one["name"])) for one in draft["checkpoints"]]
            columns: list[dict[str, Any]] = [
                {"key": "checkpoint", "options": names}, {"key": "min", "short": True}, {"key": "max", "short": True},
            ]  # fmt: skip
            fresh: dict[str, Any] = {"checkpoint": names[0][0] if names else "", "min": "0", "max": "5"}
        else:
            answers = [(code, pick(word)) for code, word in ANSWERS.items()]
            columns = [
                {"key": "zh"}, {"key": "en"}, {"key": "answer", "options": answers}, {"key": "unit", "short": True},
                {"key": "equipment", "short": True}, {"key": "required", "sort": "tick"},
                {"key": "photo", "sort": "tick"},
            ]  # fmt: skip
            fresh = {"id": "", "zh": "", "en": "", "answer": "yes_no", "unit": "", "equipment": "", "required": True,
                     "photo": False}  # fmt: skip
        for column in columns:
            column["label"] = pick(FIELDS[column["key"]])
        words = {name: self._say(name) for name in ("up", "down", "remove")}
        words |= {"add": self._say(f"add_{key.removesuffix('s')}"), "row": self._say(key.removesuffix("s"))}
        rows = RowList(drafts.rows_of(value), columns, fresh, _MOST[key], words)
        return rows.on("rows", lambda event: keep(event.args if isinstance(event.args, str) else json.dumps([])))

    def _weekdays(self, value: str, keep: Callable[[str], None]) -> Any:
        view, chosen = self.view, set(value.split(",")) - {""}

        def set_day(day: str) -> Callable[[Any], None]:
            def change(event: Any) -> None:
                (chosen.add if event.args is True else chosen.discard)(day)
                keep(",".join(sorted(chosen)))

            return change

        with view.box("ticks", role="group", aria_label=view.pick(FIELDS["weekdays"])) as group:
            for day, word in WEEK.items():
                with view.box("", "label"):
                    on = {"checked": "true"} if day in chosen else {}
                    view.box("", "input", type="checkbox", **on).on(
                        "change", set_day(day), js_handler="(e) => emit(e.target.checked)"
                    )
                    view.tag("span", view.pick(word))
        return group

    def _say(self, name: str) -> str:
        return str(self.view.pick(SAYS[name]))
