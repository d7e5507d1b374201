"""A secret in Secrets Manager that the operator fills, with remedies for AWS's refusals."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from ops.account import error_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NO_TEXT: Final = "\N{REPLACEMENT CHARACTER}"
"""Stands for a value that is not text."""

_NOT_FOUND: Final = "ResourceNotFoundException"
_EXISTS: Final = "ResourceExistsException"
_KEY: Final = (
    "its KMS key cannot be used; enable the key and grant yourself kms:Decrypt and "
    "kms:GenerateDataKey on it"
)
_REMEDIES: Final = {
    "AccessDeniedException": "grant yourself this right on the secret, and kms:Decrypt and "
    "kms:GenerateDataKey on its key if it has its own",
    "InvalidRequestException": "if it is marked for deletion, `aws secretsmanager restore-secret "
    "--secret-id {secret}` brings it back; otherwise name another secret",
    "DecryptionFailure": _KEY,
    "EncryptionFailure": _KEY,
    _NOT_FOUND: "there is no secret with this ARN in this region; correct it, or give a name and "
    "the secret is created",
    "InvalidParameterException": "name another secret",
    "ValidationException": "name another secret",
}


class SecretStoreError(Exception):
    """The secret cannot be read or written; it is unchanged. The message says what to do."""


class SecretStore(Protocol):
    """The calls made to Secrets Manager."""

    def get_secret_value(self, **request: object) -> Mapping[str, Any]:
        """`GetSecretValue` of the API reference."""
        ...

    def create_secret(self, **request: object) -> Mapping[str, Any]:
        """`CreateSecret` of the API reference."""
        ...

    def put_secret_value(self, **request: object) -> Mapping[str, Any]:
        """`PutSecretValue` of the API reference."""
        ...


class StoredSecret:
    """One secret in Secrets Manager; its errors say what to do."""

    def __init__(self, client: SecretStore, secret_id: str, description: str) -> None:
        self._client = client
        self._id = secret_id
        self._description = description

    def read(self) -> str | None:
        """Return its text (NO_TEXT for bytes), or None if there is no secret or no value yet."""
        with self._explained():
            try:
                answer = self._client.get_secret_value(SecretId=self._id)
            except ClientError as error:
                if error_code(error) != _NOT_FOUND:
                    raise
                return None
        return str(answer.get("SecretString", NO_TEXT))

    def create(self, text: str) -> None:
        """Create the secret, or set the first value of an existing one."""
        if self._id.startswith("arn:"):  # an ARN is AWS's to give
            self.write(text)
            return
        with self._explained():
            try:
                self._client.create_secret(
                    Name=self._id, Description=self._description, SecretString=text
                )
            except ClientError as error:
                if error_code(error) != _EXISTS:
                    raise
                self.write(text)

    def write(self, text: str) -> None:
        """Make this its current value; AWS keeps the previous one as AWSPREVIOUS."""
        with self._explained():
            self._client.put_secret_value(SecretId=self._id, SecretString=text)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            remedy = _REMEDIES.get(error_code(error))
            if remedy is None:
                raise
            said = error.response["Error"].get("Message", "")
            raise SecretStoreError(
                f"secret {self._id!r}: {error.operation_name} was refused: "
                f"{remedy.format(secret=self._id)}; AWS said: {said}"
            ) from error
