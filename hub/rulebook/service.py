"""The rulebook: rules as files give them, versions put over them by people, and how a version comes into force.

The files are every community's; versions, their back-tests and which of them is in force are one community's own.

A new or changed rule is saved as a version, which changes nothing. It comes into force when it is enabled, and that
asks for three things: it can be read, its own examples pass, and this very text was tried on stored history.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import structlog

from hub import audit
from hub.analyses.judging import PriceAt
from hub.catalog.problems import CatalogError, Problem
from hub.clock import Clock, to_us
from hub.errors import Refused
from hub.live import Change, Live
from hub.model import Device
from hub.principal import Principal
from hub.rulebook.backtests import Backtest, Backtests, checked_days, checked_note
from hub.rulebook.model import MAX_TEXT, ExampleOutcome, Override, RuleText, RuleTools, diff, digest, normal, unreadable
from hub.rulebook.packs import changed_packs
from hub.store.database import Connection, Database, NotThere, Row
from hub.store.queries import load_queries
from hub.vocabulary.kinds import KindSpec

_SQL = load_queries("hub.rulebook")
_COUNTED = timedelta(days=30)
_log = structlog.get_logger()

Source = Literal["page", "api"]


class Rulebook:
    """Use cases over rules, for one principal at a time; used alike by the REST API, the pages and `hub rules`.

    Writing needs the right `configure`. Refused(403) without it; NotThere for what does not exist.
    """

    def __init__(
        self, database: Database, clock: Clock, live: Live, tools: RuleTools, *, roots: Sequence[Path],
        kinds: Mapping[str, KindSpec], devices: Mapping[int, Device],
        price_at: Callable[[], PriceAt | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._database = database
        self._clock = clock
        self._live = live
        self._tools = tools
        self._roots = roots
        self._devices = devices
        self.kinds = kinds
        self.files: dict[str, RuleText] = {}
        self.backtests = Backtests(database, clock, live, devices, price_at)
        self.on_change: Callable[[int], Awaitable[None]] | None = None  # told of the community

    # -- the running hub -----------------------------------------------------------------------------------------

    async def read_files(self, kinds: Mapping[str, KindSpec], communities: Mapping[str, int]) -> None:
        """The rule files as they are now; a text not seen before becomes a version of each of these communities
        (code -> number). CatalogError: all as it was."""
        texts = await asyncio.to_thread(self._tools.rule_texts, self._roots)
        self.kinds = kinds
        self.files = {one.rule: one for one in texts}
        for code, community_id in communities.items():
            async with self._database.session([community_id]) as connection:
                values = {"community_id": community_id, "sources": ["file"]}
                rows = await (await connection.execute(_SQL["latest_versions"], values)).fetchall()
                known = {row["rule"]: (row["digest"], row["note"]) for row in rows}
                before = await changed_packs(connection, community_id, self.files.values())
                tried = await self._tried(connection)
                for one in texts:
                    if known.get(one.rule) != (one.digest, one.pack):
                        await self._add(connection, community_id, one, "file", "system:files", one.pack)
                    if known.get(one.rule, ("", ""))[0] != one.digest and self._untried(one, tried):
                        _log.warning(
                            "a rule's file was not tried on history", community=code, rule=one.rule, file=one.file
                        )
                for pack in sorted(await changed_packs(connection, community_id, self.files.values()) - before):
                    _log.warning("a rule pack changed without a new version", community=code, pack=pack)

    async def compose(self, rules: Sequence[Any], communities: Mapping[str, int]) -> dict[int, list[Any]]:
        """Of these communities (code -> number) those in which something is put over the `rules` of the files, each
        with all its rules as an evaluator takes them."""
        overrides: dict[int, list[Override]] = {}
        homes = list(communities.values())
        async with self._database.session(homes) as connection:
            for row in await (await connection.execute(_SQL["states"], {"communities": homes})).fetchall():
                override = Override(row["rule"], row["text"], row["enabled"])
                overrides.setdefault(row["community_id"], []).append(override)
        composed = {}
        for code, home in communities.items():
            if home not in overrides:
                continue
            composed[home], problems = await asyncio.to_thread(
                self._tools.put_over, rules, overrides[home], self.kinds
            )  # fmt: skip
            for problem in problems:
                _log.warning(
                    "a rule's version no longer fits; its file's text stays in force", community=code,
                    problem=problem.render(),
                )  # fmt: skip
        return composed

    async def tell(self, communities: Mapping[str, int]) -> None:
        """Log at the start each rule that one of these communities (code -> number) has switched off or put a version
        over, so that one decided long ago is seen again."""
        codes = {number: code for code, number in communities.items()}
        async with self._database.session(list(codes)) as connection:
            rows = await (await connection.execute(_SQL["states"], {"communities": list(codes)})).fetchall()
        for row in rows:
            if not row["enabled"] or row["version"] is not None:
                _log.warning(
                    "a community's own version of a rule is in force" if row["enabled"] else "a rule is switched off",
                    community=codes[row["community_id"]], rule=row["rule"], version=row["version"],
                    by=row["changed_by"], since=row["changed_at"].isoformat(),
                )  # fmt: skip

    async def close(self) -> None:
        """End a running back-test."""
        await self.backtests.close()

    # -- reading -------------------------------------------------------------------------------------------------

    async def rules(self, who: Principal) -> list[Row]:
        """Every rule, one row each, by id: what is in force, whether enabled, `count` of alarms in the last 30 days.
        `procedure`: what is to be done (应急预案), or None. `pack`: the rule pack its file is ("doors 1.2.0");
        `pack_changed`: it changed without a new version. `untested`: a file of the site's own that nobody tried on
        history. `draft`: the newest version saved by a person where it is not the one in force."""
        who.require("see")
        community = {"community_id": who.community_id}
        async with self._database.session([who.community_id]) as connection:
            states = await self._states(connection, who.community_id)
            since = self._clock.now() - _COUNTED
            rows = await (await connection.execute(_SQL["alarm_counts"], {"since": since})).fetchall()
            counts = {row["rule"]: row["count"] for row in rows}
            drafts = await (await connection.execute(_SQL["drafts"], community)).fetchall()
            tried = await self._tried(connection)
            changed = await changed_packs(connection, who.community_id, self.files.values())
        newest = {row["rule"]: row for row in drafts}
        names = sorted({*self.files, *states, *newest})
        return [
            row | {"count": counts.get(name, 0), "pack_changed": row["pack"] in changed} for name in names
            if (row := self._row(name, states, newest, tried)) is not None
        ]  # fmt: skip

    def _row(self, name: str, states: Mapping[str, Row], drafts: Mapping[str, Row], tried: set[str]) -> Row | None:
        state, draft, file = states.get(name), drafts.get(name), self.files.get(name)
        in_force = (state or {}).get("text") or (file.text if file is not None else "")
        text = in_force or (draft or {}).get("text", "")
        if not text:
            return None  # its file is gone
        shown, problem = file, ""
        if file is None or text != file.text:
            shown, problems = self._tools.parse_rule(text, self.kinds)
            problem = problems[0].render() if problems else ""
        shown = shown or file or unreadable(name, text)
        newer = draft is not None and (state is None or draft["at"] > state["changed_at"])
        waits = newer and draft is not None and digest(draft["text"]) != digest(in_force)
        return {
            "rule": name, "title": {"zh": shown.title.zh, "en": shown.title.en}, "kinds": shown.kinds,
            "condition": shown.condition, "priority": shown.priority, "life_safety": shown.life_safety,
            "work_order": shown.work_order, "problem": problem,
            "procedure": {"zh": shown.procedure.zh, "en": shown.procedure.en} if shown.procedure else None,
            "enabled": state["enabled"] if state else bool(in_force) and shown.enabled,
            "source": "page" if state and state["text"] else "file" if file is not None else "draft",
            "version": state["version"] if state else None, "draft": draft["version"] if draft and waits else None,
            "untested": file is not None and in_force == file.text and self._untried(file, tried),
            "file": file.file if file is not None else "",
            "pack": file.pack if file is not None else "",
            "changed_at": state["changed_at"] if state else None, "changed_by": state["changed_by"] if state else None,
        }  # fmt: skip

    async def show(self, who: Principal, rule: str) -> Row:
        """One rule: its row, `versions` newest first (without texts), `backtests` of late; `text` in force with its
        `digest`, or where nothing is, the draft's with the digest ""."""
        row = next((one for one in await self.rules(who) if one["rule"] == rule), None)
        if row is None:
            raise NotThere(f"rule {rule[:48]}")
        async with self._database.session([who.community_id]) as connection:
            named = {"rule": rule}
            versions = await (await connection.execute(_SQL["versions"], named)).fetchall()
            backtests = await (await connection.execute(_SQL["backtests"], named)).fetchall()
            state = (await self._states(connection, who.community_id)).get(rule)
            draft = None if row["draft"] is None else await self._version(connection, rule, row["draft"])
        text = (state or {}).get("text") or (self.files[rule].text if rule in self.files else "")
        kept = {"digest": digest(text) if text else "", "text": text or (draft["text"] if draft else "")}
        return {**row, **kept, "versions": versions, "backtests": backtests}

    async def version(self, who: Principal, rule: str, version: int) -> Row:
        """One version with its text."""
        who.require("see")
        async with self._database.session([who.community_id]) as connection:
            return await self._version(connection, rule, version)

    async def diff(self, who: Principal, rule: str, old: int, new: int) -> str:
        """Unified diff of two versions; "" where they are alike."""
        first, second = await self.version(who, rule, old), await self.version(who, rule, new)
        return diff(first["text"], second["text"], f"{rule} {old}", f"{rule} {new}")

    # -- checking ------------------------------------------------------------------------------------------------

    async def validate(self, text: str) -> tuple[RuleText | None, list[Problem]]:
        """The rule a text means, or all that is wrong with it by line. Refused(422) for one that is too long."""
        if len(text) > MAX_TEXT:
            raise Refused("too_long", f"a rule has at most {MAX_TEXT} characters", 422)
        return await asyncio.to_thread(self._tools.parse_rule, normal(text), self.kinds)  # long ones take a while

    async def examples(self, text: str) -> Sequence[ExampleOutcome]:
        """Its own examples, run. Refused(422) where it cannot be read."""
        await self._read(text)
        return await asyncio.to_thread(self._tools.run_rule_examples, normal(text), self.kinds)

    async def _read(self, text: str) -> RuleText:
        found, problems = await self.validate(text)
        if found is None:
            raise Refused("invalid_rule", "; ".join(problem.render() for problem in problems[:5]), 422)
        return found

    # -- back-tests ----------------------------------------------------------------------------------------------

    async def start_backtest(self, who: Principal, text: str, days: int) -> Backtest:
        """Try a rule's text on the last `days` of stored history. Refused(409) while another back-test runs."""
        who.require("configure")
        rule = await self._read(text)
        since = self._clock.now() - timedelta(days=checked_days(days))
        mine = {number: one for number, one in self._devices.items() if one.community_id == who.community_id}
        try:
            trial = await asyncio.to_thread(self._tools.trial, normal(text), self.kinds, mine, to_us(since))
        except CatalogError as error:
            raise Refused("invalid_rule", str(error)[:500], 422) from None
        return self.backtests.start(who, rule, trial, since, days)

    # -- writing -------------------------------------------------------------------------------------------------

    async def save(self, who: Principal, text: str, note: str = "", source: Source = "page") -> Row:
        """Keep a text as a version; nothing changes yet. The newest version's own text makes no new one.

        Refused(422) where it cannot be read.
        """
        who.require("configure")
        rule = await self._read(text)
        note = checked_note(note)
        async with self._database.session([who.community_id]) as connection:
            newest = await (await connection.execute(_SQL["versions"], {"rule": rule.rule})).fetchone()
            if newest is not None and newest["digest"] == rule.digest:
                return {"rule": rule.rule, **await self._version(connection, rule.rule, newest["version"])}
            number = await self._add(connection, who.community_id, rule, source, who.actor, note)
            await self._audit(connection, who, "rule.save", rule.rule, {"version": number})
            row = await self._version(connection, rule.rule, number)
        self._tell(who, rule.rule)
        return {"rule": rule.rule, **row}

    async def enable(self, who: Principal, rule: str, version: int | None = None, *, unseen: bool = False) -> Row:
        """Put a version in force, or switch on what is (None). `unseen`: who enables it knows that there was no
        history to try it on; recorded. Refused(409): examples fail, no back-test of it, or one that saw nothing."""
        who.require("configure")
        async with self._database.session([who.community_id]) as connection:
            state = (await self._states(connection, who.community_id)).get(rule)
            await self._guard(who, rule, state)
            text, kept = await self._chosen(connection, rule, version, state)
            again = state is not None and kept is not None and state["version"] == kept  # it was in force
            seen = await self._ready(connection, rule, text, unseen or again)
            note = "" if seen or again else "no history to try it on"
            await self._set(connection, who, rule, kept, True, "rule.enable", note)
        return await self._changed(who, rule)

    async def disable(self, who: Principal, rule: str, note: str) -> Row:
        """Switch a rule off. Its live alarms return. Refused(422) without a reason."""
        who.require("configure")
        if not note.strip():
            raise Refused("reason_required", "say why the rule is switched off", 422)
        async with self._database.session([who.community_id]) as connection:
            state = (await self._states(connection, who.community_id)).get(rule)
            await self._guard(who, rule, state)
            if rule not in self.files and state is None:
                raise NotThere(f"rule {rule[:48]}")
            kept = state["version"] if state else None
            await self._set(connection, who, rule, kept, False, "rule.disable", checked_note(note))
        return await self._changed(who, rule)

    async def roll_back(self, who: Principal, rule: str, version: int, note: str = "") -> Row:
        """Put the text of an old version in force, as a new version. The file's own text: follow the file again."""
        who.require("configure")
        async with self._database.session([who.community_id]) as connection:
            await self._guard(who, rule, (await self._states(connection, who.community_id)).get(rule))
            old = await self._version(connection, rule, version)
            await self._ready(connection, rule, old["text"])
            file = self.files.get(rule)
            if file is not None and file.digest == old["digest"]:
                kept = None
            else:
                said = checked_note(note) or f"roll back to version {version}"
                kept = await self._add(
                    connection, who.community_id, await self._read(old["text"]), "page", who.actor, said
                )  # fmt: skip
            await self._set(connection, who, rule, kept, True, "rule.roll_back", f"to version {version}")
        return await self._changed(who, rule)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _guard(self, who: Principal, rule: str, state: Row | None) -> None:
        """What tells of fire is not switched off or made deaf by one person with a laptop. Refused(403)."""
        in_force = self.files.get(rule)
        if state is not None and state["text"]:
            in_force = (await self.validate(state["text"]))[0] or in_force
        if in_force is not None and in_force.life_safety:
            who.require("supervise")

    @staticmethod
    def _untried(file: RuleText, tried: set[str]) -> bool:
        """A file of the site's own that came into force by itself."""
        return not file.shipped and file.digest not in tried

    async def _tried(self, connection: Connection) -> set[str]:
        digests = [file.digest for file in self.files.values() if not file.shipped]
        rows = await (await connection.execute(_SQL["tried"], {"digests": digests})).fetchall()
        return {row["digest"] for row in rows}

    async def _chosen(
        self, connection: Connection, rule: str, version: int | None, state: Row | None
    ) -> tuple[str, int | None]:
        """The text to put in force, and its version (None: the file's)."""
        if version is not None:
            row = await self._version(connection, rule, version)
            file = self.files.get(rule)
            return row["text"], None if file is not None and file.digest == row["digest"] else version
        if state is not None and state["text"] is not None:
            return state["text"], state["version"]
        if rule not in self.files:
            raise NotThere(f"rule {rule[:48]}")
        return self.files[rule].text, None

    async def _ready(self, connection: Connection, rule: str, text: str, unseen: bool = False) -> bool:
        """Readable, examples pass, tried on history. What the files bring was proven with the release. False: there was
        no history, and that will do (`unseen`)."""
        if (await self._read(text)).rule != rule:
            raise Refused("wrong_rule", f"the text is of another rule than {rule}", 422)
        if failed := [one for one in await self.examples(text) if not one.passed]:
            raise Refused("examples_fail", f"its own example fails: {failed[0].name}: {failed[0].detail}", 409)
        if rule in self.files and self.files[rule].digest == digest(text):
            return True
        row = await (await connection.execute(_SQL["backtested"], {"digest": digest(text)})).fetchone()
        if row is None or row["seen"] is None:
            raise Refused("not_backtested", "try exactly this text on stored history first", 409)
        if not row["seen"] and not unseen:
            raise Refused("no_history", "it was tried where no history exists; say that you know, or try it later", 409)
        return bool(row["seen"])

    async def _states(self, connection: Connection, community_id: int) -> dict[str, Row]:
        rows = await (await connection.execute(_SQL["states"], {"communities": [community_id]})).fetchall()
        return {row["rule"]: row for row in rows}

    async def _version(self, connection: Connection, rule: str, version: int) -> Row:
        row = await (await connection.execute(_SQL["version"], {"rule": rule, "version": version})).fetchone()
        if row is None:
            raise NotThere(f"version {version} of rule {rule[:48]}")
        return row

    async def _add(
        self, connection: Connection, community_id: int, rule: RuleText, source: str, author: str, note: str
    ) -> int:
        values = {
            "community_id": community_id, "rule": rule.rule, "text": rule.text, "digest": rule.digest,
            "source": source, "author": author, "at": self._clock.now(), "note": note,
        }  # fmt: skip
        await connection.execute(_SQL["lock_rule"], values)
        row = await (await connection.execute(_SQL["add_version"], values)).fetchone()
        assert row is not None
        return int(row["version"])

    async def _set(
        self, connection: Connection, who: Principal, rule: str, version: int | None, enabled: bool, action: str,
        note: str = "",
    ) -> None:  # fmt: skip
        values = {"community_id": who.community_id, "rule": rule, "version": version, "enabled": enabled,
                  "at": self._clock.now(), "by": who.actor}  # fmt: skip
        await connection.execute(_SQL["set_state"], values)
        await self._audit(connection, who, action, rule, {"version": version, "note": note})

    async def _audit(
        self, connection: Connection, who: Principal, action: str, rule: str, detail: dict[str, Any]
    ) -> None:
        await audit.record(connection, who, action, f"rule:{rule}", self._clock.now(), detail)

    async def _changed(self, who: Principal, rule: str) -> Row:
        """Committed: the running hub takes it over between two batches, in this community."""
        if self.on_change is not None:
            await self.on_change(who.community_id)
        self._tell(who, rule)
        return await self.show(who, rule)

    def _tell(self, who: Principal, rule: str) -> None:
        self._live.publish(Change("rule", who.community_id, rule, {"changed": True}))
