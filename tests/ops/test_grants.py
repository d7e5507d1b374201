"""What a call needs in IAM: on the stage's own things alone, and under what conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ops.grants import UnknownCallError, grants_of, stream_grants
from ops.iam_page import EXAMPLE, PLAIN
from ops.reach import Call

if TYPE_CHECKING:
    from ops.stages import Stage

IAM = "arn:aws:iam::111122223333"
OURS = "arn:aws:ec2:us-west-2:111122223333"


def call(action: str, file: str = "chalicelib/ec2/desktops.py") -> Call:
    return Call(action, file, 7)


def granted(action: str, stage: Stage = EXAMPLE, **options: str) -> dict[str, dict[str, Any]]:
    return {each.sid: each.document for each in grants_of(call(action, **options), stage)}


def stage(**variables: str) -> Stage:
    return replace(EXAMPLE, variables={**EXAMPLE.variables, **variables})


def test_desktops_are_started_as_the_stage_says_and_with_its_tags_alone() -> None:
    found = granted("ec2:RunInstances")

    assert found["RunDesktops"]["Resource"] == f"{OURS}:instance/*"
    assert {name: each.get("Condition") for name, each in found.items()} == {
        "RunDesktops": {
            "StringEquals": {
                "aws:RequestTag/Project": "Elephant",
                "aws:RequestTag/elephant:owner": "elephant:prod/us-west-2",
                "ec2:InstanceType": "t3.large",
                "ec2:MetadataHttpTokens": "required",
            },
            "ArnEquals": {"ec2:InstanceProfile": f"{IAM}:instance-profile/elephant-prod-desktop"},
        },
        "RunIn": {"ArnEquals": {"ec2:Vpc": f"{OURS}:vpc/vpc-0123456789abcdef0"}},
        "RunWith": None,
        "TagDesktops": {"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        "PassDesktopRole": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
    }
    assert found["RunIn"]["Resource"] == [f"{OURS}:network-interface/*", f"{OURS}:subnet/*"]
    assert found["RunWith"]["Resource"] == [
        "arn:aws:ec2:us-west-2::image/ami-0123456789abcdef0",
        f"{OURS}:security-group/sg-0123456789abcdef0",
        f"{OURS}:key-pair/desktops",
        f"{OURS}:volume/*",
    ]
    assert found["PassDesktopRole"]["Action"] == ["iam:PassRole"]
    assert found["PassDesktopRole"]["Resource"] == f"{IAM}:role/elephant-prod-desktop"


def test_without_a_key_pair_or_a_vpc_none_is_named() -> None:
    found = granted("ec2:RunInstances", stage(KEY_NAME="", VPC_ID=""))

    assert not [each for each in found["RunWith"]["Resource"] if "key-pair" in each]
    assert "Condition" not in found["RunIn"]


def test_only_what_bears_the_project_tag_and_no_other_owners_is_ended() -> None:
    found = granted("ec2:TerminateInstances", stage(PROJECT_TAG="Team=A ${x}"))

    assert found["TerminateDesktops"]["Resource"] == f"{OURS}:instance/*"
    assert found["TerminateDesktops"]["Condition"] == {
        "StringEquals": {"ec2:ResourceTag/Team": "A ${$}{x}"},  # which IAM reads as A ${x}
        "StringEqualsIfExists": {"ec2:ResourceTag/elephant:owner": "elephant:prod/us-west-2"},
    }


def test_schedules_are_this_stages_and_started_with_the_schedulers_role_alone() -> None:
    schedules = "arn:aws:scheduler:us-west-2:111122223333:schedule/elephant-prod/*"
    made, removed = granted("scheduler:CreateSchedule"), granted("scheduler:DeleteSchedule")

    assert made["Schedules"]["Resource"] == removed["Schedules"]["Resource"] == schedules
    assert made["PassSchedulerRole"]["Resource"].endswith(":role/elephant-prod-scheduler")
    assert made["PassSchedulerRole"]["Condition"] == {
        "StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}
    }
    assert list(removed) == ["Schedules"]


SECRET, PUT = "secretsmanager:GetSecretValue", "dynamodb:PutItem"
OWN_RESOURCES: list[tuple[str, str, str, list[str]]] = [
    (
        SECRET,
        "meetings/stage_secrets.py",
        "ScheduleSecrets",
        ["secret:elephant-prod-schedule-key-??????", "secret:elephant-prod-meeting-seed-??????"],
    ),
    (SECRET, "secrets.py", "CloudflareToken", ["secret:prod/elephant/cloudflare-??????"]),
    (PUT, "notifications/sent.py", "SentTable", ["table/elephant-prod-sent"]),
    (PUT, "meeting_row/rows.py", "MeetingsTable", ["table/elephant-meetings"]),
]


@pytest.mark.parametrize(("action", "file", "sid", "resources"), OWN_RESOURCES)
def test_a_module_may_use_what_it_is_for_alone(
    action: str, file: str, sid: str, resources: list[str]
) -> None:
    found = granted(action, file=f"chalicelib/{file}")[sid]["Resource"]

    each = found if isinstance(found, list) else [found]
    assert [arn.partition("111122223333:")[2] for arn in each] == resources


def test_the_stream_is_the_tables_own() -> None:
    reading, listing = (each.document for each in stream_grants(EXAMPLE))

    assert reading["Resource"].endswith(":table/elephant-meetings/stream/*")
    assert listing["Action"] == ["dynamodb:ListStreams"]


@pytest.mark.parametrize(
    ("action", "stage", "said"),
    [
        ("ec2:RebootInstances", EXAMPLE, r"desktops\.py:7: what RebootInstances of ec2"),
        ("ec2:RunInstances", PLAIN, r"under `if settings\.meetings:`"),
        ("ses:SendEmail", PLAIN, r"under `if settings\.notifications:`"),
    ],
)
def test_a_call_that_is_in_no_table_or_of_a_feature_that_is_off_is_refused(
    action: str, stage: Stage, said: str
) -> None:
    with pytest.raises(UnknownCallError, match=said):
        grants_of(call(action), stage)


# Notifications

MAILER = "chalicelib/notifications/mailer.py"
IDENTITY = "arn:aws:ses:us-west-2:111122223333:identity"


def test_mail_is_sent_from_the_one_sender_to_its_recipients_alone() -> None:
    assert granted("ses:SendEmail", file=MAILER) == {
        "SendMail": {
            "Sid": "SendMail",
            "Effect": "Allow",
            "Action": ["ses:SendEmail"],
            "Resource": [
                f"{IDENTITY}/elephant@example.com",
                f"{IDENTITY}/example.com",
                f"{IDENTITY}/ops@example.org",  # which SES asks for in its sandbox
                f"{IDENTITY}/example.org",
                "arn:aws:ses:us-west-2:111122223333:configuration-set/*",
            ],
            "Condition": {
                "StringEquals": {"ses:FromAddress": "elephant@example.com"},
                "ForAllValues:StringEquals": {"ses:Recipients": ["ops@example.org"]},
            },
        }
    }


def test_letters_are_sent_from_the_one_sender_to_anybody() -> None:
    """A message that is composed already needs another right than `SendEmail`'s own."""
    found = granted("ses:SendEmail", file="chalicelib/invitations/post.py")["SendMail"]

    assert found["Action"] == ["ses:SendRawEmail"]
    assert found["Resource"] == [
        f"{IDENTITY}/*",
        "arn:aws:ses:us-west-2:111122223333:configuration-set/elephant-prod-invitations",
    ]
    assert found["Condition"] == {"StringEquals": {"ses:FromAddress": "elephant@example.com"}}


def test_who_sends_letters_reads_the_seed_of_links_and_no_key_for_scheduling() -> None:
    call_of_it = call(SECRET, "chalicelib/meetings/stage_secrets.py")

    (found,) = grants_of(call_of_it, EXAMPLE, "invite")

    assert found.sid == "ScheduleSeed"
    assert [each.partition(":secret:")[2] for each in found.resources] == [
        "elephant-prod-meeting-seed-??????"
    ]


def test_an_address_may_be_verified_by_a_domain_and_nothing_in_a_name_stands_for_others() -> None:
    stated = stage(
        MAIL_FROM="*$?@Mail.Example.com",
        MAIL_TO="you@example.com",
        CODEDEPLOY_APPLICATIONS="shop*,till",
    )

    found = granted("ses:SendEmail", stated, file=MAILER)["SendMail"]["Resource"]
    deployments = granted("codedeploy:GetDeployment", stated)["Deployments"]["Resource"]

    assert found[:-1] == [
        f"{IDENTITY}/${{*}}${{$}}${{?}}@mail.example.com",
        f"{IDENTITY}/mail.example.com",
        f"{IDENTITY}/example.com",
        f"{IDENTITY}/you@example.com",
    ]
    assert deployments == [
        "arn:aws:codedeploy:us-west-2:111122223333:deploymentgroup:shop${*}/*",
        "arn:aws:codedeploy:us-west-2:111122223333:deploymentgroup:till/*",
    ]
    assert granted("codedeploy:GetDeployment", stage(CODEDEPLOY_APPLICATIONS="")) == {}
