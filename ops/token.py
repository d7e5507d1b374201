"""The Cloudflare token of a stage: read from the operator, tested in the zone, kept in a secret."""

from __future__ import annotations

import json
import re
import warnings
from getpass import GetPassWarning, getpass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from chalicelib.secrets import KEYS, LIFETIME
from ops.cloudflare_zone import ZoneView
from ops.stored_secret import NO_TEXT, SecretStoreError, StoredSecret
from ops.token_view import DNS_WRITE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    from chalicelib.settings.stage import Settings
    from ops.stored_secret import SecretStore

Stored: TypeAlias = Literal["created", "rotated", "unchanged"]

PROMPT: Final = "Cloudflare API token (what you paste is not shown): "

_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
# https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/
_GLOBAL_KEY = re.compile(r"cfk_.*|[0-9a-f]{37,45}")
_DESCRIPTION: Final = "Cloudflare API token of Elephant"


class TokenFormatError(Exception):
    """The input is not an API token. The message shows nothing of it."""


def read_token(
    stream: TextIO, prompt: Callable[[str], str] = getpass, right: str = DNS_WRITE
) -> str:
    """Read the token from a terminal without showing it, or the first line of anything else.

    Raises TokenFormatError if it is not an API token.
    """
    text = _typed(prompt) if stream.isatty() else _first_line(stream)
    return checked_token(text, right)


def checked_token(text: str, right: str = DNS_WRITE) -> str:
    """Return the token without surrounding whitespace. Raises TokenFormatError, which says why.

    `right` is the permission that it should have.
    """
    token = text.strip()
    if not token:
        raise TokenFormatError(
            "no token was given: paste it at the prompt, or pipe it in as the only line"
        )
    if not _TOKEN.fullmatch(token):
        raise TokenFormatError(
            "this is not an API token, which has only letters, digits, '_' and '-': give it alone, "
            "without quotes, spaces, 'Bearer' or the name of a variable"
        )
    if _GLOBAL_KEY.fullmatch(token):
        raise TokenFormatError(
            "this looks like the Global API Key, which may do everything in the account: create "
            f"an API token with {right} on the one zone instead, at "
            "https://dash.cloudflare.com/profile/api-tokens"
        )
    return token


def set_token(  # noqa: PLR0913 (the ends of the world, which a test replaces)
    settings: Settings,
    secrets_client: SecretStore,
    stream: TextIO,
    say: Callable[[str], None],
    *,
    prompt: Callable[[str], str] = getpass,
    overwrite: bool = False,
) -> Stored:
    """Read a stage's token, test it in the stage's zone, and only then store it.

    Until then the old token stays in place. Raises TokenFormatError, CloudflareError
    (WriteCheckError if the test failed) or SecretStoreError; botocore's other
    errors pass through.
    """
    return rotate(settings, secrets_client, read_token(stream, prompt), say, overwrite=overwrite)


def rotate(
    settings: Settings,
    secrets_client: SecretStore,
    token: str,
    say: Callable[[str], None],
    *,
    overwrite: bool = False,
) -> Stored:
    """Test a token in the stage's zone, then store it; raises like `set_token`."""
    token = checked_token(token)
    say(f"Testing the token: creating and removing a record in zone {settings.zone_id}")
    view = ZoneView(settings.cloudflare_api_url, token, settings.zone_id)
    proof = view.prove_write(
        settings.domain_root, settings.owner, proxied=settings.proxied, ttl=settings.ttl
    )
    say(f"The token can write in the zone: {proof.name} was created, found and removed")
    return store_token(secrets_client, settings.secret_id, token, say, overwrite=overwrite)


def store_token(
    secrets_client: SecretStore,
    secret_id: str,
    token: str,
    say: Callable[[str], None],
    *,
    overwrite: bool = False,
) -> Stored:
    """Store the token in the secret, in its existing format or that of a new secret.

    A secret of key-value pairs keeps its other pairs and its key, one of plain
    text stays plain. Other contents are left alone unless `overwrite` is set.
    Raises TokenFormatError or SecretStoreError; botocore's other errors pass through.
    """
    token = checked_token(token)
    secret = StoredSecret(secrets_client, secret_id, _DESCRIPTION)
    held = secret.read()
    if held is None:
        secret.create(_new(token))
        say(f"Secret {secret_id!r} was created with the token")
        return "created"
    text = _replaced(held, token)
    if text is None and not overwrite:
        raise SecretStoreError(
            f"secret {secret_id!r} holds something that is neither a Cloudflare token nor JSON of "
            "key-value pairs, and it was left as it is: name another secret, or have this one "
            "overwritten"
        )
    if text == held:
        say(f"Secret {secret_id!r} holds this token already")
        return "unchanged"
    secret.write(text or _new(token))
    say(
        f"Secret {secret_id!r} holds the new token; running functions use it within "
        f"{LIFETIME / 60:g} minutes; after that, the old one may be deleted at Cloudflare"
    )
    return "rotated"


def _replaced(held: str, token: str) -> str | None:
    """Replace the token in a secret's text; None if the text has another format.

    The text is returned unchanged if it holds this token.
    """
    text = held.strip()
    if not text:
        return _new(token)
    if text.startswith("{"):
        pairs = _pairs(text)
        if pairs is None:
            return None
        key = _key(pairs)
        return held if _value(pairs, key) == token else json.dumps({**pairs, key: token})
    if not _TOKEN.fullmatch(text):
        return None
    return held if text == token else token


def _pairs(text: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads(text))
    except ValueError:  # which holds the secret, so nothing is raised within its reach
        return None


def _key(pairs: Mapping[str, Any]) -> str:
    """Choose the key under which the application reads the token."""
    filled = (key for key in KEYS if _value(pairs, key))
    present = (key for key in KEYS if key in pairs)
    return next(filled, None) or next(present, KEYS[0])


def _value(pairs: Mapping[str, Any], key: str) -> str:
    value = pairs.get(key)
    return value.strip() if isinstance(value, str) else ""


def _new(token: str) -> str:
    return json.dumps({KEYS[0]: token})


def _typed(prompt: Callable[[str], str]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return prompt(PROMPT)
        except EOFError:
            return ""
        except GetPassWarning as warning:
            raise TokenFormatError(
                "this terminal cannot hide what is typed, so nothing was read: pipe the token in"
            ) from warning


def _first_line(stream: TextIO) -> str:
    try:
        return stream.readline()
    except UnicodeDecodeError:  # which holds what was read, so nothing is raised within its reach
        return NO_TEXT
