"""Deploying and removing: nothing is touched in a wrong account, or while files are stale."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from moto import mock_aws

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.cloudflare.record_format import parse_record
from chalicelib.dns.provider import UnavailableError
from chalicelib.settings.stage import FEATURES
from ops import assemble, cli
from ops import deployment as deployment_module
from ops.account import AwsError
from ops.cloudflare_zone import ZoneView
from ops.command import CommandError
from ops.deployment import Deployment, Removable
from ops.features import with_features
from ops.removal import Removal
from ops.stack import SupportingStack
from ops.stages import ConfigError, ConfigFile, write_files
from tests.ops.projects import ROOT, account, code, project_with, silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chalicelib.dns.record import Record

SECRET = "prod/elephant/cloudflare"
THEIRS = parse_record(
    {
        "id": "1",
        "type": "A",
        "name": "i-00000001.elephant.example",
        "content": "203.0.113.7",
        "comment": "elephant:local m=m1 r=teacher",
    }
)


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigFile:
    """Make a project with a local stage that has no features."""
    monkeypatch.setattr(deployment_module, "Code", lambda _: code())
    local = ConfigFile(ROOT).stage("local")
    plain = replace(local, variables=with_features(local.variables, (), FEATURES))
    return project_with(plain, tmp_path / "project")


@pytest.fixture
def deployment(config_file: ConfigFile) -> Iterator[Deployment]:
    with mock_aws():
        yield Deployment(config_file, config_file.stage("local"), account())


@pytest.fixture
def token(deployment: Deployment) -> None:
    _ = deployment
    account().client("secretsmanager").create_secret(Name=SECRET, SecretString="a-token")


def assert_deploys_nothing(deployment: Deployment, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        deployment.deploy(silent, silent)
    assert account().client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_stage_of_another_account_is_not_touched(
    deployment: Deployment, config_file: ConfigFile
) -> None:
    stage = replace(config_file.stage("local"), account="999999999999")
    deployment = Deployment(config_file, stage, account())
    assert_deploys_nothing(deployment, AwsError, "is in account 999999999999")
    with pytest.raises(AwsError, match="is in account 999999999999"):
        deployment.destroy(Removable(), silent, silent)


def test_nothing_is_deployed_while_a_policy_is_not_as_it_should_be(
    deployment: Deployment, config_file: ConfigFile
) -> None:
    policy = config_file.path.parent / "policy-local-dns_watchdog.json"
    policy.write_text(policy.read_text().replace("dynamodb:GetItem", "dynamodb:*"))

    said = r"policy-local-dns_watchdog\.json: .*elephant stage lo"
    assert_deploys_nothing(deployment, ConfigError, said)


def test_nothing_is_deployed_that_reserves_what_the_account_has_not(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}
    client = account().client("lambda")
    monkeypatch.setattr(client, "get_account_settings", lambda: settings)

    said = "10 are unreserved.*elephant stage local --concurrency"
    assert_deploys_nothing(deployment, ConfigError, said)


@pytest.mark.parametrize(
    ("printed", "error", "shown"),
    [
        ("AccessDenied when calling CreateRole", AwsError, "CreateRole.*\n.*Rights an operator ne"),
        ("SyntaxError in app.py", CommandError, r"SyntaxError in app\.py"),
    ],
)
def test_what_chalice_fails_at_is_shown_and_a_right_that_it_lacks_is_explained(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    printed: str,
    error: type[Exception],
    shown: str,
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise CommandError("chalice deploy", 1, printed)

    monkeypatch.setattr(deployment_module, "run_chalice", fail)
    monkeypatch.setattr(SupportingStack, "deploy", lambda *_: None)

    with pytest.raises(error, match=shown):
        deployment.deploy(silent, silent)


@pytest.mark.parametrize("removable", [Removable(table="another"), Removable(secret="another")])
def test_what_holds_data_goes_only_by_its_own_name(
    deployment: Deployment, removable: Removable
) -> None:
    with pytest.raises(ConfigError, match="nothing was removed"):
        deployment.destroy(removable, silent, silent)


def test_a_table_that_another_stage_uses_is_not_removed(
    deployment: Deployment, config_file: ConfigFile
) -> None:
    config = config_file.load()
    config["stages"]["other"] = {"elephant": config["stages"]["local"]["elephant"]}
    config_file.path.write_text(json.dumps(config))

    with pytest.raises(ConfigError, match="stage 'other' uses the table 'elephant-meetings'"):
        deployment.destroy(Removable(table="elephant-meetings"), silent, silent)


def test_a_secret_without_a_token_is_found_out_before_anything_is_made(
    deployment: Deployment,
) -> None:
    client = account().client("secretsmanager")

    assert not deployment.has_token()
    client.create_secret(Name=SECRET, SecretString="{}")
    assert not deployment.has_token()
    client.put_secret_value(SecretId=SECRET, SecretString="a-token")
    assert deployment.has_token()


def test_without_a_token_a_living_stage_is_left_as_it_is(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silenced and then not removed would be the worst of both."""
    stopped: list[object] = []
    monkeypatch.setattr(Removal, "any_function", lambda *_: True)
    monkeypatch.setattr(Removal, "stop_events", lambda *_: stopped.append(1))

    with pytest.raises(ConfigError, match="--keep-records"):
        deployment.destroy(Removable(), silent, silent)

    assert stopped == []


def test_what_is_gone_already_can_be_removed_again(deployment: Deployment) -> None:
    said: list[str] = []

    for _ in range(2):
        deployment.destroy(Removable("elephant-meetings", SECRET), silent, said.append)

    assert "functions and token are removed already: not looking for records" in said
    assert "elephant-local-support does not exist" in said


@pytest.mark.usefixtures("token")
def test_records_of_another_deployment_with_the_same_owner_are_not_removed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ZoneView, "our_records", lambda *_: (THEIRS,))

    with pytest.raises(ConfigError, match=r"has i-00000001\.elephant\.example, with no instance"):
        deployment.destroy(Removable(), silent, silent)


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(("is_read", "found"), [(True, "have the owner"), (False, "cannot be rea")])
def test_nothing_is_deployed_into_a_wrong_zone_or_in_anothers_name(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_read: bool, found: str
) -> None:
    def our_records(*_: object) -> tuple[Record, ...]:
        if is_read:
            return (THEIRS,)
        raise TokenRefusedError("no such zone")

    monkeypatch.setattr(ZoneView, "our_records", our_records)
    monkeypatch.setattr(ZoneView, "details", lambda _: SimpleNamespace(name="elephant.example"))
    monkeypatch.setattr(ZoneView, "zone_for", lambda *_: None)

    assert_deploys_nothing(deployment, ConfigError, found)


@pytest.mark.usefixtures("token")
def test_a_note_that_cannot_be_read_is_named(
    deployment: Deployment, config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files({config_file.path.parent / "deployed/local.json": "{"})
    monkeypatch.setattr(deployment_module, "check_zone", lambda *_: ())

    with pytest.raises(ConfigError, match=r"local\.json is not valid JSON: .*; remove it"):
        deployment.deploy(silent, silent)


def new_stage(config_file: ConfigFile, *options: str) -> tuple[int, str]:
    arguments = ["stage", "new", "--account=123456789012", "--domain-root=example.com", *options]
    place = f"--project={config_file.directory}"
    token = {"CLOUDFLARE_API_TOKEN": "a-token"}
    done = CliRunner().invoke(cli.main, [*arguments, place], env=token)
    return done.exit_code, done.output


def test_the_token_is_sent_nowhere_before_the_address_is_checked(
    config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(assemble, "find_zone", lambda *given: asked.append(given))

    code, output = new_stage(config_file, "--cloudflare-api-url=http://203.0.113.9/v4")

    assert code == 1
    assert "CLOUDFLARE_API_URL is 'http://203.0.113.9/v4'" in output
    assert asked == []


def test_a_zone_that_cannot_be_looked_up_is_asked_for(
    config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise UnavailableError("could not reach Cloudflare")

    monkeypatch.setattr(assemble, "find_zone", fail)

    code, output = new_stage(config_file)

    assert code == 2
    assert "could not reach Cloudflare" in output
    assert "--zone-id is missing" in output
