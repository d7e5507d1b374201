"""The token is read unseen, proved before it is stored, and never shown."""

from __future__ import annotations

import base64
import io
import json
import warnings
from getpass import GetPassWarning
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.secrets import Token as AppToken
from localcloud.cloudflare import DEFAULT_TOKEN, Fault, FaultKind
from ops.cli_token import take_token
from ops.stages import ConfigFile
from ops.stored_secret import SecretStoreError
from ops.token import PROMPT, Stored, TokenFormatError, read_token, rotate, set_token, store_token
from ops.write_check import WriteCheckError
from tests.ops.secrecy import Terminal, everything_said_by
from tests.world import OTHER_TOKEN, SECRET, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chalicelib.settings.stage import Settings
    from tests.world import World

    Store = Callable[..., Stored]

NEW_SECRET = "elephant/prod/cloudflare"
TOKEN = "cfut_" + "N3w" * 16
OLD, NEW = {"CLOUDFLARE_TOKEN": "old"}, {"CLOUDFLARE_TOKEN": TOKEN}
ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:elephant-AbCdEf"
NO_TOKEN = "this is not an API token"


@pytest.fixture
def settings(world: World) -> Settings:
    return make_settings(CLOUDFLARE_API_URL=world.cloudflare.url)


@pytest.fixture
def store(world: World, said: list[str]) -> Store:
    """Store a token, in the secret of the stage unless another is named."""

    def run(secret: str = SECRET) -> Stored:
        world.forget_calls()
        return store_token(world.app_secrets, secret, TOKEN, said.append)

    return run


def put(world: World, text: str) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=text)


def held(world: World, secret: str = SECRET) -> str:
    return str(world.secrets.get_secret_value(SecretId=secret)["SecretString"])


# Reading it


KINDS = ["cfat_" + "a1" * 24, "cfut_" + "Z9" * 24, f"v1_0-{'AbCdEf' * 6}", "a" * 36]


@pytest.mark.parametrize("text", [TOKEN, f"  {TOKEN}\r\n", f"{TOKEN}\nmore\n", *KINDS])
def test_standard_input_gives_its_first_line_which_may_be_a_token_of_any_age(text: str) -> None:
    assert read_token(io.StringIO(text), end_input) == text.split(maxsplit=1)[0]


def end_input(_: str) -> str:
    raise EOFError


def test_a_terminal_that_would_echo_is_not_read() -> None:
    read: list[str] = []

    def echo(prompt: str) -> str:
        warnings.warn("Can not control echo on the terminal.", GetPassWarning, stacklevel=2)
        read.append(prompt)
        return TOKEN

    with pytest.raises(TokenFormatError, match="cannot hide what is typed, so nothing was read"):
        read_token(Terminal(), echo)
    assert read == []
    with pytest.raises(TokenFormatError, match=NONE_GIVEN):
        read_token(Terminal(), end_input)


GLOBAL_KEY = "looks like the Global API Key"
NONE_GIVEN = "no token was given: paste it at the prompt"
WRONG = {
    "nothing": ("", NONE_GIVEN),
    "a blank line": ("   \n", NONE_GIVEN),
    "no text": (f"{TOKEN}\udcff\n", NO_TOKEN),
    "with the scheme": (f"Bearer {TOKEN}", NO_TOKEN),
    "quoted": (f'"{TOKEN}"', NO_TOKEN),
    "an Origin CA key": (f"v1.0-{TOKEN}", NO_TOKEN),
    "with what is no ASCII": (f"{TOKEN}é", NO_TOKEN),
    "a global key of 37 digits": ("144c9defac04969c7bfad8efaa8ea194" + "0123a", GLOBAL_KEY),
    "a global key of 45 digits": ("0123456789abcdef" * 2 + "0123456789abc", GLOBAL_KEY),
    "a global key with its prefix": ("cfk_" + "A" * 48, GLOBAL_KEY),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_token_is_refused_with_the_reason_and_not_shown(case: str) -> None:
    text, reason = WRONG[case]
    typed = io.BytesIO(text.encode(errors="surrogateescape"))
    with pytest.raises(TokenFormatError, match=reason) as caught:
        read_token(io.TextIOWrapper(typed, encoding="utf-8"))
    assert not text.strip() or text.strip("\udcff\n") not in everything_said_by(caught.value)


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


@pytest.mark.parametrize(("by", "tried"), [("Name", ["CreateSecret"]), ("ARN", [])])
def test_a_secret_without_a_value_gets_its_first(
    world: World, store: Store, by: str, tried: list[str]
) -> None:
    secret = world.secrets.create_secret(Name=NEW_SECRET)
    assert store(secret[by]) == "created"
    assert world.aws_calls == ["GetSecretValue", *tried, "PutSecretValue"]
    assert json.loads(held(world, NEW_SECRET)) == NEW


API_OLD, API_NEW = {"CLOUDFLARE_API_TOKEN": "old"}, {"CLOUDFLARE_API_TOKEN": TOKEN}
ROTATED: dict[str, tuple[object, object]] = {
    "among others": ({"user": "é"} | OLD | {"n": 1}, {"user": "é"} | NEW | {"n": 1}),
    "both keys": (API_OLD | OLD, API_OLD | NEW),
    "the key that is not empty": (
        {"CLOUDFLARE_TOKEN": ""} | API_OLD,
        {"CLOUDFLARE_TOKEN": ""} | API_NEW,
    ),
    "an empty key": ({"CLOUDFLARE_API_TOKEN": ""}, API_NEW),
    "no text": ({"CLOUDFLARE_TOKEN": None}, NEW),
    "neither key": ({"user": "x"}, {"user": "x"} | NEW),
    "plain text": ("old-token", TOKEN),
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
    assert "running functions use it within 5 minutes; after that, the old one may" in said[0]


@pytest.mark.parametrize("before", [json.dumps({"other": 1} | API_NEW), TOKEN, f"{TOKEN}\n"])
def test_the_same_token_writes_nothing(
    world: World, store: Store, said: list[str], before: str
) -> None:
    put(world, before)
    assert store() == "unchanged"
    assert world.aws_calls == ["GetSecretValue"]
    assert held(world) == before
    assert said == [f"Secret '{SECRET}' holds this token already"]


FOREIGN = {
    "broken JSON": '{"password": "hunter2"',
    "a list": '["hunter2"]',
    "a private key": "-----BEGIN PRIVATE KEY-----\nhunter2\n",
    "bytes": base64.b64encode(b"hunter2"),
}


@pytest.mark.parametrize("before", FOREIGN.values(), ids=FOREIGN)
def test_a_secret_of_something_else_is_left_alone(
    world: World, store: Store, before: str | bytes
) -> None:
    member = "SecretString" if isinstance(before, str) else "SecretBinary"
    world.secrets.put_secret_value(SecretId=SECRET, **{member: before})
    with pytest.raises(SecretStoreError, match="it was left as it is: name another") as caught:
        store()
    assert world.secrets.get_secret_value(SecretId=SECRET)[member] == before
    assert world.aws_calls == ["GetSecretValue"]
    assert "hunter2" not in everything_said_by(caught.value)


# What AWS refuses

DENIED, KMS = "AccessDeniedException", "its KMS key cannot be used"
RESTORE = f"`aws secretsmanager restore-secret --secret-id {SECRET}` brings it back"
GET, PUT = "GetSecretValue", "PutSecretValue"
REFUSALS = [
    (SECRET, GET, "", RESTORE),
    (ARN, PUT, "", "there is no secret with this ARN in this region"),
    (SECRET, GET, DENIED, "grant yourself this right"),
    (SECRET, GET, "DecryptionFailure", KMS),
    (SECRET, PUT, "EncryptionFailure", KMS),
    (NEW_SECRET, "CreateSecret", "InvalidParameterException", "name another secret"),
]


@pytest.mark.parametrize(("secret", "operation", "code", "remedy"), REFUSALS)
def test_a_refusal_names_the_call_and_the_remedy_and_not_the_token(  # noqa: PLR0913 (a case)
    world: World, store: Store, *, secret: str, operation: str, code: str, remedy: str
) -> None:
    if code:
        world.fail(operation, code)
    elif secret == SECRET:
        world.secrets.delete_secret(SecretId=SECRET)
    with pytest.raises(SecretStoreError) as caught:
        store(secret)
    assert f"secret '{secret}': {operation} was refused: " in str(caught.value)
    assert remedy in str(caught.value)
    said = (
        "as the test wants it" if code else "marked deleted" if secret == SECRET else "t find the"
    )
    assert said in str(caught.value).partition("AWS said: ")[2]
    assert world.aws_calls == list(dict.fromkeys([GET, operation]))
    for token in (TOKEN, DEFAULT_TOKEN):
        assert token not in everything_said_by(caught.value)
    if code:
        assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": DEFAULT_TOKEN}


def test_any_other_error_of_aws_passes(world: World, store: Store) -> None:
    world.fail("PutSecretValue", "ExpiredTokenException")
    with pytest.raises(ClientError, match="ExpiredTokenException") as caught:
        store()
    assert TOKEN not in everything_said_by(caught.value)


# Proving it first


def test_the_token_is_proved_and_then_stored(
    world: World, settings: Settings, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    prompts, held_while_proving = list[str](), list[str]()

    def paste(prompt: str) -> str:
        prompts.append(prompt)
        return f"  {OTHER_TOKEN}\n"

    def say(text: str) -> None:
        said.append(text)
        held_while_proving.append(json.loads(held(world))["CLOUDFLARE_TOKEN"])

    assert set_token(settings, world.app_secrets, Terminal(), say, prompt=paste) == "rotated"

    assert prompts == [PROMPT]
    assert [call.method for call in world.cloudflare.calls] == ["POST", "GET", "DELETE", "GET"]
    assert held_while_proving == [DEFAULT_TOKEN, DEFAULT_TOKEN, OTHER_TOKEN]
    assert [text.partition(" ")[0] for text in said] == ["Testing", "The", "Secret"]
    output = capsys.readouterr()
    for token in (DEFAULT_TOKEN, OTHER_TOKEN):
        assert token not in "".join(said) + output.out + output.err


def test_the_same_token_is_proved_with_a_record_as_the_settings_want_it_and_not_written(
    world: World, said: list[str]
) -> None:
    settings = make_settings(CLOUDFLARE_API_URL=world.cloudflare.url, PROXIED="false", TTL="300")
    assert rotate(settings, world.app_secrets, DEFAULT_TOKEN, said.append) == "unchanged"
    body = json.loads(world.cloudflare.calls[0].body)
    assert (body["proxied"], body["ttl"]) == (False, 300)
    assert body["comment"] == f"{settings.owner} check"


def test_a_wrong_token_is_asked_for_again_on_a_terminal_but_not_for_ever(
    world: World,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = ConfigFile(project).stage("test")
    monkeypatch.setattr("ops.cli_token.is_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"two words\n{OTHER_TOKEN}\n"))
    take_token(stage)
    assert json.loads(held(world))["CLOUDFLARE_TOKEN"] == OTHER_TOKEN
    assert NO_TOKEN in capsys.readouterr().err

    monkeypatch.setattr("sys.stdin", io.StringIO("two words\n" * 4))
    with pytest.raises(TokenFormatError):
        take_token(stage)
    assert capsys.readouterr().err.count(NO_TOKEN) == 2


def test_what_is_no_token_asks_nobody_and_one_whose_proof_fails_is_not_stored(
    world: World, settings: Settings, said: list[str]
) -> None:
    world.cloudflare.faults.add(Fault(FaultKind.REFUSED, method="POST"))
    world.forget_calls()
    with pytest.raises(TokenFormatError):
        set_token(settings, world.app_secrets, io.StringIO("two words"), said.append)
    assert (world.calls, said) == (([], []), [])
    with pytest.raises(WriteCheckError) as caught:
        rotate(settings, world.app_secrets, OTHER_TOKEN, said.append)
    assert world.aws_calls == []
    assert OTHER_TOKEN not in everything_said_by(caught.value) + "".join(said)
    # nor one over something else, unless that is asked for
    put(world, "no token, but words")
    with pytest.raises(SecretStoreError):
        rotate(settings, world.app_secrets, OTHER_TOKEN, said.append)
    rotate(settings, world.app_secrets, OTHER_TOKEN, said.append, overwrite=True)
    assert json.loads(held(world)) == {"CLOUDFLARE_TOKEN": OTHER_TOKEN}
