"""The calls that are made to AWS, by service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Ec2Client(Protocol):
    """The calls that are made to EC2 about instances."""

    def describe_instances(self, **request: object) -> Mapping[str, Any]:
        """`DescribeInstances` of the API reference."""
        ...


class DesktopClient(Protocol):
    """The calls that are made to EC2 to launch and terminate desktops."""

    def describe_images(self, **request: object) -> Mapping[str, Any]:
        """`DescribeImages` of the API reference."""
        ...

    def describe_subnets(self, **request: object) -> Mapping[str, Any]:
        """`DescribeSubnets` of the API reference."""
        ...

    def run_instances(self, **request: object) -> Mapping[str, Any]:
        """`RunInstances` of the API reference."""
        ...

    def terminate_instances(self, **request: object) -> Mapping[str, Any]:
        """`TerminateInstances` of the API reference."""
        ...


class Ec2(Ec2Client, DesktopClient, Protocol):
    """All calls that are made to EC2."""


class DynamoDbClient(Protocol):
    """The calls that are made to DynamoDB."""

    def batch_get_item(self, **request: object) -> Mapping[str, Any]:
        """`BatchGetItem` of the API reference."""
        ...

    def delete_item(self, **request: object) -> Mapping[str, Any]:
        """`DeleteItem` of the API reference."""
        ...

    def get_item(self, **request: object) -> Mapping[str, Any]:
        """`GetItem` of the API reference."""
        ...

    def put_item(self, **request: object) -> Mapping[str, Any]:
        """`PutItem` of the API reference."""
        ...

    def query(self, **request: object) -> Mapping[str, Any]:
        """`Query` of the API reference."""
        ...

    def update_item(self, **request: object) -> Mapping[str, Any]:
        """`UpdateItem` of the API reference."""
        ...


class SecretsManagerClient(Protocol):
    """The calls that are made to Secrets Manager."""

    def get_secret_value(self, **request: object) -> Mapping[str, Any]:
        """`GetSecretValue` of the API reference."""
        ...


class SchedulerClient(Protocol):
    """The calls that are made to EventBridge Scheduler."""

    def create_schedule(self, **request: object) -> Mapping[str, Any]:
        """`CreateSchedule` of the API reference."""
        ...

    def delete_schedule(self, **request: object) -> Mapping[str, Any]:
        """`DeleteSchedule` of the API reference."""
        ...


class CodeDeployClient(Protocol):
    """The calls that are made to CodeDeploy."""

    def get_deployment(self, **request: object) -> Mapping[str, Any]:
        """`GetDeployment` of the API reference."""
        ...


class MailClient(Protocol):
    """The calls that are made to SES."""

    def send_email(self, **request: object) -> Mapping[str, Any]:
        """`SendEmail` of the API reference."""
        ...
