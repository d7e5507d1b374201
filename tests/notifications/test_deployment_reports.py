"""People are told of the deployments that the stage asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.notifications.office import event, run_of
from tests.notifications.test_notices import FAILED, S3, at

if TYPE_CHECKING:
    from tests.notifications.office import Office

RUN = run_of("notify_deployment")


def test_a_deployment_is_told_with_what_codedeploy_knows(office: Office) -> None:
    deployment_id = office.deploy(S3, startTime=at(15, 20), completeTime=at(15, 24))

    result = office.deployments().handle(
        event("codedeploy-success", deploymentId=deployment_id), RUN
    )

    assert office.subjects == ["shop 1.4.2 deployed to production"]
    assert result == {
        "action": "notified",
        "reason": office.subjects[0],
        "deployment_id": deployment_id,
        "message_id": office.mails[0].id,
    }
    assert "The deployment succeeded after 4 min." in office.mails[0].body
    assert list(office.sent()) == [f"deployment/{deployment_id}/SUCCESS"]


def test_a_deployment_that_failed_is_told_with_what_failed(office: Office) -> None:
    described = {key: value for key, value in FAILED.items() if key != "revision"}
    deployment_id = office.deploy(S3, **described)

    office.deployments().handle(event("codedeploy-failure", deploymentId=deployment_id), RUN)

    assert office.subjects == ["shop 1.4.2 FAILED on production"]
    assert "Too few healthy instances." in office.mails[0].body


def test_a_deployment_that_codedeploy_has_forgotten_is_told_all_the_same(office: Office) -> None:
    assert office.deployments().handle(event("codedeploy-failure"), RUN)["action"] == "notified"
    assert office.subjects == ["shop FAILED on production"]


def test_each_state_of_a_deployment_is_told_once(office: Office) -> None:
    """Whatever ids the events have: a deployment ends once."""
    names = ["codedeploy-failure", "codedeploy-success", "codedeploy-failure"]
    found = [
        event(name, deploymentId="d-A1B2C3D4E") | {"id": str(number)}
        for number, name in enumerate(names)
    ]

    results = [office.deployments().handle(each, RUN) for each in found]

    assert [each["action"] for each in results] == ["notified", "notified", "unchanged"]
    assert results[-1]["reason"] == "the e-mail was already sent"


@pytest.mark.parametrize(
    ("name", "variables", "reason"),
    [
        ("codedeploy-success", {"CODEDEPLOY_APPLICATIONS": "api"}, "application 'shop' is not"),
        ("codedeploy-success", {"CODEDEPLOY_APPLICATIONS": ""}, "application 'shop' is not"),
        (
            "codedeploy-failure",
            {"DEPLOYMENT_STATES": "SUCCESS"},
            "its state 'FAILURE' is not among DEPLOYMENT_STATES",
        ),
    ],
)
def test_what_the_stage_does_not_ask_for_is_not_told(
    office: Office, name: str, variables: dict[str, str], reason: str
) -> None:
    result = office.deployments(**variables).handle(event(name), RUN)

    assert result["action"] == "ignored"
    assert result["reason"].startswith(reason)
    assert office.faults.calls == []


@pytest.mark.parametrize("shape", [None, [], {}, {"source": "aws.codedeploy"}])
def test_an_event_of_any_shape_is_answered(office: Office, shape: Any) -> None:  # noqa: ANN401
    assert office.deployments().handle(shape, RUN)["action"] == "ignored"
    assert office.world.reports.lines[-1][0] == "succeeded"


def test_a_codedeploy_that_does_not_answer_is_asked_again_by_lambda(office: Office) -> None:
    office.faults.refused = {("get_deployment", "")}

    with pytest.raises(ClientError):
        office.deployments().handle(event("codedeploy-success"), RUN)

    assert office.sent() == {}
    ((outcome, fields, counts),) = office.world.reports.lines
    assert outcome.startswith("failed: ")
    assert (fields["deployment_id"], counts) == ("d-A1B2C3D4E", {"Failed": 1})
