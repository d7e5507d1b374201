"""What is wrong with a role, and the commands that put it right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class OtherPolicy:
    """A policy that a role has beside its own."""

    found: str
    remedy: str
    attached_arn: str | None
    """The ARN of a policy that is attached; None for an inline one."""


def other_policies(iam: Any, role: str, own: str) -> Iterator[OtherPolicy]:  # noqa: ANN401
    """Find a role's policies beside its own, inline and attached."""
    pages = iam.get_paginator("list_role_policies").paginate(RoleName=role)
    inline = (each for page in pages for each in page["PolicyNames"])
    for each in (each for each in inline if each != own):
        command = f"`aws iam delete-role-policy --role-name {role} --policy-name {each}`"
        yield OtherPolicy(f"{role} has the policy {each} as well", command, None)
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    for each in (each["PolicyArn"] for page in pages for each in page["AttachedPolicies"]):
        command = f"`aws iam detach-role-policy --role-name {role} --policy-arn {each}`"
        yield OtherPolicy(f"{role} has the policy {each} as well", command, each)


def trust_command(role: str, trust: Mapping[str, Any]) -> str:
    """Format the command that sets who may assume a role."""
    return (
        f"`aws iam update-assume-role-policy --role-name {role} --policy-document "
        f"'{json.dumps(trust)}'`"
    )
