"""Types of CloudFormation for what becomes of e-mails.

| type | `Ref` |
|---|---|
| `AWS::SES::ConfigurationSet` | its name |
| `AWS::SES::ConfigurationSetEventDestination`, one for each set, to EventBridge | its name |

moto's own API for the latter takes a name once for all sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from moto.cloudformation.exceptions import ValidationError
from moto.core.common_models import CloudFormationModel
from moto.ses.models import ses_backends

from .stack_resources import StackResource

if TYPE_CHECKING:
    Json = dict[str, Any]


class ConfigurationSet(StackResource, CloudFormationModel):
    """`AWS::SES::ConfigurationSet`."""

    TYPE = "AWS::SES::ConfigurationSet"
    NAME = "Name"
    PROPERTIES = ("Name", "Tags")

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Make the set; one that exists already is refused."""
        backend = ses_backends[account_id][region]
        if name in backend.config_sets:
            raise ValidationError(message=f"there is a configuration set {name} already")
        backend.create_configuration_set(name)
        arn = f"arn:aws:ses:{region}:{account_id}:configuration-set/{name}"
        return cls(name, arn, properties, name)

    def change(self, properties: Json, account_id: str, region: str) -> Self:  # noqa: ARG002
        """Change its tags, which nothing reads here."""
        return self

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it, with its destination."""
        backend = ses_backends[account_id][region_name]
        backend.config_sets.pop(self.name, None)
        backend.config_set_event_destination.pop(self.name, None)


class EventDestination(StackResource, CloudFormationModel):
    """`AWS::SES::ConfigurationSetEventDestination`."""

    TYPE = "AWS::SES::ConfigurationSetEventDestination"
    PROPERTIES = ("ConfigurationSetName", "EventDestination")

    @classmethod
    def make(cls, name: str, properties: Json, account_id: str, region: str) -> Self:
        """Make it the destination of its set."""
        backend = ses_backends[account_id][region]
        of = properties["ConfigurationSetName"]
        if of not in backend.config_sets:
            raise ValidationError(message=f"there is no configuration set {of}")
        wanted = properties["EventDestination"]
        enabled = str(wanted.get("Enabled", "false")).lower() == "true"
        backend.config_set_event_destination[of] = {**wanted, "Enabled": enabled}
        return cls(name, wanted["Name"], properties, f"{of}|{wanted['Name']}")

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete it."""
        destinations = ses_backends[account_id][region_name].config_set_event_destination
        destinations.pop(self.properties["ConfigurationSetName"], None)
