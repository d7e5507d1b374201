"""The template of the supporting stack: valid on AWS, and what it promises to who is called."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import pytest
from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]
from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

from chalicelib.cloudflare.rate_limit import DEFAULT_LIMIT
from ops import stack

PATH: Final = Path(stack.__file__).with_name("stack.yaml")
TEMPLATE: Final[dict[str, Any]] = load(str(PATH))
RESOURCES: Final[dict[str, dict[str, Any]]] = TEMPLATE["Resources"]
ALARMS: Final = {
    name: resource
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}
QUERIES: Final = {
    name: resource
    for name, resource in RESOURCES.items()
    if resource["Type"] == "AWS::Logs::QueryDefinition"
}
REGIONS: Final = ["us-east-1", "us-west-2", "eu-central-1", "ap-southeast-2"]
LARGEST_TEMPLATE: Final = 51_200
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""

OPERATIONS: Final = PATH.parent.parent / "docs" / "operations.md"


def test_it_is_valid_on_aws() -> None:
    text = stack.template()
    assert lint(text, config=ManualArgs(regions=REGIONS)) == []
    assert len(text.encode()) < LARGEST_TEMPLATE


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_an_alarm_says_what_it_means_and_where_to_read_on(alarm: dict[str, Any]) -> None:
    properties = alarm["Properties"]
    name = properties["AlarmName"]["Fn::Sub"]
    description = properties["AlarmDescription"]

    suffix = re.fullmatch(r"elephant-\$\{Stage\}-([a-z-]+)", name)
    assert suffix
    assert description.endswith(f"docs/operations.md#alarm-{suffix[1]}.")
    assert 60 < len(description) <= 1024
    # only a function that does not start makes silence an alarm
    silence = "breaching" if alarm is ALARMS["SweepStoppedAlarm"] else "notBreaching"
    assert properties["TreatMissingData"] == silence
    assert properties["AlarmActions"] == properties["OKActions"] == [{"Ref": "Alarms"}]


def test_every_alarm_leads_to_its_heading_and_every_heading_has_an_alarm() -> None:
    headings = re.findall(r"^#+ (Alarm .+)$", OPERATIONS.read_text(), re.MULTILINE)
    anchors = [heading.lower().replace(" ", "-") for heading in headings]  # as GitHub makes them
    descriptions = [alarm["Properties"]["AlarmDescription"] for alarm in ALARMS.values()]
    assert [re.findall(r"#([a-z-]+)", text) for text in descriptions] == [[it] for it in anchors]


def test_only_the_scheduler_of_this_stages_group_may_take_its_role() -> None:
    trust = RESOURCES["SchedulerRole"]["Properties"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    conditions = statement["Condition"]["StringEquals"]
    assert conditions["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert conditions["aws:SourceArn"]["Fn::Sub"].endswith(":schedule-group/elephant-${Stage}")


def test_a_desktop_may_call_its_routes_and_read_certificate_and_licence_and_nothing_else() -> None:
    (policy,) = RESOURCES["DesktopRole"]["Properties"]["Policies"]
    found = {each["Action"]: each["Resource"] for each in policy["PolicyDocument"]["Statement"]}
    routes = [each["Fn::Sub"].split("*/*/")[1] for each in found.pop("execute-api:Invoke")]
    assert routes == ["GET/desktop", "POST/desktop/healthy", "POST/desktop/finished"]
    assert found == {
        "secretsmanager:GetSecretValue": {"Ref": "CertificateArn"},
        "s3:GetObject": {"Fn::Sub": "arn:${AWS::Partition}:s3:::dcv-license.${AWS::Region}/*"},
    }


def keys_in_logs() -> set[str]:
    """Collect what the deployed code may give its log lines: the keys of its dictionaries."""
    found: set[str] = set()
    for path in (PATH.parent.parent / "chalicelib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            keys = [*node.keys] if isinstance(node, ast.Dict) else []
            keys += [node.slice] if isinstance(node, ast.Subscript) else []
            found |= {str(each.value) for each in keys if isinstance(each, ast.Constant)}
    return found


OF_LAMBDA: Final = {
    *("errorType", "requestId", "type", "record.status", "record.requestId"),
    *(f"record.metrics.{each}" for each in ("durationMs", "initDurationMs", "maxMemoryUsedMB")),
}
"""https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html"""
OF_INSIGHTS: Final = {
    *("fields", "filter", "stats", "sort", "limit", "by", "as", "in", "like", "or", "asc", "desc"),
    *("coalesce", "count_distinct", "latest", "max", "ispresent"),
    *("@timestamp", "@message", "@log"),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_saved_query_asks_for_what_the_logs_have(query: dict[str, Any]) -> None:
    text = re.sub(r'#.*|"[^"]*"', "", query["Properties"]["QueryString"])
    named = {*re.findall(r"\bas (\w+)", text)}
    words = {*re.findall(r"@?[a-zA-Z_][\w.]*", text)} - named - OF_INSIGHTS - OF_LAMBDA
    keys = keys_in_logs()
    assert {each for each in words if each.partition(".")[0] not in keys} == set()
    assert {"held_back", "request_id"} <= keys
    assert query["Properties"]["LogGroupNames"] == {"Fn::Split": [",", {"Ref": "LogGroups"}]}


def test_the_quota_alarm_lies_below_what_elephant_itself_spends() -> None:
    threshold = ALARMS["QuotaAlarm"]["Properties"]["Threshold"]
    assert 0 < threshold < DEFAULT_LIMIT // 2
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0]
    assert f'"value": {threshold}' in body
    assert f'"value": {DEFAULT_LIMIT // 2}' in body


def test_the_table_is_never_lost() -> None:
    table = RESOURCES["MeetingsTable"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {
        "PointInTimeRecoveryEnabled": True
    }
    others = {name: each for name, each in RESOURCES.items() if name != stack.TABLE}
    assert not [name for name, each in others.items() if "DeletionPolicy" in each]


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_whatever_can_be_tagged_bears_the_stage(resource: dict[str, Any]) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
    tag = {"Key": stack.STAGE_TAG, "Value": {"Ref": "Stage"}}
    expected = [tag] if "Tags" in schema["properties"] else None
    assert resource["Properties"].get("Tags") == expected


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("Stage", ["dev", "eu_1"], ["", "a b", "a/b"]),
        ("Owner", ["elephant:prod/us-west-2", "elephant:~[]"], ["prod", "elephant:", 'elephant:"']),
        ("Owner", [], ["elephant:a b", "elephant:\\"]),
        ("TableName", ["", "elephant-meetings"], ["ab", "a b c"]),
        ("AlarmEmail", ["", "ops@example.com"], ["ops", "a@b c"]),
    ],
)
def test_parameters_are_checked_as_the_application_does(
    parameter: str, good: list[str], bad: list[str]
) -> None:
    pattern = re.compile(TEMPLATE["Parameters"][parameter]["AllowedPattern"])
    assert all(map(pattern.fullmatch, good))
    assert not any(map(pattern.fullmatch, bad))
