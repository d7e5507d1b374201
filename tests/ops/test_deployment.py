"""Deploying and removing: nothing is touched in a wrong account, or while files are stale."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws

from chalicelib.cloudflare.client import TokenRefusedError
from chalicelib.cloudflare.record_format import parse_record
from chalicelib.dns.provider import UnavailableError
from chalicelib.settings.stage import FEATURES
from localcloud.aws import copy_project
from ops import assemble, cli
from ops import deployment as deployment_module
from ops.account import Account, AwsError
from ops.cloudflare_zone import ZoneView
from ops.command import CommandError
from ops.configure import changes
from ops.deployment import Deployment, Removable
from ops.features import with_features
from ops.reach import Code
from ops.removal import Removal
from ops.stack import SupportingStack
from ops.stages import ConfigError, ConfigFile, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.dns.record import Record

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture
def config_file(tmp_path: Path) -> ConfigFile:
    """Copy the project, with a local stage that has no features."""
    config_file = ConfigFile(copy_project(PROJECT, tmp_path / "project"))
    local = config_file.stage("local")
    plain = replace(local, variables=with_features(local.variables, (), FEATURES))
    found = changes(config_file, Code(config_file.directory), plain)
    write_files({each.path: each.after for each in found})
    return config_file


@pytest.fixture
def deployment(config_file: ConfigFile) -> Iterator[Deployment]:
    with mock_aws():
        yield Deployment(config_file, config_file.stage("local"), Account("us-west-2"))


def silent(_: str) -> None:
    """Say nothing."""


def record(name: str) -> Record:
    """Make a record of the stage's."""
    return parse_record(
        {
            "id": name,
            "type": "A",
            "name": name,
            "content": "203.0.113.7",
            "comment": "elephant:local m=m1 r=teacher",
        }
    )


def stacks() -> list[str]:
    answer = Account("us-west-2").client("cloudformation").describe_stacks()
    return [stack["StackName"] for stack in answer["Stacks"]]


def test_a_stage_of_another_account_is_not_touched(config_file: ConfigFile) -> None:
    config = config_file.load()
    config["stages"]["local"]["elephant"]["account"] = "999999999999"
    config_file.path.write_text(json.dumps(config))
    with mock_aws():
        deployment = Deployment(config_file, config_file.stage("local"), Account("us-west-2"))
        with pytest.raises(AwsError, match="is in account 999999999999"):
            deployment.deploy(silent, silent)
        with pytest.raises(AwsError, match="is in account 999999999999"):
            deployment.destroy(Removable(), silent, silent)

        assert stacks() == []


def test_nothing_is_deployed_while_a_policy_is_not_as_it_should_be(
    deployment: Deployment, config_file: ConfigFile
) -> None:
    policy = config_file.path.parent / "policy-local-dns_watchdog.json"
    policy.write_text(policy.read_text().replace("dynamodb:GetItem", "dynamodb:*"))

    with pytest.raises(
        ConfigError, match=r"policy-local-dns_watchdog\.json: .*elephant stage local"
    ):
        deployment.deploy(silent, silent)

    assert stacks() == []


class SmallAccount(Account):
    """A new account, which may run ten functions at once and can reserve nothing."""

    def client(self, service: str) -> Any:  # noqa: ANN401
        client = super().client(service)
        if service == "lambda":
            client.get_account_settings = self.settings
        return client

    def settings(self) -> dict[str, Any]:
        return {"AccountLimit": {"UnreservedConcurrentExecutions": 10}}


class SilentAccount(SmallAccount):
    """One whose operator may not ask for that."""

    def settings(self) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetAccountSettings")


def test_nothing_is_deployed_that_reserves_what_the_account_has_not(
    config_file: ConfigFile,
) -> None:
    with mock_aws():
        stage = config_file.stage("local")
        deployment = Deployment(config_file, stage, SmallAccount("us-west-2"))
        with pytest.raises(
            ConfigError, match=r"10 are unreserved.*elephant stage local --concurrency"
        ):
            deployment.deploy(silent, silent)

        assert stacks() == []


def test_an_account_that_does_not_tell_what_it_can_reserve_is_tried(
    config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    made: list[object] = []
    monkeypatch.setattr(deployment_module, "run_chalice", lambda *_, **__: made.append("chalice"))
    monkeypatch.setattr(deployment_module, "settle_function", lambda *_: made.append("function"))

    with mock_aws():
        stage = config_file.stage("local")
        Deployment(config_file, stage, SilentAccount("us-west-2")).deploy(silent, said.append)

    assert "GetAccountSettings answered AccessDeniedException" in said[0]
    assert made == ["chalice", "function", "function"]


def test_a_right_that_chalice_lacks_is_explained(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise CommandError("chalice deploy", 1, "ClientError: AccessDenied when calling CreateRole")

    monkeypatch.setattr(deployment_module, "run_chalice", refuse)
    monkeypatch.setattr(SupportingStack, "deploy", lambda *_: None)

    with pytest.raises(AwsError, match="Rights an operator needs") as raised:
        deployment.deploy(silent, silent)

    assert "CreateRole" in str(raised.value)


def test_chalices_own_failures_are_shown_as_they_are(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise CommandError("chalice deploy", 1, "SyntaxError in app.py")

    monkeypatch.setattr(deployment_module, "run_chalice", fail)
    monkeypatch.setattr(SupportingStack, "deploy", lambda *_: None)

    with pytest.raises(CommandError, match=r"SyntaxError in app\.py"):
        deployment.deploy(silent, silent)


@pytest.mark.parametrize("removable", [Removable(table="another"), Removable(secret="another")])
def test_what_holds_data_goes_only_by_its_own_name(
    deployment: Deployment, removable: Removable
) -> None:
    with pytest.raises(ConfigError, match="nothing was removed"):
        deployment.destroy(removable, silent, silent)


def test_a_secret_without_a_token_is_found_out_before_anything_is_made(
    deployment: Deployment,
) -> None:
    client = Account("us-west-2").client("secretsmanager")

    assert not deployment.has_token()
    client.create_secret(Name="prod/elephant/cloudflare", SecretString="{}")
    assert not deployment.has_token()
    client.put_secret_value(SecretId="prod/elephant/cloudflare", SecretString="a-token")
    assert deployment.has_token()


def test_a_table_that_another_stage_uses_is_not_removed(
    deployment: Deployment, config_file: ConfigFile
) -> None:
    config = config_file.load()
    config["stages"]["other"] = {"elephant": config["stages"]["local"]["elephant"]}
    config_file.path.write_text(json.dumps(config))

    with pytest.raises(ConfigError, match="stage 'other' uses the table 'elephant-meetings'"):
        deployment.destroy(Removable(table="elephant-meetings"), silent, silent)


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
    everything = Removable("elephant-meetings", "prod/elephant/cloudflare")
    said: list[str] = []

    for _ in range(2):
        deployment.destroy(everything, silent, said.append)

    assert "functions and token are removed already: not looking for records" in said


def test_records_of_another_deployment_with_the_same_owner_are_not_removed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Account("us-west-2").client("secretsmanager")
    client.create_secret(Name="prod/elephant/cloudflare", SecretString="a-token")
    theirs = record("i-00000001.elephant.example")
    monkeypatch.setattr(ZoneView, "our_records", lambda *_: (theirs,))

    with pytest.raises(ConfigError, match=r"has i-00000001\.elephant\.example, with no instance"):
        deployment.destroy(Removable(), silent, silent)


@pytest.mark.parametrize("is_read", [True, False])
def test_nothing_is_deployed_into_a_wrong_zone_or_in_anothers_name(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_read: bool
) -> None:
    def our_records(*_: object) -> tuple[Record, ...]:
        if is_read:
            return (record("i-00000001.elephant.example"),)
        raise TokenRefusedError("no such zone")

    client = Account("us-west-2").client("secretsmanager")
    client.create_secret(Name="prod/elephant/cloudflare", SecretString="a-token")
    monkeypatch.setattr(ZoneView, "our_records", our_records)
    monkeypatch.setattr(ZoneView, "details", lambda _: SimpleNamespace(name="elephant.example"))
    monkeypatch.setattr(ZoneView, "zone_for", lambda *_: None)

    with pytest.raises(ConfigError, match="have the owner" if is_read else "cannot be read"):
        deployment.deploy(silent, silent)

    assert stacks() == []


def test_the_token_is_sent_nowhere_before_the_address_is_checked(
    config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(assemble, "find_zone", lambda *given: asked.append(given))
    arguments = ["stage", "new", "--account=123456789012", "--domain-root=example.com"]
    place = [f"--project={config_file.directory}", "--cloudflare-api-url=http://203.0.113.9/v4"]

    done = CliRunner().invoke(
        cli.main, [*arguments, *place], env={"CLOUDFLARE_API_TOKEN": "a-token"}
    )

    assert done.exit_code == 1
    assert "CLOUDFLARE_API_URL is 'http://203.0.113.9/v4'" in done.output
    assert asked == []


def test_a_zone_that_cannot_be_looked_up_is_asked_for(
    config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise UnavailableError("could not reach Cloudflare")

    monkeypatch.setattr(assemble, "find_zone", fail)
    arguments = ["stage", "new", "--account=123456789012", "--domain-root=example.com"]

    done = CliRunner().invoke(
        cli.main,
        [*arguments, f"--project={config_file.directory}"],
        env={"CLOUDFLARE_API_TOKEN": "a-token"},
    )

    assert done.exit_code == 2
    assert "could not reach Cloudflare" in done.output
    assert "--zone-id is missing" in done.output


def test_a_note_that_cannot_be_read_is_named(
    deployment: Deployment, config_file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Account("us-west-2").client("secretsmanager")
    client.create_secret(Name="prod/elephant/cloudflare", SecretString="a-token")
    note = config_file.path.parent / "deployed" / "local.json"
    note.parent.mkdir(exist_ok=True)
    note.write_text("{")
    monkeypatch.setattr(deployment_module, "check_zone", lambda *_: ())

    with pytest.raises(ConfigError, match=r"local\.json is not valid JSON: .*; remove it"):
        deployment.deploy(silent, silent)
