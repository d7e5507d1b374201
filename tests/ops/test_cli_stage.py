"""`python -m ops stage`: what its options write, and what stays as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from localcloud.aws import copy_project
from ops import cli

if TYPE_CHECKING:
    from click.testing import Result

PROJECT = Path(__file__).parent.parent.parent
NEW = (
    "--account=123456789012",
    "--region=us-west-2",
    "--domain-root=example.com",
    f"--zone-id={'0' * 32}",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(PROJECT, tmp_path_factory.mktemp("stage") / "project")


@pytest.fixture
def config(project: Path) -> Path:
    """Give the project's configuration as it was cloned."""
    path = project / ".chalice/config.json"
    path.write_text((PROJECT / ".chalice/config.json").read_text())
    return path


def run(config: Path, *arguments: str) -> Result:
    place = f"--project={config.parent.parent}"
    return CliRunner().invoke(cli.main, ["stage", "prod", place, *arguments])


def written(config: Path) -> dict[str, Any]:
    stage: dict[str, Any] = json.loads(config.read_text())["stages"]["prod"]
    return stage


def concurrency(config: Path) -> int | None:
    number: int | None = written(config)["lambda_functions"]["dns_watchdog"]["reserved_concurrency"]
    return number


def test_every_setting_of_the_sweep_has_its_option(config: Path) -> None:
    given = {
        "SWEEP_SCHEDULE": "rate(5 minutes)",
        "SWEEP_BATCH_SIZE": "3500",
        "SWEEP_DELETE_LIMIT": "50",
        "SWEEP_DELETE_PERCENT": "60",
        "GRACE_MINUTES": "20",
    }
    options = [f"--{name.lower().replace('_', '-')}={value}" for name, value in given.items()]

    done = run(config, *NEW, *options)

    assert done.exit_code == 0, done.output
    assert written(config)["environment_variables"].items() >= given.items()


def test_a_setting_that_is_wrong_is_named_and_nothing_is_written(config: Path) -> None:
    before = config.read_text()

    done = run(config, *NEW, "--sweep-schedule=rate(1 minutes)", "--grace-minutes=0")

    assert done.exit_code == 1
    assert "SWEEP_SCHEDULE is 'rate(1 minutes)'; it must be a schedule of" in done.output
    assert "GRACE_MINUTES is '0'; it must be 1 to 1440 minutes" in done.output
    assert config.read_text() == before


def test_concurrency_is_20_until_it_is_said_otherwise_and_stays_so(config: Path) -> None:
    found = []
    for arguments in (NEW, (), ("--concurrency=5",), (), ("--concurrency=none",), ()):
        done = run(config, *arguments)
        assert done.exit_code == 0, done.output
        found.append(concurrency(config))

    assert found == [20, 20, 5, 5, None, None]
    assert "no change" in done.output


def test_a_concurrency_that_is_none_is_refused(config: Path) -> None:
    done = run(config, *NEW, "--concurrency=0")

    assert done.exit_code == 1
    assert "--concurrency is '0'; it must be a number from 1, or 'none'" in done.output


def test_what_was_reserved_by_hand_stays(config: Path) -> None:
    run(config, *NEW)
    by_hand = json.loads(config.read_text())
    by_hand["stages"]["prod"]["reserved_concurrency"] = 8
    del by_hand["stages"]["prod"]["lambda_functions"]["dns_watchdog"]["reserved_concurrency"]
    config.write_text(json.dumps(by_hand))

    assert run(config).exit_code == 0

    assert "reserved_concurrency" not in written(config)["lambda_functions"]["dns_watchdog"]
    assert written(config)["reserved_concurrency"] == 8
    refused = run(config, "--concurrency=none")
    assert refused.exit_code == 1
    assert "says reserved_concurrency 8 for more than dns_watchdog" in refused.output
    assert run(config, "--concurrency=9").exit_code == 0
    assert concurrency(config) == 9
