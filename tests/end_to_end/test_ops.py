"""A stage through the operator's commands alone: made, proved, deployed, examined, removed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from localcloud.aws import aws_environment, copy_project
from localcloud.cloud import LocalCloud, Ports
from localcloud.cloudflare import DEFAULT_TOKEN
from tests.end_to_end.conftest import PATIENCE, PROJECT, start_instance
from tests.ops.deployed import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAGE = "qa"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
STEPS = ["Check", "Check", "Supporting", "Functions,", "Retries,", "Doctor"]
OWNER = "elephant:qa/123456789012/us-west-2"


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as running:
        client = running.client("secretsmanager")
        for secret in client.list_secrets()["SecretList"]:
            client.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
        yield running


@pytest.fixture(scope="module")
def ops(copied: Path, cloud: LocalCloud) -> Ops:
    """Copy the project as a clone would have it."""
    return Ops(copy_project(PROJECT.directory, copied), cloud)


class Ops:
    """Runs `elephant` in the project, with credentials of the local account."""

    def __init__(self, project: Path, cloud: LocalCloud) -> None:
        self.project = project
        self._environment = aws_environment(cloud.aws.endpoint) | {
            "PYTHONPATH": str(PROJECT.directory),
            "OWNER": "elephant:of-the-shell",  # must not be taken for the stage's
        }

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 (the project's own command)
            [sys.executable, "-m", "ops", *arguments],
            cwd=self.project,
            env=self._environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def test_from_a_clone_to_a_running_stage_and_back(ops: Ops, cloud: LocalCloud) -> None:
    settings = cloud.settings
    url = cloud.cloudflare.url

    made = ops.run(
        "stage",
        STAGE,
        f"--domain-root={settings.domain_root}",
        "--table=elephant-qa",
        f"--cloudflare-api-url={url}",
        "--alarm-email=ops@example.com",
        CLOUDFLARE_API_TOKEN=DEFAULT_TOKEN,
    )
    assert made.returncode == 0, made.stderr
    config = json.loads((ops.project / ".chalice/config.json").read_text())
    variables = config["stages"][STAGE]["environment_variables"]
    assert variables == {
        "CLOUDFLARE_API_URL": url,
        "DOMAIN_ROOT": settings.domain_root,
        "OWNER": OWNER,
        "SECRET_ARN": "elephant/qa/cloudflare",
        "TABLE_NAME": "elephant-qa",
        "ZONE_ID": settings.zone_id,
    }
    assert ops.run("stage", STAGE, "--check").returncode == 0

    stored = ops.run("token", STAGE, stdin=f"{DEFAULT_TOKEN}\n")
    assert stored.returncode == 0, stored.stderr
    assert DEFAULT_TOKEN not in stored.stdout + stored.stderr
    secret = cloud.client("secretsmanager").get_secret_value(SecretId="elephant/qa/cloudflare")
    assert json.loads(secret["SecretString"]) == {"CLOUDFLARE_TOKEN": DEFAULT_TOKEN}

    for _ in range(2):  # safe to repeat
        deployed = ops.run("deploy", STAGE)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        steps = [line for line in deployed.stdout.splitlines() if line.startswith("✓")]
        assert [line.split()[1] for line in steps] == STEPS
        assert "Open https://INSTANCE-ID." in deployed.stdout
        assert "Creating" not in deployed.stdout
    start_instance(cloud.client("ec2"))
    cloud.settle(PATIENCE)
    zone = cloud.cloudflare.api.zone(settings.zone_id)
    assert [(record.fields.comment or "").split()[0] for record in zone.records] == [OWNER]

    zone.create({"type": "A", "name": f"www.{settings.domain_root}", "content": "192.0.2.7"})
    wrong = ops.run("destroy", STAGE, "--yes", "--table", "another")
    assert wrong.returncode == 1
    assert "the stage's table is 'elephant-qa', not 'another'" in wrong.stderr
    for there in ("records    1 of elephant:qa/", "nothing: it is not deployed"):
        gone = ops.run("destroy", STAGE, "--yes")
        assert gone.returncode == 0, gone.stdout + gone.stderr
        assert there in gone.stdout

    assert [record.name for record in zone.records] == [f"www.{settings.domain_root}"]
    found = names_in(cloud)
    assert "elephant-qa" in found.pop("tables")
    assert found.pop("Secret") == {"elephant/qa/cloudflare"}
    assert set().union(*found.values()) == set()
    assert ops.run("destroy", STAGE, "--yes", "--table=elephant-qa").returncode == 0
    assert "elephant-qa" not in cloud.client("dynamodb").list_tables()["TableNames"]


def test_what_is_not_there_is_said_without_a_traceback_and_changes_nothing(ops: Ops) -> None:
    before = (ops.project / ".chalice/config.json").read_text()

    for arguments, said, environment in (
        (("deploy", "nowhere"), "there is no stage 'nowhere'", {}),
        (("deploy", STAGE), "no AWS credentials were found", dict.fromkeys(KEYS, "")),
        (("stage", "new"), "no AWS credentials were found", dict.fromkeys(KEYS, "")),
    ):
        done = ops.run(*arguments, **environment)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert (ops.project / ".chalice/config.json").read_text() == before
