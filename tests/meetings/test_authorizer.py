"""Only who shows a key of the secret may schedule; the keys are read seldom, and never shown."""

from __future__ import annotations

import hmac
import json
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.meetings.authorizer import FRESH, LIFETIME, Authorizer, Caller, UnauthorizedError
from chalicelib.secrets import SecretError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.world import World

NAME = "elephant-test-schedule-key"
KEY = "k3y-0f-the-front-end-0123456789abcdef"
OTHER = "k3y-0f-the-office-0123456789abcdefgh"


class Vault:
    """Secrets Manager with one secret, and how often it was read."""

    def __init__(self, text: str = KEY) -> None:
        self.text = text
        self.reads: list[object] = []
        self.error: Exception | None = None
        self.now = 1_000_000.0
        self.authorizer = Authorizer(self, lambda: self.now)

    def get_secret_value(self, **request: object) -> Mapping[str, Any]:
        self.reads.append(request)
        if self.error:
            raise self.error
        return {"SecretString": self.text}

    def caller(self, key: str) -> str:
        return self.authorizer.caller_of(f"Bearer {key}", NAME).name

    def refuses(self, key: str) -> bool:
        with pytest.raises(UnauthorizedError):
            self.caller(key)
        return True


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")


def test_the_key_of_the_secret_is_good(world: World) -> None:
    world.secrets.create_secret(Name=NAME, SecretString=KEY)

    caller = Authorizer(world.app_secrets).caller_of(f"Bearer {KEY}", NAME)

    assert caller == Caller("default")


def test_each_caller_may_have_a_key() -> None:
    vault = Vault(json.dumps({"front end": KEY, "office": OTHER}))

    assert (vault.caller(KEY), vault.caller(OTHER)) == ("front end", "office")


def test_a_key_is_rotated_under_the_callers_name() -> None:
    vault = Vault(json.dumps({"front end": [KEY, OTHER], "office": "k3y" * 9}))

    assert vault.caller(KEY) == vault.caller(OTHER) == "front end"


@pytest.mark.parametrize("header", [f"bearer {KEY}", f"BEARER   {KEY} "])
def test_the_scheme_may_be_spelled_in_any_case(header: str) -> None:
    """As https://www.rfc-editor.org/rfc/rfc9110#section-11.1 says."""
    assert Vault().authorizer.caller_of(header, NAME).name == "default"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer {KEY} x",
        f"Bearer\n{KEY}",
        f"Bearer {KEY}\n",
        "Bearer k\u00e9y",
        "Bearer \ud800",
    ],
)
def test_who_shows_no_key_is_refused_and_the_secret_is_not_read(header: str | None) -> None:
    vault = Vault()

    with pytest.raises(UnauthorizedError, match="Authorization: Bearer KEY"):
        vault.authorizer.caller_of(header, NAME)

    assert vault.reads == []


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=50))
def test_no_other_key_is_good(key: str) -> None:
    if key != KEY:
        assert Vault().refuses(key)


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "x", KEY.upper(), "default", "x"])
def test_a_key_that_is_nearly_right_is_refused(key: str) -> None:
    assert Vault().refuses(key)


@pytest.mark.parametrize("key", [KEY, OTHER, "wrong", KEY[:-1] + "x"])
def test_the_time_of_a_comparison_tells_nothing(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this function of Python's library takes as long for whatever differs where."""
    vault = Vault(json.dumps({"front end": KEY, "office": OTHER}))
    compared: list[int] = []
    compare = hmac.compare_digest

    def noting(one: bytes, another: bytes) -> bool:
        compared.append(len(one) - len(another))
        return compare(one, another)

    monkeypatch.setattr(hmac, "compare_digest", noting)

    with suppress(UnauthorizedError):
        vault.caller(key)

    assert compared == [0, 0], "every key, whichever it is"


# When it is read


def test_the_keys_are_read_once_in_five_minutes() -> None:
    vault = Vault()

    for _ in range(3):
        vault.caller(KEY)
    vault.now += LIFETIME - 1
    vault.caller(KEY)
    assert vault.reads == [{"SecretId": NAME}]

    vault.now += 1
    vault.caller(KEY)
    assert len(vault.reads) == 2


def test_a_key_that_was_taken_away_is_refused_five_minutes_later() -> None:
    vault = Vault()
    vault.caller(KEY)

    vault.text = OTHER
    vault.now += LIFETIME

    assert vault.refuses(KEY)
    assert vault.caller(OTHER) == "default"


def test_a_new_key_is_good_at_once() -> None:
    vault = Vault()
    vault.caller(KEY)

    vault.text = OTHER
    vault.now += FRESH

    assert vault.caller(OTHER) == "default"
    assert vault.refuses(KEY)


def test_whoever_tries_keys_does_not_have_the_secret_read_for_each() -> None:
    vault = Vault()

    for number in range(3 * round(FRESH)):
        vault.refuses(f"guess-{number}")
        vault.now += 1

    assert len(vault.reads) == 3


# What fails


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "too-short",
        "with a space in its middle",
        "{",
        "{}",
        '{"front end": ""}',
        json.dumps({"front end": KEY, "office": "too-short"}),
        json.dumps({"front end": KEY, "office": None}),
        json.dumps({"front end": [KEY, ""]}),
        '{"front end": []}',
        '{"a":' * 100_000,
    ],
)
def test_a_secret_without_keys_lets_nobody_in(text: str) -> None:
    vault = Vault(text)

    with pytest.raises(SecretError, match=f"secret '{NAME}' does not hold keys; store one key"):
        vault.caller(KEY)


def test_a_secret_of_bytes_lets_nobody_in(world: World) -> None:
    world.secrets.create_secret(Name=NAME, SecretBinary=KEY.encode())

    with pytest.raises(SecretError):
        Authorizer(world.app_secrets).caller_of(f"Bearer {KEY}", NAME)


def test_a_secret_that_is_not_there_is_named_with_what_to_do(world: World) -> None:
    with pytest.raises(SecretError, match=f"'{NAME}': it does not exist; .*elephant deploy"):
        Authorizer(world.app_secrets).caller_of(f"Bearer {KEY}", NAME)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "may not read it"),
        ("InvalidRequestException", "marked for deletion"),
        ("DecryptionFailure", "kms:Decrypt"),
    ],
)
def test_a_secret_that_may_not_be_read_says_what_to_do(code: str, remedy: str) -> None:
    vault = Vault()
    vault.error = refusal(code)

    with pytest.raises(SecretError, match=remedy):
        vault.caller(KEY)


@pytest.mark.parametrize(
    "error",
    [refusal("ThrottlingException"), ConnectTimeoutError(endpoint_url="https://secrets")],
)
def test_who_cannot_be_known_is_not_let_in(error: Exception) -> None:
    """Nor is a key used for longer because it cannot be read whether it is still good."""
    vault = Vault()
    vault.caller(KEY)
    vault.error = error
    vault.now += LIFETIME

    with pytest.raises(type(error)):
        vault.caller(KEY)

    vault.error = None
    assert vault.caller(KEY) == "default"


# What is never shown


def test_keys_are_never_shown() -> None:
    vault = Vault(json.dumps({"front end": KEY}))
    caller = vault.authorizer.caller_of(f"Bearer {KEY}", NAME)

    assert KEY not in f"{caller} {caller!r} {vault.authorizer!r} {vars(vault.authorizer)!r}"


@pytest.mark.parametrize("text", ["{" + KEY, json.dumps({"office": f"{KEY} "[:12]})])
def test_errors_do_not_show_the_secret(text: str) -> None:
    with pytest.raises(SecretError) as caught:
        Vault(text).caller(KEY)

    said = "".join(traceback.format_exception(caught.value))
    behind = [caught.value.__cause__, caught.value.__context__]
    assert text[1:] not in said + repr(behind)
    assert KEY[:12] not in str(caught.value) + repr(caught.value.args) + repr(behind)


def test_refusals_do_not_show_the_key() -> None:
    with pytest.raises(UnauthorizedError) as caught:
        Vault().caller("a-key-that-is-wrong")

    assert "a-key-that-is-wrong" not in repr(caught.value)
