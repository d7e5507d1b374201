"""Current meetings of a stage: pending schedules and running desktops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.ec2.instances import OWNER_TAG, Instances
from ops.account import error_code, readable_errors
from ops.stages import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.ec2.instances import Instance
    from ops.account import Account
    from ops.stages import Stage

    Say = Callable[[str], None]

_NO_GROUP: Final = "ResourceNotFoundException"
_MEETING_TAG: Final = "MeetingID"


def schedules_of(client: Any, stage: Stage) -> list[Mapping[str, Any]]:  # noqa: ANN401 (botocore's)
    """List the pending schedules in the stage's group; empty without the group."""
    pages = client.get_paginator("list_schedules").paginate(GroupName=stage.place.schedule_group)
    try:
        return [each for page in pages for each in page["Schedules"]]
    except ClientError as error:
        if error_code(error) != _NO_GROUP:
            raise
        return []


def check_no_schedules(account: Account, stage: Stage) -> None:
    """Raise ConfigError while meetings are pending or running: nothing would end them."""
    with readable_errors("look for pending meetings"):
        waiting = schedules_of(account.client("scheduler"), stage)
    if waiting:
        group = stage.place.schedule_group
        raise ConfigError(
            f"{len(waiting)} schedule(s) of meetings are pending in the group {group}, such as "
            f"{waiting[0]['Name']}: without the feature nothing starts or ends their desktops, so "
            "nothing was changed. Run this again when they are over, or cancel them with `aws "
            f"scheduler delete-schedule-group --name {group} --region {stage.region}`"
        )


def remove_schedules(account: Account, stage: Stage, say: Say) -> None:
    """Remove every schedule of the group, so that nothing more starts. Raises AwsError."""
    client, group = account.client("scheduler"), stage.place.schedule_group
    with readable_errors(f"remove the schedules of the group {group}"):
        waiting = schedules_of(client, stage)
        for each in waiting:
            try:
                client.delete_schedule(GroupName=group, Name=each["Name"])
            except ClientError as error:  # it was due meanwhile, and went by itself
                if error_code(error) != _NO_GROUP:
                    raise
    say(f"{len(waiting)} schedules removed from the group {group}")


def desktops_of(account: Account, stage: Stage, owner: str | None) -> list[str]:
    """List the running desktops of meetings with this owner, or with none. Raises AwsError."""
    with readable_errors("look for running desktops"):
        found = Instances(account.client("ec2"), stage.settings.project_tag, None).of_project()
    return [each.id for each in found if _is_living(each) and each.tags.get(OWNER_TAG) == owner]


def _is_living(instance: Instance) -> bool:
    return not instance.has_ended and _MEETING_TAG in instance.tags
