"""People, posts, shifts and equipment on a screen: what rosters are made from."""

from collections.abc import Callable, Sequence
from datetime import time
from typing import Any

from hub.store.database import Row
from modules.duty.form import Field, Form
from modules.duty.model import Limits
from modules.duty.service import Duty
from modules.duty.words import REGISTER_SAYS, REGISTER_TITLE

_LIMITS = ("weekly_hours", "rest_hours", "nights_in_a_row", "days_in_a_row", "late_minutes")


def add_register_page(shell: Any, duty: Duty) -> None:
    """Below the roster."""

    async def build(view: Any, _: int | None) -> None:
        await RegisterPage(view, duty).build()

    shell.add_below("/roster/people", "/roster", build)


class RegisterPage:
    """Lists of what there is; forms for who supervises, issuing and taking back for who works."""

    def __init__(self, view: Any, duty: Duty) -> None:
        self._view = view
        self._register = duty.register

    async def build(self) -> None:
        view = self._view
        view.head(view.pick(REGISTER_TITLE))
        view.tag("p", self._say("privacy"), "muted")
        self._form = Form(view)
        self._body = view.box("", aria_live="polite")
        await self._show()
        view.follow(["duty"], self._show, self._show, 0.5)

    async def _show(self, _changes: object = None) -> None:
        who, register = self._view.principal, self._register
        self._people, self._equipment = await register.people(who), await register.equipment(who)
        self._posts, self._shifts = await register.posts(who), await register.shifts(who)
        self._needs, self._limits = await register.needs(who), await register.limits(who)
        self._body.clear()
        with self._body:
            self._paint_people()
            self._paint_equipment()
            with self._view.box("columns"):
                self._paint_posts()
                self._paint_shifts()
            with self._view.box("columns"):
                self._paint_needs()
                self._paint_limits()

    # -- lists -----------------------------------------------------------------------------------------------------

    def _panel(
        self, name: str, keys: Sequence[str], rows: list[dict[str, Any]], ask: Callable[[Row | None], None] | None,
        known: Sequence[Row] = (),
    ) -> Any:  # fmt: skip
        view = self._view
        with view.panel(f"{self._say(name)} ({len(rows)})"):
            if ask is not None and view.may("supervise"):
                with view.box("actions"):
                    view.tag("button", self._say("add"), "ghost", type="button").on("click", lambda: ask(None))
            columns = [(key, self._say(key)) for key in keys]
            table = view.table(
                [*columns, ("actions", self._say("actions"), "actions")],
                rows,
                self._say("none"),
            )

        def act(event: Any) -> None:
            number, action = event.args if isinstance(event.args, list) and len(event.args) == 2 else (0, "")
            row = next((each for each in known if each["id"] == number), None)
            if row is not None and action == "edit" and ask is not None:
                ask(row)

        table.on("action", act)
        return table

    def _edit(self) -> list[tuple[str, str]]:
        return [("edit", self._say("edit"))] if self._view.may("supervise") else []

    def _state(self, row: Row) -> str:
        return str(self._say("active" if row["active"] else "retired"))

    def _paint_people(self) -> None:
        rows = [
            {
                "id": row["id"],
                "code": row["code"],
                "name": row["name"],
                "account": row["account"] or "—",
                "phone": row["phone"] or "—",
                "card": self._say("card_set") if row["card"] else "—",
                "qualifications": "、".join(row["qualifications"]) or "—",
                "state": self._state(row),
                "actions": self._edit(),
            }
            for row in self._people
        ]
        keys = ("name", "code", "phone", "account", "card", "qualifications", "state")
        self._panel("people", keys, rows, self._ask_person, self._people)

    def _paint_equipment(self) -> None:
        view = self._view

        def actions(row: Row) -> list[tuple[str, str]]:
            if not view.may("work") or not row["active"]:
                return []
            name = "return" if row["holder"] else "issue"
            return [(name, self._say(name))]

        rows = [
            {"id": row["id"], "code": row["code"], "title": view.pick(row["name"]),
             "holder": row["holder_name"] or self._say("in_store"), "since": view.stamp(row["since"]),
             "actions": actions(row)}
            for row in self._equipment
        ]  # fmt: skip
        table = self._panel("equipment", ("title", "code", "holder", "since"), rows, self._ask_piece)
        table.on("action", lambda event: self._ask_move(event.args))

    def _paint_posts(self) -> None:
        view = self._view
        rows = [
            {
                "id": row["id"],
                "code": row["code"],
                "title": view.pick(row["name"]),
                "place": row["place"] or "—",
                "qualifications": "、".join(row["qualifications"]) or "—",
                "state": self._state(row),
                "actions": self._edit(),
            }
            for row in self._posts
        ]
        self._panel("posts", ("title", "code", "place", "qualifications", "state"), rows, self._ask_post, self._posts)

    def _paint_shifts(self) -> None:
        view = self._view
        rows = [
            {"id": row["id"], "code": row["code"], "title": view.pick(row["name"]), "state": self._state(row),
             "hours": f"{row['begins']:%H:%M}–{row['ends']:%H:%M}", "actions": self._edit()}
            for row in self._shifts
        ]  # fmt: skip
        self._panel("shifts", ("title", "code", "hours", "state"), rows, self._ask_shift, self._shifts)

    def _paint_needs(self) -> None:
        names = {row["code"]: self._view.pick(row["name"]) for row in (*self._posts, *self._shifts)}
        rows = [
            {"id": number, "post": names[row["post"]], "shift": names[row["shift"]], "count": str(row["people"]),
             "weekdays": "".join(map(str, row["weekdays"])), "actions": []}
            for number, row in enumerate(self._needs)
        ]  # fmt: skip
        self._panel("needs", ("post", "shift", "count", "weekdays"), rows, self._ask_need)

    def _paint_limits(self) -> None:
        view = self._view
        with view.panel(self._say("limits")):
            if view.may("supervise"):
                with view.box("actions"):
                    view.tag("button", self._say("edit"), "ghost", type="button").on("click", self._ask_limits)
            view.facts([(self._say(name), str(self._limits[name])) for name in _LIMITS])

    def _ask_limits(self) -> None:
        fields = [
            Field(name, REGISTER_SAYS[name], "number", str(self._limits[name]), needed=True, most=3) for name in _LIMITS
        ]

        async def save(values: dict[str, str]) -> None:
            numbers = {name: int(values[name]) for name in _LIMITS}
            late = numbers.pop("late_minutes")
            await self._register.put_limits(await self._view.who(), Limits(**numbers), late)

        self._open("limits", fields, save)

    # -- forms -----------------------------------------------------------------------------------------------------

    def _open(self, name: str, fields: list[Field], save: Callable[[dict[str, str]], Any]) -> None:
        self._form.open(self._say(name), self._say("save"), fields, save)

    def _named(self, row: Row | None) -> list[Field]:
        name = row["name"] if row else {"zh": "", "en": ""}
        return [Field("code", REGISTER_SAYS["code"], value=row["code"] if row else "", needed=True, most=64),
                Field("zh", REGISTER_SAYS["zh"], value=name["zh"], needed=True, most=60),
                Field("en", REGISTER_SAYS["en"], value=name["en"], needed=True, most=60)]  # fmt: skip

    def _active(self, row: Row | None) -> Field:
        options = [("1", self._say("active")), ("", self._say("retired"))]
        return Field("active", REGISTER_SAYS["state"], "select", "" if row and not row["active"] else "1", options)

    def _ask_person(self, row: Row | None) -> None:
        had = row or {"code": "", "name": "", "account": "", "phone": "", "qualifications": [], "weekly_hours": None}
        fields = [
            Field("code", REGISTER_SAYS["code"], value=had["code"], needed=True, most=64),
            Field("name", REGISTER_SAYS["name"], value=had["name"], needed=True, most=60),
            Field("account", REGISTER_SAYS["account"], value=had["account"] or "", most=64),
            Field("phone", REGISTER_SAYS["phone"], "tel", had["phone"], most=20),
            Field("card", REGISTER_SAYS["keep_card"], most=64),
            Field("qualifications", REGISTER_SAYS["commas"], value=", ".join(had["qualifications"])),
            Field("weekly_hours", REGISTER_SAYS["weekly_hours"], "number", str(had["weekly_hours"] or ""), most=3),
            self._active(row),
        ]

        async def save(values: dict[str, str]) -> None:
            card = {"": None, "-": ""}.get(values["card"].strip(), values["card"])
            hours = int(values["weekly_hours"]) if values["weekly_hours"] else None
            await self._register.put_person(
                await self._view.who(),
                coded(values["code"]),
                values["name"],
                account=values["account"].strip() or None,
                phone=values["phone"],
                card=card,
                qualifications=words(values["qualifications"]),
                weekly_hours=hours,
                active=bool(values["active"]),
            )

        self._open("people", fields, save)

    def _ask_post(self, row: Row | None) -> None:
        fields = [
            *self._named(row),
            Field("place", REGISTER_SAYS["place"], value=row["place"] if row else "", most=100),
            Field("qualifications", REGISTER_SAYS["commas"], value=", ".join(row["qualifications"]) if row else ""),
            self._active(row),
        ]

        async def save(values: dict[str, str]) -> None:
            await self._register.put_post(
                await self._view.who(), coded(values["code"]), {"zh": values["zh"], "en": values["en"]},
                place=values["place"], qualifications=words(values["qualifications"]), active=bool(values["active"]),
            )  # fmt: skip

        self._open("posts", fields, save)

    def _ask_shift(self, row: Row | None) -> None:
        fields = [
            *self._named(row),
            *(
                Field(name, REGISTER_SAYS[name], "time", f"{row[name]:%H:%M}" if row else "", needed=True)
                for name in ("begins", "ends")
            ),
            self._active(row),
        ]

        async def save(values: dict[str, str]) -> None:
            await self._register.put_shift(
                await self._view.who(), coded(values["code"]), {"zh": values["zh"], "en": values["en"]},
                time.fromisoformat(values["begins"]), time.fromisoformat(values["ends"]), active=bool(values["active"]),
            )  # fmt: skip

        self._open("shifts", fields, save)

    def _ask_need(self, _: Row | None) -> None:
        view = self._view
        posts = [(row["code"], view.pick(row["name"])) for row in self._posts if row["active"]]
        shifts = [(row["code"], view.pick(row["name"])) for row in self._shifts if row["active"]]
        if not posts or not shifts:
            return
        fields = [
            Field("post", REGISTER_SAYS["post"], "select", posts[0][0], posts),
            Field("shift", REGISTER_SAYS["shift"], "select", shifts[0][0], shifts),
            Field("count", REGISTER_SAYS["count"], "number", "1", needed=True, most=2),
            Field("weekdays", REGISTER_SAYS["weekdays"], value="1234567", needed=True, most=7),
        ]

        async def save(values: dict[str, str]) -> None:
            count, weekdays = int(values["count"]), [int(digit) for digit in values["weekdays"]]
            if not 0 <= count <= 20 or not all(1 <= day <= 7 for day in weekdays):
                raise ValueError("out of range")
            await self._register.put_need(await view.who(), values["post"], values["shift"], count, weekdays)

        self._open("needs", fields, save)

    def _ask_piece(self, row: Row | None) -> None:
        async def save(values: dict[str, str]) -> None:
            name = {"zh": values["zh"], "en": values["en"]}
            await self._register.put_equipment(await self._view.who(), coded(values["code"]), name)

        self._open("equipment", self._named(row), save)

    def _ask_move(self, argument: object) -> None:
        number, action = argument if isinstance(argument, list) and len(argument) == 2 else (0, "")
        piece = next((row for row in self._equipment if row["id"] == number), None)
        if piece is None or action not in ("issue", "return"):
            return
        view = self._view
        people = [(str(row["id"]), row["name"]) for row in self._people if row["active"]]
        fields = (
            [Field("person", REGISTER_SAYS["holder"], "select", people[0][0], people)]
            if action == "issue" and people
            else []
        )

        async def save(values: dict[str, str]) -> None:
            who = await view.who()
            if action == "issue":
                await self._register.issue(who, piece["id"], int(values["person"]), values["note"])
            else:
                await self._register.take_back(who, piece["id"], values["note"])

        title = f"{self._say(action)} · {view.pick(piece['name'])}"
        self._form.open(title, self._say(action), [*fields, Field("note", REGISTER_SAYS["note"])], save)

    def _say(self, name: str) -> str:
        return str(self._view.pick(REGISTER_SAYS[name]))


def words(text: str) -> list[str]:
    """Codes between commas. ValueError for one that is none."""
    return [coded(word) for word in text.replace("，", ",").replace("、", ",").split(",") if word.strip()]


def coded(text: str) -> str:
    """A code of letters, digits, _ . -. ValueError."""
    text = text.strip()
    if (
        not 1 <= len(text) <= 64
        or not text.isascii()
        or not text.replace("-", "").replace("_", "").replace(".", "").isalnum()
    ):
        raise ValueError(text)
    return text
