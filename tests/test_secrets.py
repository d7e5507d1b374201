"""The token is found however it was stored, read seldom, and never shown."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from chalicelib.secrets import SecretError, Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.session import Session

SECRET = "prod/elephant/cloudflare"
TOKEN = "v1_0-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
OTHER = "another-token"
SHAPE = (
    "store the token under the key CLOUDFLARE_TOKEN (or CLOUDFLARE_API_TOKEN), "
    "or as the secret's only text"
)


class Vault:
    """Secrets Manager, and how often the token was asked for."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self.client = client
        self.calls: list[dict[str, Any]] = []
        self.now = 1_000_000.0
        self.token = Token(client, SECRET, clock=lambda: self.now)

    def store(self, text: str) -> None:
        """Store the secret."""
        self.client.create_secret(Name=SECRET, SecretString=text)
        self.record_calls()

    def rotate(self, text: str) -> None:
        """Store another value."""
        self.client.put_secret_value(SecretId=SECRET, SecretString=text)
        self.calls.clear()

    def record_calls(self) -> None:
        """Begin to record calls."""

        def record(model: Any, params: dict[str, Any], **_: object) -> None:  # noqa: ANN401
            self.calls.append({"operation": model.name, **json.loads(params["body"])})

        self.client.meta.events.register("before-call.secrets-manager.*", record)


@pytest.fixture(scope="module")
def session() -> Session:
    """Make the session of all clients here, which reads each service's model once."""
    return botocore.session.get_session()


@pytest.fixture
def vault(session: Session) -> Iterator[Vault]:
    """Make a Secrets Manager without a secret."""
    with mock_aws():
        yield Vault(session.create_client("secretsmanager", region_name="us-west-2"))


def failure(token: Token) -> SecretError:
    """Read the token, which must fail, and return the error."""
    with pytest.raises(SecretError) as caught:
        token.value()
    return caught.value


def everything_said_by(error: BaseException) -> str:
    """Spell all that a log or an error tracker may show of an error and those behind it."""
    said = "".join(traceback.format_exception(error))
    behind: BaseException | None = error
    while behind:
        said += f"{behind!r} {behind} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return said


def pairs(**values: object) -> str:
    return json.dumps(values)


READABLE = {
    "the guide's code's key": pairs(CLOUDFLARE_TOKEN=TOKEN),
    "the guide's text's key": pairs(CLOUDFLARE_API_TOKEN=TOKEN),
    "both keys": pairs(CLOUDFLARE_API_TOKEN=OTHER, CLOUDFLARE_TOKEN=TOKEN),
    "the first key empty": pairs(CLOUDFLARE_TOKEN=" ", CLOUDFLARE_API_TOKEN=TOKEN),
    "the first key no text": pairs(CLOUDFLARE_TOKEN=None, CLOUDFLARE_API_TOKEN=TOKEN),
    "among other keys": pairs(ZONE="x", CLOUDFLARE_TOKEN=TOKEN, n=1),
    "a value with spaces around": pairs(CLOUDFLARE_TOKEN=f" {TOKEN}\n"),
    "pairs with spaces around": f"\n {pairs(CLOUDFLARE_TOKEN=TOKEN)}\n",
    "plain": TOKEN,
    "plain with a final newline": f"{TOKEN}\n",
    "plain from Windows": f"  {TOKEN}\r\n",
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE)
def test_the_token_is_found_however_it_was_stored(vault: Vault, text: str) -> None:
    vault.store(text)

    assert vault.token.value() == TOKEN


TOO_STRANGE = f"secret 'prod/elephant/cloudflare' does not hold a Cloudflare token; {SHAPE}"
NO_JSON = f"secret 'prod/elephant/cloudflare' is not valid JSON; {SHAPE}"
NO_KEY = f"secret 'prod/elephant/cloudflare' has a token under none of its keys; {SHAPE}"
EMPTY = f"secret 'prod/elephant/cloudflare' is empty; {SHAPE}"
UNREADABLE = {
    "quoted": (f'"{TOKEN}"', TOO_STRANGE),
    "quoted once more": (pairs(CLOUDFLARE_TOKEN=f"'{TOKEN}'"), "secret 'prod/elephant/cloudflare'"),
    "with its header": (f"Bearer {TOKEN}", TOO_STRANGE),
    "of two lines": (f"{TOKEN}\n{TOKEN}", TOO_STRANGE),
    "an assignment": (f"CLOUDFLARE_TOKEN={TOKEN}", TOO_STRANGE),
    "a list": (json.dumps([TOKEN]), TOO_STRANGE),
    "not ASCII": (f"{TOKEN}é", TOO_STRANGE),
    "broken pairs": (f'{{"CLOUDFLARE_TOKEN": "{TOKEN}"', NO_JSON),
    "pairs without quotes": (f"{{CLOUDFLARE_TOKEN: {TOKEN}}}", NO_JSON),
    "pairs and more": (f'{{"CLOUDFLARE_TOKEN": "{TOKEN}"}} {TOKEN}', NO_JSON),
    "under another key": (pairs(TOKEN=TOKEN), NO_KEY),
    "under a key of other case": (pairs(cloudflare_token=TOKEN), NO_KEY),
    "deeper": (pairs(CLOUDFLARE_TOKEN={"value": TOKEN}), NO_KEY),
    "in a list": (pairs(CLOUDFLARE_TOKEN=[TOKEN]), NO_KEY),
    "no pairs": ("{}", NO_KEY),
    "white": (" \n", EMPTY),
}


@pytest.mark.parametrize(("text", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_secret_without_a_token_is_named_with_the_keys_and_never_shown(
    vault: Vault, text: str, said: str
) -> None:
    # given a secret that a person stored in some other form
    vault.store(text)

    # when it is read
    error = failure(vault.token)

    # then the error names the secret, the keys and the remedy
    assert str(error).startswith(said)
    assert str(error).endswith(SHAPE)

    # and neither it nor any error behind it shows what the secret holds
    assert TOKEN not in everything_said_by(error)


def test_a_secret_that_is_binary_has_no_token(vault: Vault) -> None:
    vault.client.create_secret(Name=SECRET, SecretBinary=TOKEN.encode())

    error = failure(vault.token)

    assert str(error) == EMPTY
    assert TOKEN not in everything_said_by(error)


def test_a_missing_secret_is_named_with_the_remedy(vault: Vault) -> None:
    error = failure(vault.token)

    assert str(error) == (
        "secret 'prod/elephant/cloudflare': no such secret in this region; "
        "create it, or set SECRET_ARN to the one that holds the token"
    )
    assert isinstance(error.__cause__, ClientError)


def test_a_secret_that_is_marked_for_deletion_is_named_with_the_remedy(vault: Vault) -> None:
    vault.store(TOKEN)
    vault.client.delete_secret(SecretId=SECRET)

    assert str(failure(vault.token)) == (
        "secret 'prod/elephant/cloudflare': it cannot be read now; "
        "restore it if it is marked for deletion"
    )


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (
            "AccessDeniedException",
            "grant it secretsmanager:GetSecretValue on this secret, and kms:",
        ),
        ("DecryptionFailure", "grant this function kms:Decrypt on its key"),
    ],
)
def test_a_right_that_is_lacking_is_named(vault: Vault, code: str, remedy: str) -> None:
    with Stubber(vault.client) as stub:
        stub.add_client_error("get_secret_value", code, expected_params={"SecretId": SECRET})
        error = failure(vault.token)

    assert str(error).startswith("secret 'prod/elephant/cloudflare': ")
    assert remedy in str(error)


def test_a_failure_that_no_person_can_mend_is_raised_as_it_is(vault: Vault) -> None:
    """Lambda's next try may succeed, and advice on the secret would mislead."""
    with Stubber(vault.client) as stub:
        stub.add_client_error("get_secret_value", "InternalServiceError")
        with pytest.raises(ClientError, match="InternalServiceError"):
            vault.token.value()


def test_the_token_itself_shows_nothing(vault: Vault) -> None:
    vault.store(TOKEN)
    vault.token.value()

    assert TOKEN not in f"{vault.token!r} {vault.token}"
    assert vault.token.secret_id == SECRET


CALL = {"operation": "GetSecretValue", "SecretId": SECRET}


def test_the_token_is_read_once_in_five_minutes(vault: Vault) -> None:
    # given a token that was used, and rotated since
    vault.store(TOKEN)
    for _ in range(3):
        assert vault.token.value() == TOKEN
    assert vault.calls == [CALL]
    vault.rotate(OTHER)

    # when it is used again within the five minutes
    vault.now += 299.9
    assert vault.token.value() == TOKEN

    # then it is not read again, and just after them it is
    assert vault.calls == []
    vault.now += 0.1
    assert vault.token.value() == OTHER
    assert vault.calls == [CALL]

    # and the five minutes begin anew
    vault.now += 299
    assert vault.token.value() == OTHER
    assert vault.calls == [CALL]


def test_reading_again_does_not_wait_for_the_five_minutes(vault: Vault) -> None:
    # given a token that Cloudflare refuses since it was rotated
    vault.store(TOKEN)
    vault.token.value()
    vault.rotate(OTHER)

    # when it is read again
    vault.now += 200
    assert vault.token.read() == OTHER

    # then the new one is used for five minutes from there
    vault.now += 299
    assert vault.token.value() == OTHER
    assert vault.calls == [CALL]


def test_a_failure_is_not_remembered(vault: Vault) -> None:
    # given a secret without a token
    vault.store("{}")
    failure(vault.token)

    # when a person mends it
    vault.rotate(TOKEN)

    # then the next use finds it
    assert vault.token.value() == TOKEN


def test_a_failure_does_not_renew_a_token_that_is_five_minutes_old(vault: Vault) -> None:
    vault.store(TOKEN)
    vault.token.value()
    vault.rotate("{}")

    vault.now += 300

    failure(vault.token)
    failure(vault.token)
    assert vault.calls == [CALL, CALL]


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "InternalServiceError"}}, "GetSecretValue"),
        EndpointConnectionError(endpoint_url="https://secretsmanager"),
    ],
)
def test_while_secrets_manager_is_away_the_token_at_hand_is_used(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # given a token that was read five minutes ago
    vault.store(TOKEN)
    vault.token.value()
    vault.now += 300
    asked: list[float] = []

    def away(**_: object) -> None:
        asked.append(vault.now)
        raise error

    # when Secrets Manager does not answer
    with monkeypatch.context() as patch:
        patch.setattr(vault.client, "get_secret_value", away)

        # then the token goes on being used, and Secrets Manager is asked again by a later run only
        assert [vault.token.value() for _ in range(3)] == [TOKEN] * 3
        vault.now += 29.9
        assert vault.token.value() == TOKEN
        assert len(asked) == 1
        vault.now += 0.1
        assert vault.token.value() == TOKEN
        assert len(asked) == 2

        # and when Cloudflare refuses it, there is none
        with pytest.raises(type(error)):
            vault.token.read()

    # and once Secrets Manager is there again, the new one is used
    vault.rotate(OTHER)
    vault.now += 30
    assert vault.token.value() == OTHER


def test_nothing_is_read_before_the_token_is_needed(vault: Vault) -> None:
    vault.store(TOKEN)

    Token(vault.client, SECRET)

    assert vault.calls == []


def test_the_clock_is_the_time_of_day_unless_another_is_given(vault: Vault) -> None:
    vault.store(TOKEN)
    token = Token(vault.client, SECRET)

    assert (token.value(), token.value()) == (TOKEN, TOKEN)
    assert vault.calls == [CALL]


# Ahead of the first event


def test_a_token_read_ahead_is_the_one_that_is_used(vault: Vault) -> None:
    vault.store(TOKEN)

    vault.token.read_ahead()

    assert vault.token.value() == TOKEN
    assert len(vault.calls) == 1


def test_a_failure_ahead_is_left_to_the_first_use_which_reports_it(vault: Vault) -> None:
    vault.token.read_ahead()

    with pytest.raises(SecretError, match="no such secret"):
        vault.token.value()

    vault.store(TOKEN)
    assert vault.token.value() == TOKEN
