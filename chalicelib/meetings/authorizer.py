"""Authorization to schedule meetings, by a key from the stage's secret."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from chalicelib.meetings.stage_secrets import StageSecrets
from chalicelib.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.clients import SecretsManagerClient

LIFETIME: Final = 300.0
"""Seconds for which keys are used before they are read again."""

FRESH: Final = 10.0
"""Seconds after a read in which an unknown key does not cause another read.

So guessing keys causes one read every ten seconds, not one for each attempt.
"""

ONLY_CALLER: Final = "default"
"""The caller's name if the secret holds one key without a name."""

SHORTEST_KEY: Final = 16
_KEY = re.compile(rf"[!-~]{{{SHORTEST_KEY},4096}}")
_BEARER = re.compile(r"(?i:bearer) +([!-~]+) *")
_SHAPE: Final = (
    "store one key as its text, or a JSON object of names and keys, or lists of them; a key is "
    f"{SHORTEST_KEY} or more visible ASCII characters"
)


class UnauthorizedError(Exception):
    """The request has no valid key. The message may be shown to anyone."""


@dataclass(frozen=True)
class Caller:
    """The caller, by the key's name in the secret; it survives key rotation."""

    name: str


class Authorizer:
    """Checks keys, of which it keeps only hashes; they are read every five minutes."""

    def __init__(
        self, client: SecretsManagerClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._secrets = StageSecrets(client)
        self._clock = clock
        self._names: Mapping[bytes, str] = {}
        self._read_at = float("-inf")

    def caller_of(self, authorization: str | None, secret_name: str) -> Caller:
        """Return the caller that a header `Authorization: Bearer KEY` names.

        Before a key is rejected the secret is read again, unless it just was: the key may be new.
        Raises UnauthorizedError; SecretError if the secret holds no keys; and what botocore
        raises if it cannot be read.
        """
        shown = _BEARER.fullmatch(authorization or "")
        if not shown:
            raise UnauthorizedError("send a key: 'Authorization: Bearer KEY'")
        key = shown[1].encode()
        if self._age() >= LIFETIME:
            self._read_keys(secret_name)
        name = self._name_of(key)
        if name is None and self._age() >= FRESH:
            self._read_keys(secret_name)
            name = self._name_of(key)
        if name is None:
            raise UnauthorizedError("the key is not one that may schedule meetings")
        return Caller(name)

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _name_of(self, key: bytes) -> str | None:
        """Compare with every key, so that the time does not reveal which one was close."""
        shown, found = _digest(key), None
        for digest, name in self._names.items():
            if hmac.compare_digest(digest, shown):
                found = name
        return found

    def _read_keys(self, secret_name: str) -> None:
        keys = keys_in(self._secrets.read_secret(secret_name))
        if not keys:
            raise SecretError(f"secret {secret_name!r} does not hold keys; {_SHAPE}")
        self._names = {_digest(key.encode()): name for key, name in keys.items()}
        self._read_at = self._clock()


def keys_in(text: str) -> dict[str, str]:
    """Parse the keys' names; empty if any key is invalid, so that no part of it takes effect."""
    found: object = {ONLY_CALLER: text}
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):  # its error would contain the secret
            found = None
    if not isinstance(found, dict):
        return {}
    listed = {name: keys if isinstance(keys, list) else [keys] for name, keys in found.items()}
    pairs = [
        (key.strip() if isinstance(key, str) else "", name)
        for name, keys in listed.items()
        for key in keys
    ]
    return dict(pairs) if all(_KEY.fullmatch(key) for key, _ in pairs) else {}


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
