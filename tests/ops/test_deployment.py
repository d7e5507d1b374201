"""Deploying and removing: nothing is touched in a wrong account, or while files are stale."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from chalicelib.dns.record import Record
from chalicelib.settings.stage import FEATURES
from ops import deployment as deployment_module
from ops.account import AwsError
from ops.cloudflare_zone import ZoneView
from ops.deployment import Deployment
from ops.features import with_features
from ops.iam_page import PLAIN
from ops.inventory import Rows, _rows, take_inventory
from ops.next_steps import after_deployment
from ops.removal import Removable, Removal
from ops.stack import SupportingStack
from ops.stages import ConfigError, ConfigFile
from ops.teardown import Teardown
from ops.written_files import write_files
from tests.ops.played import Played, refusal
from tests.ops.projects import ROOT, account, code, edit_stages, project_with, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Change = Callable[[ConfigFile, pytest.MonkeyPatch], None]

SECRET, TABLE = "prod/elephant/cloudflare", "elephant-meetings"
COMMON: Any = {"proxied": True, "ttl": 1, "comment": "elephant:local m=m1"}
THEIRS = [
    Record.address(f"i-{number:08}.elephant.localhost", "203.0.113.7", **COMMON)
    for number in range(5)
]


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigFile:
    """Make a project with a local stage that has no features."""
    for module in ("deployment", "teardown"):
        monkeypatch.setattr(f"ops.{module}.Code", lambda _: code())
    local = ConfigFile(ROOT).stage("local")
    plain = replace(local, variables=with_features(local.variables, (), FEATURES))
    return project_with(plain, tmp_path / "project")


@pytest.fixture
def deployment(config_file: ConfigFile) -> Iterator[Deployment]:
    with mock_aws():
        yield Deployment(config_file, config_file.stage("local"), account())


def of_another_account(config_file: ConfigFile, _: pytest.MonkeyPatch) -> None:
    another = {"account": "999999999999", "region": "us-west-2"}
    edit_stages(config_file.path, lambda stages: stages["local"].update(elephant=another))


def stale_policy(config_file: ConfigFile, _: pytest.MonkeyPatch) -> None:
    policy = config_file.path.parent / "policy-local-dns_watchdog.json"
    policy.write_text(policy.read_text().replace("dynamodb:GetItem", "dynamodb:*"))


def nothing_to_reserve(_: ConfigFile, patch: pytest.MonkeyPatch) -> None:
    settings = {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}
    patch.setattr(account().client("lambda"), "get_account_settings", lambda: settings)


def shared_table(config_file: ConfigFile, _: pytest.MonkeyPatch) -> None:
    own = config_file.load()["stages"]["local"]["elephant"]
    edit_stages(config_file.path, lambda stages: stages.update(other={"elephant": own}))


def with_token(_: ConfigFile, patch: pytest.MonkeyPatch) -> None:
    """Give the stage a token, and the zone a record of another deployment."""
    account().client("secretsmanager").create_secret(Name=SECRET, SecretString="a-token")
    patch.setattr(ZoneView, "our_records", lambda *_: THEIRS)
    patch.setattr(ZoneView, "details", lambda _: SimpleNamespace(name="elephant.localhost"))
    patch.setattr(ZoneView, "zone_for", lambda *_: None)


def broken_note(config_file: ConfigFile, patch: pytest.MonkeyPatch) -> None:
    with_token(config_file, patch)
    write_files({config_file.path.parent / "deployed/local.json": "{"})
    patch.setattr(deployment_module, "check_zone", lambda *_: ())


def living_without_token(_: ConfigFile, patch: pytest.MonkeyPatch) -> None:
    """Silenced and then not removed would be the worst of both."""
    patch.setattr(Removal, "any_function", lambda *_: True)
    patch.setattr(Removal, "stop_events", lambda *_: pytest.fail("it is silenced"))


REFUSED: dict[str, tuple[Change, Removable | None, str]] = {
    "another account": (of_another_account, None, "is in account 999999999999"),
    "a policy by hand": (stale_policy, None, r"policy-local-dns_.*\.json: .*`elephant stage lo"),
    "too much reserved": (nothing_to_reserve, None, "10 are unreserved.*stage local --concurrency"),
    "another's records": (with_token, None, r"and 2 more in the zone have .*--owner elephant:ANOT"),
    "a broken note": (broken_note, None, r"local\.json is not valid JSON: .*; remove it"),
    "removal in another account": (of_another_account, Removable(), "is in account 999999999999"),
    "another table": (lambda *_: None, Removable(table="another"), "nothing was removed"),
    "another secret": (lambda *_: None, Removable(secret="another"), "nothing was removed"),
    "a used table": (shared_table, Removable(table=TABLE), f"'other' uses the table '{TABLE}"),
    "removal without a token": (living_without_token, Removable(), "--keep-records"),
    "others' records": (with_token, Removable(), "and 2 more, with no .*nothing was remove"),
}
"""With what is to be removed; without, the stage is to be deployed."""


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize("case", REFUSED)
def test_what_would_do_harm_is_refused(
    config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    change, removable, said = REFUSED[case]
    change(config_file, monkeypatch)
    place = (config_file, config_file.stage("local"), account())
    attempt = (
        partial(Teardown(*place).destroy, removable) if removable else Deployment(*place).deploy
    )

    error = AwsError if change is of_another_account else ConfigError
    with pytest.raises(error, match=said):
        attempt(silent, silent)
    made = account().client("cloudformation").describe_stacks()["Stacks"]
    assert len(made) == (case == "a broken note")


def test_a_secret_without_a_token_is_found_out_before_anything_is_made(
    deployment: Deployment,
) -> None:
    client = account().client("secretsmanager")

    assert not deployment.has_token()
    client.create_secret(Name=SECRET, SecretString="{}")
    assert not deployment.has_token()
    client.put_secret_value(SecretId=SECRET, SecretString="a-token")
    assert deployment.has_token()


@pytest.mark.usefixtures("deployment")
def test_what_is_gone_already_can_be_removed_again(
    config_file: ConfigFile, said: list[str]
) -> None:
    teardown = Teardown(config_file, config_file.stage("local"), account())
    for _ in range(2):
        teardown.destroy(Removable(TABLE, SECRET), silent, said.append)

    assert "functions and token are removed already: not looking for records" in said
    assert "elephant-local-support does not exist" in said


# What is said about it


@pytest.mark.parametrize(
    ("url", "works", "said"),
    [
        (
            "https://x.example/prod/",
            True,
            "Book meetings in a browser:\n    https://x.example/prod/",
        ),
        (None, True, "Tags=[{Key=Project,Value=Elephant}]"),
        (None, True, "Open https://INSTANCE-ID.example.com:8443\n"),
        (None, False, "  elephant doctor prod"),
    ],
)
def test_after_a_deployment_it_is_said_what_to_do_next(
    url: str | None,
    works: bool,  # noqa: FBT001 (a case)
    said: str,
) -> None:
    lines = [*after_deployment(PLAIN, url, works=works)]
    assert said in "\n".join(lines)
    assert max(map(len, lines)) <= 80


def test_what_is_there_is_counted_as_far_as_it_is_known() -> None:
    with mock_aws():
        stack = SupportingStack(account().client("cloudformation"), PLAIN.name)
        found = take_inventory(PLAIN, account(), stack, ["sweep"])
    assert "not known: " in "".join(found.lines(Removable(records=True)))
    assert (found.stack, found.functions, found.rows, found.secret) == (None, (), None, None)
    kept = [what for what, _ in found.remains(Removable(records=False))]
    assert kept == [f"DNS records of {PLAIN.settings.owner}, if any"]
    there = replace(found, records=0, rows=Rows(7000, are_all=False))
    assert "with more than 7000 rows" in "".join(there.lines(Removable()))
    assert "nothing: it is not deployed" in "".join(there.lines(Removable()))


def test_a_table_that_is_being_deleted_has_no_rows_and_a_refusal_is_said() -> None:
    deleting = {"Table": {"TableStatus": "DELETING"}}
    denied = refusal("AccessDeniedException", "GetFunctionConfiguration")
    stack = SimpleNamespace(exists=lambda: False, has_meetings=lambda: False, name="")
    with pytest.raises(AwsError, match=r"stage has: .*right to GetFunctionConfiguration"):
        take_inventory(PLAIN, Played(get_function_configuration=denied), stack, ["sweep"])  # type: ignore[arg-type]
    assert _rows(Played(describe_table=deleting), "t") is None
