"""The plans as people change them: a version is laid over the file, and stays there until the file is followed again.

What is saved is in force at once, for every round that has not begun. It passes the checks of `hub check` first, and
who saves says which text it was made from: what somebody else put in force meanwhile is not lost.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub import audit
from hub.catalog.problems import Problem
from hub.catalog.yamlout import yaml_text
from hub.context import Context
from hub.errors import Refused
from hub.live import Change
from hub.principal import RIGHTS, Principal
from hub.rulebook.backtests import checked_note
from hub.rulebook.model import diff
from hub.store.database import Row
from modules.patrol import store, store_plans
from modules.patrol.changes import Blind, RoundChange, blind_spots, horizon, planned_ahead, round_changes
from modules.patrol.live import Files, Source
from modules.patrol.plans import PatrolFile
from modules.patrol.stored import digest_of, file_json, in_order, masked
from modules.patrol.words import pick

PARTS = ("checkpoints", "routes", "plans")
_HEAD = "# yaml-language-server: $schema=../schemas/patrol.schema.json\n"


@dataclass(frozen=True)
class InForce:
    """The plans in force and where they come from. `number`, `author`, `at` and `note` of the version that is over the
    file; `digest` names the text, and is what a change says it was made from. `filed`: whether there is a file."""

    file: PatrolFile
    digest: str
    source: Source
    number: int | None
    author: str
    at: datetime | None
    note: str
    filed: bool


@dataclass(frozen=True)
class Preview:
    """What other plans would change from `since` to `until`; with `problems` nothing else is known."""

    problems: Sequence[Problem]
    since: datetime
    until: datetime
    rounds: Sequence[RoundChange] = ()
    blind: Sequence[Blind] = ()
    diff: str = ""


class WrongPlans(Refused):
    """`invalid_plans`, with all that is wrong, and in what."""

    def __init__(self, problems: Sequence[Problem], plans: Mapping[str, Any]) -> None:
        super().__init__("invalid_plans", "; ".join(said(one) for one in problems[:5]), 422)
        self.problems, self.plans = problems, dict(plans)


class PlanBook:
    """Use cases over plans and their versions, for one principal at a time. Looking needs the right `see`, changing
    `configure`; who has no right `work` sees only the ends of plates."""

    def __init__(self, context: Context, files: Files) -> None:
        self._context = context
        self._files = files

    # -- looking ---------------------------------------------------------------------------------------------------

    def in_force(self, who: Principal) -> InForce:
        """What is in force now; without any file and version, empty plans."""
        who.require("see")
        code = self._code(who)
        laid, filed = self._files.laid(code), self._files.filed(code)
        if laid is not None:
            return InForce(
                laid.file, laid.digest, laid.source, laid.number, laid.author, laid.at, laid.note, filed is not None
            )
        return InForce(filed or _empty(code), self._digest_of_file(code), "file", None, "", None, "", filed is not None)

    async def choices(self, who: Principal, language: str) -> dict[str, dict[str, str]]:
        """What a plan may name, code -> its name: `devices` of patrol routes, `posts` of the duty roster."""
        who.require("see")
        devices = [one for one in self._context.devices.values() if one.community_id == who.community_id]
        port = self._context.ports.get("duty.posts")
        posts = await port(who.community_id) if port is not None else []
        return {
            "devices": {one.code: one.spec.name.get(language) for one in devices if one.kind_name == "patrol_route"},
            "posts": {one["code"]: pick(one["name"], language) for one in posts},
        }

    async def versions(self, who: Principal) -> list[Row]:
        """The newest 500, newest first: number, digest, source, author, at, note. Of source `file`: from then on the
        file was followed again."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            return await store_plans.versions(connection, who.community_id)

    async def version(self, who: Principal, number: int) -> Row:
        """One with its content as `file`, plain JSON values. NotThere."""
        who.require("see")
        async with self._context.database.session([who.community_id]) as connection:
            row = await store_plans.version(connection, who.community_id, number)
        return row | {"file": self._shown(who, in_order(row["file"]))}

    async def diff(self, who: Principal, old: int, new: int) -> str:
        """Unified diff of two versions, 0 for what the file says now; "" where they are alike. NotThere."""
        texts = [await self._text(who, number) for number in (old, new)]
        names = ["file" if number == 0 else f"version {number}" for number in (old, new)]
        return diff(*texts, *names)

    async def yaml(self, who: Principal, number: int | None = None) -> str:
        """A version as a patrol file, by default what is in force, to be put under version control."""
        who.require("configure")
        if number is None:
            return _HEAD + yaml_text(file_json(self.in_force(who).file))
        return _HEAD + await self._text(who, number)

    async def _text(self, who: Principal, number: int) -> str:
        if number:
            return yaml_text((await self.version(who, number))["file"])
        filed = self._files.filed(self._code(who))
        return yaml_text(self._shown(who, file_json(filed))) if filed is not None else ""

    def _shown(self, who: Principal, plain: Mapping[str, Any]) -> dict[str, Any]:
        return dict(plain) if who.role in RIGHTS["work"] else masked(plain)

    # -- before it comes into force --------------------------------------------------------------------------------

    async def check(self, who: Principal, given: Mapping[str, Any]) -> list[Problem]:
        """All that `hub check` would say of these `checkpoints`, `routes` and `plans`, each with its field."""
        who.require("configure")
        return (await self._checked(who, given))[1]

    async def preview(self, who: Principal, given: Mapping[str, Any]) -> Preview:
        """What these plans would change: rounds of the next 7 days, blind spots, and the text line by line."""
        who.require("configure")
        now = self._context.clock.now()
        file, problems = await self._checked(who, given)
        if file is None:
            return Preview(problems, now, now)
        old = self.in_force(who).file
        async with self._context.database.session([who.community_id]) as connection:
            zone = ZoneInfo((await store.community(connection, who.community_id))["time_zone"])
            begun = await store.begun(connection, who.community_id, now)
        until = horizon([old, file], now)

        def compare() -> list[RoundChange]:
            before, other = (planned_ahead(one, zone, begun, now, until) for one in (old, file))
            return round_changes(before, other, zone)

        found = await asyncio.to_thread(compare)  # thousands of rounds take a while
        text = diff(yaml_text(file_json(old)), yaml_text(file_json(file)), "in force", "changed")
        return Preview((), now, until, found, blind_spots(old, file), text)

    async def _checked(self, who: Principal, given: Mapping[str, Any]) -> tuple[PatrolFile | None, list[Problem]]:
        plain = {"community": self._code(who), **{name: given.get(name, []) for name in PARTS}}
        _keepable(plain)
        return await self._files.check(self._code(who), plain)

    # -- changing --------------------------------------------------------------------------------------------------

    async def save(
        self, who: Principal, given: Mapping[str, Any], base: str, note: str = "", source: Source = "page"
    ) -> InForce:
        """Lay these plans over the file. `base`: the digest of what they were made from. What is in force already makes
        no new version; the file's own text means following it again. Refused(422) with what is wrong; Refused(409) when
        something else came into force meanwhile."""
        who.require("configure")
        file, problems = await self._checked(who, given)
        if file is None:
            raise WrongPlans(problems, given)
        return await self._put(who, file, base, note, source, "patrol.save_plans")

    async def restore(
        self, who: Principal, number: int, base: str, note: str = "", source: Source = "page"
    ) -> InForce:  # fmt: skip
        """Put an old version in force again, as a new one. NotThere; Refused as for `save`."""
        who.require("configure")
        async with self._context.database.session([who.community_id]) as connection:
            plain = (await store_plans.version(connection, who.community_id, number))["file"]
        file, problems = await self._files.check(self._code(who), plain)
        if file is None:
            raise WrongPlans(problems, plain)
        said = note.strip() or f"version {number}"
        return await self._put(who, file, base, said, source, "patrol.restore_plans")

    async def follow_file(self, who: Principal, base: str, note: str = "") -> InForce:
        """Take away what is over the file. Refused(409) where there is no file, or nothing over it; Refused(422) where
        the file was refused at the start, and only its version let it be."""
        who.require("configure")
        file = self._files.filed(self._code(who))
        if file is None:
            raise Refused("no_file", "this community has no patrol file to follow", 409)
        if self._files.laid(self._code(who)) is None:
            raise Refused("wrong_state", "the file is followed already", 409)
        plain = file_json(file)
        if problems := (await self._files.check(file.community, plain))[1]:
            raise WrongPlans(problems, plain)
        return await self._put(who, file, base, note, "file", "patrol.follow_file")

    async def _put(
        self, who: Principal, file: PatrolFile, base: str, note: str, source: Source, action: str
    ) -> InForce:  # fmt: skip
        try:
            await self._write(who, file, base, checked_note(note), source, action)
        finally:  # also where the answer to the commit was lost
            self._files.saved()
        await self._files.lay()
        change = Change("patrol", who.community_id, f"plans:{who.community_id}", {"plans": "changed"})
        self._context.live.publish(change)
        return self.in_force(who)

    async def _write(
        self, who: Principal, file: PatrolFile, base: str, note: str, source: Source, action: str
    ) -> None:  # fmt: skip
        plain, now = file_json(file), self._context.clock.now()
        digest = digest_of(plain)
        if self._files.filed(file.community) is not None and digest == self._digest_of_file(file.community):
            source = "file"
        async with self._context.database.session([who.community_id]) as connection:
            await store.lock(connection, who.community_id, "plans")
            newest = await store_plans.newest(connection, who.community_id)
            over = newest is not None and newest["source"] != "file" and newest["digest"] not in self._files.unreadable
            current = newest["digest"] if newest is not None and over else self._digest_of_file(file.community)
            if base != current:
                raise _newer(newest if newest is not None and newest["digest"] == current else None)
            if digest == current and over == (source != "file"):
                return
            await store.put_version(connection, who.community_id, digest, plain, now)
            row = await store_plans.add(
                connection, community_id=who.community_id, digest=digest, source=source, author=who.actor, at=now,
                note=note,
            )  # fmt: skip
            detail = {"version": row["number"], "source": source, "digest": digest, "note": note}
            await audit.record(connection, who, action, "patrols", now, detail)

    def _digest_of_file(self, code: str) -> str:
        return digest_of(file_json(self._files.filed(code) or _empty(code)))

    def _code(self, who: Principal) -> str:
        return next((code for code, number in self._context.communities.items() if number == who.community_id), "")


def _empty(code: str) -> PatrolFile:
    return PatrolFile(community=code, checkpoints=[], routes=[], plans=[])


def _newer(newest: Row | None) -> Refused:
    """Names what came into force since a change was begun: a version, or without one the file."""
    name = "a changed file"
    if newest is not None:
        name = f"version {newest['number']} by {newest['author']} of {newest['at'].isoformat(timespec='seconds')}"
    return Refused("newer_plans", f"{name} is in force by now; yours were made from what was before", 409)


def said(problem: Problem, language: str = "en") -> str:
    """A problem of what was handed in, without the name of a file that it has not; of a site's file with it."""
    given = "." not in problem.file  # it is called as the community
    return problem.render(language).removeprefix(f"{problem.file}:{problem.line}: " if given else "")


def _keepable(plain: Mapping[str, Any]) -> None:
    """Refused(422) for text that no store keeps: NUL, and halves of characters."""
    try:
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError) as error:
        raise Refused("bad_text", "plans hold text and finite numbers only", 422) from error
    if "\\u0000" in text:
        raise Refused("bad_text", "plans hold no NUL characters", 422)
