"""The named keys with which a stage's people and front ends schedule meetings."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chalicelib.meetings.authorizer import keys_in
from ops.stored_secret import SecretChangedError, StoredSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.stages import Stage
    from ops.stored_secret import SecretStore, SecretVersion

ATTEMPTS: Final = 3
"""Attempts to change the keys while somebody else changes them."""

_KEY_BYTES: Final = 32
"""256 bits, or 43 characters."""
_LONGEST_NAME: Final = 40
"""Shorter than a key, so that a key given by mistake is no name, and is not shown."""
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@-]{{0,{_LONGEST_NAME - 1}}}")
_LARGEST: Final = 65_536
"""https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html"""
_DESCRIPTION: Final = "The keys for scheduling meetings"


class KeysError(Exception):
    """The keys cannot be read, or not be changed like that; nothing was. The message shows none."""


@dataclass(frozen=True)
class NamedKeys:
    """The keys of each name, the newest first."""

    _keys: Mapping[str, tuple[str, ...]] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> NamedKeys | None:
        """Parse a secret's text as the API does; None if the API would accept no key of it."""
        held: dict[str, tuple[str, ...]] = {}
        for key, name in keys_in(text.strip()).items():
            held[name] = (*held.get(name, ()), key)
        return cls(held) if held or text.strip() == "{}" else None

    @property
    def counts(self) -> dict[str, int]:
        """How many keys each name has."""
        return {name: len(keys) for name, keys in self._keys.items()}

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """Every name with each of its keys."""
        return frozenset((name, key) for name, keys in self._keys.items() for key in keys)

    @property
    def text(self) -> str:
        """The secret's text."""
        return json.dumps(
            {name: keys[0] if len(keys) == 1 else keys for name, keys in self._keys.items()}
        )

    def added(self, name: str, key: str) -> NamedKeys:
        """Add a name with its first key. Raises KeysError."""
        if not _NAME.fullmatch(name):
            raise KeysError(
                f"a name has 1 to {_LONGEST_NAME} of A-Z, a-z, 0-9, '.', '_', '@' and '-', and "
                "begins with a letter or digit: it is in logs and in the rows of its meetings"
            )
        like = next((each for each in self._keys if each.casefold() == name.casefold()), None)
        if like is not None:
            raise KeysError(
                f"there is a key named {like!r} already: replace it with `rotate {like}`, or "
                "choose a name that differs in more than its case"
            )
        return NamedKeys({**self._keys, name: (key,)})

    def rotated(self, name: str, key: str) -> NamedKeys:
        """Give a name another key; its others stay valid. Raises KeysError."""
        return NamedKeys({**self._keys, name: (key, *self._of(name))})

    def finished(self, name: str) -> NamedKeys:
        """Remove every key of a name but the newest. Raises KeysError."""
        newest, *others = self._of(name)
        if not others:
            raise KeysError(
                f"{name!r} has one key, so there is no rotation to finish: begin one with `rotate "
                f"{name}`"
            )
        return NamedKeys({**self._keys, name: (newest,)})

    def removed(self, name: str, *, force: bool) -> NamedKeys:
        """Remove a name with all its keys. Raises KeysError."""
        self._of(name)
        left = {each: keys for each, keys in self._keys.items() if each != name}
        if not left and not force:
            raise KeysError(
                "these are the last keys: without any, nobody can schedule, see or cancel a "
                "meeting, and the API answers 503. Add another name first, or use --force"
            )
        return NamedKeys(left)

    def _of(self, name: str) -> tuple[str, ...]:
        if name not in self._keys:
            raise KeysError(
                f"no key has this name; existing: {', '.join(map(repr, self._keys)) or 'none'}"
            )
        return self._keys[name]


class KeyRing:
    """The keys in a stage's secret. Raises KeysError, SecretStoreError and botocore's errors."""

    def __init__(self, client: SecretStore, stage: Stage) -> None:
        self._stage = stage
        self._name = stage.place.schedule_secret
        self._secret = StoredSecret(client, self._name, _DESCRIPTION)

    def read(self) -> NamedKeys:
        """Read the keys."""
        return self._read()[1]

    def change(self, change: Callable[[NamedKeys], NamedKeys]) -> NamedKeys:
        """Change the keys and return those before; somebody else's change is never overwritten.

        If there is one, `change` is called again with what is there then.
        """
        for _ in range(ATTEMPTS - 1):
            try:
                return self._change(change)
            except SecretChangedError:
                continue
        return self._change(change)

    def _change(self, change: Callable[[NamedKeys], NamedKeys]) -> NamedKeys:
        version, before = self._read()
        after = change(before)
        if len(after.text) > _LARGEST:
            raise KeysError(f"there is no room for another key in secret {self._name!r}")
        self._secret.replace(version, after.text)
        _, now = self._read()
        new, old = after.pairs - before.pairs, before.pairs - after.pairs
        if new - now.pairs or old & now.pairs:
            raise KeysError(
                f"secret {self._name!r} was overwritten by somebody else a moment later: see what "
                f"it holds with `elephant keys {self._stage.name}`, and repeat this"
            )
        return before

    def _read(self) -> tuple[SecretVersion, NamedKeys]:
        version = self._secret.read_version()
        if version is None:
            raise KeysError(
                f"secret {self._name!r} does not exist: create it with `elephant deploy "
                f"{self._stage.name}`"
            )
        keys = NamedKeys.parse(version.text)
        if keys is None:
            raise KeysError(
                f"secret {self._name!r} holds neither a key nor a JSON object of names and keys, "
                "so nobody can schedule meetings; it was left as it is. Correct it, or begin with "
                f"no keys: `aws secretsmanager put-secret-value --secret-id {self._name} "
                f"--secret-string '{{}}' --region {self._stage.region}`"
            )
        return version, keys


def new_key() -> str:
    """Make a random key of URL-safe characters."""
    return secrets.token_urlsafe(_KEY_BYTES)
