"""`elephant keys`: who may schedule meetings, without a key being lost or shown twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from chalicelib.meetings.authorizer import keys_in
from ops.account import Account, AwsError
from ops.cli import main
from ops.keys import ATTEMPTS, LARGEST_SECRET, KeyRing, KeySecret, KeysError, day_of, new_key
from ops.stages import ConfigFile
from tests.meetings.launches import MEETINGS
from tests.ops.projects import edit_stages
from tests.ops.secrecy import everything_said_by

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.world import World

    Ops = Callable[..., Result]

SECRET = "elephant-test-schedule-key"
BARE = "b" * 43
NOW = datetime(2026, 11, 27, 23, 30, tzinfo=UTC)


@pytest.fixture
def project(project: Path, world: World) -> Path:
    """Give the stage meetings, and the secret that its stack makes."""

    def add(stages: dict[str, dict[str, dict[str, str]]]) -> None:
        stages["test"]["environment_variables"].update(MEETINGS)

    edit_stages(project / ".chalice/config.json", add)
    world.secrets.create_secret(Name=SECRET, SecretString=BARE)
    return project


@pytest.fixture
def ops(project: Path) -> Ops:
    def run(*words: str, answer: str = "") -> Result:
        arguments = ["keys", "test", *words, "--project", str(project)]
        return CliRunner().invoke(main, arguments, input=answer)

    return run


def stored(world: World) -> dict[str, str]:
    """Return who is let in by which key, as the application reads the secret."""
    answer = world.secrets.get_secret_value(SecretId=SECRET, VersionStage="AWSCURRENT")
    return keys_in(answer["SecretString"])


def test_a_new_key_is_all_that_goes_to_standard_output_and_the_bare_one_stays_valid(
    world: World, ops: Ops
) -> None:
    result = ops("add", "anna")

    key = result.stdout.removesuffix("\n")
    assert stored(world) == {BARE: "default", key: "anna"}
    assert day_of(key)
    assert key not in result.stderr
    assert "only this once" in result.stderr
    listed = ops()
    assert not [each for each in stored(world) if each in listed.output]
    assert json.loads(ops("--json").stdout)["keys"] == [
        {"name": "default", "keys": 1, "since": [None]},
        {"name": "anna", "keys": 1, "since": [str(day_of(key))]},
    ]


def test_a_rotation_keeps_the_former_key_until_it_is_finished(world: World, ops: Ops) -> None:
    rotated = ops("rotate", "default")
    key = rotated.stdout.strip()
    assert stored(world) == dict.fromkeys((BARE, key), "default")
    assert "`elephant keys test rotate default --finish`" in rotated.stderr
    assert ", not known" in ops().output

    assert ops("rotate", "default", "--finish", answer="n\n").exit_code == 1
    assert len(stored(world)) == 2
    finished = ops("rotate", "default", "--finish", "--yes")
    assert stored(world) == {key: "default"}
    assert "refused everywhere within 5 minutes" in finished.output
    assert "nothing to remove" in ops("rotate", "default", "--finish").output


def test_the_newest_key_is_the_first_as_the_docs_had_it_for_rotations_by_hand(
    world: World, ops: Ops
) -> None:
    store(world, json.dumps({"default": ["n" * 32, BARE]}))
    assert ops("rotate", "default", "--finish", "--yes").exit_code == 0
    assert stored(world) == {"n" * 32: "default"}


def test_a_script_reads_one_object_of_each_change(world: World, ops: Ops) -> None:
    def read(*words: str) -> dict[str, object]:
        document: dict[str, object] = json.loads(ops(*words, "--yes", "--json").stdout)
        assert (document.pop("stage"), document.pop("name")) == ("test", "anna")
        return document

    first, second = read("add", "anna"), read("rotate", "anna")
    assert (first.pop("keys"), second.pop("keys")) == (1, 2)
    assert {*first.values(), *second.values(), BARE} == {*stored(world)}
    assert read("rotate", "anna", "--finish") == read("rotate", "anna", "--finish") == {"keys": 1}
    assert read("remove", "anna") == {"keys": 0}


def test_a_key_given_instead_of_a_name_is_refused_and_not_shown(ops: Ops) -> None:
    key = ops("add", "anna").stdout.strip()
    for action in ("add", "rotate", "remove"):
        for given in (key, BARE):
            refused = ops(action, given)
            assert (refused.exit_code, given in refused.output) == (1, False)


def test_a_key_is_removed_once_it_is_said_what_becomes_of_its_meetings(
    world: World, ops: Ops
) -> None:
    ops("add", "anna")

    asked = ops("remove", "anna", answer="n\n")
    assert "stay and take place" in asked.output
    assert "anna" in stored(world).values()
    assert ops("remove", "anna", answer="y\n").exit_code == 0
    assert stored(world) == {BARE: "default"}
    assert ops("remove", "default", "--force", "--yes").exit_code == 0
    assert stored(world) == {}
    assert "Nobody has a key: make one with `elephant keys test add WHO`" in ops().stdout
    assert ops("add", "anna").exit_code == 0  # the secret is usable without any key


REFUSED = {
    "a name with spaces": (("add", "anna b"), "letters, digits and . _ @ + -"),
    "a long name": (("add", "a" * 41), "up to 40"),
    "a name that exists": (("add", "default"), "replace it with `rotate default`"),
    "nearly one that exists": (("add", "Default"), "too much like 'default'"),
    "nobody": (("rotate", "anna"), "'anna' has no key; these have: default"),
    "the last one": (("remove", "default", "--yes"), "is the last one with a key"),
    "no name": (("add",), "say whose key to add"),
    "a finish of nothing": (("add", "anna", "--finish"), "--finish is for rotate"),
    "a force of nothing": (("rotate", "default", "--force"), "--force is for remove"),
}


@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    world: World, ops: Ops, words: tuple[str, ...], why: str
) -> None:
    result = ops(*words)

    assert result.exit_code in {1, 2}
    assert why in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert stored(world) == {BARE: "default"}


@pytest.mark.parametrize("text", ['{"anna": "short"}', '{"anna": 5}', "{", "short"])
def test_a_secret_that_the_application_does_not_accept_is_not_overwritten(
    world: World, ops: Ops, text: str
) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=text)

    assert "something besides valid keys" in ops("add", "anna").stderr


def test_more_keys_than_a_secret_holds_are_refused() -> None:
    ring = KeyRing({str(number): (new_key(NOW),) for number in range(LARGEST_SECRET // 60)})
    with pytest.raises(KeysError, match="more than a secret can hold"):
        _ = ring.text


def test_a_key_has_its_day_in_utc_and_others_have_none() -> None:
    assert str(day_of(new_key(NOW))) == "2026-11-27"
    assert day_of(BARE) is None
    assert day_of(new_key(NOW).replace("20261127", "20261399")) is None


class AccountOf(Account):
    """The account of a world, whose calls a test can fail and interrupt."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def client(self, _: str) -> object:
        return self._world.app_secrets


@pytest.fixture
def secret(world: World, project: Path) -> KeySecret:
    return KeySecret(ConfigFile(project).stage("test"), AccountOf(world))


def store(world: World, text: str) -> None:
    world.secrets.put_secret_value(SecretId=SECRET, SecretString=text)


def test_a_change_that_somebody_makes_meanwhile_is_kept(world: World, secret: KeySecret) -> None:
    others = json.dumps({"default": BARE, "bert": "c" * 32})
    world.meanwhile("UpdateSecretVersionStage", lambda: store(world, others))

    secret.change(lambda ring: ring.added("anna", "a" * 32))

    assert {*stored(world).values()} == {"default", "bert", "anna"}
    labels = world.secrets.list_secret_version_ids(SecretId=SECRET)["Versions"]
    assert {each for one in labels for each in one["VersionStages"]} == {
        "AWSCURRENT",
        "AWSPREVIOUS",
    }


def test_changes_that_never_end_are_given_up(world: World, secret: KeySecret) -> None:
    begun: list[int] = []

    def edit(ring: KeyRing) -> KeyRing:
        begun.append(len(ring.keys))
        other = json.dumps({"default": BARE, f"other{len(begun)}": "c" * 32})
        world.meanwhile("UpdateSecretVersionStage", lambda: store(world, other))
        return ring.added("anna", "a" * 32)

    with pytest.raises(KeysError, match="by somebody else"):
        secret.change(edit)
    assert len(begun) == ATTEMPTS
    assert "anna" not in stored(world).values()


def test_a_change_whose_answer_was_lost_is_made_once(world: World, secret: KeySecret) -> None:
    def move() -> None:
        versions = world.secrets.list_secret_version_ids(SecretId=SECRET)["Versions"]
        (current,) = [each for each in versions if "AWSCURRENT" in each["VersionStages"]]
        (new,) = [each for each in versions if each is not current]
        world.secrets.update_secret_version_stage(
            SecretId=SECRET,
            VersionStage="AWSCURRENT",
            RemoveFromVersionId=current["VersionId"],
            MoveToVersionId=new["VersionId"],
        )

    world.meanwhile("UpdateSecretVersionStage", move)

    secret.change(lambda ring: ring.added("anna", "a" * 32))

    assert stored(world) == {BARE: "default", "a" * 32: "anna"}


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_a_refusal_of_aws_is_said_without_a_key(
    world: World, secret: KeySecret, operation: str
) -> None:
    world.fail(operation, "AccessDeniedException")

    with pytest.raises(AwsError, match="grant yourself the right to") as refusal:
        secret.change(lambda ring: ring.added("anna", "a" * 32))

    assert "a" * 32 not in everything_said_by(refusal.value)
    assert stored(world) == {BARE: "default"}


def test_what_is_missing_is_named(world: World, ops: Ops, project: Path) -> None:
    world.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    assert "`elephant deploy test` creates it" in ops().stderr

    edit_stages(
        project / ".chalice/config.json",
        lambda stages: stages["test"]["environment_variables"].pop("FEATURES"),
    )
    assert "has no meetings" in ops().stderr
