"""The token is found in every usual form, read rarely, and never shown."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from chalicelib.secrets import SecretError, Token
from tests.answers import Vault, refusal
from tests.world import REGION

if TYPE_CHECKING:
    from botocore.session import Session

SECRET = "prod/elephant/cloudflare"
TOKEN = "v1_0-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
OTHER = "another-token"
SHAPE = (
    "store the token under the key CLOUDFLARE_TOKEN (or CLOUDFLARE_API_TOKEN), "
    "or as the secret's only text"
)


class Store(Vault):
    """A token, and the secret that holds it."""

    def __init__(self, text: str | None = TOKEN) -> None:
        super().__init__(text)
        self.token = Token(self, SECRET, clock=lambda: self.now)

    def failure(self) -> SecretError:
        """Read the token, which must fail, and return the error."""
        with pytest.raises(SecretError) as caught:
            self.token.value()
        return caught.value


def everything_shown_by(error: BaseException) -> str:
    """Return everything that a log may show of an error and its causes."""
    shown = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind:
        shown += f"{behind!r} {behind} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return shown


def pairs(**values: object) -> str:
    return json.dumps(values)


@pytest.mark.parametrize(
    "text",
    [
        pairs(CLOUDFLARE_TOKEN=TOKEN),
        pairs(CLOUDFLARE_API_TOKEN=TOKEN),
        pairs(CLOUDFLARE_API_TOKEN=OTHER, CLOUDFLARE_TOKEN=TOKEN),
        pairs(CLOUDFLARE_TOKEN=" ", CLOUDFLARE_API_TOKEN=TOKEN),
        pairs(ZONE="x", CLOUDFLARE_TOKEN=TOKEN, n=1),
        pairs(CLOUDFLARE_TOKEN=f" {TOKEN}\n"),
        f"\n {pairs(CLOUDFLARE_TOKEN=TOKEN)}\n",
        TOKEN,
        f"  {TOKEN}\r\n",
    ],
)
def test_the_token_is_found_in_every_usual_form(text: str) -> None:
    assert Store(text).token.value() == TOKEN


NO_TOKEN = f"does not hold a Cloudflare token; {SHAPE}"
NO_JSON = f"is not valid JSON; {SHAPE}"
NO_KEY = f"has a token under none of its keys; {SHAPE}"
EMPTY = f"is empty; {SHAPE}"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f'"{TOKEN}"', NO_TOKEN),
        (f"Bearer {TOKEN}", NO_TOKEN),
        (f"{TOKEN}\n{TOKEN}", NO_TOKEN),
        (f"CLOUDFLARE_TOKEN={TOKEN}", NO_TOKEN),
        (f"{TOKEN}é", NO_TOKEN),
        (f'{{"CLOUDFLARE_TOKEN": "{TOKEN}"', NO_JSON),
        (f"{{CLOUDFLARE_TOKEN: {TOKEN}}}", NO_JSON),
        (pairs(cloudflare_token=TOKEN), NO_KEY),
        (pairs(CLOUDFLARE_TOKEN={"value": TOKEN}), NO_KEY),
        ("{}", NO_KEY),
        (" \n", EMPTY),
        (None, EMPTY),
    ],
)
def test_a_secret_without_a_token_is_named_with_the_remedy_and_never_shown(
    text: str | None, error: str
) -> None:
    found = Store(text).failure()

    assert str(found) == f"secret 'prod/elephant/cloudflare' {error}"
    assert TOKEN not in everything_shown_by(found)


REMEDIES = {
    "ResourceNotFoundException": "no such secret in this region; create it, or set SECRET_ARN to "
    "the one that holds the token",
    "InvalidRequestException": "it cannot be read now; restore it if it is marked for deletion",
    "AccessDeniedException": "this function may not read it; grant it "
    "secretsmanager:GetSecretValue on this secret, and kms:Decrypt on the key if it has its own",
    "DecryptionFailure": "it cannot be decrypted; grant this function kms:Decrypt on its key",
}


@pytest.mark.parametrize(("code", "remedy"), REMEDIES.items())
def test_a_secret_that_cannot_be_read_is_named_with_the_remedy(code: str, remedy: str) -> None:
    store = Store()
    store.error = refusal(code)

    found = store.failure()

    assert str(found) == f"secret 'prod/elephant/cloudflare': {remedy}"
    assert found.__cause__ is store.error


def test_an_error_without_a_remedy_is_raised_unchanged() -> None:
    """Lambda's next attempt may succeed, and advice about the secret would mislead."""
    store = Store()
    store.error = refusal("InternalServiceError")

    with pytest.raises(ClientError, match="InternalServiceError"):
        store.token.value()


@pytest.mark.parametrize(
    ("name", "error"),
    [("binary", "is empty"), ("deleted", "marked for deletion"), ("missing", "no such secret")],
)
def test_secrets_manager_answers_as_expected(session: Session, name: str, error: str) -> None:
    with mock_aws():
        client: Any = session.create_client("secretsmanager", region_name=REGION)
        client.create_secret(Name=SECRET, SecretString=TOKEN)
        client.create_secret(Name="binary", SecretBinary=TOKEN.encode())
        client.create_secret(Name="deleted", SecretString=TOKEN)
        client.delete_secret(SecretId="deleted")

        assert Token(client, SECRET).value() == TOKEN
        with pytest.raises(SecretError, match=error):
            Token(client, name).value()


def test_the_token_itself_shows_nothing() -> None:
    store = Store()
    store.token.value()

    assert TOKEN not in f"{store.token!r} {store.token}"
    assert store.token.secret_id == SECRET


# When it is read


def test_the_token_is_read_once_in_five_minutes_and_not_before_it_is_needed() -> None:
    store = Store()
    assert store.reads == []
    assert [store.token.value() for _ in range(3)] == [TOKEN] * 3
    assert store.reads == [{"SecretId": SECRET}]

    store.text = OTHER
    for seconds, value, reads in ((299.9, TOKEN, 1), (0.1, OTHER, 2), (299, OTHER, 2)):
        store.now += seconds
        assert store.token.value() == value
        assert len(store.reads) == reads


def test_reading_again_does_not_wait_for_the_five_minutes() -> None:
    """Cloudflare rejects a token that was rotated."""
    store = Store()
    store.token.value()
    store.text = OTHER
    store.now += 200

    assert store.token.read() == OTHER

    store.now += 299
    assert store.token.value() == OTHER
    assert len(store.reads) == 2


def test_an_invalid_secret_is_read_again_each_time() -> None:
    store = Store("{}")
    store.failure()

    store.text = TOKEN
    assert store.token.value() == TOKEN

    store.text = "{}"
    store.now += 300
    store.failure()
    store.failure()
    assert len(store.reads) == 4


@pytest.mark.parametrize(
    "error", [refusal("InternalServiceError"), EndpointConnectionError(endpoint_url="https://x")]
)
def test_while_secrets_manager_is_unavailable_the_cached_token_is_used(error: Exception) -> None:
    store = Store()
    store.token.value()
    store.now += 300
    store.error = error
    store.reads.clear()

    # Secrets Manager is asked again only by a later run.
    for seconds, reads in ((0, 1), (29.9, 1), (0.1, 2)):
        store.now += seconds
        assert [store.token.value() for _ in range(3)] == [TOKEN] * 3
        assert len(store.reads) == reads
    with pytest.raises(type(error)):  # Cloudflare has rejected the cached one
        store.token.read()

    store.error, store.text = None, OTHER
    store.now += 30
    assert store.token.value() == OTHER


# Ahead of the first event


def test_a_token_read_ahead_is_the_one_that_is_used() -> None:
    store = Store()
    store.token.read_ahead()

    assert store.token.value() == TOKEN
    assert len(store.reads) == 1


def test_a_failure_ahead_is_left_to_the_first_use_which_reports_it() -> None:
    store = Store("")
    store.token.read_ahead()

    with pytest.raises(SecretError):
        store.token.value()

    store.text = TOKEN
    assert store.token.value() == TOKEN
