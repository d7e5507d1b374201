"""Secrets that the supporting stack makes for a stage with meetings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.meetings.keys import Seed
from chalicelib.secrets import SecretError

if TYPE_CHECKING:
    from chalicelib.secrets import SecretsManagerClient

SHORTEST_SEED: Final = 32
"""Characters that the text which seeds are derived from has at least."""

_REMEDIES: Final = {
    "ResourceNotFoundException": "there is none; `elephant deploy STAGE` makes it",
    "AccessDeniedException": "this function may not read it; `elephant stage` writes the "
    "policy that grants it",
    "InvalidRequestException": "it cannot be read now; restore it if it is marked for deletion",
    "DecryptionFailure": "it cannot be decrypted; grant this function kms:Decrypt on its key",
}


class StageSecrets:
    """The end of Secrets Manager."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client

    def read_secret(self, name: str) -> str:
        """Return the text of a secret, empty if it has none.

        Raises SecretError if AWS refuses for a reason that a person can remove, and what botocore
        raises otherwise.
        """
        try:
            answer = self._client.get_secret_value(SecretId=name)
        except ClientError as error:
            remedy = _REMEDIES.get(error.response["Error"]["Code"])
            if remedy is None:
                raise
            raise SecretError(f"secret {name!r}: {remedy}") from error
        return str(answer.get("SecretString", "")).strip()


class Seeds:
    """Derives the seeds of requests with an Idempotency-Key from a secret made for this alone.

    So they outlast every key to schedule with, and none of their holders can compute them. It never
    changes, so it is read once for an execution environment.
    """

    def __init__(self, client: SecretsManagerClient) -> None:
        self._secrets = StageSecrets(client)
        self._secret = b""

    def seed_of(self, caller: str, idempotency_key: str, secret_name: str) -> Seed:
        """Return the seed of a caller's request: the same one each time.

        Raises SecretError if the secret is not there or is too short, and what botocore raises.
        """
        if not self._secret:
            text = self._secrets.read_secret(secret_name)
            if len(text) < SHORTEST_SEED:
                raise SecretError(
                    f"secret {secret_name!r} does not hold {SHORTEST_SEED} or more characters; put "
                    "back the value that it had, or, if that is lost, a random one"
                )
            self._secret = text.encode()
        return Seed.derived(self._secret, caller, idempotency_key)
