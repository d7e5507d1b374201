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
from tests.ops.secrecy import everything_said_by
from tests.world import OTHER_TOKEN, RECORDS, SECRET, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.settings.stage import Settings
    from tests.world import World

    Store = Callable[..., Stored]

NEW_SECRET = "elephant/prod/cloudflare"
TOKEN = "cfut_" + "N3w" * 16
OLD, NEW = {"CLOUDFLARE_TOKEN": "old"}, {"CLOUDFLARE_TOKEN": TOKEN}
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


@pytest.fixture
def settings(world: World) -> Settings:
    return make_settings(CLOUDFLARE_API_URL=world.cloudflare.url)


@pytest.fixture
def store(world: World, said: list[str]) -> Store:
    """Store a token, in the secret of the stage unless another is named."""

    def run(secret: str = SECRET, **options: bool) -> Stored:
        world.forget_calls()
        return store_token(world.app_secrets, secret, TOKEN, said.append, **options)

    return run


def put(world: World, text: str) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=text)


def held(world: World, secret: str = SECRET) -> str:
    return str(world.secrets.get_secret_value(SecretId=secret)["SecretString"])


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


def end_input(_: str) -> str:
    raise EOFError


@pytest.mark.parametrize(
    "stream",
    [io.StringIO(""), io.StringIO("\n"), io.StringIO("   \n"), Terminal()],
    ids=["nothing", "an empty line", "spaces", "the end of input at the prompt"],
)
def test_no_token_is_said(stream: io.StringIO) -> None:
    with pytest.raises(TokenFormatError, match="no token was given: paste it at the prompt"):
        read_token(stream, end_input)


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


GLOBAL_KEY = "looks like the Global API Key"
WRONG = {
    "with a space": (f"{TOKEN[:20]} {TOKEN[20:]}", NO_TOKEN),
    "with the scheme": (f"Bearer {TOKEN}", NO_TOKEN),
    "quoted": (f'"{TOKEN}"', NO_TOKEN),
    "with a variable": (f"CLOUDFLARE_TOKEN={TOKEN}", NO_TOKEN),
    "an Origin CA key": (f"v1.0-{TOKEN}", NO_TOKEN),
    "with what is no ASCII": (f"{TOKEN}é", NO_TOKEN),
    "a global key of 37 digits": ("144c9defac04969c7bfad8efaa8ea194" + "0123a", GLOBAL_KEY),
    "a global key of 45 digits": ("0123456789abcdef" * 2 + "0123456789abc", GLOBAL_KEY),
    "a global key with its prefix": ("cfk_" + "A" * 48, GLOBAL_KEY),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG)
def test_what_is_no_token_is_refused_with_the_reason_and_not_shown(text: str, reason: str) -> None:
    with pytest.raises(TokenFormatError, match=reason) as caught:
        read_token(io.StringIO(text))
    assert text not in everything_said_by(caught.value)


@pytest.mark.parametrize(
    "token", ["cfat_" + "a1" * 24, "cfut_" + "Z9" * 24, f"v1_0-{'AbCdEf' * 6}", "a" * 36]
)
def test_tokens_of_every_age_and_kind_are_taken(token: str) -> None:
    assert checked_token(token) == token


# Storing it


def test_a_missing_secret_is_created_in_the_shape_that_is_read(
    world: World, store: Store, said: list[str]
) -> None:
    assert store(NEW_SECRET) == "created"
    assert world.aws_calls == ["GetSecretValue", "CreateSecret"]
    assert json.loads(held(world, NEW_SECRET)) == NEW
    assert AppToken(world.secrets, NEW_SECRET).value() == TOKEN
    described = world.secrets.describe_secret(SecretId=NEW_SECRET)
    assert described["Description"] == "Cloudflare API token of Elephant"
    assert said == [f"Secret '{NEW_SECRET}' was created with the token"]


@pytest.mark.parametrize(
    ("by_arn", "calls"),
    [
        (False, ["GetSecretValue", "CreateSecret", "PutSecretValue"]),
        (True, ["GetSecretValue", "PutSecretValue"]),
    ],
    ids=["by name", "by ARN"],
)
def test_a_secret_without_a_value_gets_its_first(
    world: World,
    store: Store,
    by_arn: bool,  # noqa: FBT001
    calls: list[str],
) -> None:
    arn = world.secrets.create_secret(Name=NEW_SECRET)["ARN"]
    assert store(arn if by_arn else NEW_SECRET) == "created"
    assert world.aws_calls == calls
    assert json.loads(held(world, NEW_SECRET)) == NEW


API_OLD, API_NEW = {"CLOUDFLARE_API_TOKEN": "old"}, {"CLOUDFLARE_API_TOKEN": TOKEN}
ROTATED: dict[str, tuple[object, object]] = {
    "one pair": (OLD, NEW),
    "the other key": (API_OLD, API_NEW),
    "among others": ({"user": "é"} | OLD | {"n": 1}, {"user": "é"} | NEW | {"n": 1}),
    "both keys": (API_OLD | OLD, API_OLD | NEW),
    "the key that is not empty": (
        {"CLOUDFLARE_TOKEN": ""} | API_OLD,
        {"CLOUDFLARE_TOKEN": ""} | API_NEW,
    ),
    "an empty key": ({"CLOUDFLARE_API_TOKEN": ""}, API_NEW),
    "no text": ({"CLOUDFLARE_TOKEN": None}, NEW),
    "neither key": ({"user": "x"}, {"user": "x"} | NEW),
    "no pairs": ({}, NEW),
    "plain text": ("old-token", TOKEN),
    "a line of text": ("old-token\n", TOKEN),
    "nothing": (" \n", NEW),
}


@pytest.mark.parametrize(("before", "after"), ROTATED.values(), ids=ROTATED)
def test_a_new_token_keeps_the_secrets_shape_and_its_other_pairs(
    world: World, store: Store, said: list[str], before: object, after: object
) -> None:
    put(world, before if isinstance(before, str) else json.dumps(before))
    assert store() == "rotated"
    assert world.aws_calls == ["GetSecretValue", "PutSecretValue"]
    found = held(world)
    if isinstance(after, dict):
        assert list(json.loads(found).items()) == list(after.items())
    else:
        assert found == after
    assert AppToken(world.secrets, SECRET).value() == TOKEN
    assert said == [
        (
            f"Secret '{SECRET}' holds the new token; running functions use it within 5 minutes; "
            "after that, the old one may be deleted at Cloudflare"
        )
    ]


@pytest.mark.parametrize(
    "before",
    [json.dumps(NEW), json.dumps({"other": 1} | API_NEW), TOKEN, f"{TOKEN}\n"],
)
def test_the_same_token_writes_nothing(
    world: World, store: Store, said: list[str], before: str
) -> None:
    put(world, before)
    assert store() == "unchanged"
    assert world.aws_calls == ["GetSecretValue"]
    assert held(world) == before
    assert said == [f"Secret '{SECRET}' holds this token already"]


def test_a_token_is_trimmed_and_what_is_none_is_not_stored(world: World, said: list[str]) -> None:
    store_token(world.app_secrets, SECRET, f" {TOKEN}\n", said.append)
    assert json.loads(held(world)) == NEW
    world.forget_calls()
    said.clear()
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
def test_a_secret_of_something_else_is_left_alone(world: World, store: Store, before: str) -> None:
    put(world, before)
    with pytest.raises(SecretStoreError, match="it was left as it is: name another") as caught:
        store()
    assert held(world) == before
    assert world.aws_calls == ["GetSecretValue"]
    assert "hunter2" not in everything_said_by(caught.value)


def test_a_secret_of_bytes_is_left_alone(world: World, store: Store) -> None:
    value = base64.b64encode(b"hunter2")
    world.secrets.create_secret(Name=NEW_SECRET, SecretBinary=value)
    with pytest.raises(SecretStoreError, match="left as it is"):
        store(NEW_SECRET)
    assert world.secrets.get_secret_value(SecretId=NEW_SECRET)["SecretBinary"] == value


def test_what_is_to_be_overwritten_is(world: World, store: Store) -> None:
    put(world, FOREIGN["broken JSON"])
    assert store(overwrite=True) == "rotated"
    assert json.loads(held(world)) == NEW
    before = world.secrets.get_secret_value(SecretId=SECRET, VersionStage="AWSPREVIOUS")
    assert before["SecretString"] == FOREIGN["broken JSON"]


# What AWS refuses


def test_a_secret_marked_for_deletion_is_said_with_the_remedy(world: World, store: Store) -> None:
    world.secrets.delete_secret(SecretId=SECRET)
    with pytest.raises(SecretStoreError, match="marked deleted") as caught:
        store()
    said = str(caught.value)
    assert said.startswith(f"secret '{SECRET}': GetSecretValue was refused: ")
    assert f"`aws secretsmanager restore-secret --secret-id {SECRET}` brings it back" in said
    assert world.aws_calls == ["GetSecretValue"]


def test_an_arn_of_no_secret_is_said_with_the_remedy(world: World, store: Store) -> None:
    with pytest.raises(SecretStoreError, match="there is no secret with this ARN in this region"):
        store(ARN)
    assert world.aws_calls == ["GetSecretValue", "PutSecretValue"]


DENIED, KMS = "AccessDeniedException", "its KMS key cannot be used"
REFUSALS = [
    ("GetSecretValue", DENIED, "grant yourself this right"),
    ("PutSecretValue", DENIED, "grant yourself this right"),
    ("CreateSecret", DENIED, "grant yourself this right"),
    ("GetSecretValue", "DecryptionFailure", KMS),
    ("PutSecretValue", "EncryptionFailure", KMS),
    ("CreateSecret", "EncryptionFailure", KMS),
    ("CreateSecret", "InvalidRequestException", "restore-secret --secret-id elephant/"),
    ("CreateSecret", "InvalidParameterException", "name another secret"),
]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_names_the_call_and_the_remedy_and_not_the_token(
    world: World, store: Store, said: list[str], refusal: tuple[str, str, str]
) -> None:
    operation, code, remedy = refusal
    secret = NEW_SECRET if operation == "CreateSecret" else SECRET
    world.fail(operation, code)
    with pytest.raises(SecretStoreError) as caught:
        store(secret)
    assert f"secret '{secret}': {operation} was refused: " in str(caught.value)
    assert remedy in str(caught.value)
    assert str(caught.value).endswith("AWS said: as the test wants it")
    assert said == []
    for token in (TOKEN, DEFAULT_TOKEN):
        assert token not in everything_said_by(caught.value)
    assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": DEFAULT_TOKEN}


@pytest.mark.parametrize("operation", ["GetSecretValue", "PutSecretValue", "CreateSecret"])
def test_any_other_error_of_aws_passes(world: World, store: Store, operation: str) -> None:
    world.fail(operation, "ExpiredTokenException")
    with pytest.raises(ClientError, match="ExpiredTokenException") as caught:
        store(NEW_SECRET if operation == "CreateSecret" else SECRET)
    assert TOKEN not in everything_said_by(caught.value)


# Proving it first


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


def test_the_prompt_is_used_on_a_terminal(world: World, settings: Settings) -> None:
    person, said = Person(OTHER_TOKEN), list[str]()
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
    assert (world.calls, said) == (([], []), [])


UNREMOVABLE = Fault(FaultKind.DROP, times=None, method="DELETE", path=f"{RECORDS}/*")
READER = Token(OTHER_TOKEN, frozenset(Permission) - {Permission.DNS_WRITE})
FAILED = {
    "only reads": (READER, Zone(), None, TokenRefusedError),
    "of another zone": (Token(), Zone(name="example.org"), None, WrongZoneError),
    "leaves something behind": (Token(), Zone(), UNREMOVABLE, UnconfirmedError),
}


@pytest.mark.parametrize("case", FAILED.values(), ids=FAILED)
def test_a_token_whose_proof_fails_is_not_stored(
    world: World, said: list[str], case: tuple[Token, Zone, Fault | None, type[Exception]]
) -> None:
    token, zone, fault, cause = case
    with CloudflareStandIn([zone], [token], dns_port=None) as cloudflare:
        if fault:
            cloudflare.faults.add(fault)
        settings = make_settings(CLOUDFLARE_API_URL=cloudflare.url)
        world.forget_calls()
        with pytest.raises(WriteCheckError) as caught:
            rotate(settings, world.app_secrets, token.value, said.append)
        assert bool(cloudflare.api.zones[0].records) is bool(fault)
    assert isinstance(caught.value.__cause__, cause)
    assert (caught.value.leftover is not None) is bool(fault)
    assert world.aws_calls == []
    assert token.value not in everything_said_by(caught.value) + "".join(said)


def test_a_secret_of_something_else_is_overwritten_only_if_asked(
    world: World, settings: Settings, said: list[str]
) -> None:
    put(world, "no token, but words")
    run: Callable[..., Any] = rotate
    with pytest.raises(SecretStoreError):
        run(settings, world.app_secrets, OTHER_TOKEN, said.append)
    assert run(settings, world.app_secrets, OTHER_TOKEN, said.append, overwrite=True) == "rotated"
