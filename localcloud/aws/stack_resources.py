"""Types of CloudFormation that the project's stack has and moto lacks, made by their own APIs.

| type | `Ref` |
|---|---|
| `AWS::CloudWatch::Alarm` on one metric | its name |
| `AWS::Logs::QueryDefinition`, which only the stack shows | its id |
| `AWS::Scheduler::ScheduleGroup` | its name |
| `AWS::SecretsManager::Secret`, its text given or generated | its ARN |
| `AWS::SNS::Subscription`, without confirmation | its ARN |

A property that is not emulated is refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from uuid import uuid4

from moto.cloudformation.exceptions import ValidationError
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.scheduler.exceptions import ScheduleGroupNotFound
from moto.scheduler.models import scheduler_backends
from moto.secretsmanager.exceptions import SecretNotFoundException
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.utils import random_password
from moto.sns.models import sns_backends

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Json = dict[str, Any]

_ALARM: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "AlarmName": ("name", str),
    "AlarmDescription": ("description", str),
    "Namespace": ("namespace", str),
    "MetricName": ("metric_name", str),
    "Dimensions": ("dimensions", list),
    "Statistic": ("statistic", str),
    "Period": ("period", int),
    "EvaluationPeriods": ("evaluation_periods", int),
    "DatapointsToAlarm": ("datapoints_to_alarm", int),
    "Threshold": ("threshold", float),
    "ComparisonOperator": ("comparison_operator", str),
    "TreatMissingData": ("treat_missing_data", str),
    "AlarmActions": ("alarm_actions", list),
    "OKActions": ("ok_actions", list),
    "Tags": ("tags", list),
}
"""The properties of an alarm: moto's name for each, and its type."""


class StackResource:
    """A resource of a stack; the subclasses know how to make, change and delete theirs.

    moto finds the direct subclasses of CloudFormationModel, so this is none.
    """

    TYPE: ClassVar[str]
    NAME: ClassVar[str] = ""
    """The property that is its name, if it has one."""
    PROPERTIES: ClassVar[Collection[str]]

    def __init__(self, name: str, arn: str, properties: Json, reference: str) -> None:
        self.name = name
        self.arn = arn
        self.properties = properties
        self.physical_resource_id = reference

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Make it."""
        raise NotImplementedError

    def change(self, properties: Json, account_id: str, region: str) -> Self:
        """Give it other properties; by default it is replaced."""
        self.delete(account_id, region)
        return self.make(self.name, properties, account_id, region)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it, if it still exists."""
        raise NotImplementedError

    def get_cfn_attribute(self, attribute: str) -> str:
        """Return the one attribute that there is."""
        if attribute != "Arn":
            raise NotImplementedError(f'"Fn::GetAtt" : [ "{{0}}" , "{attribute}" ]')
        return self.arn

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Return whether `Fn::GetAtt` finds it."""
        return attr == "Arn"

    @classmethod
    def cloudformation_type(cls) -> str:
        """Return the type in a template."""
        return cls.TYPE

    @classmethod
    def cloudformation_name_type(cls) -> str:
        """Return the property that is its name."""
        return cls.NAME

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: object,
    ) -> Self:
        """Make it as a template says."""
        properties = cloudformation_json.get("Properties", {})
        _check(properties, cls.PROPERTIES, cls.TYPE)
        return cls.make(resource_name, properties, account_id, region_name)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Self,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> Self:
        """Change it as a template says; under another name it is another resource."""
        properties = cloudformation_json.get("Properties", {})
        _check(properties, cls.PROPERTIES, cls.TYPE)
        if original_resource.properties.get(cls.NAME) != properties.get(cls.NAME):
            original_resource.delete(account_id, region_name)
            return cls.make(new_resource_name, properties, account_id, region_name)
        return original_resource.change(properties, account_id, region_name)


def _check(properties: Json, known: Collection[str], what: str) -> None:
    unknown = sorted(properties.keys() - {*known})
    if unknown:
        raise ValidationError(message=f"the local {what} knows no {', '.join(unknown)}")


class Alarm(StackResource, CloudFormationModel):
    """`AWS::CloudWatch::Alarm`."""

    TYPE = "AWS::CloudWatch::Alarm"
    NAME = "AlarmName"
    PROPERTIES = _ALARM.keys()

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Put the alarm."""
        arguments: Json = {"description": "", "dimensions": [], "alarm_actions": []}
        for key, value in ({"AlarmName": name} | properties).items():
            argument, kind = _ALARM[key]
            arguments[argument] = kind(value)
        alarm = cloudwatch_backends[account_id][region].put_metric_alarm(**arguments)
        return cls(name, alarm.alarm_arn, properties, alarm.name)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it."""
        cloudwatch_backends[account_id][region_name].delete_alarms([self.physical_resource_id])


class Subscription(StackResource, CloudFormationModel):
    """`AWS::SNS::Subscription`."""

    TYPE = "AWS::SNS::Subscription"
    PROPERTIES = ("TopicArn", "Endpoint", "Protocol")

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Subscribe."""
        values = (properties[key] for key in cls.PROPERTIES)
        arn = sns_backends[account_id][region].subscribe(*values).arn
        return cls(name, arn, properties, arn)

    def delete(self, account_id: str, region_name: str) -> None:
        """Unsubscribe."""
        sns_backends[account_id][region_name].unsubscribe(self.arn)


class ScheduleGroup(StackResource, CloudFormationModel):
    """`AWS::Scheduler::ScheduleGroup`."""

    TYPE = "AWS::Scheduler::ScheduleGroup"
    NAME = "Name"
    PROPERTIES = ("Name", "Tags")

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Make the group; one that exists already is refused."""
        backend = scheduler_backends[account_id][region]
        if name in backend.schedule_groups:
            raise ValidationError(message=f"there is a schedule group {name} already")
        group = backend.create_schedule_group(name, properties.get("Tags", []))
        return cls(name, group.arn, properties, group.name)

    def change(self, properties: Json, account_id: str, region: str) -> Self:
        """Change its tags."""
        scheduler_backends[account_id][region].tag_resource(self.arn, properties.get("Tags", []))
        return self

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it, with its schedules."""
        with suppress(ScheduleGroupNotFound):
            scheduler_backends[account_id][region_name].delete_schedule_group(self.name)


class QueryDefinition(StackResource, CloudFormationModel):
    """`AWS::Logs::QueryDefinition`: moto has no API for it."""

    TYPE = "AWS::Logs::QueryDefinition"
    NAME = "Name"
    PROPERTIES = ("Name", "LogGroupNames", "QueryString")

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:  # noqa: ARG003
        """Remember it."""
        return cls(name, "", properties, str(uuid4()))

    def delete(self, account_id: str, region_name: str) -> None:
        """Forget it."""


class Secret(StackResource, CloudFormationModel):
    """`AWS::SecretsManager::Secret`."""

    TYPE = "AWS::SecretsManager::Secret"
    NAME = "Name"
    PROPERTIES = ("Name", "Description", "GenerateSecretString", "SecretString", "Tags")

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Make the secret; one that exists already is refused."""
        backend = secretsmanager_backends[account_id][region]
        if name in backend.secrets:
            raise ValidationError(message=f"there is a secret {name} already")
        backend.create_secret(
            name=name,
            secret_string=_text(properties),
            secret_binary=None,
            description=properties.get("Description"),
            tags=properties.get("Tags", []),
            kms_key_id=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )
        arn = str(backend.secrets[name].arn)
        return cls(name, arn, properties, arn)

    def change(self, properties: Json, account_id: str, region: str) -> Self:
        """Change its tags, and its text if that has changed in the template."""
        backend = secretsmanager_backends[account_id][region]
        keys = ("GenerateSecretString", "SecretString")
        if any(self.properties.get(key) != properties.get(key) for key in keys):
            backend.put_secret_value(
                secret_id=self.name,
                secret_string=_text(properties),
                secret_binary="",
                client_request_token=str(uuid4()),
                version_stages=["AWSCURRENT"],
            )
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
        backend.tag_resource(self.arn, tags)
        return type(self)(self.name, self.arn, properties, self.arn)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it without recovery, as CloudFormation does."""
        with suppress(SecretNotFoundException):
            secretsmanager_backends[account_id][region_name].delete_secret(
                self.arn, None, force_delete_without_recovery=True
            )


def _text(properties: Json) -> str:
    generate = properties.get("GenerateSecretString")
    if generate is None:
        return str(properties.get("SecretString", ""))
    _check(generate, ("PasswordLength", "ExcludePunctuation"), "GenerateSecretString")
    return random_password(
        password_length=int(generate.get("PasswordLength", 32)),
        exclude_characters="",
        exclude_numbers=False,
        exclude_punctuation=str(generate.get("ExcludePunctuation", "false")).lower() == "true",
        exclude_uppercase=False,
        exclude_lowercase=False,
        include_space=False,
        require_each_included_type=True,
    )
