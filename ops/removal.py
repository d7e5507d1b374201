"""Removal of what Chalice deployed, by name: `chalice delete` cannot resume."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.account import error_code, readable_errors
from ops.api import apis_of
from ops.functions import OF_MEETINGS
from ops.stream import READERS, mappings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ops.account import Account
    from ops.stages import Stage

_GONE: Final = frozenset(
    {
        "ResourceNotFoundException",
        "NoSuchEntity",
        "NoSuchEntityException",
        "NotFoundException",
    }
)


@dataclass(frozen=True)
class Removable:
    """Resources with data: table and secret, removed only if named, and our DNS records."""

    table: str | None = None
    secret: str | None = None
    records: bool = True


class Removal:
    """Removes a stage's functions with their rules, roles and logs. Safe to repeat."""

    def __init__(self, account: Account, stage: Stage, say: Callable[[str], None]) -> None:
        self._account = account
        self._stage = stage
        self._say = say

    def stop_events(self, functions: Sequence[str]) -> None:
        """Disable the rules and stop the functions, so that no record is created meanwhile."""
        events = self._account.client("events")
        for function in _with_rules(functions):
            rule = self._stage.rule_name(function)
            self.remove(f"disable rule {rule}", events.disable_rule, Name=rule)
        for function in functions:
            # A rule that is disabled, and Lambda's own queue, may still have events under way; and
            # people may still ask the routes for more.
            name = self._stage.function_name(function)
            limit = self._account.client("lambda").put_function_concurrency
            arguments = {"FunctionName": name, "ReservedConcurrentExecutions": 0}
            self.remove(f"stop {name}", limit, **arguments)

    def any_function(self, functions: Iterable[str]) -> bool:
        """Tell whether any of the functions still exists."""
        client = self._account.client("lambda")
        for function in functions:
            name = self._stage.function_name(function)
            with readable_errors(f"look for function {name}"):
                try:
                    client.get_function(FunctionName=name)
                except ClientError as error:
                    if error_code(error) not in _GONE:
                        raise
                else:
                    return True
        return False

    def remove_functions(self, functions: Sequence[str]) -> None:
        """Remove each function and everything that was created for it."""
        for function in _with_rules(functions):
            self._remove_rule(self._stage.rule_name(function))
        for function in functions:
            name = self._stage.function_name(function)
            client = self._account.client("lambda")
            self.remove(f"remove function {name}", client.delete_function, FunctionName=name)
            self._remove_role(self._stage.role_name(function))
            logs = self._account.client("logs")
            group = f"/aws/lambda/{name}"
            self.remove(f"remove log group {group}", logs.delete_log_group, logGroupName=group)

    def remove_left_functions(self, functions: Iterable[str]) -> None:
        """Remove functions of a disabled feature that Chalice does not know; logs stay."""
        client = self._account.client("lambda")
        for function in _with_rules(functions):
            self._remove_rule(self._stage.rule_name(function))
        for function in functions:
            name = self._stage.function_name(function)
            self.remove(f"remove function {name}", client.delete_function, FunctionName=name)
            self._remove_role(self._stage.role_name(function))

    def remove_mappings(self) -> None:
        """Remove the mappings that read the table's stream."""
        client = self._account.client("lambda")
        with readable_errors("look for mappings of the table's stream"):
            there = [each for name in READERS for each in mappings(client, self._stage, name)]
        for each in there:
            what = f"stop reading {each['EventSourceArn']}"
            self.remove(what, client.delete_event_source_mapping, UUID=each["UUID"])

    def remove_apis(self, noted: Path) -> None:
        """Remove the stage's REST API, whether Chalice recorded it or not, and Chalice's record."""
        gateway = self._account.client("apigateway")
        resources = []
        if noted.exists():
            # An interrupted deployment's may be no JSON: then there is nothing to be read from it.
            with suppress(ValueError):
                resources = json.loads(noted.read_text()).get("resources", [])
        apis = [each["rest_api_id"] for each in resources if each.get("rest_api_id")]
        if self._stage.settings.meetings or self._stage.settings.is_local:
            with readable_errors("look for the stage's API"):
                apis += [each for each in apis_of(gateway, self._stage) if each not in apis]
        for api in apis:
            self.remove(f"remove API {api}", gateway.delete_rest_api, restApiId=api)
        noted.unlink(missing_ok=True)

    def _remove_rule(self, rule: str) -> None:
        events = self._account.client("events")
        targets: list[str] = []
        with readable_errors(f"look at rule {rule}"):
            try:
                answer = events.list_targets_by_rule(Rule=rule)
                targets = [target["Id"] for target in answer["Targets"]]
            except ClientError as error:
                if error_code(error) not in _GONE:
                    raise
        if targets:
            what = f"remove the targets of rule {rule}"
            self.remove(what, events.remove_targets, Rule=rule, Ids=targets)
        self.remove(f"remove rule {rule}", events.delete_rule, Name=rule)

    def _remove_role(self, role: str) -> None:
        iam = self._account.client("iam")
        what = f"remove the policy of role {role}"
        self.remove(what, iam.delete_role_policy, RoleName=role, PolicyName=role)
        self.remove(f"remove role {role}", iam.delete_role, RoleName=role)

    def remove(self, what: str, remove: Callable[..., Any], **arguments: object) -> None:
        """Remove a resource unless it is gone already, and print that. Raises AwsError."""
        with readable_errors(what):
            try:
                remove(**arguments)
            except ClientError as error:
                if error_code(error) not in _GONE:
                    raise
                return
        self._say(what)


def _with_rules(functions: Iterable[str]) -> list[str]:
    return [function for function in functions if function not in OF_MEETINGS]
