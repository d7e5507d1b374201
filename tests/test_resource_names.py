"""What belongs to a stage is found by the name of the function that asks."""

from __future__ import annotations

import pytest

from chalicelib.resource_names import FUNCTIONS, StageNames

PREFIX = "arn:aws-cn:lambda:cn-north-1:123456789012:function:elephant-prod"


@pytest.mark.parametrize("name", ["", "-safety_net:7", *(f"-{each}" for each in FUNCTIONS)])
def test_every_function_of_a_stage_finds_the_same_place(name: str) -> None:
    place = StageNames.of(PREFIX + name)

    assert place == StageNames("aws-cn", "cn-north-1", "123456789012", "elephant-prod")
    assert place.function_arn("launch_ec2") == f"{PREFIX}-launch_ec2"


def test_a_places_things_are_named_after_its_stage() -> None:
    place = StageNames.of(PREFIX)

    assert place.schedule_group == "elephant-prod"
    assert place.scheduler_role_arn == "arn:aws-cn:iam::123456789012:role/elephant-prod-scheduler"
    assert place.instance_profile == "elephant-prod-desktop"
    assert place.schedule_secret == "elephant-prod-schedule-key"
    assert place.seed_secret == "elephant-prod-meeting-seed"
    assert place.sent_table == "elephant-prod-sent"
    assert place.failure_queue_arn == (
        "arn:aws-cn:sqs:cn-north-1:123456789012:elephant-prod-failed-events"
    )


@pytest.mark.parametrize(
    "arn", ["", "elephant-prod", "arn:aws:s3:::bucket", "arn:aws:lambda:eu-west-1:1:layer:x"]
)
def test_what_names_no_function_is_refused(arn: str) -> None:
    with pytest.raises(ValueError, match="is not the ARN of a Lambda function"):
        StageNames.of(arn)
