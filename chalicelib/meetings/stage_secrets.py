"""Secrets created by the supporting stack for a stage with meetings, and reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.meetings.keys import Seed, join_keys
from chalicelib.secrets import SecretError

if TYPE_CHECKING:
    from chalicelib.clients import SecretsManagerClient

SHORTEST_SEED: Final = 32
"""The minimum length of the text from which ids and keys are derived."""

_REMEDIES: Final = {
    "ResourceNotFoundException": "it does not exist; `elephant deploy STAGE` creates it",
    "AccessDeniedException": "this function may not read it; `elephant stage` writes the "
    "policy that grants it",
    "InvalidRequestException": "it cannot be read now; restore it if it is marked for deletion",
    "DecryptionFailure": "it cannot be decrypted; grant this function kms:Decrypt on its key",
}


class StageSecrets:
    """The Secrets Manager client."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client

    def read_secret(self, name: str) -> str:
        """Return the text of a secret, empty if it has none.

        Raises SecretError if AWS refuses for a reason that somebody can fix, and what botocore
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
    """Derives meetings' ids and join keys from a dedicated secret.

    So they outlast the keys for scheduling, and no holder of such a key can compute them. The
    secret never changes, so it is read once for each execution environment.
    """

    def __init__(self, client: SecretsManagerClient) -> None:
        self._secrets = StageSecrets(client)
        self._secret = b""

    def seed_of(self, caller: str, idempotency_key: str, secret_name: str) -> Seed:
        """Return the seed of a caller's request: the same one each time.

        Raises SecretError if the secret is missing or too short, and what botocore raises.
        """
        return Seed.derived(self._read(secret_name), caller, idempotency_key)

    def join_keys_of(self, meeting_id: str, secret_name: str) -> dict[str, str]:
        """Return the key of each role's link. Raises what `seed_of` raises."""
        return join_keys(self._read(secret_name), meeting_id)

    def _read(self, secret_name: str) -> bytes:
        if not self._secret:
            text = self._secrets.read_secret(secret_name)
            if len(text) < SHORTEST_SEED:
                raise SecretError(
                    f"secret {secret_name!r} does not hold {SHORTEST_SEED} or more characters; "
                    "restore its old value or, if that is lost, store a random one"
                )
            self._secret = text.encode()
        return self._secret
