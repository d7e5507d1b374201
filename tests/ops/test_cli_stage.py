"""`elephant stage`: what its options write, and what stays as it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from localcloud.aws import copy_project
from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn, Zone
from ops import cli
from ops.features import CORE_SETTINGS, SETTINGS_OF

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


def run(config: Path, *arguments: str, name: str = "prod") -> Result:
    place = f"--project={config.parent.parent}"
    return CliRunner().invoke(cli.main, ["stage", name, place, *arguments])


def written(config: Path, name: str = "prod") -> dict[str, Any]:
    stage: dict[str, Any] = json.loads(config.read_text())["stages"][name]
    return stage


def concurrency(config: Path) -> int | None:
    number: int | None = written(config)["lambda_functions"]["dns_watchdog"]["reserved_concurrency"]
    return number


def test_a_new_stage_has_an_owner_and_a_table_of_its_own(config: Path) -> None:
    assert run(config, *NEW).exit_code == 0
    variables = written(config)["environment_variables"]
    assert variables["OWNER"] == "elephant:prod/123456789012/us-west-2"
    assert variables["TABLE_NAME"] == "elephant-prod-meetings"

    refused = run(config, *NEW, name="dev")
    assert refused.exit_code == 1
    assert "stage 'prod' gives instances with the tag Project=Elephant" in refused.output
    assert "--project-tag Project=Elephant-dev" in refused.output

    done = run(config, *NEW, "--domain-root=dev.example.com", name="dev")
    assert done.exit_code == 0
    assert "warning: stage 'prod' gives instances with the tag" in done.output
    assert written(config, "dev")["environment_variables"]["TABLE_NAME"] == "elephant-dev-meetings"


def test_a_stage_of_an_earlier_release_keeps_its_owner_and_its_table(config: Path) -> None:
    run(config, *NEW)
    earlier = json.loads(config.read_text())
    variables = earlier["stages"]["prod"]["environment_variables"]
    variables["OWNER"] = "elephant:prod/us-west-2"
    del variables["TABLE_NAME"]
    config.write_text(json.dumps(earlier))

    assert run(config).exit_code == 0
    assert written(config)["environment_variables"] == variables


def test_a_new_stage_asks_cloudflare_where_the_token_is_from(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the local cloud, whose token is no business of the real Cloudflare's."""
    with CloudflareStandIn(dns_port=None) as cloudflare:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", cloudflare.url)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", DEFAULT_TOKEN)

        done = run(config, *NEW[:-1])

        assert done.exit_code == 0, done.output
        variables = written(config)["environment_variables"]
        assert variables["CLOUDFLARE_API_URL"] == cloudflare.url
        assert variables["ZONE_ID"] == Zone().id

    # and what is written stays so, wherever it is looked at from
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://api.cloudflare.com/client/v4")
    assert "no change" in run(config).output


def test_a_setting_that_is_wrong_is_named_and_nothing_is_written(config: Path) -> None:
    before = config.read_text()

    done = run(config, *NEW, "--sweep-schedule=rate(1 minutes)", "--grace-minutes=0")

    assert done.exit_code == 1
    assert "SWEEP_SCHEDULE is 'rate(1 minutes)'; it must be a recurring" in done.output
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
    assert "sets reserved_concurrency 8 for more than dns_watchdog" in refused.output
    assert run(config, "--concurrency=9").exit_code == 0
    assert concurrency(config) == 9


# Features

MEETINGS = ("--with=meetings", "--ami=ami-00000000", "--security-groups=sg-00000000")
NOTIFICATIONS = ("--with=notifications", "--mail-from=a@example.com", "--mail-to=b@example.com")


CORE_OPTIONS = {
    "domain-root": "vm.example.org",
    "zone-id": "f" * 32,
    "secret": "cloudflare",
    "owner": "elephant:me",
    "table": "meetings",
    "project-tag": "Team=Blue",
    "proxied": "false",
    "dcv-port": "443",
    "ttl": "60",
    "event-tags": "required",
    "sweep-schedule": "rate(5 minutes)",
    "sweep-batch-size": "3500",
    "sweep-delete-limit": "50",
    "sweep-delete-percent": "60",
    "grace-minutes": "20",
    "cloudflare-api-url": "https://api.example.com",
}
FEATURE_OPTIONS = {
    "ami": "ami-11111111",
    "security-groups": "sg-11111111,sg-22222222",
    "instance-type": "g4dn.xlarge",
    "key-name": "desktops",
    "vpc": "vpc-11111111",
    "volume-gb": "0",
    "allowed-origins": "https://app.example.com",
    "join-keys": "off",
    "max-meeting-minutes": "240",
    "mail-from": "elephant@example.com",
    "mail-to": "ops@example.com,you@example.com",
    "auto-scaling-groups": "shop,till",
    "termination-causes": "all",
    "codedeploy-applications": "shop",
    "deployment-states": "SUCCESS,FAILURE",
    "address-minutes": "5",
}


def test_every_setting_has_its_option(config: Path) -> None:
    given = CORE_OPTIONS | FEATURE_OPTIONS
    options = [f"--{name}={value}" for name, value in given.items()]
    features = ("--with=meetings", "--with=notifications")

    done = run(config, *NEW[:2], *features, *options)

    assert done.exit_code == 0, done.output
    settings = [*CORE_SETTINGS, *SETTINGS_OF["meetings"], *SETTINGS_OF["notifications"]]
    values = {each.variable: given[each.option] for each in settings if each.option}
    values["FEATURES"] = "meetings,notifications"
    assert written(config)["environment_variables"] == values
    functions = {*written(config)["lambda_functions"]}
    assert functions > {"terminator", "notify_deployment", "notify_instance_termination"}


def test_the_help_says_what_each_option_means(config: Path) -> None:
    said = " ".join(run(config, "--help").output.split())

    assert "--dcv-port TEXT The port in the links; if proxied," in said
    assert "--join-keys [required|off] meetings: whether join links have keys; 'off'" in said
    assert "--volume-gb TEXT meetings: size of the root volume" in said
    assert "image's own. [default: 60]" in said


def test_features_come_and_go_each_by_itself(config: Path) -> None:
    run(config, *NEW)
    before = written(config)
    run(config, *MEETINGS)
    run(config, *NOTIFICATIONS)
    assert written(config)["environment_variables"]["FEATURES"] == "meetings,notifications"

    assert run(config, "--without=meetings").exit_code == 0
    assert written(config)["environment_variables"]["FEATURES"] == "notifications"
    assert (config.parent / "policy-prod-notify_deployment.json").exists()

    assert run(config, "--without=notifications").exit_code == 0
    assert written(config) == before
    assert not [*config.parent.glob("policy-prod-notify_*.json")]


def test_a_feature_that_is_turned_off_leaves_nothing(config: Path) -> None:
    run(config, *NEW)
    before = written(config)
    run(config, *MEETINGS)
    assert (config.parent / "policy-prod-terminator.json").exists()

    done = run(config, "--without=meetings")

    assert done.exit_code == 0, done.output
    assert written(config) == before
    assert not (config.parent / "policy-prod-terminator.json").exists()
    assert "policy-prod-terminator.json" in done.output
    assert "no change" in run(config, "--without=meetings").output


def test_what_is_not_given_of_a_feature_stays(config: Path) -> None:
    run(config, *NEW, *MEETINGS)

    run(config, "--with=meetings", "--volume-gb=100")

    variables = written(config)["environment_variables"]
    assert (variables["AMI_ID"], variables["VOLUME_GB"]) == ("ami-00000000", "100")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--with=meetings",), "--ami is missing"),
        (("--with=meetings", "--ami=ami-00000000"), "--security-groups is missing"),
        (("--ami=ami-00000000", "--key-name=x"), "--ami, --key-name: only for a stage with"),
        ((*MEETINGS, "--without=meetings"), "--with and --without meetings contradict"),
        ((*MEETINGS, "--table="), "the feature 'meetings' needs a table"),
        ((*MEETINGS, "--volume-gb=x"), "VOLUME_GB is 'x'"),
        (("--with=notifications",), "--mail-from is missing"),
        (("--with=notifications", "--mail-from=a@example.com"), "--mail-to is missing"),
        ((*MEETINGS, "--mail-to=a@example.com"), "--mail-to: only for a stage with notific"),
        ((*NOTIFICATIONS, "--mail-from=somebody"), "MAIL_FROM is 'somebody'"),
    ],
)
def test_what_makes_no_sense_of_a_feature_is_refused_and_nothing_written(
    config: Path, options: tuple[str, ...], said: str
) -> None:
    before = config.read_text()

    done = run(config, *NEW, *options)

    assert done.exit_code != 0
    assert said in done.output
    assert config.read_text() == before
