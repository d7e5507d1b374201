"""A meeting's id and join keys: one key for each role, which opens only that role's link.

The keys are derived from the meeting's id by the stage's secret, so a link can be shown again. The
table has only the keys' hashes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field
from typing import Final

from chalicelib.meeting_row.meeting import ROLES

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH: Final = 16
_KEY_BYTES: Final = 18
"""144 bits, or 24 characters."""


@dataclass(frozen=True)
class Seed:
    """The seed of a meeting's id; it cannot be computed from it, and is never shown."""

    _material: bytes = field(repr=False)

    @classmethod
    def random(cls) -> Seed:
        """Make a unique seed."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def derived(cls, secret: bytes, caller: str, idempotency_key: str) -> Seed:
        """Make the seed of a caller's Idempotency-Key: the same one each time.

        Without the secret nobody can compute it, even if they guess or know the key.
        """
        whose = json.dumps([caller, idempotency_key])
        return cls(_derive(secret, f"idempotency key {whose}"))

    def attempt(self, number: int) -> Seed:
        """Return the seed of the next attempt after this many failed ones."""
        return Seed(_derive(self._material, f"attempt {number}")) if number else self

    @property
    def meeting_id(self) -> str:
        """The meeting's id: 16 of a-z and 0-9."""
        number = int.from_bytes(_derive(self._material, "meeting id"), "big")
        characters = []
        for _ in range(_ID_LENGTH):
            number, position = divmod(number, len(_LETTERS))
            characters.append(_LETTERS[position])
        return "".join(characters)


def join_keys(secret: bytes, meeting_id: str) -> dict[str, str]:
    """Return the key that opens each role's link: 24 URL-safe characters, always the same.

    Without the secret nobody can compute them.
    """
    keys = {}
    for role in ROLES:
        derived = _derive(secret, f"join key {json.dumps([meeting_id, role])}")
        keys[role] = base64.urlsafe_b64encode(derived[:_KEY_BYTES]).decode()
    return keys


def hash_of(key: str) -> str:
    """Hash a key for the row. Keys are random, so they need neither salt nor rounds."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def opens(key: str | None, key_hash: str) -> bool:
    """Return True if the key has that hash, in constant time."""
    same = hmac.compare_digest(hash_of(key or "").encode(), key_hash.encode("utf-8", "replace"))
    return same and key is not None


def key_hash_attribute(role: str) -> str:
    """Name the attribute that holds the hash of the role's key."""
    return f"{role}_key_hash"


def _derive(material: bytes, purpose: str) -> bytes:
    return hmac.digest(material, purpose.encode("utf-8", "surrogatepass"), "sha256")
