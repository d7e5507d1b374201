"""The deployed stage: the zip, rule and roles that Chalice made, run as AWS would run them."""

from __future__ import annotations

import json
import urllib.request
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import dns.message
import dns.query
import dns.rcode
import pytest

from localcloud.cloudflare import Fault, FaultKind, When

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from localcloud.aws import Invocation
    from localcloud.cloud import LocalCloud

FUNCTION = "elephant-local-dns_watchdog"
LARGEST_ZIP = 1_500_000


@pytest.fixture(autouse=True)
def _no_faults(cloud: LocalCloud) -> Iterator[None]:
    yield
    cloud.cloudflare.faults.clear()
    cloud.cloudflare.api.clear_calls()


@pytest.fixture
def invocations(cloud: LocalCloud) -> list[Invocation]:
    """Every invocation of the watchdog that finishes from now on."""
    finished: list[Invocation] = []

    def note(invocation: Invocation) -> None:
        if invocation.function == FUNCTION:
            finished.append(invocation)

    cloud.functions.on_finished(note)
    return finished


def launch(cloud: LocalCloud, meeting: str, role: str = "teacher") -> str:
    tags = {"Project": "Elephant", "MeetingID": meeting, "Role": role}
    spec = {
        "ResourceType": "instance",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    answer = cloud.client("ec2").run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, TagSpecifications=[spec]
    )
    return str(answer["Instances"][0]["InstanceId"])


def put_row(cloud: LocalCloud, meeting: str, status: str = "LAUNCHED") -> None:
    cloud.client("dynamodb").put_item(
        TableName="elephant-meetings", Item={"id": {"S": meeting}, "status": {"S": status}}
    )


def row(cloud: LocalCloud, meeting: str) -> dict[str, str]:
    answer = cloud.client("dynamodb").get_item(
        TableName="elephant-meetings", Key={"id": {"S": meeting}}
    )
    return {key: value["S"] for key, value in answer["Item"].items() if key != "id"}


def records(cloud: LocalCloud, instance_id: str) -> list[str]:
    zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
    name = cloud.settings.record_name(instance_id)
    return [record.fields.content for record in zone.named(name)]


def dig(cloud: LocalCloud, name: str) -> Any:  # noqa: ANN401 (dnspython's enumeration)
    host, port = cloud.cloudflare.dns_address
    question = dns.message.make_query(name, "A")
    return dns.query.udp(question, host, port=port, timeout=5).rcode()


def test_a_desktops_life_ends_as_it_began(cloud: LocalCloud, invocations: list[Invocation]) -> None:
    put_row(cloud, "life")
    instance_id = launch(cloud, "life")
    cloud.settle()
    name = cloud.settings.record_name(instance_id)

    assert dig(cloud, name) == dns.rcode.NOERROR
    assert row(cloud, "life") == {
        "status": "DNS_WRITTEN",
        "teacher_ec2_link": f"https://{name}:8443",
    }

    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    cloud.settle()

    assert dig(cloud, name) == dns.rcode.NXDOMAIN
    assert row(cloud, "life") == {"status": "TERMINATED"}
    assert [each.result["action"] for each in invocations] == ["created", "deleted"]
    assert [(call.method, call.status) for call in cloud.cloudflare.calls] == [
        ("GET", 200),
        ("POST", 200),
        ("GET", 200),
        ("DELETE", 200),
    ]


def test_an_instance_of_another_project_leaves_no_trace(cloud: LocalCloud) -> None:
    answer = cloud.client("ec2").run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    instance_id = answer["Instances"][0]["InstanceId"]
    cloud.settle()

    assert records(cloud, instance_id) == []


def test_a_cloudflare_that_is_down_is_tried_again_until_it_is_up(
    cloud: LocalCloud, invocations: list[Invocation]
) -> None:
    """Three attempts at the list in each of two runs fail; Lambda's third run succeeds."""
    put_row(cloud, "down")
    cloud.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, times=6))

    instance_id = launch(cloud, "down")
    cloud.settle()

    assert [each.failed for each in invocations] == [True, True, False]
    assert invocations[0].error is not None
    assert invocations[0].error.type == "UnavailableError"
    assert len(records(cloud, instance_id)) == 1
    assert row(cloud, "down")["status"] == "DNS_WRITTEN"


def test_a_lost_answer_makes_no_second_record(cloud: LocalCloud) -> None:
    cloud.cloudflare.faults.add(Fault(FaultKind.DROP, when=When.AFTER, method="POST"))

    instance_id = launch(cloud, "lost")
    cloud.settle()

    assert len(records(cloud, instance_id)) == 1


def test_a_second_start_up_finds_what_the_first_one_did(cloud: LocalCloud) -> None:
    """A new execution environment knows nothing of earlier runs."""
    put_row(cloud, "again")
    instance_id = launch(cloud, "again")
    cloud.settle()
    before = (records(cloud, instance_id), row(cloud, "again"))
    event = cloud.bridge.state_change(instance_id, "running")
    cloud.client("lambda").update_function_configuration(FunctionName=FUNCTION, MemorySize=320)

    result = cloud.functions.invoke(FUNCTION, event)

    assert result.init_duration is not None
    assert result.result["action"] == "unchanged"
    assert (records(cloud, instance_id), row(cloud, "again")) == before


@pytest.mark.parametrize("event", [{}, [], "x", 1, {"detail": {"instance-id": "i-1"}}])
def test_an_event_of_any_shape_is_answered_without_a_stack_trace(
    cloud: LocalCloud, event: object
) -> None:
    done = cloud.functions.invoke(FUNCTION, event)

    assert done.result["action"] == "ignored"
    assert not any("Traceback" in line for line in done.log)


def test_a_run_logs_one_line_and_its_metrics(cloud: LocalCloud) -> None:
    instance_id = launch(cloud, "logs")
    cloud.settle()
    event = cloud.bridge.state_change(instance_id, "running")

    done = cloud.functions.invoke(FUNCTION, event)

    lines = [json.loads(line) for line in done.log if line.startswith("{")]
    said, measured = lines
    assert (said["level"], said["action"], said["instance_id"]) == (
        "INFO",
        "unchanged",
        instance_id,
    )
    assert measured["Unchanged"] == [1.0]
    assert measured["service"] == cloud.settings.owner
    assert measured["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Elephant"


def test_an_event_can_be_posted_to_the_local_stage(cloud: LocalCloud, copied: Path) -> None:
    instance_id = launch(cloud, "posted")
    cloud.settle()
    deployed = json.loads((copied / ".chalice/deployed/local.json").read_text())
    (url,) = [each["rest_api_url"] for each in deployed["resources"] if "rest_api_url" in each]
    request = urllib.request.Request(  # noqa: S310 (this machine's own port)
        cloud.aws.local_url(url) + "events",
        json.dumps({"instance-id": instance_id}).encode(),
        {"Content-Type": "application/json"},
    )

    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        assert json.load(answer)["action"] == "unchanged"


# What was deployed


def test_the_rule_is_the_contracts(cloud: LocalCloud) -> None:
    events = cloud.client("events")
    rule, _ = events.list_rules()["Rules"]

    assert rule["Name"] == "elephant-local-dns_watchdog-event"
    assert rule["State"] == "ENABLED"
    assert json.loads(rule["EventPattern"]) == {
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": {
            "state": ["running", "stopping", "shutting-down"],
            "tags": {"Project": ["Elephant", {"exists": False}]},
        },
    }
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(f":function:{FUNCTION}")


def test_the_role_is_the_file(cloud: LocalCloud, copied: Path) -> None:
    policy = cloud.client("iam").get_role_policy(RoleName=FUNCTION, PolicyName=FUNCTION)

    file = copied / ".chalice/policy-local-dns_watchdog.json"
    assert policy["PolicyDocument"] == json.loads(file.read_text())


def test_the_zip_is_small_and_holds_what_lambda_lacks(cloud: LocalCloud, copied: Path) -> None:
    (archive,) = (copied / ".chalice/deployments").glob("*.zip")
    deployed = cloud.client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]

    names = {
        name.split("/")[0] for name in zipfile.ZipFile(BytesIO(archive.read_bytes())).namelist()
    }

    assert deployed["CodeSize"] == archive.stat().st_size <= LARGEST_ZIP
    assert {"app.py", "chalice", "chalicelib"} <= names
    assert not {"boto3", "botocore", "urllib3", "localcloud", "tests"} & names
