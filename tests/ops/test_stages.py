"""Stages: what is written of them, kept as a whole, and refused before it does harm."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings.stage import SettingsError
from ops.configure import changes
from ops.policies import functions_of, policies, policy
from ops.reach import Code
from ops.stages import ConfigError, ConfigFile, Stage, check_name, to_text, write_files

PROJECT = Path(__file__).parent.parent.parent
CODE = Code(PROJECT)
VARIABLES = {
    "DOMAIN_ROOT": "example.com",
    "ZONE_ID": "023e105f4ecef8ad9ca31a8372d0c353",
    "SECRET_ARN": "prod/cloudflare",
    "OWNER": "elephant:prod/us-west-2",
}


def stage(name: str = "prod", region: str = "us-west-2", **variables: str) -> Stage:
    return Stage(name, "111122223333", region, VARIABLES | variables)


@pytest.fixture
def config_file(tmp_path: Path) -> ConfigFile:
    (tmp_path / ".chalice").mkdir()
    made = ConfigFile(tmp_path)
    made.path.write_text(json.dumps({"version": "2.0", "app_name": "elephant", "stages": {}}))
    return made


def write(config_file: ConfigFile, wanted: Stage) -> list[str]:
    found = changes(config_file, CODE, wanted)
    write_files({each.path: each.after for each in found})
    return sorted(each.path.name for each in found)


def test_a_stage_is_its_variables_its_place_and_a_policy_for_each_function(
    config_file: ConfigFile,
) -> None:
    assert write(config_file, stage()) == [
        "config.json",
        "policy-prod-dns_watchdog.json",
        "policy-prod-sweep.json",
    ]

    assert config_file.load()["stages"]["prod"] == {
        "elephant": {"account": "111122223333", "region": "us-west-2"},
        "autogen_policy": False,
        "environment_variables": VARIABLES,
        "lambda_functions": {
            "dns_watchdog": {
                "reserved_concurrency": 20,
                "iam_policy_file": "policy-prod-dns_watchdog.json",
            },
            "sweep": {
                "lambda_timeout": 120,
                "reserved_concurrency": 1,
                "iam_policy_file": "policy-prod-sweep.json",
            },
        },
    }
    assert config_file.stage("prod") == stage()


def test_written_twice_nothing_changes(config_file: ConfigFile) -> None:
    write(config_file, stage())

    assert write(config_file, stage()) == []


def test_what_else_stands_there_is_kept(config_file: ConfigFile) -> None:
    config = config_file.load()
    config["lambda_timeout"] = 30
    config["stages"]["dev"] = {"environment_variables": {"X": "1"}}
    config["stages"]["prod"] = {
        "reserved_concurrency": 5,
        "environment_variables": {"LOG_LEVEL": "DEBUG"},
        "lambda_functions": {"dns_watchdog": {"lambda_memory_size": 512}},
    }
    config_file.path.write_text(json.dumps(config))

    write(config_file, stage(LOG_LEVEL="DEBUG"))

    after = config_file.load()
    assert after["lambda_timeout"] == 30
    assert after["stages"]["dev"] == {"environment_variables": {"X": "1"}}
    assert after["stages"]["prod"]["reserved_concurrency"] == 5
    assert after["stages"]["prod"]["environment_variables"]["LOG_LEVEL"] == "DEBUG"
    assert after["stages"]["prod"]["lambda_functions"]["dns_watchdog"] == {
        "lambda_memory_size": 512,
        "iam_policy_file": "policy-prod-dns_watchdog.json",
    }


def test_what_is_asked_for_of_a_function_replaces_what_was_written(
    config_file: ConfigFile,
) -> None:
    write(config_file, stage())

    for number in (7, None):
        asked = {"dns_watchdog": {"reserved_concurrency": number}}
        found = changes(config_file, CODE, stage(), asked)
        write_files({each.path: each.after for each in found})

        functions = config_file.load()["stages"]["prod"]["lambda_functions"]
        assert functions["dns_watchdog"]["reserved_concurrency"] == number
        assert functions["sweep"]["lambda_timeout"] == 120
        assert write(config_file, stage()) == []  # and stays


def test_a_policy_written_by_hand_is_left(config_file: ConfigFile) -> None:
    mine = config_file.path.parent / "policy-prod-mine.json"
    mine.write_text("{}")

    write(config_file, stage())

    assert mine.read_text() == "{}"


def test_the_configuration_is_written_after_the_policies_that_it_names(
    config_file: ConfigFile,
) -> None:
    assert changes(config_file, CODE, stage())[-1].path == config_file.path


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"environment_variables": {"TABLE_NAME": "x", "A": "1"}}, "has TABLE_NAME among its"),
        ({"profile": "work"}, "export AWS_PROFILE"),
        ({"app_name": "giraffe"}, "app_name must be 'elephant'"),
    ],
)
def test_what_chalice_would_do_differently_from_us_is_refused(
    config_file: ConfigFile, written: dict[str, Any], said: str
) -> None:
    config_file.path.write_text(json.dumps({"stages": {}} | written))

    with pytest.raises(ConfigError, match=said):
        config_file.load()


def test_a_setting_of_one_function_alone_is_refused(config_file: ConfigFile) -> None:
    config = config_file.load()
    own = {"environment_variables": {"OWNER": "elephant:x"}}
    config["stages"]["prod"] = {"lambda_functions": {"dns_watchdog": own}}
    config_file.path.write_text(json.dumps(config))

    with pytest.raises(ConfigError, match="dns_watchdog has OWNER among its"):
        changes(config_file, CODE, stage())


def test_two_stages_cannot_own_the_same_records(config_file: ConfigFile) -> None:
    write(config_file, stage())

    with pytest.raises(ConfigError, match="'prod' has the owner 'elephant:prod/us-west-2'"):
        changes(config_file, CODE, stage("other"))
    changes(config_file, CODE, stage("other", ZONE_ID="0" * 32))


@pytest.mark.parametrize("text", ["{", "[]", '{"stages": []}'])
def test_a_configuration_that_is_none_is_refused_and_left(
    config_file: ConfigFile, text: str
) -> None:
    config_file.path.write_text(text)

    with pytest.raises(ConfigError, match="fix it manually"):
        changes(config_file, CODE, stage())

    assert config_file.path.read_text() == text


def test_a_directory_without_a_configuration_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run this in the project"):
        ConfigFile(tmp_path).load()


def test_a_stage_that_is_not_there_or_not_whole_says_how_to_make_it(
    config_file: ConfigFile,
) -> None:
    with pytest.raises(ConfigError, match="elephant stage qa"):
        config_file.stage("qa")
    config = config_file.load()
    config["stages"]["qa"] = {"environment_variables": VARIABLES}
    config_file.path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="account and region"):
        config_file.stage("qa")
    config["stages"]["qa"] = []
    config_file.path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="not an object"):
        config_file.stage("qa")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"environment_variables": VARIABLES | {"TTL": 1}}, "environment_variables.TTL is 1"),
        ({"environment_variables": []}, "environment_variables is []"),
        ({"elephant": 3}, "elephant is 3"),
        ({"elephant": {"account": 111122223333}}, "elephant.account is 111122223333"),
        ({"lambda_functions": {"dns_watchdog": 1}}, "lambda_functions.dns_watchdog is 1"),
    ],
)
def test_what_was_written_by_hand_in_another_type_is_named(
    config_file: ConfigFile, written: dict[str, Any], said: str
) -> None:
    config = config_file.load()
    config["stages"]["hand"] = written
    config_file.path.write_text(json.dumps(config))

    for use in (config_file.stage, config_file.values):
        with pytest.raises(ConfigError) as raised:
            use("hand")
        assert said in str(raised.value)
    with pytest.raises(ConfigError):
        changes(config_file, CODE, stage())


def test_every_value_is_checked_as_the_application_will() -> None:
    with pytest.raises(SettingsError, match="DCV_PORT"):
        stage(DCV_PORT="9000")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"account": "1234"}, "12 digits"),
        ({"region": "us-wst-2"}, "perhaps us-west-2"),
        ({"region": "moon"}, "no region 'moon'"),
    ],
)
def test_a_place_that_is_none_is_refused(changed: dict[str, str], said: str) -> None:
    given: dict[str, Any] = {"name": "prod", "account": "111122223333", "region": "us-west-2"}

    with pytest.raises(ConfigError, match=said):
        Stage(**given | changed, variables=VARIABLES)


def test_a_name_that_aws_would_not_take_is_refused_with_the_excess() -> None:
    fits = "s" * (64 - len("elephant--dns_watchdog-event"))
    check_name(fits, ["dns_watchdog", "x"])

    with pytest.raises(ConfigError, match="shorter by 2"):
        check_name(fits + "ss", ["dns_watchdog", "x"])


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        check_name(name, ["dns_watchdog"])


@pytest.mark.parametrize("name", ["prod-sweep", "prod-dns_watchdog", "a-b-sweep"])
def test_a_name_that_would_be_a_function_of_another_stage_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"conflict with the function .* of a stage"):
        check_name(name, ["dns_watchdog", "sweep"])

    check_name(name.replace("-", ""), ["dns_watchdog", "sweep"])


def test_files_are_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_files({path: "1"})
    write_files({path: "2"})

    assert path.read_text() == "2"
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_file_that_is_to_go_is_removed_once(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("1")

    write_files({path: None})
    write_files({path: None})

    assert not path.exists()


# Features

MEETINGS = {
    "FEATURES": "meetings",
    "AMI_ID": "ami-0123456789abcdef0",
    "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
}


def test_a_feature_adds_its_functions_and_variables_and_takes_them_away_again(
    config_file: ConfigFile,
) -> None:
    write(config_file, stage())
    before = config_file.load()
    found = changes(config_file, CODE, stage(**MEETINGS))
    write_files({each.path: each.after for each in found})

    written = config_file.load()["stages"]["prod"]
    assert {*written["lambda_functions"]} == {
        "api_handler",
        "dns_watchdog",
        "launch_ec2",
        "safety_net",
        "sweep",
        "terminator",
    }
    assert written["environment_variables"] == VARIABLES | MEETINGS
    assert written["api_gateway_stage"] == "prod"

    found = changes(config_file, CODE, stage())
    write_files({each.path: each.after for each in found})

    assert config_file.load() == before
    assert sorted(each.name for each in config_file.path.parent.glob("policy-*")) == [
        "policy-prod-dns_watchdog.json",
        "policy-prod-sweep.json",
    ]
    assert [each.path.name for each in found][-4:] == [
        "policy-prod-api_handler.json",
        "policy-prod-launch_ec2.json",
        "policy-prod-safety_net.json",
        "policy-prod-terminator.json",
    ]
    assert all(each.difference(config_file.directory) for each in found)


def test_a_stage_of_the_apis_own_name_is_kept(config_file: ConfigFile) -> None:
    config = config_file.load()
    config["stages"]["prod"] = {"api_gateway_stage": "v1"}
    config_file.path.write_text(json.dumps(config))

    write(config_file, stage(**MEETINGS))

    assert config_file.load()["stages"]["prod"]["api_gateway_stage"] == "v1"


def test_a_setting_of_a_feature_belongs_to_the_stage_as_well(config_file: ConfigFile) -> None:
    config = config_file.load()
    own = {"environment_variables": {"AMI_ID": "ami-00000000"}}
    config["stages"]["prod"] = {"lambda_functions": {"launch_ec2": own}}
    config_file.path.write_text(json.dumps(config))

    with pytest.raises(ConfigError, match="launch_ec2 has AMI_ID among its"):
        changes(config_file, CODE, stage(**MEETINGS))


# Policies


def statements(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in document["Statement"]}


def test_a_policy_is_for_this_stages_own_things() -> None:
    found = statements(policy(CODE, stage(region="eu-west-1"), "dns_watchdog"))

    where = "eu-west-1:111122223333"
    assert {name: each["Resource"] for name, each in found.items()} == {
        "DescribeInstances": "*",
        "MeetingsTable": f"arn:aws:dynamodb:{where}:table/elephant-meetings",
        "CloudflareToken": f"arn:aws:secretsmanager:{where}:secret:prod/cloudflare-??????",
        "Logs": f"arn:aws:logs:{where}:log-group:/aws/lambda/elephant-prod-dns_watchdog:*",
        "FailedEvents": f"arn:aws:sqs:{where}:elephant-prod-failed-events",
    }


def test_a_stage_without_a_table_has_no_rights_on_one() -> None:
    assert "MeetingsTable" not in statements(policy(CODE, stage(TABLE_NAME=""), "dns_watchdog"))


def test_a_secret_by_its_arn_is_that_one() -> None:
    arn = "arn:aws:secretsmanager:us-west-2:111122223333:secret:x-AbCdEf"

    found = statements(policy(CODE, stage(SECRET_ARN=arn), "dns_watchdog"))

    assert found["CloudflareToken"]["Resource"] == arn


def test_other_partitions_have_other_arns() -> None:
    found = statements(policy(CODE, stage(region="cn-north-1"), "dns_watchdog"))

    assert found["Logs"]["Resource"].startswith("arn:aws-cn:logs:cn-north-1:")


def test_a_stage_on_aws_has_no_function_for_routes() -> None:
    local = stage("local", CLOUDFLARE_API_URL="http://127.0.0.1:8052/client/v4")

    assert functions_of(CODE, stage()) == ("dns_watchdog", "sweep")
    assert functions_of(CODE, local) == ("api_handler", "dns_watchdog", "sweep")
    assert list(policies(CODE, local)) == [
        "policy-local-api_handler.json",
        "policy-local-dns_watchdog.json",
        "policy-local-sweep.json",
    ]


def test_documents_end_with_a_new_line() -> None:
    assert to_text({"a": 1}) == '{\n  "a": 1\n}\n'
