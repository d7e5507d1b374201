"""A meeting's desktop, which reports that it is healthy, and at the end that it has finished.

In reality scripts in the desktops' image do this. Here it calls DynamoDB in the same way,
and only if the policy of the desktop's own role allows it: moto accepts every call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from localcloud.aws import ACCOUNT_ID, role_may

if TYPE_CHECKING:
    from localcloud.cloud import LocalCloud

ACTIONS: Final = ("healthy", "upload", "shutdown")
"""What a desktop can be asked to do by name."""

_CHANGED: Final = "ConditionalCheckFailedException"


class NotAllowedError(Exception):
    """The desktop's role does not let it do this."""


class Desktop:
    """A desktop that was launched for a meeting; its tags say which, and in which role."""

    def __init__(self, cloud: LocalCloud, instance_id: str) -> None:
        self.instance_id = instance_id
        self._ec2 = cloud.client("ec2")
        self._dynamodb = cloud.client("dynamodb")
        self._table = str(cloud.settings.table_name)
        self._table_arn = f"arn:aws:dynamodb:{cloud.region}:{ACCOUNT_ID}:table/{self._table}"
        described = self._describe()
        tags = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
        self.meeting_id, self.role = tags["MeetingID"], tags["Role"]
        profile = described["IamInstanceProfile"]["Arn"].split("/")[-1]
        found = cloud.client("iam").get_instance_profile(InstanceProfileName=profile)
        self._role_arn = str(found["InstanceProfile"]["Roles"][0]["Arn"])

    def report_healthy(self) -> bool:
        """Report that it works, once it has its address; return whether the row was changed.

        Neither a meeting that is further nor one without an address is touched.
        """
        link = f"{self.role}_ec2_link"
        row = self._read("status", link)
        if link not in row:
            return False
        return self._update("status", "HEALTHY", only_from="DNS_WRITTEN")

    def upload(self, data: str) -> bool:
        """Write that its side has finished and where its data is; False if there is no row."""
        return self._update(f"{self.role}_session_data", data)

    def do(self, what: str) -> bool:
        """Do one of `healthy`, `upload` and `shutdown`. Raises ValueError for anything else."""
        if what == "healthy":
            return self.report_healthy()
        if what == "upload":
            return self.upload(f"s3://recordings/{self.meeting_id}/{self.role}")
        if what == "shutdown":
            self.shut_down()
            return True
        raise ValueError(f"a desktop does {', '.join(ACTIONS)}, not {what!r}")

    def shut_down(self) -> None:
        """Shut down from within; it stops or terminates, depending on how it was launched."""
        answer = self._ec2.describe_instance_attribute(
            InstanceId=self.instance_id, Attribute="instanceInitiatedShutdownBehavior"
        )
        if answer["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate":
            self._ec2.terminate_instances(InstanceIds=[self.instance_id])
        else:
            self._ec2.stop_instances(InstanceIds=[self.instance_id])

    def _read(self, *names: str) -> dict[str, Any]:
        self._ask_for("GetItem", names, **{"dynamodb:Select": "SPECIFIC_ATTRIBUTES"})
        answer = self._dynamodb.get_item(
            TableName=self._table,
            Key={"id": {"S": self.meeting_id}},
            ProjectionExpression=", ".join(f"#{name}" for name in names),
            ExpressionAttributeNames={f"#{name}": name for name in names},
        )
        return dict(answer.get("Item", {}))

    def _update(self, name: str, text: str, *, only_from: str | None = None) -> bool:
        self._ask_for("UpdateItem", (name,), **{"dynamodb:ReturnValues": "NONE"})
        condition, values = "attribute_exists(id)", {":new": {"S": text}}
        if only_from:
            condition += " AND #it = :old"
            values[":old"] = {"S": only_from}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": self.meeting_id}},
                UpdateExpression="SET #it = :new",
                ConditionExpression=condition,
                ExpressionAttributeNames={"#it": name},
                ExpressionAttributeValues=values,
                ReturnValues="NONE",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != _CHANGED:
                raise
            return False
        return True

    def _ask_for(self, operation: str, names: tuple[str, ...], **context: str) -> None:
        """Raise NotAllowedError unless its role may do this with these attributes."""
        action = f"dynamodb:{operation}"
        of_request = {"dynamodb:Attributes": ("id", *names), **context}
        if not role_may(self._role_arn, action, self._table_arn, of_request):
            raise NotAllowedError(f"{self._role_arn} may not {action} with {', '.join(names)}")

    def _describe(self) -> dict[str, Any]:
        answer = self._ec2.describe_instances(InstanceIds=[self.instance_id])
        return dict(answer["Reservations"][0]["Instances"][0])
