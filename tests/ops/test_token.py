"""The token is read unseen, proved before it is stored, and never shown."""

from __future__ import annotations

import base64
import io
import json
import warnings
from getpass import GetPassWarning
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.dns.provider import UnconfirmedError, WrongZoneError
from chalicelib.secrets import Token as AppToken
from localcloud.cloudflare import (
    DEFAULT_TOKEN,
    CloudflareStandIn,
    Fault,
    FaultKind,
    Permission,
    Token,
    When,
    Zone,
)
from ops.stored_secret import SecretStoreError
from ops.token import (
    PROMPT,
    Stored,
    TokenFormatError,
    checked_token,
    read_token,
    rotate,
    set_token,
    store_token,
)
from ops.write_check import WriteCheckError
from tests.world import OTHER_TOKEN, RECORDS, SECRET, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.settings.stage import Settings
    from tests.world import World

NEW_SECRET = "elephant/prod/cloudflare"
TOKEN = "cfut_" + "N3w" * 16
ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:elephant-AbCdEf"
NO_TOKEN = "this is not an API token"


class Terminal(io.StringIO):
    """A terminal, of which nothing may be read but by the prompt."""

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:  # type: ignore[override]
        raise AssertionError("the terminal echoes what is read like this")


class Person:
    """Types at a prompt."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.prompts: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self.text


@pytest.fixture
def said() -> list[str]:
    return []


def store(world: World, said: list[str], secret: str = SECRET, **options: bool) -> Stored:
    world.forget_calls()
    return store_token(world.app_secrets, secret, TOKEN, said.append, **options)


def held(world: World, secret: str = SECRET) -> str:
    return str(world.secrets.get_secret_value(SecretId=secret)["SecretString"])


def everything_said_by(error: BaseException) -> str:
    """Spell all that a terminal or an error tracker may show of an error and those behind it."""
    said = ""
    behind: BaseException | None = error
    while behind:
        said += f"{behind!r} {behind} {behind.args!r} {vars(behind)!r}"
        behind = behind.__cause__ or behind.__context__
    return said


# Reading it


def test_a_terminal_is_asked_without_echo_and_once() -> None:
    person = Person(f"  {TOKEN}\n")
    assert read_token(Terminal(), person) == TOKEN
    assert person.prompts == [PROMPT]


@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}\n", f"  {TOKEN}\r\n", f"{TOKEN}\nmore\n"])
def test_standard_input_gives_its_first_line(text: str) -> None:
    person = Person("unused")
    assert read_token(io.StringIO(text), person) == TOKEN
    assert person.prompts == []


@pytest.mark.parametrize("text", ["", "\n", "   \n"])
def test_no_token_is_said(text: str) -> None:
    with pytest.raises(TokenFormatError, match="no token was given: paste it at the prompt"):
        read_token(io.StringIO(text))


def test_the_end_of_input_at_the_prompt_is_no_token() -> None:
    def end(_: str) -> str:
        raise EOFError

    with pytest.raises(TokenFormatError, match="no token was given"):
        read_token(Terminal(), end)


def test_a_terminal_that_would_echo_is_not_read() -> None:
    read: list[str] = []

    def echo(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", GetPassWarning, stacklevel=2)
        read.append(prompt)
        return TOKEN

    with pytest.raises(TokenFormatError, match="cannot hide what is typed, so nothing was read"):
        read_token(Terminal(), echo)
    assert read == []


def test_input_that_is_no_text_is_refused_and_not_shown() -> None:
    stream = io.TextIOWrapper(io.BytesIO(TOKEN.encode() + b"\xff\n"), encoding="utf-8")
    with pytest.raises(TokenFormatError, match=NO_TOKEN) as caught:
        read_token(stream)
    assert TOKEN not in everything_said_by(caught.value)


WRONG = {
    "with a space": f"{TOKEN[:20]} {TOKEN[20:]}",
    "with the scheme": f"Bearer {TOKEN}",
    "quoted": f'"{TOKEN}"',
    "with a variable": f"CLOUDFLARE_TOKEN={TOKEN}",
    "an Origin CA key": f"v1.0-{TOKEN}",
    "with what is no ASCII": f"{TOKEN}é",
}
GLOBAL = {
    "37 digits": "144c9defac04969c7bfad8efaa8ea194" + "0123a",
    "45 digits": "0123456789abcdef" * 2 + "0123456789abc",
    "with its prefix": "cfk_" + "A" * 48,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_is_no_token_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(TokenFormatError, match=NO_TOKEN) as caught:
        read_token(io.StringIO(text))
    assert text not in everything_said_by(caught.value)


@pytest.mark.parametrize("key", GLOBAL.values(), ids=GLOBAL)
def test_the_global_key_is_refused_with_the_reason(key: str) -> None:
    with pytest.raises(TokenFormatError, match="looks like the Global API Key") as caught:
        read_token(io.StringIO(key))
    assert key not in everything_said_by(caught.value)


@pytest.mark.parametrize(
    "token",
    [
        "cfat_" + "a1" * 24,
        "cfut_" + "Z9" * 24,
        "v1_0-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
        "a" * 36,
    ],
)
def test_tokens_of_every_age_and_kind_are_taken(token: str) -> None:
    assert checked_token(token) == token


# Storing it


def test_a_missing_secret_is_created_in_the_shape_that_is_read(
    world: World, said: list[str]
) -> None:
    assert store(world, said, NEW_SECRET) == "created"
    assert world.aws_calls == ["GetSecretValue", "CreateSecret"]
    assert json.loads(held(world, NEW_SECRET)) == {"CLOUDFLARE_TOKEN": TOKEN}
    assert AppToken(world.secrets, NEW_SECRET).value() == TOKEN
    described = world.secrets.describe_secret(SecretId=NEW_SECRET)
    assert described["Description"] == "Cloudflare API token of Elephant"
    assert said == [f"Secret '{NEW_SECRET}' was created with the token"]


def test_a_secret_without_a_value_gets_its_first(world: World, said: list[str]) -> None:
    world.secrets.create_secret(Name=NEW_SECRET)
    assert store(world, said, NEW_SECRET) == "created"
    assert world.aws_calls == ["GetSecretValue", "CreateSecret", "PutSecretValue"]
    assert json.loads(held(world, NEW_SECRET)) == {"CLOUDFLARE_TOKEN": TOKEN}


def test_a_secret_without_a_value_is_filled_by_its_arn(world: World, said: list[str]) -> None:
    arn = world.secrets.create_secret(Name=NEW_SECRET)["ARN"]
    assert store(world, said, arn) == "created"
    assert world.aws_calls == ["GetSecretValue", "PutSecretValue"]


ROTATED = {
    "one pair": ({"CLOUDFLARE_TOKEN": "old"}, {"CLOUDFLARE_TOKEN": TOKEN}),
    "the other key": ({"CLOUDFLARE_API_TOKEN": "old"}, {"CLOUDFLARE_API_TOKEN": TOKEN}),
    "among others": (
        {"user": "é", "CLOUDFLARE_TOKEN": "old", "n": 1},
        {"user": "é", "CLOUDFLARE_TOKEN": TOKEN, "n": 1},
    ),
    "both keys": (
        {"CLOUDFLARE_API_TOKEN": "older", "CLOUDFLARE_TOKEN": "old"},
        {"CLOUDFLARE_API_TOKEN": "older", "CLOUDFLARE_TOKEN": TOKEN},
    ),
    "the key that is not empty": (
        {"CLOUDFLARE_TOKEN": "", "CLOUDFLARE_API_TOKEN": "old"},
        {"CLOUDFLARE_TOKEN": "", "CLOUDFLARE_API_TOKEN": TOKEN},
    ),
    "an empty key": ({"CLOUDFLARE_API_TOKEN": ""}, {"CLOUDFLARE_API_TOKEN": TOKEN}),
    "no text": ({"CLOUDFLARE_TOKEN": None}, {"CLOUDFLARE_TOKEN": TOKEN}),
    "neither key": ({"user": "x"}, {"user": "x", "CLOUDFLARE_TOKEN": TOKEN}),
    "no pairs": ({}, {"CLOUDFLARE_TOKEN": TOKEN}),
}


@pytest.mark.parametrize(("before", "after"), ROTATED.values(), ids=ROTATED)
def test_pairs_keep_the_others_and_the_key_that_is_read(
    world: World, said: list[str], before: dict[str, object], after: dict[str, object]
) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=json.dumps(before))
    assert store(world, said) == "rotated"
    assert world.aws_calls == ["GetSecretValue", "PutSecretValue"]
    assert list(json.loads(held(world)).items()) == list(after.items())
    assert AppToken(world.secrets, SECRET).value() == TOKEN
    assert said == [
        (
            f"Secret '{SECRET}' holds the new token; running functions use it within 5 minutes; "
            "after that, the old one may be deleted at Cloudflare"
        )
    ]


@pytest.mark.parametrize("before", ["old-token", "old-token\n"])
def test_plain_text_stays_plain(world: World, said: list[str], before: str) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=before)
    assert store(world, said) == "rotated"
    assert held(world) == TOKEN


def test_an_empty_secret_gets_the_usual_shape(world: World, said: list[str]) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=" \n")
    assert store(world, said) == "rotated"
    assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": TOKEN}


@pytest.mark.parametrize(
    "before",
    [
        json.dumps({"CLOUDFLARE_TOKEN": TOKEN}),
        json.dumps({"other": 1, "CLOUDFLARE_API_TOKEN": f"{TOKEN}\n"}),
        TOKEN,
        f"{TOKEN}\n",
    ],
)
def test_the_same_token_writes_nothing(world: World, said: list[str], before: str) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=before)
    assert store(world, said) == "unchanged"
    assert world.aws_calls == ["GetSecretValue"]
    assert held(world) == before
    assert said == [f"Secret '{SECRET}' holds this token already"]


def test_a_token_is_trimmed_before_it_is_stored(world: World, said: list[str]) -> None:
    store_token(world.app_secrets, SECRET, f" {TOKEN}\n", said.append)
    assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": TOKEN}


def test_what_is_no_token_is_not_stored(world: World, said: list[str]) -> None:
    with pytest.raises(TokenFormatError):
        store_token(world.app_secrets, SECRET, "two words", said.append)
    assert (world.aws_calls, said) == ([], [])


FOREIGN = {
    "broken JSON": '{"password": "hunter2"',
    "a list": '["hunter2"]',
    "a sentence": "the password is hunter2",
    "a private key": "-----BEGIN PRIVATE KEY-----\nhunter2\n",
}


@pytest.mark.parametrize("before", FOREIGN.values(), ids=FOREIGN)
def test_a_secret_of_something_else_is_left_alone(
    world: World, said: list[str], before: str
) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=before)
    with pytest.raises(SecretStoreError, match="it was left as it is: name another") as caught:
        store(world, said)
    assert held(world) == before
    assert world.aws_calls == ["GetSecretValue"]
    assert "hunter2" not in everything_said_by(caught.value)


def test_a_secret_of_bytes_is_left_alone(world: World, said: list[str]) -> None:
    value = base64.b64encode(b"hunter2")
    world.secrets.create_secret(Name=NEW_SECRET, SecretBinary=value)
    with pytest.raises(SecretStoreError, match="left as it is"):
        store(world, said, NEW_SECRET)
    assert world.secrets.get_secret_value(SecretId=NEW_SECRET)["SecretBinary"] == value


def test_what_is_to_be_overwritten_is(world: World, said: list[str]) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=FOREIGN["broken JSON"])
    assert store(world, said, overwrite=True) == "rotated"
    assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": TOKEN}
    before = world.secrets.get_secret_value(SecretId=SECRET, VersionStage="AWSPREVIOUS")
    assert before["SecretString"] == FOREIGN["broken JSON"]


# What AWS refuses


def test_a_secret_marked_for_deletion_is_said_with_the_remedy(
    world: World, said: list[str]
) -> None:
    world.secrets.delete_secret(SecretId=SECRET)
    with pytest.raises(SecretStoreError) as caught:
        store(world, said)
    assert str(caught.value).startswith(f"secret '{SECRET}': GetSecretValue was refused: ")
    assert f"`aws secretsmanager restore-secret --secret-id {SECRET}` brings it back" in str(
        caught.value
    )
    assert "marked deleted" in str(caught.value)
    assert world.aws_calls == ["GetSecretValue"]


def test_an_arn_of_no_secret_is_said_with_the_remedy(world: World, said: list[str]) -> None:
    with pytest.raises(SecretStoreError, match="there is no secret with this ARN in this region"):
        store(world, said, ARN)
    assert world.aws_calls == ["GetSecretValue", "PutSecretValue"]


REFUSALS = [
    ("GetSecretValue", SECRET, "AccessDeniedException", "grant yourself this right"),
    ("PutSecretValue", SECRET, "AccessDeniedException", "grant yourself this right"),
    ("CreateSecret", NEW_SECRET, "AccessDeniedException", "grant yourself this right"),
    ("GetSecretValue", SECRET, "DecryptionFailure", "its KMS key cannot be used"),
    ("PutSecretValue", SECRET, "EncryptionFailure", "its KMS key cannot be used"),
    ("CreateSecret", NEW_SECRET, "EncryptionFailure", "its KMS key cannot be used"),
    ("CreateSecret", NEW_SECRET, "InvalidRequestException", "restore-secret --secret-id elephant/"),
    ("CreateSecret", NEW_SECRET, "InvalidParameterException", "name another secret"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_names_the_call_and_the_remedy_and_not_the_token(
    world: World, said: list[str], refusal: tuple[str, str, str, str]
) -> None:
    operation, secret, code, remedy = refusal
    world.fail(operation, code)
    with pytest.raises(SecretStoreError) as caught:
        store(world, said, secret)
    assert f"secret '{secret}': {operation} was refused: " in str(caught.value)
    assert remedy in str(caught.value)
    assert str(caught.value).endswith("AWS said: as the test wants it")
    assert said == []
    assert TOKEN not in everything_said_by(caught.value)
    assert DEFAULT_TOKEN not in everything_said_by(caught.value)
    assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": DEFAULT_TOKEN}


@pytest.mark.parametrize(
    ("operation", "secret"),
    [("GetSecretValue", SECRET), ("PutSecretValue", SECRET), ("CreateSecret", NEW_SECRET)],
)
def test_any_other_error_of_aws_passes(
    world: World, said: list[str], operation: str, secret: str
) -> None:
    world.fail(operation, "ExpiredTokenException")
    with pytest.raises(ClientError, match="ExpiredTokenException") as caught:
        store(world, said, secret)
    assert TOKEN not in everything_said_by(caught.value)


# Proving it first


@pytest.fixture
def settings(world: World) -> Settings:
    return make_settings(CLOUDFLARE_API_URL=world.cloudflare.url)


PROOF = [f"POST {RECORDS}", f"GET {RECORDS}", f"DELETE {RECORDS}", f"GET {RECORDS}"]


def asked(cloudflare: CloudflareStandIn) -> list[str]:
    return [
        f"{call.method} {call.path.partition('/dns_records')[0]}/dns_records"
        for call in cloudflare.calls
    ]


def test_the_token_is_proved_and_then_stored(
    world: World, settings: Settings, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    held_while_proving: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        held_while_proving.append(json.loads(held(world))["CLOUDFLARE_TOKEN"])

    stream = io.StringIO(f"{OTHER_TOKEN}\n")
    assert set_token(settings, world.app_secrets, stream, say) == "rotated"

    assert asked(world.cloudflare) == PROOF
    assert world.records() == ()
    assert held_while_proving == [DEFAULT_TOKEN, DEFAULT_TOKEN, OTHER_TOKEN]
    assert [text.partition(" ")[0] for text in said] == ["Testing", "The", "Secret"]
    output = capsys.readouterr()
    for token in (DEFAULT_TOKEN, OTHER_TOKEN):
        assert token not in "".join(said) + output.out + output.err


def test_the_prompt_is_used_on_a_terminal(
    world: World, settings: Settings, said: list[str]
) -> None:
    person = Person(OTHER_TOKEN)
    outcome = set_token(settings, world.app_secrets, Terminal(), said.append, prompt=person)
    assert (outcome, person.prompts) == ("rotated", [PROMPT])


def test_the_record_of_the_proof_is_as_the_settings_want_it(world: World, said: list[str]) -> None:
    settings = make_settings(CLOUDFLARE_API_URL=world.cloudflare.url, PROXIED="false", TTL="300")
    rotate(settings, world.app_secrets, OTHER_TOKEN, said.append)
    body = json.loads(world.cloudflare.calls[0].body)
    assert (body["proxied"], body["ttl"]) == (False, 300)
    assert body["comment"] == f"{settings.owner} check"


def test_the_same_token_is_proved_and_not_written(
    world: World, settings: Settings, said: list[str]
) -> None:
    assert rotate(settings, world.app_secrets, DEFAULT_TOKEN, said.append) == "unchanged"
    assert asked(world.cloudflare) == PROOF


def test_what_cannot_be_read_as_a_token_asks_nobody(
    world: World, settings: Settings, said: list[str]
) -> None:
    world.forget_calls()
    with pytest.raises(TokenFormatError):
        set_token(settings, world.app_secrets, io.StringIO("two words"), said.append)
    assert world.calls == ([], [])
    assert said == []


@pytest.mark.parametrize(
    "token",
    [
        Token(OTHER_TOKEN, frozenset(Permission) - {Permission.DNS_WRITE}),
        Token("cfat_" + "a" * 48, frozenset({Permission.DNS_READ})),
    ],
)
def test_a_token_that_cannot_write_is_not_stored(
    world: World, said: list[str], token: Token
) -> None:
    with CloudflareStandIn([Zone()], [token], dns_port=None) as cloudflare:
        settings = make_settings(CLOUDFLARE_API_URL=cloudflare.url)
        world.forget_calls()
        with pytest.raises(WriteCheckError) as caught:
            rotate(settings, world.app_secrets, token.value, said.append)
    assert isinstance(caught.value.__cause__, TokenRefusedError)
    assert world.aws_calls == []
    assert token.value not in everything_said_by(caught.value) + "".join(said)


def test_an_accounts_token_is_stored(world: World, said: list[str]) -> None:
    token = Token("cfat_" + "a" * 48, frozenset({Permission.DNS_WRITE}))
    with CloudflareStandIn([Zone()], [token], dns_port=None) as cloudflare:
        settings = make_settings(CLOUDFLARE_API_URL=cloudflare.url)
        assert rotate(settings, world.app_secrets, token.value, said.append) == "rotated"
        assert asked(cloudflare) == PROOF


def test_a_token_of_another_zone_than_the_domains_is_not_stored(
    world: World, said: list[str]
) -> None:
    with CloudflareStandIn([Zone(name="example.org")], [Token()], dns_port=None) as cloudflare:
        settings = make_settings(CLOUDFLARE_API_URL=cloudflare.url)
        world.forget_calls()
        with pytest.raises(WriteCheckError) as caught:
            rotate(settings, world.app_secrets, DEFAULT_TOKEN, said.append)
        assert cloudflare.api.zones[0].records == ()
    assert isinstance(caught.value.__cause__, WrongZoneError)
    assert world.aws_calls == []


def test_a_proof_that_leaves_something_behind_stores_nothing(
    world: World, settings: Settings, said: list[str]
) -> None:
    world.cloudflare.faults.add(
        Fault(FaultKind.DROP, When.BEFORE, times=None, method="DELETE", path=f"{RECORDS}/*")
    )
    world.forget_calls()
    with pytest.raises(WriteCheckError) as caught:
        rotate(settings, world.app_secrets, OTHER_TOKEN, said.append)
    assert isinstance(caught.value.__cause__, UnconfirmedError)
    assert caught.value.leftover is not None
    assert world.aws_calls == []


def test_a_secret_of_something_else_is_overwritten_only_if_asked(
    world: World, settings: Settings, said: list[str]
) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString="no token, but words")
    run: Callable[..., Any] = rotate
    with pytest.raises(SecretStoreError):
        run(settings, world.app_secrets, OTHER_TOKEN, said.append)
    assert run(settings, world.app_secrets, OTHER_TOKEN, said.append, overwrite=True) == "rotated"
