"""The roles in the supporting stack's template, resolved for a stage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml  # type: ignore[import-untyped]

from ops.grants import certificate_arn
from ops.stack import template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.stages import Stage

SCHEDULER: Final = "SchedulerRole"
DESKTOP: Final = "DesktopRole"
"""The roles' names within the template."""

_VARIABLE: Final = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Role:
    """A role: its name, who may assume it, and its one policy."""

    name: str
    trust: dict[str, Any]
    policy_name: str
    policy: dict[str, Any]


def role_of(logical_id: str, stage: Stage) -> Role:
    """Read a role of the template and insert the stage's names."""
    values = {
        "AWS::AccountId": stage.account,
        "AWS::Partition": stage.partition,
        "AWS::Region": stage.region,
        "Stage": stage.name,
        "TableName": str(stage.settings.table_name),
        "FailedEvents.Arn": f"{stage.arn('sqs')}:{stage.failure_queue}",
        "CertificateArn": certificate_arn(stage),
    }
    properties = _resolved(_read()["Resources"][logical_id]["Properties"], values)
    (policy,) = properties["Policies"]
    return Role(
        name=properties["RoleName"],
        trust=properties["AssumeRolePolicyDocument"],
        policy_name=policy["PolicyName"],
        policy=policy["PolicyDocument"],
    )


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Reads CloudFormation's short forms: `!Sub text` as {"!Sub": text}."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    construct = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: loader.construct_sequence,
        yaml.MappingNode: loader.construct_mapping,
    }[type(node)]
    return {f"!{suffix}": construct(node)}


_Loader.add_multi_constructor("!", _short_form)


def _read() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(template(), _Loader)  # noqa: S506 (a safe one)
    return loaded


def _resolved(part: Any, values: Mapping[str, str]) -> Any:  # noqa: ANN401 (as YAML has it)
    if isinstance(part, list):
        return [_resolved(each, values) for each in part]
    if not isinstance(part, dict):
        return part
    if part.keys() & {"!Ref", "!GetAtt"}:
        return values.get(next(iter(part.values())), "")
    if "!Sub" in part:
        return _VARIABLE.sub(lambda found: values[found[1]], part["!Sub"])
    return {key: _resolved(each, values) for key, each in part.items()}
