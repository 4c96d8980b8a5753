"""Use cases of accounts: make one, sign in and out, who is this. Tokens and keys are stored as SHA-256 only.

They are 32 random bytes, so a plain hash is enough (nothing to guess); passwords go through Argon2id.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import timedelta

from hub import audit
from hub.accounts.model import Identity, NewAccount, Session, membership_of
from hub.accounts.passwords import MAX_LENGTH, MIN_LENGTH, Passwords, generate_password
from hub.clock import Clock
from hub.errors import Refused
from hub.principal import Principal, Role
from hub.store.database import Database, NotThere, Row
from hub.store.queries import load_queries

_SQL = load_queries("hub.accounts")
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,31}$")
WINDOW = timedelta(minutes=15)
GUESSES_PER_NAME = 10
GUESSES_PER_REMOTE = 50
LANGUAGES = ("zh-CN", "en")
DEMO_ROLES: tuple[Role, ...] = ("admin", "guard", "engineer", "finance", "viewer")


class Accounts:
    """Accounts, sessions and API keys of one hub."""

    def __init__(
        self, database: Database, clock: Clock, *, session_hours: int = 12, passwords: Passwords | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._session = timedelta(hours=session_hours)
        self._passwords = passwords or Passwords()

    async def create_account(
        self, name: str, password: str | None, roles: Mapping[int, Role], language: str = "zh-CN"
    ) -> NewAccount:
        """A new account with a role a community; without a password one is drawn. Refused: bad name, taken, short."""
        if not _NAME.fullmatch(name):
            raise Refused("bad_name", "a name is 1 to 32 of a-z 0-9 . _ - and begins with a letter or digit", 422)
        if language not in LANGUAGES:
            raise Refused("bad_language", f"a language is one of {', '.join(LANGUAGES)}", 422)
        password = password if password is not None else generate_password()
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            raise Refused("bad_password", f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters", 422)
        digest = await self._passwords.hash(password)
        now = self._clock.now()
        values = {"name": name, "password_hash": digest, "language": language, "at": now}
        async with self._database.session(list(roles)) as connection:
            row = await (await connection.execute(_SQL["insert_account"], values)).fetchone()
            if row is None:
                raise Refused("name_taken", f"the account {name!r} exists already", 409)
            for community_id, role in roles.items():
                await connection.execute(
                    _SQL["grant_role"], {"account_id": row["id"], "community_id": community_id, "role": role}
                )
                maker = Principal("system", community_id, "admin")
                await audit.record(connection, maker, "account.create", f"account:{name}", now, {"role": role})
        return NewAccount(name, password)

    async def create_demo_accounts(self, community_id: int) -> list[NewAccount]:
        """One account a role with a drawn password; those that exist stay as they are and are not named again."""
        made = []
        for role in DEMO_ROLES:
            async with self._database.session([]) as connection:
                cursor = await connection.execute(_SQL["account"], {"name": role})
                known = await cursor.fetchone()
            if known is None:
                made.append(await self.create_account(role, None, {community_id: role}))
        return made

    async def login(self, name: str, password: str, remote: str, old_token: str | None = None) -> Session:
        """A new session; `old_token` ends (rotation). Refused(401) for any wrong pair, Refused(429) after too many.

        An unknown or disabled name gets the same answer after the same work, and counts the same.
        """
        name = name.strip().lower()[:64]
        now = self._clock.now()
        attempt = {"name": name, "remote": remote, "at": now, "since": now - WINDOW}
        subjects = sorted([f"name:{name}", f"remote:{remote}"])
        async with self._database.session([]) as connection:
            await connection.execute(_SQL["lock_attempts"], {"subjects": subjects})
            await connection.execute(_SQL["forget_attempts"], attempt)
            counts = await (await connection.execute(_SQL["attempts"], attempt)).fetchone()
            assert counts is not None
            if counts["by_name"] >= GUESSES_PER_NAME or counts["by_remote"] >= GUESSES_PER_REMOTE:
                raise Refused("too_many_attempts", "too many wrong passwords; try again in 15 minutes", 429)
            # Counted before the check, so that parallel guesses cannot slip through.
            await connection.execute(_SQL["insert_attempt"], attempt)
            account = await (await connection.execute(_SQL["account"], {"name": name})).fetchone()
        usable = account is not None and not account["disabled"]
        stored = account["password_hash"] if account is not None and usable else None
        if not await self._passwords.verify(stored, password[: MAX_LENGTH + 1]) or account is None:
            raise Refused("bad_credentials", "name or password is wrong", 401)
        return await self._begin(account, password, attempt, old_token)

    async def _begin(self, account: Row, password: str, attempt: Row, old_token: str | None) -> Session:
        token = secrets.token_urlsafe(32)
        at = attempt["at"]
        session = Session(token, at + self._session)
        stale = self._passwords.stale(account["password_hash"])
        fresh = await self._passwords.hash(password) if stale else None
        async with self._database.session([]) as connection:
            await connection.execute(_SQL["pardon_attempt"], attempt)
            await connection.execute(_SQL["delete_expired"], {"account_id": account["id"], "at": at})
            if old_token:
                await connection.execute(_SQL["delete_session"], {"token_hash": _digest(old_token)})
            if fresh:
                await connection.execute(_SQL["rehash"], {"id": account["id"], "password_hash": fresh})
            await connection.execute(
                _SQL["insert_session"],
                {"token_hash": _digest(token), "account_id": account["id"], "at": at, "expires_at": session.expires_at},
            )
        identity = await self.identify(token)
        if identity is not None:
            await self._note(identity, "session.login", attempt["remote"])
        return session

    async def logout(self, token: str, remote: str = "") -> None:
        """End a session. An unknown token is no error."""
        identity = await self.identify(token)
        async with self._database.session([]) as connection:
            await connection.execute(_SQL["delete_session"], {"token_hash": _digest(token)})
        if identity is not None:
            await self._note(identity, "session.logout", remote)

    async def end_sessions(self, name: str) -> None:
        """End every session of an account (a lost phone, a changed role)."""
        async with self._database.session([]) as connection:
            await connection.execute(_SQL["delete_sessions_of"], {"name": name})

    async def identify(self, token: str) -> Identity | None:
        """Who a session token belongs to; None when it is unknown, over, or its account disabled or without role."""
        async with self._database.session([]) as connection:
            cursor = await connection.execute(_SQL["identify"], {"token_hash": _digest(token), "at": self._clock.now()})
            rows = await cursor.fetchall()
        if not rows:
            return None
        first = rows[0]
        memberships = tuple(membership_of(row) for row in rows)
        return Identity(f"user:{first['name']}", first["name"], first["language"], memberships, first["expires_at"])

    async def set_language(self, name: str, language: str) -> None:
        """Keep an account's language. Refused for one we do not speak."""
        if language not in LANGUAGES:
            raise Refused("bad_language", f"a language is one of {', '.join(LANGUAGES)}", 422)
        async with self._database.session([]) as connection:
            await connection.execute(_SQL["set_language"], {"name": name, "language": language})

    async def create_key(self, who: Principal, name: str, role: Role) -> tuple[int, str]:
        """A new API key of the principal's community: its id and the key, shown this once. Refused(403)."""
        who.require("administer")
        key = "hk_" + secrets.token_urlsafe(32)
        now = self._clock.now()
        values = {
            "community_id": who.community_id, "name": name[:64], "key_hash": _digest(key), "role": role, "at": now,
            "actor": who.actor,
        }  # fmt: skip
        async with self._database.session([who.community_id]) as connection:
            row = await (await connection.execute(_SQL["insert_key"], values)).fetchone()
            assert row is not None
            await audit.record(
                connection, who, "api_key.create", f"api_key:{row['id']}", now, {"name": name[:64], "role": role}
            )
        return int(row["id"]), key

    async def keys(self, who: Principal) -> list[Row]:
        """The API keys of the principal's community, newest first, without the keys. Refused(403)."""
        who.require("administer")
        async with self._database.session([who.community_id]) as connection:
            cursor = await connection.execute(_SQL["keys"], {"community_id": who.community_id})
            return await cursor.fetchall()

    async def revoke_key(self, who: Principal, key_id: int) -> None:
        """From now on the key opens nothing. NotThere; Refused(403)."""
        who.require("administer")
        now = self._clock.now()
        async with self._database.session([who.community_id]) as connection:
            values = {"id": key_id, "community_id": who.community_id, "at": now}
            if await (await connection.execute(_SQL["revoke_key"], values)).fetchone() is None:
                raise NotThere(f"api key {key_id}")
            await audit.record(connection, who, "api_key.revoke", f"api_key:{key_id}", now)

    async def identify_key(self, key: str) -> Identity | None:
        """Who an API key belongs to; None when it is unknown or revoked."""
        async with self._database.session([]) as connection:
            row = await (await connection.execute(_SQL["identify_key"], {"key_hash": _digest(key)})).fetchone()
        if row is None:
            return None
        return Identity(f"key:{row['name']}", row["name"], "zh-CN", (membership_of(row),))

    async def _note(self, identity: Identity, action: str, remote: str) -> None:
        now = self._clock.now()
        async with self._database.session([m.community_id for m in identity.memberships]) as connection:
            for membership in identity.memberships:
                who = identity.principal(membership.code, remote)
                await audit.record(connection, who, action, f"account:{identity.name}", now)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
