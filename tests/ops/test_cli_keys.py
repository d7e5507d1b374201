"""`elephant keys`: named keys in the stage's secret, of which nothing is shown but a new one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.meetings.authorizer import Authorizer, UnauthorizedError
from ops.keys import KeyRing, KeysError, NamedKeys
from ops.stages import Stage
from ops.stored_secret import SecretChangedError, StoredSecret
from tests.ops.projects import variables_in
from tests.ops.secrecy import everything_said_by
from tests.world import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from tests.world import World

    Ops = Callable[..., Result]

NAME = "elephant-test-schedule-key"
OLD = "0ld-k3y-0f-the-front-end-0123456789"
HERS = "h3r-k3y-which-she-keeps-0123456789"
UPDATE = "UpdateSecretVersionStage"


@pytest.fixture
def ops(ops_with_meetings: Ops, world: World) -> Ops:
    """Run `elephant keys` on a stage whose secret has one bare key, as `deploy` makes it."""
    world.secrets.create_secret(Name=NAME, SecretString=OLD)

    def run(*words: str, typed: str = "") -> Result:
        result = ops_with_meetings("keys", *words, typed=typed)
        assert OLD not in result.output
        return result

    return run


@pytest.fixture
def ring(world: World) -> KeyRing:
    """Return the keys of a stage whose secret has two of them."""
    store = {"default": OLD, "ada": HERS}
    world.secrets.create_secret(Name=NAME, SecretString=json.dumps(store))
    return KeyRing(world.app_secrets, Stage("test", ACCOUNT, REGION, variables_in(world)))


def held(world: World) -> Any:  # noqa: ANN401 (JSON)
    answer = world.secrets.get_secret_value(SecretId=NAME, VersionStage="AWSCURRENT")
    text = answer["SecretString"]
    return json.loads(text) if text.startswith("{") else text


def caller_with(key: str, world: World) -> str | None:
    """Ask as the API does who has a key; None if nobody."""

    class Current:
        """moto forgets which version is current unless it is asked for."""

        def get_secret_value(self, **request: object) -> Any:  # noqa: ANN401
            return world.secrets.get_secret_value(**request, VersionStage="AWSCURRENT")

    try:
        return Authorizer(Current()).caller_of(f"Bearer {key}", NAME).name
    except UnauthorizedError:
        return None


def test_a_new_key_is_alone_on_standard_output_and_works_beside_the_one_without_a_name(
    world: World, ops: Ops
) -> None:
    result = ops("add", "front-end@1")

    key = result.stdout.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", key), result.output
    assert "not shown again" in result.stderr
    assert "named default, and stays valid" in result.stderr
    assert key not in result.stderr
    assert held(world) == {"default": OLD, "front-end@1": key}
    assert (caller_with(key, world), caller_with(OLD, world)) == ("front-end@1", "default")
    assert ops().stdout == "default: 1 key\nfront-end@1: 1 key\n"


def test_a_rotation_keeps_the_old_key_until_it_is_finished(world: World, ops: Ops) -> None:
    lost, key = (ops("rotate", "default").stdout.strip() for _ in range(2))
    assert held(world) == {"default": [key, lost, OLD]}
    assert ops().stdout == "default: 3 keys (being rotated)\n"
    said = json.loads(ops("--json").stdout)
    assert said == {"stage": "test", "keys": [{"name": "default", "keys": 3}]}

    result = ops("rotate", "default", "--finish")

    assert (result.stdout, held(world)) == ("", {"default": key})
    assert "refused within 5 minutes" in result.stderr
    assert "no rotation to finish" in ops("rotate", "default", "--finish").stderr


def test_a_removal_says_what_becomes_of_meetings_asks_and_spares_the_last_keys(
    world: World, ops: Ops
) -> None:
    key = ops("add", "office").stdout.strip()
    refused = ops("remove", "office", typed="n\n")
    assert (refused.exit_code, caller_with(key, world)) == (1, "office")
    assert "Meetings that office has scheduled stay and take place." in refused.stderr

    assert ops("remove", "office", typed="y\n").exit_code == 0
    assert held(world) == {"default": OLD}
    last = ops("remove", "default", "--yes")
    assert (last.exit_code, held(world)) == (1, {"default": OLD})
    assert "the API answers 503. Add another name first, or use --force" in last.stderr

    assert ops("remove", "default", "--yes", "--force").exit_code == 0
    assert held(world) == {}
    assert ops().stdout.startswith("no keys: nobody can schedule meetings")
    assert ops("add", "office").exit_code == 0  # and so it begins again


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("add", ""), 2, "give the name"),
        (("add",), 2, "give the name: `add WHO`"),
        (("add", "office", "--finish"), 2, "--finish is not an option of add"),
        (("--yes",), 2, "--yes is not an option of the list of keys"),
        (("add", "office", "--json"), 2, "--json is for the list"),
        (("add", "-office"), 2, "No such option"),
        (("add", "front end"), 1, "a name has 1 to 40 of A-Z, a-z, 0-9, '.', '_', '@' and '-'"),
        (("add", "zo\u00eb"), 1, "it is in logs and in the rows of its meetings"),
        (("add", "Default"), 1, "there is a key named 'default' already"),
        (("rotate", "office"), 1, "no key has this name; existing: 'default'"),
        (("remove", "office"), 1, "no key has this name; existing: 'default'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    world: World, ops: Ops, words: tuple[str, ...], status: int, said: str
) -> None:
    result = ops(*words)
    assert (result.exit_code, result.stdout, held(world)) == (status, "", OLD)
    assert said in " ".join(result.stderr.split())


def test_a_key_given_as_a_name_is_refused_and_not_shown(ops: Ops) -> None:
    key = ops("add", "office").stdout.strip()
    for action in ("add", "rotate", "remove"):
        result = ops(action, key)
        assert (result.exit_code, key in result.output) == (1, False)


def test_a_secret_that_holds_something_else_is_left_as_it_is(world: World, ops: Ops) -> None:
    for text in ('{"office": "short"}', '{"office": 7}', "two words"):
        world.secrets.put_secret_value(SecretId=NAME, SecretString=text)
        result = ops("add", "office")
        assert result.exit_code == 1
        assert "it was left as it is. Correct it, or begin with no keys: `aws" in result.stderr
        assert "short" not in result.output
    world.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
    assert "create it with `elephant deploy test`" in ops().stderr


def test_a_stage_without_meetings_has_no_keys(ops: Ops, project: Any) -> None:  # noqa: ANN401
    path = project / ".chalice/config.json"
    path.write_text(path.read_text().replace('"meetings"', '""'))
    assert "stage 'test' has no meetings: turn them on with" in ops().stderr


# Somebody else changes them at the same moment


def test_another_change_at_the_same_moment_is_kept_as_well(world: World, ring: KeyRing) -> None:
    other = json.dumps({"default": OLD, "ben": "b3n-" * 8})
    world.meanwhile(
        UPDATE, lambda: world.secrets.put_secret_value(SecretId=NAME, SecretString=other)
    )
    before = ring.change(lambda keys: keys.added("office", "n3w-" * 8))
    assert before.counts == {"default": 1, "ben": 1}  # as it was decided on, the second time
    assert ring.read().counts == {"default": 1, "ben": 1, "office": 1}


def test_if_others_never_stop_nothing_is_changed(world: World, ring: KeyRing) -> None:
    def overwrite() -> None:
        world.secrets.put_secret_value(SecretId=NAME, SecretString=HERS)
        world.meanwhile(UPDATE, overwrite)

    world.meanwhile(UPDATE, overwrite)
    with pytest.raises(SecretChangedError, match="changed by somebody else") as caught:
        ring.change(lambda keys: keys.added("office", "n3w-" * 8))
    assert held(world) == HERS
    assert not any(key in everything_said_by(caught.value) for key in (OLD, HERS, "n3w-" * 8))


def test_a_lost_answer_counts_as_the_success_that_it_was(world: World, ring: KeyRing) -> None:
    update = world.secrets.update_secret_version_stage

    def done_already() -> None:
        made, now = (
            world.secrets.get_secret_value(SecretId=NAME, VersionStage=stage)["VersionId"]
            for stage in ("elephant-proposed", "AWSCURRENT")
        )
        update(
            SecretId=NAME, VersionStage="AWSCURRENT", MoveToVersionId=made, RemoveFromVersionId=now
        )

    world.meanwhile(UPDATE, done_already)
    ring.change(lambda keys: keys.removed("ada", force=False))
    assert held(world) == {"default": OLD}


def test_an_edit_that_overwrites_a_change_a_moment_later_is_noticed(
    world: World, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = StoredSecret.replace

    def overwritten(*arguments: Any) -> object:  # noqa: ANN401
        version = replace(*arguments)
        by_hand = world.secrets.put_secret_value(
            SecretId=NAME, SecretString=HERS, VersionStages=["by-hand"]
        )
        world.secrets.update_secret_version_stage(
            SecretId=NAME,
            VersionStage="AWSCURRENT",
            MoveToVersionId=by_hand["VersionId"],
            RemoveFromVersionId=version.id,
        )
        return version

    monkeypatch.setattr(StoredSecret, "replace", overwritten)
    for change in (
        lambda keys: keys.added("office", "n3w-" * 8),
        lambda keys: keys.rotated("default", "n3w-" * 8),
    ):
        with pytest.raises(KeysError, match="overwritten by somebody else a moment later"):
            ring.change(change)


def test_other_refusals_keep_their_remedy_and_a_full_secret_is_no_riddle(
    world: World, ring: KeyRing
) -> None:
    full = NamedKeys({"default": tuple(f"{number:016}" for number in range(4000))})
    with pytest.raises(KeysError, match="no room for another key"):
        ring.change(lambda _: full)
    world.fail(UPDATE, "AccessDeniedException")
    with pytest.raises(Exception, match="UpdateSecretVersionStage was refused: grant yourself"):
        ring.change(lambda keys: keys.removed("ada", force=False))
    assert held(world) == {"default": OLD, "ada": HERS}
    assert not any(key in repr(ring.read()) for key in (OLD, HERS))
