"""Passwords by Argon2id (RFC 9106, second recommended parameters), off the event loop, two at a time."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 200


class Passwords:
    """Makes and checks password hashes. 64 MiB each while at work, so never more than two at once."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._gate = asyncio.Semaphore(2)
        self._nobody = ""

    async def hash(self, password: str) -> str:
        async with self._gate:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """True when `password` made `stored`. Without a stored hash the same work is done for a false answer."""
        if not self._nobody:
            self._nobody = await self.hash(secrets.token_urlsafe(16))
        async with self._gate:
            right = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return right and stored is not None

    def stale(self, stored: str) -> bool:
        """True when `stored` was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def generate_password() -> str:
    """20 characters a person can type, about 100 bits: five groups of four without look-alikes."""
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(5))
