"""Only a key of the secret authorizes scheduling; the keys are read rarely, and never shown."""

from __future__ import annotations

import hmac
import json
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import assume, example, given
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib.meetings.authorizer import FRESH, LIFETIME, Authorizer, Caller, UnauthorizedError
from chalicelib.secrets import SecretError
from tests.answers import Vault, refusal
from tests.world import REGION

if TYPE_CHECKING:
    from botocore.session import Session

NAME = "elephant-test-schedule-key"
KEY = "k3y-0f-the-front-end-0123456789abcdef"
OTHER = "k3y-0f-the-office-0123456789abcdefgh"


class Door(Vault):
    """An authorizer, and the secret of its keys."""

    def __init__(self, text: str = KEY) -> None:
        super().__init__(text)
        self.authorizer = Authorizer(self, lambda: self.now)

    def caller(self, key: str) -> str:
        return self.authorizer.caller_of(f"Bearer {key}", NAME).name

    def refuses(self, key: str) -> bool:
        with pytest.raises(UnauthorizedError):
            self.caller(key)
        return True


@pytest.mark.parametrize(
    ("text", "callers"),
    [
        (KEY, {KEY: "default"}),
        (f" {KEY}\n", {KEY: "default"}),
        (json.dumps({"front end": KEY, "office": OTHER}), {KEY: "front end", OTHER: "office"}),
        (json.dumps({"front end": [KEY, OTHER]}), {KEY: "front end", OTHER: "front end"}),
    ],
    ids=["one key", "with spaces", "a key for each caller", "being rotated"],
)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_key_of_the_secret_names_its_caller(
    text: str, callers: dict[str, str], scheme: str
) -> None:
    """In any case of the scheme: https://www.rfc-editor.org/rfc/rfc9110#section-11.1 says so."""
    caller_of = Door(text).authorizer.caller_of

    assert {key: caller_of(f"{scheme}{key} ", NAME).name for key in callers} == callers


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY} x"),
        *(f"Bearer\n{KEY}", f"Bearer {KEY}\n", "Bearer k\u00e9y", "Bearer \ud800"),
    ],
)
def test_without_a_key_a_request_is_refused_and_the_secret_is_not_read(header: str | None) -> None:
    door = Door()

    with pytest.raises(UnauthorizedError, match="Authorization: Bearer KEY"):
        door.authorizer.caller_of(header, NAME)

    assert door.reads == []


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=50))
@example(KEY[:-1])
@example(KEY + "x")
@example(KEY.upper())
@example("default")
def test_no_other_key_is_good(key: str) -> None:
    assume(key != KEY)
    with pytest.raises(UnauthorizedError) as caught:
        Door().caller(key)

    assert str(caught.value) == "the key is not one that may schedule meetings"


@pytest.mark.parametrize("key", [KEY, OTHER, "wrong", KEY[:-1] + "x"])
def test_the_time_of_a_comparison_reveals_nothing(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only this function of Python's library takes as long wherever the texts differ."""
    door = Door(json.dumps({"front end": KEY, "office": OTHER}))
    compare = Mock(wraps=hmac.compare_digest)
    monkeypatch.setattr(hmac, "compare_digest", compare)

    with suppress(UnauthorizedError):
        door.caller(key)

    lengths = [tuple(map(len, call.args)) for call in compare.call_args_list]
    assert lengths == [(32, 32)] * 2, "every key is compared"


# When it is read


def test_the_keys_are_read_once_in_five_minutes() -> None:
    door = Door()

    for _ in range(3):
        door.caller(KEY)
    door.now += LIFETIME - 1
    door.caller(KEY)
    assert door.reads == [{"SecretId": NAME}]

    door.now += 1
    door.caller(KEY)
    assert len(door.reads) == 2


@pytest.mark.parametrize("seconds", [FRESH, LIFETIME])
def test_a_new_key_is_good_at_once_and_an_old_one_is_refused_in_five_minutes(
    seconds: float,
) -> None:
    door = Door()
    door.caller(KEY)

    door.text = OTHER
    door.now += seconds

    if seconds == LIFETIME:
        assert door.refuses(KEY)
    assert door.caller(OTHER) == "default"
    assert door.refuses(KEY)


def test_guessing_keys_does_not_read_the_secret_each_time() -> None:
    door = Door()

    for number in range(3 * round(FRESH)):
        door.refuses(f"guess-{number}")
        door.now += 1

    assert len(door.reads) == 3


# What fails


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "too-short", "with a space in its middle", "{" + KEY, "{}"),
        *('{"front end": ""}', '{"front end": []}', '{"a":' * 100_000),
        json.dumps({"front end": KEY, "office": "too-short"}),
        json.dumps({"front end": KEY, "office": None}),
        json.dumps({"front end": KEY, "office": f"{OTHER} "[:12]}),
        json.dumps({"front end": [KEY, ""]}),
    ],
    ids=lambda text: text[:20],
)
def test_a_secret_without_keys_lets_nobody_in_and_is_not_shown(text: str) -> None:
    door = Door(text)

    with pytest.raises(
        SecretError, match=f"secret '{NAME}' does not hold keys; store one"
    ) as caught:
        door.caller(KEY)

    behind = [caught.value.__cause__, caught.value.__context__]
    shown = "".join(traceback.format_exception(caught.value)) + repr(behind)
    assert not [key for key in (KEY, OTHER[:12]) if key in shown]


@pytest.mark.parametrize(
    "error", [refusal("ThrottlingException"), ConnectTimeoutError(endpoint_url="https://secrets")]
)
def test_while_the_keys_cannot_be_read_nobody_is_let_in(error: Exception) -> None:
    """Nor is a key used for longer because it is unknown whether it is still good."""
    door = Door()
    door.caller(KEY)
    door.error = error
    door.now += LIFETIME

    with pytest.raises(type(error)):
        door.caller(KEY)

    door.error = None
    assert door.caller(KEY) == "default"


def test_the_secret_is_read_from_secrets_manager(session: Session) -> None:
    with mock_aws():
        client: Any = session.create_client("secretsmanager", region_name=REGION)
        client.create_secret(Name=NAME, SecretString=KEY)
        client.create_secret(Name="binary", SecretBinary=KEY.encode())

        assert Authorizer(client).caller_of(f"Bearer {KEY}", NAME) == Caller("default")
        with pytest.raises(SecretError, match="'binary' does not hold keys"):
            Authorizer(client).caller_of(f"Bearer {KEY}", "binary")
        with pytest.raises(SecretError, match="'missing': it does not exist"):
            Authorizer(client).caller_of(f"Bearer {KEY}", "missing")


def test_keys_are_never_shown() -> None:
    door = Door(json.dumps({"front end": KEY}))
    caller = door.authorizer.caller_of(f"Bearer {KEY}", NAME)

    assert KEY not in f"{caller} {caller!r} {door.authorizer!r} {vars(door.authorizer)!r}"
