"""The keys with which meetings are scheduled: who has how many, and changes of their secret."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.meetings.authorizer import ONLY_CALLER, keys_in
from ops.account import error_code, readable_errors
from ops.check import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.account import Account
    from ops.stages import Stage

ATTEMPTS: Final = 3
"""How often a change is made again because somebody else changed the secret meanwhile."""
LARGEST_SECRET: Final = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""

_CURRENT: Final = "AWSCURRENT"
_RANDOM_BYTES: Final = 24
_LONGEST_NAME: Final = 40
"""Shorter than a key, so that a key given by mistake is no name, and is not shown."""
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@+-]{{0,{_LONGEST_NAME - 1}}}")
_UNUSABLE: Final = (
    "the secret holds something besides valid keys, so that the API accepts none: `elephant "
    "doctor` says how to store others"
)
_MADE_HERE: Final = re.compile(r"elephant-(\d{8})-[\w-]{32}", re.ASCII)


class KeysError(Exception):
    """The keys cannot be read, or cannot be changed like that; nothing was changed.

    The message says why and what to do, and contains no key.
    """


def new_key(now: datetime) -> str:
    """Make a random key of 192 bits. It begins with the day, and a word to find leaked ones by."""
    return f"elephant-{now.astimezone(UTC):%Y%m%d}-{secrets.token_urlsafe(_RANDOM_BYTES)}"


def day_of(key: str) -> date | None:
    """Return the day on which a key was made; None for one that was not made here."""
    found = _MADE_HERE.fullmatch(key)
    with suppress(ValueError):
        return datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC).date() if found else None
    return None


@dataclass(frozen=True)
class KeyRing:
    """The keys of each name; of several, the newest is the first. Its methods raise KeysError."""

    keys: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Parse a secret's text as the application does: one key, or an object of names and keys.

        What the application does not accept is refused, so that it is not overwritten.
        """
        text = text.strip()
        found: dict[str, object] = {ONLY_CALLER: text} if text else {}
        if text.startswith("{"):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):  # its error would contain the secret
                raise KeysError(_UNUSABLE) from None
        lists = {name: keys if isinstance(keys, list) else [keys] for name, keys in found.items()}
        if any(lists.values()) and not keys_in(text):
            raise KeysError(_UNUSABLE)
        return cls({name: tuple(map(str.strip, keys)) for name, keys in lists.items() if keys})

    @property
    def text(self) -> str:
        """The secret's text."""
        named = {name: keys[0] if len(keys) == 1 else keys for name, keys in self.keys.items()}
        text = json.dumps(named)
        if len(text) > LARGEST_SECRET:
            raise KeysError(f"{len(named)} names are more than a secret can hold: remove some")
        return text

    def of(self, name: str) -> tuple[str, ...]:
        """Return the keys of a name, which has to exist."""
        if name not in self.keys:
            known = ", ".join(self.keys) or "nobody"
            raise KeysError(f"{_shown(name)} has no key; these have: {known}")
        return self.keys[name]

    def added(self, name: str, key: str) -> KeyRing:
        """Return the keys with the first one of a new name."""
        if not _NAME.fullmatch(name):
            raise KeysError(
                f"{_shown(name)} cannot be a name: use up to {_LONGEST_NAME} letters, digits and "
                ". _ @ + - and begin with a letter or digit; it is shown in logs and lists"
            )
        like = next((each for each in self.keys if each.casefold() == name.casefold()), None)
        if like == name:
            raise KeysError(f"{name!r} has a key already: replace it with `rotate {name}`")
        if like:
            raise KeysError(f"{name!r} is too much like {like!r}: choose another name")
        return KeyRing({**self.keys, name: (key,)})

    def rotated(self, name: str, key: str) -> KeyRing:
        """Return the keys with another one of a name, whose others stay."""
        return KeyRing({**self.keys, name: (key, *self.of(name))})

    def finished(self, name: str) -> KeyRing:
        """Return the keys with only the newest one of a name."""
        return KeyRing({**self.keys, name: self.of(name)[:1]})

    def without(self, name: str, *, force: bool = False) -> KeyRing:
        """Return the keys without those of a name; without the last name only with `force`."""
        self.of(name)
        left = {other: keys for other, keys in self.keys.items() if other != name}
        if not left and not force:
            raise KeysError(
                f"{name!r} is the last one with a key: without any, the API answers everybody "
                "with 503. Add another first, or use --force"
            )
        return KeyRing(left)


def _shown(name: str) -> str:
    """Quote a name that is refused, unless it may be a key."""
    return repr(name) if len(name) <= _LONGEST_NAME else "what was given"


class KeySecret:
    """The secret with a stage's keys. Its methods raise KeysError and AwsError."""

    def __init__(self, stage: Stage, account: Account) -> None:
        self._client: Any = account.client("secretsmanager")
        self._id = stage.place.schedule_secret
        self._stage = stage.name

    def read(self) -> KeyRing:
        """Return the keys."""
        _, text = self._current()
        return KeyRing.parse(text)

    def change(self, edit: Callable[[KeyRing], KeyRing]) -> KeyRing:
        """Edit the keys, and store and return the result.

        If somebody else changes them meanwhile, theirs are read and edited: no change is lost.
        """
        for _ in range(ATTEMPTS):
            version, text = self._current()
            before = KeyRing.parse(text)
            after = edit(before)
            if after == before or self._replace(version, after.text):
                return after
        raise KeysError(
            f"secret {self._id!r} is being changed by somebody else: run the same command again"
        )

    def _replace(self, version: str, text: str) -> bool:
        """Store the text if this is still the current version; return whether it was.

        The text is stored beside it first: only the label that names the current version can be
        moved on a condition.
        https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
        """
        new = str(uuid4())
        label = f"elephant-{new}"
        with readable_errors(f"store a version of secret {self._id!r}"):
            self._client.put_secret_value(
                SecretId=self._id, ClientRequestToken=new, SecretString=text, VersionStages=[label]
            )
        with readable_errors(f"make a version of secret {self._id!r} the current one"):
            is_replaced = self._move(version, new)
        with suppress(ClientError, BotoCoreError):  # AWS removes versions without a label
            self._client.update_secret_version_stage(
                SecretId=self._id, VersionStage=label, RemoveFromVersionId=new
            )
        return is_replaced

    def _move(self, version: str, new: str) -> bool:
        """Make another version the current one instead of this; return whether it is."""
        try:
            self._client.update_secret_version_stage(
                SecretId=self._id,
                VersionStage=_CURRENT,
                RemoveFromVersionId=version,
                MoveToVersionId=new,
            )
        except (ClientError, BotoCoreError):
            now, _ = self._current()  # the answer may have been lost
            if now == version:
                raise
            return now == new
        return True

    def _current(self) -> tuple[str, str]:
        """Return the current version and its text."""
        with readable_errors(f"read secret {self._id!r}"):
            try:
                answer = self._client.get_secret_value(SecretId=self._id, VersionStage=_CURRENT)
            except ClientError as error:
                if error_code(error) != NOT_FOUND:
                    raise
                raise KeysError(
                    f"secret {self._id!r} does not exist: `elephant deploy {self._stage}` creates "
                    "it; if it was deleted, `elephant doctor` says what to do"
                ) from None
        return answer["VersionId"], answer.get("SecretString", "")
