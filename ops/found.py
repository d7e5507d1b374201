"""Values for a new stage that are found in its account, offered as answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ops.account import AwsError

if TYPE_CHECKING:
    from ops.account import Account


def suggestion(account: Account, stage_name: str, variable: str) -> str | None:
    """Look for a setting's value; None if there is none, or AWS does not answer."""
    look = {"AMI_ID": _image, "SECURITY_GROUP_IDS": _group}.get(variable)
    try:
        return look(account, stage_name) if look else None
    except (AwsError, BotoCoreError, ClientError):
        return None  # only a help: the answer can be typed


def _image(account: Account, stage_name: str) -> str | None:
    """Return the newest image that was built as `elephant image` says."""
    name = f"elephant-{stage_name}-desktop*"
    answer = account.client("ec2").describe_images(
        Owners=["self"], Filters=[{"Name": "name", "Values": [name]}]
    )
    newest = max(answer["Images"], key=lambda each: str(each["CreationDate"]), default=None)
    return str(newest["ImageId"]) if newest else None


def _group(account: Account, stage_name: str) -> str | None:
    """Return the security group that `elephant network` made for the stage."""
    answer = account.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [f"elephant-{stage_name}-desktops"]}]
    )
    found = [str(each["GroupId"]) for each in answer["SecurityGroups"]]
    return found[0] if len(found) == 1 else None
