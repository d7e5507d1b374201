"""Deployments become e-mails with what CodeDeploy knows, as the stage asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.notifications.harness import event, run_of
from tests.notifications.test_messages import S3, at

if TYPE_CHECKING:
    from tests.notifications.harness import Stage

RUN = run_of("notify_deployment")


def test_a_deployment_is_reported_with_what_codedeploy_knows(stage: Stage) -> None:
    deployment_id = stage.deploy(S3, startTime=at(15, 20), completeTime=at(15, 24))

    found = event("codedeploy-success", deploymentId=deployment_id)
    result = stage.functions().notifications.deployment_reports.handle(found, RUN)

    assert stage.subjects == ["shop 1.4.2 deployed to production"]
    assert result == {
        "action": "notified",
        "reason": stage.subjects[0],
        "deployment_id": deployment_id,
        "message_id": stage.mails[0].id,
    }
    assert "The deployment succeeded after 4 min." in stage.mails[0].body
    assert list(stage.sent()) == [f"deployment/{deployment_id}/SUCCESS"]


def test_each_state_of_a_deployment_is_reported_once_even_if_codedeploy_forgot_it(
    stage: Stage,
) -> None:
    """Events may have different ids, but a deployment ends once."""
    names = ["codedeploy-failure", "codedeploy-success", "codedeploy-failure"]
    results = [
        stage.functions().notifications.deployment_reports.handle(
            event(name) | {"id": str(number)}, RUN
        )
        for number, name in enumerate(names)
    ]

    assert [each["action"] for each in results] == ["notified", "notified", "unchanged"]
    assert results[-1]["reason"] == "the e-mail was already sent"
    assert stage.subjects == ["shop FAILED on production", "shop deployed to production"]


NOT_WATCHED = "application 'shop' is not watched"
NOT_WANTED = "its state 'FAILURE' is not among DEPLOYMENT_STATES"


@pytest.mark.parametrize(
    ("name", "variables", "reason"),
    [
        ("codedeploy-success", {"CODEDEPLOY_APPLICATIONS": "api"}, NOT_WATCHED),
        ("codedeploy-success", {"CODEDEPLOY_APPLICATIONS": ""}, NOT_WATCHED),
        ("codedeploy-failure", {"DEPLOYMENT_STATES": "SUCCESS"}, NOT_WANTED),
    ],
)
def test_a_deployment_that_the_stage_does_not_watch_is_ignored(
    stage: Stage, name: str, variables: dict[str, str], reason: str
) -> None:
    result = stage.functions(**variables).notifications.deployment_reports.handle(event(name), RUN)

    assert (result["action"], result["reason"]) == ("ignored", reason)
    assert stage.faults.calls == []


def test_a_failed_read_is_left_to_lambdas_retry(stage: Stage) -> None:
    stage.faults.refused = {("get_deployment", "d-A1B2C3D4E")}

    with pytest.raises(ClientError, match="InternalError"):
        stage.functions().notifications.deployment_reports.handle(event("codedeploy-success"), RUN)

    assert stage.sent() == {}
    ((outcome, fields, counts),) = stage.world.reports.lines
    assert outcome.startswith("failed: ")
    assert (fields["deployment_id"], counts) == ("d-A1B2C3D4E", {"Failed": 1})
