"""What is generated is up to date; and the models hold all that is read of answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

from chalicelib import aws
from chalicelib.ec2.instances import Instances
from chalicelib.notifications.mailer import Mail, Mailer
from ops.aws_operations import IAM_PREFIXES
from ops.iam_page import EXAMPLE
from ops.models import CALLS, DIRECTORY, models
from ops.settings_page import pages
from tests.ec2.test_desktops import ORDER
from tests.ops.played import Played
from tests.ops.projects import code
from tests.world import REGION, World


def test_the_tables_in_the_documentation_are_those_of_this_code() -> None:
    for page, text in pages():
        assert page.read_text() == text, "run `python -m ops.settings_page`"


def test_the_files_are_what_the_installed_botocore_says() -> None:
    """After an update of botocore: python -m ops.models."""
    kept = {
        path.relative_to(DIRECTORY): path.read_text()
        for path in DIRECTORY.rglob("*")
        if path.is_file()
    }
    assert kept == dict(models())


def test_every_call_that_the_code_can_reach_is_in_the_models() -> None:
    reached = {call.action for function in code().functions for call in code().calls(function)}
    assert reached == {
        f"{IAM_PREFIXES.get(service, service)}:{name}"
        for service, calls in CALLS.items()
        for name in calls
    }


def test_an_instance_is_read_as_it_is_with_the_whole_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an instance that has everything, as a running one and as one that has ended
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    aws._session.cache_clear()
    tag = ("Project", "Elephant")
    small, whole = Instances(aws.client("ec2"), tag, None), Instances(world.ec2, tag, None)
    aws._session.cache_clear()
    running, ended = world.desktop(), world.desktop()
    world.terminate(ended)

    # when it is described through the small model and through botocore's, then both say the same
    for instance_id in (running, ended):
        assert small.find(instance_id) == whole.find(instance_id)
    assert small.of_project() == whole.of_project()
    found: Any = small.find(running)
    assert (found.address, found.tags["Role"]) == (world.address(running), "teacher")


VOLUME = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 60, "Encrypted": True}}
DESKTOP = replace(ORDER, key_name="desktops", devices=(VOLUME,)).request("subnet-00000000")


def mail() -> dict[str, Any]:
    """Return the request of an e-mail."""
    ses = Played(send_email={"MessageId": "1"})
    assert EXAMPLE.settings.notifications
    Mailer(ses, EXAMPLE.settings.notifications).send_mail(Mail("ü", "h", "t"))
    return ses.calls[0][1]


@pytest.mark.parametrize(
    ("service", "name", "request_"),
    [("ec2", "RunInstances", DESKTOP), ("sesv2", "SendEmail", mail())],
)
def test_a_request_is_valid_and_the_same_as_with_the_whole_model(
    service: str, name: str, request_: dict[str, Any]
) -> None:
    """A member that the small model lacks would be refused before anything is sent."""
    formatted = []
    for model in (small_model(service), Loader().load_service_model(service, "service-2")):
        operation = ServiceModel(model).operation_model(name)
        assert operation.input_shape is not None
        assert ParamValidator().validate(request_, operation.input_shape).generate_report() == ""
        serializer = create_serializer(model["metadata"]["protocol"])
        formatted.append(serializer.serialize_to_request(request_, operation))
    assert formatted[0] == formatted[1]


def test_a_deployment_is_asked_for_in_a_protocol_that_every_botocore_of_lambda_knows() -> None:
    metadata = small_model("codedeploy")["metadata"]

    assert (metadata["protocol"], metadata["protocols"]) == ("json", ["json"])


def small_model(service: str) -> Any:  # noqa: ANN401 (as JSON has it)
    (path,) = (DIRECTORY / service).rglob("service-2.json")
    return json.loads(path.read_text())
