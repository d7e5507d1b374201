"""Checks of what meetings depend on: the table, roles, schedules, and desktops' resources."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.meeting_row.meeting import AGENDA, EXPIRES_AT
from ops.account import error_code
from ops.agenda import expiry_of, index_of, wrong_index
from ops.check import NOT_FOUND, failure, ok, question, warning
from ops.checks_aws import in_region, recreate_stack
from ops.meetings import schedules_of
from ops.role_policies import other_policies, trust_command
from ops.stack_roles import DESKTOP, SCHEDULER, Role, role_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from chalicelib.settings.meetings import MeetingsSettings
    from ops.check import Context, Finding

_NO_ENTITY: Final = "NoSuchEntity"
_STARTED: Final = ("launch_ec2", "safety_net")


@question("schedules", needs=("stack",))
def schedules(context: Context) -> Iterator[Finding]:
    """Whether the group of schedules exists, and each of them starts this stage's functions."""
    if not context.stage.settings.meetings:
        return
    client, place = context.client("scheduler"), context.stage.place
    try:
        client.get_schedule_group(Name=place.schedule_group)
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        yield failure(f"group {place.schedule_group} does not exist", recreate_stack(context))
        return
    waiting = schedules_of(client, context.stage)
    ours = {place.function_arn(each) for each in _STARTED}
    strange = [each["Name"] for each in waiting if each["Target"]["Arn"] not in ours]
    disabled = [each["Name"] for each in waiting if each.get("State") == "DISABLED"]
    if strange:
        yield failure(
            f"do not start this stage's functions: {', '.join(strange)}",
            _deletions(context, strange),
        )
    elif disabled:
        yield failure(
            f"are disabled, so their desktops are not started or not terminated: "
            f"{', '.join(disabled)}",
            "enable them again in the console of EventBridge Scheduler",
        )
    else:
        yield ok(f"{len(waiting)} pending in {place.schedule_group}")


@question("meetings index", needs=("credentials",))
def meetings_index(context: Context) -> Iterator[Finding]:
    """Whether the table has the index by which meetings are listed, and lets rows expire."""
    settings = context.stage.settings
    if not settings.meetings:
        return
    client, name = context.client("dynamodb"), str(settings.table_name)
    deploy = f"`elephant deploy {context.stage.name}`"
    try:
        table = client.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        return  # which the check of the table says
    index, wrong = index_of(table), wrong_index(table)
    if wrong:
        yield failure(f"{name} {wrong}, so no meeting can be scheduled", deploy)
    elif index and index.get("IndexStatus", "ACTIVE") != "ACTIVE":
        yield warning(f"index {AGENDA} of {name} is {index['IndexStatus']}", "wait some minutes")
    else:
        yield ok(f"{AGENDA} of {name}")
    attribute = expiry_of(client, name)
    if attribute == EXPIRES_AT:
        yield ok(f"rows of {name} expire by {EXPIRES_AT}", of="expiry")
    elif settings.meetings.kept:
        yield failure(f"rows of {name} do not expire by {EXPIRES_AT}", deploy, of="expiry")


@question("scheduler role", needs=("stack",))
def scheduler_role(context: Context) -> Iterator[Finding]:
    """Whether EventBridge Scheduler may start exactly the functions of meetings."""
    if context.stage.settings.meetings:
        yield from _role(context, role_of(SCHEDULER, context.stage))


@question("desktop role", needs=("stack",))
def desktop_role(context: Context) -> Iterator[Finding]:
    """Whether desktops have their instance profile, with exactly the policy in docs/iam.md."""
    if not context.stage.settings.meetings:
        return
    wanted = role_of(DESKTOP, context.stage)
    yield from _role(context, wanted, context.stage.settings.meetings.desktop_policy_arns)
    name = context.stage.place.instance_profile
    try:
        profile = context.client("iam").get_instance_profile(InstanceProfileName=name)
    except ClientError as error:
        if error_code(error) != _NO_ENTITY:
            raise
        yield failure(
            f"instance profile {name} does not exist", recreate_stack(context), of="profile"
        )
        return
    roles = [each["RoleName"] for each in profile["InstanceProfile"]["Roles"]]
    if roles == [wanted.name]:
        yield ok(f"desktops get it from {name}", of="profile")
        return
    place = f"instance-profile --instance-profile-name {name} --role-name"
    yield failure(
        f"{name} gives desktops {', '.join(roles) or 'no role'}, not {wanted.name}",
        "; ".join(
            [
                *(f"`aws iam remove-role-from-{place} {each}`" for each in roles),
                f"`aws iam add-role-to-{place} {wanted.name}`",
            ]
        ),
        of="profile",
    )


@question("desktops", needs=("credentials",))
def desktops(context: Context) -> Iterator[Finding]:
    """Whether the desktops' image and security groups exist."""
    meetings = context.stage.settings.meetings
    if meetings:
        yield _image(context, meetings)
        yield _groups(context, meetings)


def _image(context: Context, meetings: MeetingsSettings) -> Finding:
    another = f"{context.command('stage', '--ami ANOTHER')}, then {context.command('deploy')}"
    filters = [{"Name": "image-id", "Values": [meetings.ami_id]}]
    found = context.client("ec2").describe_images(Filters=filters)["Images"]
    if not found:
        return failure(
            f"{meetings.ami_id} is not in {context.stage.region}, or not shared with this account",
            another,
            of="image",
        )
    state = found[0].get("State")
    if state != "available":
        return failure(f"{meetings.ami_id} is {state}", another, of="image")
    return ok(f"{meetings.ami_id}, {found[0].get('Name', 'without a name')}", of="image")


def _groups(context: Context, meetings: MeetingsSettings) -> Finding:
    wanted = list(meetings.security_group_ids)
    filters = [{"Name": "group-id", "Values": wanted}]
    found = context.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    there = {each["GroupId"]: each["VpcId"] for each in found}
    missing = [each for each in wanted if each not in there]
    if missing:
        text, remedy = f"missing: {', '.join(missing)}", "--security-groups OTHERS"
    elif len({*there.values()}) > 1 or meetings.vpc_id not in {None, *there.values()}:
        text = f"they are in {', '.join(sorted({*there.values()}))}, but desktops start in "
        text += meetings.vpc_id or "the default VPC"
        remedy = "--security-groups OTHERS --vpc THEIRS"
    else:
        return ok(", ".join(wanted), of="security groups")
    both = f"{context.command('stage', remedy)}, then {context.command('deploy')}"
    return failure(text, both, of="security groups")


def _role(context: Context, wanted: Role, more: Sequence[str] = ()) -> Iterator[Finding]:
    iam = context.client("iam")
    try:
        role = iam.get_role(RoleName=wanted.name)["Role"]
        problems = list(_problems(iam, role, wanted, more))
    except ClientError as error:
        if error_code(error) != _NO_ENTITY:
            raise
        yield failure(f"{wanted.name} or its policy is missing", recreate_stack(context))
        return
    rest = f"and {', '.join(more)}" if more else "and no others"
    yield from problems or [ok(f"{wanted.name} has its policy {rest}")]


def _problems(
    iam: Any,  # noqa: ANN401
    role: Mapping[str, Any],
    wanted: Role,
    more: Sequence[str],
) -> Iterator[Finding]:
    name = wanted.name
    if role["AssumeRolePolicyDocument"] != wanted.trust:
        found = f"others than intended may assume the role {name}"
        yield failure(found, trust_command(name, wanted.trust))
    there = iam.get_role_policy(RoleName=name, PolicyName=wanted.policy_name)["PolicyDocument"]
    if there != wanted.policy:
        yield failure(
            f"the policy {wanted.policy_name} of {name} differs from the stage's",
            f"`aws iam put-role-policy --role-name {name} --policy-name {wanted.policy_name} "
            f"--policy-document '{json.dumps(wanted.policy)}'`",
        )
    missing = [*more]
    for other in other_policies(iam, name, wanted.policy_name):
        if other.attached_arn in missing:
            missing.remove(other.attached_arn)
        elif other.attached_arn:
            yield warning(
                other.found, f"{other.remedy}, or name it in the stage's DESKTOP_POLICY_ARNS"
            )
        else:
            yield failure(other.found, other.remedy)
    for each in missing:
        command = f"`aws iam attach-role-policy --role-name {name} --policy-arn {each}`"
        yield failure(f"{name} lacks the policy {each} of DESKTOP_POLICY_ARNS", command)


def _deletions(context: Context, names: Iterable[str]) -> str:
    group = context.stage.place.schedule_group
    return "; ".join(
        f"`aws scheduler delete-schedule --group-name {group} --name {each}{in_region(context)}`"
        for each in names
    )


QUESTIONS: Final = (
    meetings_index,
    schedules,
    scheduler_role,
    desktop_role,
    desktops,
)
