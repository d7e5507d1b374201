"""CloudFormation: what moto leaves out of stacks like the one this project makes.

| in moto | here |
|---|---|
| alarms and subscriptions of a stack are skipped | they are made as by their own API |
| a condition that changes adds and removes nothing | what it stands for comes and goes |
| a changed parameter is noticed where a `Ref` names it | and in `Fn::Sub` and conditions |
| an update deletes what has left the stack, even with `DeletionPolicy: Retain` | that is kept |
| a table that changes is forgotten | it is kept, or replaced if its name changes |
| what somebody deleted makes the deletion of its stack fail | it is gone already |

Still as in moto: every operation is over when it is answered, with events of the stack alone;
nothing is rolled back; parameters are not held against their patterns; a table has no
point-in-time recovery, and a changed queue or table keeps its attributes.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.parsing import ResourceMap
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.dynamodb.exceptions import ResourceNotFoundException
from moto.dynamodb.models.table import Table
from moto.sns.models import sns_backends
from moto.sqs.exceptions import QueueDoesNotExist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@contextmanager
def cloudformation_patches() -> Iterator[None]:
    """Make stacks come out as on AWS, for as long as the context lasts."""
    with ExitStack() as stack:
        _look_for_models()
        stack.enter_context(mock.patch.object(ResourceMap, "update", _update))
        stack.enter_context(mock.patch.object(ResourceMap, "build_resource_diff", _difference))
        stack.enter_context(mock.patch.object(ResourceMap, "_delete_resource", _delete_resource))
        updated_table = classmethod(_updated_table)
        stack.enter_context(
            mock.patch.object(Table, "update_from_cloudformation_json", updated_table)
        )
        yield


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
        """Say whether `Fn::GetAtt` may ask for it."""
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
        """Put the alarm. ValidationError for what it would not be told."""
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
        """Put it anew; under another name it is another alarm."""
        if original_resource.physical_resource_id != new_resource_name:
            original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )

    def delete(self, account_id: str, region_name: str) -> None:
        """Take it away."""
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
        """Say that it has no name."""
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
        """Subscribe anew: another address is another subscription."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )

    def delete(self, account_id: str, region_name: str) -> None:
        """Unsubscribe."""
        sns_backends[account_id][region_name].unsubscribe(self.physical_resource_id)


def _look_for_models() -> None:
    """Make moto list its types again: it may have done so before those here were defined."""
    for known in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        known.cache_clear()


_original_update: Final = ResourceMap.update


def _update(self: ResourceMap, template: Json, parameters: Json | None = None) -> None:
    gone = _made(self) - _wanted(self, template, parameters)
    _original_update(self, template, parameters)
    for name in gone:
        del self._parsed_resources[name]


def _difference(
    self: ResourceMap, other_template: Json, parameters: Json | None = None
) -> dict[str, list[str]]:
    """Say what an update does, from what is made rather than from what was written."""
    old, new = self._resource_json_map, other_template["Resources"]
    made, wanted = _made(self), _wanted(self, other_template, parameters)
    before = self.input_parameters
    values = before if parameters is None else parameters
    changed = {name for name in {*before, *values} if before.get(name) != values.get(name)}
    conditions = other_template.get("Conditions", {})
    return {
        "Add": [name for name in new if name in wanted - made],
        "Modify": [
            name
            for name in new
            if name in wanted & made
            and (new[name] != old[name] or changed & _words(new[name], conditions))
        ],
        "Remove": [name for name in made - wanted if old[name].get("DeletionPolicy") != "Retain"],
    }


_original_delete_resource: Final = ResourceMap._delete_resource  # noqa: SLF001 (no other way)


def _delete_resource(self: ResourceMap, parsed_resource: object, resource_json: Json) -> None:
    with suppress(QueueDoesNotExist, ResourceNotFoundException):
        _original_delete_resource(self, parsed_resource, resource_json)


def _made(resources: ResourceMap) -> set[str]:
    parsed = resources._parsed_resources  # noqa: SLF001 (moto offers no other way)
    return {name for name in resources if parsed.get(name) is not None}


def _wanted(resources: ResourceMap, template: Json, parameters: Json | None) -> set[str]:
    """Name the resources of a template whose condition holds."""
    planned = ResourceMap(
        resources.stack_id,
        str(resources["AWS::StackName"]),
        resources.input_parameters if parameters is None else parameters,
        resources.tags,
        resources._region_name,  # noqa: SLF001 (moto offers no other way)
        resources._account_id,  # noqa: SLF001 (as above)
        template,
        resources.cross_stack_resources,
    )
    planned.load()
    holds = planned.lazy_condition_map
    return {
        name
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or holds[resource["Condition"]]
    }


def _words(resource: Json, conditions: Json) -> set[str]:
    """Return all words of a resource, and of its conditions: any may be that of a parameter."""
    words = set(re.findall(r"\w+", json.dumps(resource)))
    for name in words & conditions.keys():
        words |= set(re.findall(r"\w+", json.dumps(conditions[name])))
    return words


def _updated_table(  # noqa: PLR0913, PLR0917 (moto's signature)
    cls: type[Table],
    original_resource: Table,
    new_resource_name: str,
    cloudformation_json: Json,
    account_id: str,
    region_name: str,
) -> Table:
    """Keep the table, or make another one of another name; the former is retained."""
    if original_resource.name == new_resource_name:
        return original_resource
    return cls.create_from_cloudformation_json(
        new_resource_name, cloudformation_json, account_id, region_name
    )
