"""Types of CloudFormation that moto does not know and this project's stack has.

| type | here |
|---|---|
| `AWS::Scheduler::ScheduleGroup` | the group, as by its own API; `Ref` is its name |
| `AWS::SecretsManager::Secret` | the secret, its text given or generated; `Ref` is its ARN |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel
from moto.scheduler.exceptions import ScheduleGroupNotFound
from moto.scheduler.models import scheduler_backends
from moto.secretsmanager.exceptions import SecretNotFoundException
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.utils import random_password

if TYPE_CHECKING:
    Json = dict[str, Any]

_OF_GROUP = {"Name", "Tags"}
_OF_SECRET = {"Name", "Description", "GenerateSecretString", "SecretString", "Tags"}
_OF_GENERATING = {"PasswordLength", "ExcludePunctuation"}


def _known(properties: Json, names: set[str], what: str) -> None:
    """Raise ValidationError for a property that would be a silent loss."""
    unknown = sorted(properties.keys() - names)
    if unknown:
        raise ValidationError(message=f"the local {what} knows no {', '.join(unknown)}")


class ScheduleGroup(CloudFormationModel):
    """`AWS::Scheduler::ScheduleGroup`."""

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
        return "AWS::Scheduler::ScheduleGroup"

    @staticmethod
    def cloudformation_name_type() -> str:
        """Name the property that is its name."""
        return "Name"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: object,
    ) -> ScheduleGroup:
        """Make the group."""
        properties = cloudformation_json.get("Properties", {})
        _known(properties, _OF_GROUP, cls.cloudformation_type())
        backend = scheduler_backends[account_id][region_name]
        if resource_name in backend.schedule_groups:
            raise ValidationError(message=f"there is a schedule group {resource_name} already")
        group = backend.create_schedule_group(resource_name, properties.get("Tags", []))
        return cls(group.name, group.arn)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: ScheduleGroup,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> ScheduleGroup:
        """Tag it again; under another name it is another group."""
        if original_resource.physical_resource_id != new_resource_name:
            original_resource.delete(account_id, region_name)
            return cls.create_from_cloudformation_json(
                new_resource_name, cloudformation_json, account_id, region_name
            )
        properties = cloudformation_json.get("Properties", {})
        _known(properties, _OF_GROUP, cls.cloudformation_type())
        backend = scheduler_backends[account_id][region_name]
        backend.tag_resource(original_resource._arn, properties.get("Tags", []))
        return original_resource

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it, with its schedules."""
        try:
            scheduler_backends[account_id][region_name].delete_schedule_group(
                self.physical_resource_id
            )
        except ScheduleGroupNotFound:
            return  # somebody deleted it


class Secret(CloudFormationModel):
    """`AWS::SecretsManager::Secret`."""

    def __init__(self, arn: str, properties: Json) -> None:
        self.physical_resource_id = arn
        self._properties = properties

    @staticmethod
    def cloudformation_type() -> str:
        """Name the type in a template."""
        return "AWS::SecretsManager::Secret"

    @staticmethod
    def cloudformation_name_type() -> str:
        """Name the property that is its name."""
        return "Name"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
        **_: object,
    ) -> Secret:
        """Make the secret, and generate its text unless it is given."""
        properties = cloudformation_json.get("Properties", {})
        _known(properties, _OF_SECRET, cls.cloudformation_type())
        backend = secretsmanager_backends[account_id][region_name]
        if resource_name in backend.secrets:
            raise ValidationError(message=f"there is a secret {resource_name} already")
        backend.create_secret(
            name=resource_name,
            secret_string=_text(properties),
            secret_binary=None,
            description=properties.get("Description"),
            tags=properties.get("Tags", []),
            kms_key_id=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )
        return cls(str(backend.secrets[resource_name].arn), properties)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Secret,
        new_resource_name: str,
        cloudformation_json: Json,
        account_id: str,
        region_name: str,
    ) -> Secret:
        """Change it; its text stays unless its template has changed.

        Under another name it is another secret.
        """
        before = original_resource._properties
        if before.get("Name") != cloudformation_json["Properties"].get("Name"):
            original_resource.delete(account_id, region_name)
            return cls.create_from_cloudformation_json(
                new_resource_name, cloudformation_json, account_id, region_name
            )
        properties = cloudformation_json["Properties"]
        _known(properties, _OF_SECRET, cls.cloudformation_type())
        backend = secretsmanager_backends[account_id][region_name]
        text_of = ("GenerateSecretString", "SecretString")
        if any(before.get(name) != properties.get(name) for name in text_of):
            backend.put_secret_value(
                secret_id=new_resource_name,
                secret_string=_text(properties),
                secret_binary="",
                client_request_token=str(uuid4()),
                version_stages=["AWSCURRENT"],
            )
        tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", [])}
        backend.tag_resource(original_resource.physical_resource_id, tags)
        return cls(original_resource.physical_resource_id, properties)

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it without recovery, as CloudFormation does."""
        try:
            secretsmanager_backends[account_id][region_name].delete_secret(
                self.physical_resource_id, None, force_delete_without_recovery=True
            )
        except SecretNotFoundException:
            return  # somebody deleted it


def _text(properties: Json) -> str:
    generate = properties.get("GenerateSecretString")
    if generate is None:
        return str(properties.get("SecretString", ""))
    _known(generate, _OF_GENERATING, "GenerateSecretString")
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
