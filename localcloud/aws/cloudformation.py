"""CloudFormation: features that moto lacks and this project's stack needs.

| in moto | here |
|---|---|
| a changed condition adds and removes nothing | its resources are added and removed |
| a changed parameter is noticed in a `Ref` | also in `Fn::Sub` and conditions |
| an update deletes removed resources even with `DeletionPolicy: Retain` | they are kept |
| a changed table is lost | it is kept, with its new stream, index and expiry, under its name |
| a table's rows never expire | the attribute by which they do is kept, as by `UpdateTimeToLive` |
| a changed role keeps its policies, which cannot be read | they change, and can be read |
| some types are missing | `stack_resources.py` and `stack_mail.py` have them |
| a stack whose resources somebody deleted cannot be deleted | it can |

As in moto, every operation is finished when it is answered, with events of the stack alone; nothing
is rolled back; parameters are not checked against their patterns; a table has no point-in-time
recovery, and a changed queue or table keeps its attributes.
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
from moto.dynamodb.exceptions import ResourceNotFoundException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.iam.models import Role
from moto.sqs.exceptions import QueueDoesNotExist

from . import stack_mail, stack_resources  # noqa: F401 (moto finds the types that are defined)

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]


@contextmanager
def cloudformation_patches() -> Iterator[None]:
    """Make stacks behave as on AWS while the context lasts."""
    with ExitStack() as stack:
        _look_for_models()
        stack.enter_context(mock.patch.object(ResourceMap, "update", _update))
        stack.enter_context(mock.patch.object(ResourceMap, "build_resource_diff", _difference))
        stack.enter_context(mock.patch.object(ResourceMap, "_delete_resource", _delete_resource))
        for name, done in (("update", _updated_table), ("create", _created_table)):
            method = f"{name}_from_cloudformation_json"
            stack.enter_context(mock.patch.object(Table, method, classmethod(done)))
        for name, made in (("update", _updated_role), ("create", _created_role)):
            method = f"{name}_from_cloudformation_json"
            stack.enter_context(mock.patch.object(Role, method, classmethod(made)))
        yield


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
    """Return what an update does, judged by what exists rather than by the former template."""
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


_original_created_table: Final = Table.create_from_cloudformation_json


def _created_table(
    _: type[Table],
    resource_name: str,
    cloudformation_json: Json,
    *arguments: Any,  # noqa: ANN401 (moto's)
    **named: Any,  # noqa: ANN401 (moto's)
) -> Table:
    """Keep the attribute by which rows expire, if the template names one."""
    table: Table = _original_created_table(resource_name, cloudformation_json, *arguments, **named)
    _set_expiry(table, cloudformation_json["Properties"])
    return table


def _set_expiry(table: Table, properties: Json) -> None:
    expiry = properties.get("TimeToLiveSpecification") or {}
    if str(expiry.get("Enabled")).lower() == "true":
        table.ttl = {"TimeToLiveStatus": "ENABLED", "AttributeName": expiry["AttributeName"]}
    else:
        table.ttl = {"TimeToLiveStatus": "DISABLED"}


def _set_indexes(table: Table, properties: Json) -> None:
    """Add or remove an index; DynamoDB refuses to do more in one update."""
    wanted = {each["IndexName"]: each for each in properties.get("GlobalSecondaryIndexes") or ()}
    there = {each.name for each in table.global_indexes}
    changes = [{"Create": wanted[name]} for name in wanted if name not in there]
    changes += [{"Delete": {"IndexName": name}} for name in there if name not in wanted]
    if len(changes) > 1:
        message = "Cannot perform more than one GSI creation or deletion in a single update"
        raise ValidationError(message=message)
    table.attr = properties["AttributeDefinitions"]
    backend = dynamodb_backends[table.account_id][table.region_name]
    backend.update_table_global_indexes(table, changes)


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
        properties = cloudformation_json["Properties"]
        _set_indexes(original_resource, properties)
        _set_expiry(original_resource, properties)
        stream = properties.get("StreamSpecification") or {}
        now = original_resource.stream_specification or {}
        if stream.get("StreamViewType") != now.get("StreamViewType"):
            original_resource.set_stream_specification(dict(stream))
        return original_resource
    return cls.create_from_cloudformation_json(
        new_resource_name, cloudformation_json, account_id, region_name
    )


def _updated_role(  # noqa: PLR0913, PLR0917 (moto's signature)
    cls: type[Role],
    original_resource: Role,
    new_resource_name: str,
    cloudformation_json: Json,
    account_id: str,
    region_name: str,
) -> Role:
    """Give the role the policies and the trust of the template."""
    if original_resource.name != new_resource_name:
        cls.delete_from_cloudformation_json(original_resource.name, {}, account_id, region_name)
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )
    properties = cloudformation_json["Properties"]
    original_resource.assume_role_policy_document = _as_text(properties["AssumeRolePolicyDocument"])
    original_resource.description = properties.get("Description", "")
    original_resource.policies.clear()
    for policy in properties.get("Policies", []):
        original_resource.put_policy(policy["PolicyName"], _as_text(policy["PolicyDocument"]))
    return original_resource


_original_created_role: Final = Role.create_from_cloudformation_json


def _created_role(_: type[Role], *arguments: Any, **named: Any) -> Role:  # noqa: ANN401 (moto's)
    """Keep the role's policies as IAM's own API does: as text."""
    role: Role = _original_created_role(*arguments, **named)
    role.policies.update({name: _as_text(role.policies[name]) for name in role.policies})
    return role


def _as_text(document: Json | str) -> str:
    return document if isinstance(document, str) else json.dumps(document, default=str)
