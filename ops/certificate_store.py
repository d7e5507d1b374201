"""Storage of a certificate and its key: two files on this machine, or one secret."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Protocol

from ops.certificate import CertificateError
from ops.stored_secret import StoredSecret

if TYPE_CHECKING:
    from pathlib import Path

    from ops.certificate import Pair
    from ops.stored_secret import SecretStore

CERTIFICATE_FILE: Final = "dcv.pem"
KEY_FILE: Final = "dcv.key"
"""What a DCV server calls them: https://docs.aws.amazon.com/dcv/latest/adminguide/manage-cert.html"""

_MODE: Final = 0o600
_DESCRIPTION: Final = "Certificate and key of Elephant's desktops, as dcv.pem and dcv.key"


class PairStore(Protocol):
    """Stores one pair, completely or not at all."""

    @property
    def kept(self) -> str:
        """Say where the pair is stored."""
        ...

    @property
    def how_to_take(self) -> str:
        """Say how to get the two files into a desktop's image from there."""
        ...

    def check(self, *, overwrite: bool) -> None:
        """Raise CertificateError if a pair could not be stored; called before one is created."""
        ...

    def keep(self, pair: Pair, *, overwrite: bool) -> None:
        """Store a pair; if that fails, earlier contents are unchanged."""
        ...


class PairFiles:
    """`dcv.pem` and `dcv.key` in a directory, readable only by their owner. Raises OSError too."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / CERTIFICATE_FILE
        self.key = directory / KEY_FILE
        self._directory = directory

    @property
    def kept(self) -> str:
        """Name the two files."""
        return f"{self.certificate} and {self.key} are written, readable only by you"

    @property
    def how_to_take(self) -> str:
        """Say that they should be moved, not copied."""
        return (
            "put both into the image that desktops start from, and delete them here; whoever has "
            f"{KEY_FILE} can impersonate a desktop"
        )

    def check(self, *, overwrite: bool) -> None:
        """Create the directory; raise CertificateError if it has such files, unless `overwrite`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        there = [str(path) for path in (self.certificate, self.key) if os.path.lexists(path)]
        if there and not overwrite:
            raise CertificateError(
                f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already: "
                "replace with --force, or write elsewhere with --to"
            )
        if not os.access(self._directory, os.W_OK | os.X_OK):
            raise CertificateError(f"{self._directory} is not writable; name another --to")

    def keep(self, pair: Pair, *, overwrite: bool) -> None:
        """Write both files, or neither."""
        aside: list[Path] = []
        with ExitStack() as undo:
            for path, text in ((self.key, pair.key), (self.certificate, pair.certificate)):
                if overwrite and os.path.lexists(path):
                    aside.append(_set_aside(path, undo))
                _create(path, text, undo)
            undo.pop_all()
        for path in aside:
            path.unlink()


class PairSecret:
    """A secret whose text is a JSON object with `dcv.pem` and `dcv.key`, for an image's build.

    Raises SecretStoreError too; botocore's other errors pass through.
    """

    def __init__(self, client: SecretStore, secret_id: str, region: str) -> None:
        self._id = secret_id
        self._region = region
        self._secret = StoredSecret(client, secret_id, _DESCRIPTION)

    @property
    def kept(self) -> str:
        """Name the secret."""
        return f"certificate and key are in secret {self._id!r} in {self._region}"

    @property
    def how_to_take(self) -> str:
        """Say how an image's build, with jq and permission, reads each of them."""
        return (
            "let the build of the desktops' image write each of the two, as in "
            f"`aws secretsmanager get-secret-value --secret-id {self._id} --region {self._region} "
            f"--query SecretString --output text | jq -r '.\"{KEY_FILE}\"' > {KEY_FILE}`"
        )

    def check(self, *, overwrite: bool) -> None:
        """Raise CertificateError if the secret holds a pair, unless `overwrite`, or other text."""
        held = self._secret.read()
        if not held:
            return
        if not _is_pair(held):
            raise CertificateError(
                f"secret {self._id!r} holds something other than a certificate, and was left as it "
                "is: name another secret"
            )
        if not overwrite:
            raise CertificateError(
                f"secret {self._id!r} holds a certificate already: replace it with --force (AWS "
                "keeps the old one as AWSPREVIOUS), or name another secret"
            )

    def keep(self, pair: Pair, *, overwrite: bool) -> None:
        """Store both as one text."""
        self.check(overwrite=overwrite)
        self._secret.create(json.dumps({CERTIFICATE_FILE: pair.certificate, KEY_FILE: pair.key}))


def _set_aside(path: Path, undo: ExitStack) -> Path:
    aside = path.with_name(f".{path.name}-{token_hex(4)}")
    path.rename(aside)
    undo.callback(aside.rename, path)
    return aside


def _create(path: Path, text: str, undo: ExitStack) -> None:
    """Write a new file that nobody else can read at any time."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    undo.callback(path.unlink)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _is_pair(text: str) -> bool:
    try:
        held = json.loads(text)
    except ValueError:
        return False
    return isinstance(held, dict) and set(held) == {CERTIFICATE_FILE, KEY_FILE}
