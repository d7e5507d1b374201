"""Stages: what is written of them, kept as a whole, and refused before it does harm."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from ops.configure import changes
from ops.iam_page import PLAIN
from ops.policies import policy
from ops.stages import ConfigError, ConfigFile, Stage, check_name
from ops.written_files import write_files
from tests.meetings.launches import MEETINGS
from tests.ops.projects import code, edit_stages

if TYPE_CHECKING:
    from pathlib import Path

CODE = code()
VARIABLES = dict(PLAIN.variables)
FITS = "s" * (64 - len("elephant--dns_watchdog-event"))
OWN_IMAGE = {"environment_variables": {"AMI_ID": "ami-1"}}


def stage(name: str = "prod", region: str = "us-west-2", **variables: str) -> Stage:
    return Stage(name, "111122223333", region, VARIABLES | variables)


@pytest.fixture
def config_file(tmp_path: Path) -> ConfigFile:
    (tmp_path / ".chalice").mkdir()
    made = ConfigFile(tmp_path)
    made.path.write_text(json.dumps({"version": "2.0", "app_name": "elephant", "stages": {}}))
    return made


def write(config_file: ConfigFile, wanted: Stage) -> list[str]:
    """Write a stage; return the files that changed."""
    found = changes(config_file, CODE, wanted)
    write_files({each.path: each.after for each in found})
    return [each.path.name for each in found]


def test_a_stage_is_its_variables_its_place_and_a_policy_for_each_function(
    config_file: ConfigFile,
) -> None:
    # policies first: an interruption leaves no configuration that names a missing file
    policies = ["policy-prod-dns_watchdog.json", "policy-prod-sweep.json"]
    assert write(config_file, stage()) == [*policies, "config.json"]
    assert config_file.stage("prod") == stage()
    assert write(config_file, stage()) == []  # written twice, nothing changes


def test_what_else_stands_there_is_kept(config_file: ConfigFile) -> None:
    config = config_file.load()
    config["lambda_timeout"] = 30
    config["stages"]["dev"] = {"environment_variables": {"X": "1"}}
    config["stages"]["prod"] = {
        "reserved_concurrency": 5,
        "api_gateway_stage": "v1",
        "lambda_functions": {"dns_watchdog": {"lambda_memory_size": 512}},
    }
    config_file.path.write_text(json.dumps(config))
    policy_by_hand = config_file.path.parent / "policy-prod-mine.json"
    policy_by_hand.write_text("{}")

    write(config_file, stage(LOG_LEVEL="DEBUG", **MEETINGS))

    after = config_file.load()
    assert after["lambda_timeout"] == 30
    assert after["stages"]["dev"] == {"environment_variables": {"X": "1"}}
    prod = after["stages"]["prod"]
    assert (prod["reserved_concurrency"], prod["api_gateway_stage"]) == (5, "v1")
    assert prod["environment_variables"]["LOG_LEVEL"] == "DEBUG"
    assert prod["lambda_functions"]["dns_watchdog"] == {
        "lambda_memory_size": 512,
        "iam_policy_file": "policy-prod-dns_watchdog.json",
    }
    assert policy_by_hand.read_text() == "{}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "run this in the project"),  # which this is not without a file
        *[(text, "fix it manually") for text in ("{", "[]", '{"stages": []}')],
        # what Chalice would do differently from us
        ('{"environment_variables": {"TABLE_NAME": "x"}}', "has TABLE_NAME among its"),
        ('{"profile": "work"}', "use --profile or AWS_PROFILE"),
        ('{"app_name": "giraffe"}', "app_name must be 'elephant'"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(
    config_file: ConfigFile, text: str, said: str
) -> None:
    config_file.path.write_text(text) if text else config_file.path.unlink()

    with pytest.raises(ConfigError, match=said):
        config_file.load()


def test_two_stages_cannot_own_the_same_records(config_file: ConfigFile) -> None:
    write(config_file, stage())

    with pytest.raises(ConfigError, match="'prod' has the owner 'elephant:prod/us-west-2'"):
        changes(config_file, CODE, stage("other"))
    changes(config_file, CODE, stage("other", ZONE_ID="0" * 32))


@pytest.mark.parametrize(
    ("written", "said"),
    [({}, "elephant stage qa"), ({"environment_variables": VARIABLES}, "account and region")],
)
def test_a_stage_that_is_not_there_or_not_whole_says_how_to_make_it(
    config_file: ConfigFile, written: object, said: str
) -> None:
    edit_stages(config_file.path, lambda stages: stages.update(qa=written))

    with pytest.raises(ConfigError, match=said):
        config_file.stage("qa")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"environment_variables": VARIABLES | {"TTL": 1}}, "environment_variables.TTL is 1"),
        ({"environment_variables": []}, "environment_variables is []"),
        ({"elephant": 3}, "elephant is 3"),
        ({"elephant": {"account": 111122223333}}, "elephant.account is 111122223333"),
        ({"lambda_functions": {"dns_watchdog": 1}}, "lambda_functions.dns_watchdog is 1"),
        ({"lambda_functions": {"launch_ec2": OWN_IMAGE}}, "launch_ec2 has AMI_ID among its"),
        ([], "not an object"),
    ],
)
def test_what_was_written_by_hand_in_another_type_or_place_is_named(
    config_file: ConfigFile, written: object, said: str
) -> None:
    edit_stages(config_file.path, lambda stages: stages.update(hand=written))

    for use in (config_file.stage, config_file.values):
        with pytest.raises(ConfigError) as raised:
            use("hand")
        assert said in str(raised.value)
    with pytest.raises(ConfigError):
        changes(config_file, CODE, stage())


@pytest.mark.parametrize(
    ("account", "region", "said"),
    [
        ("1234", "us-west-2", "12 digits"),
        ("111122223333", "us-wst-2", "perhaps us-west-2"),
        ("111122223333", "moon", "no region 'moon'"),
    ],
)
def test_a_place_that_is_none_is_refused(account: str, region: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Stage("prod", account, region, VARIABLES)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "letters, digits"),
        ("a/b", "letters, digits"),
        ("é", "letters, digits"),
        ("prod-sweep", "conflict with the function 'sweep' of a stage 'prod'"),
        ("a-b-sweep", "conflict with the function 'sweep' of a stage 'a-b'"),
        (FITS + "ss", "shorter by 2"),
    ],
)
def test_a_name_that_cannot_be_a_stages_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_name(name, ["dns_watchdog", "sweep"])

    assert said in " ".join(str(caught.value).split())
    for fine in ("prodsweep", FITS):
        check_name(fine, ["dns_watchdog", "sweep"])


def test_files_are_replaced_as_a_whole_and_removed_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_files({path: "1"})
    write_files({path: "2"})

    assert path.read_text() == "2"
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    for _ in range(2):
        write_files({path: None})
        assert not path.exists()


# Policies


def test_a_policy_follows_from_table_secret_and_partition() -> None:
    arn = "arn:aws:secretsmanager:us-west-2:111122223333:secret:x-AbCdEf"
    china = stage(region="cn-north-1", TABLE_NAME="", SECRET_ARN=arn)
    document = policy(CODE, china, "dns_watchdog")
    found = {each["Sid"]: each["Resource"] for each in document["Statement"]}

    assert "MeetingsTable" not in found
    assert found["CloudflareToken"] == arn
    assert found["Logs"].startswith("arn:aws-cn:logs:cn-north-1:")
