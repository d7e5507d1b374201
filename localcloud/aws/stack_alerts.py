"""Alarms and their subscriptions in stacks, which moto skips: created through their own API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from moto.cloudformation.exceptions import ValidationError
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.sns.models import sns_backends

if TYPE_CHECKING:
    from collections.abc import Callable

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
"""The properties of an alarm on one metric: moto's word for each, and its type."""


class Alarm(CloudFormationModel):
    """`AWS::CloudWatch::Alarm`, on one metric."""

    def __init__(self, name: str, arn: str) -> None:
        self.physical_resource_id = name
        self._arn = arn

    def get_cfn_attribute(self, attribute: str) -> str:
        """Return the one attribute that there is."""
        if attribute != "Arn":
            raise NotImplementedError(f'"Fn::GetAtt" : [ "{{0}}" , "{attribute}" ]')
        return self._arn

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Return whether `Fn::GetAtt` finds it."""
        return attr == "Arn"

    @staticmethod
    def cloudformation_type() -> str:
        """Name the type in a template."""
        return "AWS::CloudWatch::Alarm"

    @staticmethod
    def cloudformation_name_type() -> str:
        """Name the property that is its name."""
        return "AlarmName"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: object,
    ) -> Alarm:
        """Put the alarm. ValidationError for a property that is not emulated."""
        properties = {"AlarmName": resource_name} | cloudformation_json["Properties"]
        unknown = sorted(properties.keys() - _ALARM.keys())
        if unknown:
            raise ValidationError(
                message=f"the local AWS::CloudWatch::Alarm knows no {', '.join(unknown)}"
            )
        arguments: Json = {"description": "", "dimensions": [], "alarm_actions": []}
        for key, value in properties.items():
            name, kind = _ALARM[key]
            arguments[name] = kind(value)
        alarm = cloudwatch_backends[account_id][region_name].put_metric_alarm(**arguments)
        return cls(alarm.name, alarm.alarm_arn)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Alarm,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> Alarm:
        """Put it again; under another name it is another alarm."""
        if original_resource.physical_resource_id != new_resource_name:
            original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it."""
        cloudwatch_backends[account_id][region_name].delete_alarms([self.physical_resource_id])


class Subscription(CloudFormationModel):
    """`AWS::SNS::Subscription`; moto needs no confirmation of it."""

    def __init__(self, arn: str) -> None:
        self.physical_resource_id = arn

    @staticmethod
    def cloudformation_type() -> str:
        """Name the type in a template."""
        return "AWS::SNS::Subscription"

    @staticmethod
    def cloudformation_name_type() -> str:
        """Return that it has no name."""
        return ""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 (moto's signature)
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: object,
    ) -> Subscription:
        """Subscribe."""
        properties = cloudformation_json["Properties"]
        subscription = sns_backends[account_id][region_name].subscribe(
            properties["TopicArn"], properties["Endpoint"], properties["Protocol"]
        )
        return cls(subscription.arn)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Subscription,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> Subscription:
        """Subscribe again: another address is another subscription."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )

    def delete(self, account_id: str, region_name: str) -> None:
        """Unsubscribe."""
        sns_backends[account_id][region_name].unsubscribe(self.physical_resource_id)
