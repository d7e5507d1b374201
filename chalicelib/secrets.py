"""The Cloudflare token, kept in Secrets Manager."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import Deadline, OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.clients import SecretsManagerClient

KEYS: Final = ("CLOUDFLARE_TOKEN", "CLOUDFLARE_API_TOKEN")
"""The keys under which a secret of key-value pairs may hold the token, in this order."""

LIFETIME: Final = 300.0
"""Seconds for which a token is used before it is read again."""

_PATIENCE: Final = 30.0
"""Seconds for which an older token is used while Secrets Manager is unavailable, before another
attempt: so that a run does not wait for it before each of its calls."""

_AHEAD_SECONDS: Final = 3.0

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")


class SecretError(Exception):
    """The secret has no usable token; the message names the secret and the remedy."""


_READ_ERRORS: Final = (BotoCoreError, ClientError, OutOfTimeError, SecretError)


class Token:
    """The token for Cloudflare's API, read at most every five minutes unless asked to."""

    def __init__(
        self,
        client: SecretsManagerClient,
        secret_id: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._clock = clock
        self._value = ""
        self._read_at = float("-inf")
        self.secret_id = secret_id

    def value(self) -> str:
        """Return the token: the cached one if Secrets Manager does not answer.

        Raises SecretError if the secret does not hold one, and what a failure of Secrets Manager
        raises if none is cached.
        """
        if self._clock() - self._read_at >= LIFETIME:
            try:
                return self.read()
            except (BotoCoreError, ClientError):
                if not self._value:
                    raise
                self._read_at = self._clock() - LIFETIME + _PATIENCE
        return self._value

    def read_ahead(self) -> None:
        """Read the token before it is needed; a failure is left to its first use.

        For the init phase, which Lambda ends after ten seconds: no attempt begins after three.
        """
        deadline = Deadline(self._clock() + _AHEAD_SECONDS, self._clock)
        with deadline.in_force(), suppress(*_READ_ERRORS):
            self.read()

    def read(self) -> str:
        """Read the token again, as after Cloudflare rejected the current one."""
        try:
            answer = self._client.get_secret_value(SecretId=self.secret_id)
        except ClientError as error:
            remedy = _REMEDIES.get(error.response["Error"]["Code"])
            if remedy is None:
                raise
            raise SecretError(f"secret {self.secret_id!r}: {remedy}") from error
        self._value = self._parse(answer.get("SecretString"))
        self._read_at = self._clock()
        return self._value

    def _parse(self, text: str | None) -> str:
        """Find the token: the only text of the secret, or the value of one of the known keys."""
        token = (text or "").strip()
        if token.startswith("{"):
            token = self._parse_pairs(token)
        if not token:
            raise SecretError(f"secret {self.secret_id!r} is empty; {_SHAPE}")
        if not _TOKEN.fullmatch(token):
            raise SecretError(
                f"secret {self.secret_id!r} does not hold a Cloudflare token; {_SHAPE}"
            )
        return token

    def _parse_pairs(self, text: str) -> str:
        try:
            pairs = json.loads(text)
        except ValueError:  # it holds the secret, so nothing may be raised with it as context
            pairs = None
        if pairs is None:
            raise SecretError(f"secret {self.secret_id!r} is not valid JSON; {_SHAPE}")
        for key in KEYS:
            value = pairs.get(key)
            if isinstance(value, str) and value.strip():
                return value.strip()
        raise SecretError(f"secret {self.secret_id!r} has a token under none of its keys; {_SHAPE}")


_SHAPE: Final = (
    f"store the token under the key {KEYS[0]} (or {KEYS[1]}), or as the secret's only text"
)
_REMEDIES: Final = {
    "ResourceNotFoundException": "no such secret in this region; create it, or set "
    "SECRET_ARN to the one that holds the token",
    "AccessDeniedException": "this function may not read it; grant it "
    "secretsmanager:GetSecretValue on this secret, and kms:Decrypt on the key if it has its own",
    "InvalidRequestException": "it cannot be read now; restore it if it is marked for deletion",
    "DecryptionFailure": "it cannot be decrypted; grant this function kms:Decrypt on its key",
}
