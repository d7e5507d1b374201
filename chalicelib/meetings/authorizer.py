"""Who may schedule meetings: whoever shows a key that the stage's secret holds."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.secret import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.secret import SecretsManagerClient

LIFETIME: Final = 300.0
"""Seconds for which the keys that were read are used without reading them again."""

FRESH: Final = 10.0
"""Seconds for which keys are too new to be read again for a key that is not among them.

So whoever tries keys causes a read every ten seconds, not one for each.
"""

ONLY_CALLER: Final = "default"
"""What the caller is called if the secret holds one key without a name."""

SHORTEST_KEY: Final = 16
_KEY = re.compile(rf"[!-~]{{{SHORTEST_KEY},4096}}")
_BEARER = re.compile(r"(?i:bearer) +([!-~]+) *")
_SHAPE: Final = (
    f"store one key as its text, or a JSON object of names and keys; a key is {SHORTEST_KEY} or "
    "more visible ASCII characters"
)
_REMEDIES: Final = {
    "ResourceNotFoundException": "there is none; `python -m ops deploy STAGE` makes it",
    "AccessDeniedException": "this function may not read it; `python -m ops stage` writes the "
    "policy that grants it",
    "InvalidRequestException": "it cannot be read now; restore it if it is marked for deletion",
    "DecryptionFailure": "it cannot be decrypted; grant this function kms:Decrypt on its key",
}


class UnauthorizedError(Exception):
    """The request does not show a key that is good. The message may be told to anyone."""


@dataclass(frozen=True)
class Caller:
    """Who asks, by the name that the secret gives the key, and the key itself."""

    name: str
    key: bytes = field(repr=False)


class Authorizer:
    """Knows the keys, of which it keeps only hashes; they are read once in five minutes."""

    def __init__(
        self, client: SecretsManagerClient, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._clock = clock
        self._names: Mapping[bytes, str] = {}
        self._read_at = float("-inf")

    def caller_of(self, authorization: str | None, secret_name: str) -> Caller:
        """Return the caller that a header `Authorization: Bearer KEY` names.

        Before a key is refused the secret is read again, unless it just was: the key may be new.
        Raises UnauthorizedError; SecretError if the secret holds no keys; and what botocore
        raises when it cannot be read.
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
        return Caller(name, key)

    def _age(self) -> float:
        return self._clock() - self._read_at

    def _name_of(self, key: bytes) -> str | None:
        """Compare with every key, so that the time does not tell which one was close."""
        shown, found = _digest(key), None
        for digest, name in self._names.items():
            if hmac.compare_digest(digest, shown):
                found = name
        return found

    def _read_keys(self, secret_name: str) -> None:
        try:
            answer = self._client.get_secret_value(SecretId=secret_name)
        except ClientError as error:
            remedy = _REMEDIES.get(error.response["Error"]["Code"])
            if remedy is None:
                raise
            raise SecretError(f"secret {secret_name!r}: {remedy}") from error
        keys = _keys_in(str(answer.get("SecretString", "")).strip())
        if not keys:
            raise SecretError(f"secret {secret_name!r} does not hold keys; {_SHAPE}")
        self._names = {_digest(key.encode()): name for name, key in keys.items()}
        self._read_at = self._clock()


def _keys_in(text: str) -> dict[str, str]:
    """Read the keys by name; none if any is not as it must be, so that none is half right."""
    found: object = {ONLY_CALLER: text}
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):  # its error would hold the secret
            found = None
    if not isinstance(found, dict):
        return {}
    keys = {name: key.strip() if isinstance(key, str) else "" for name, key in found.items()}
    return keys if all(_KEY.fullmatch(key) for key in keys.values()) else {}


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
