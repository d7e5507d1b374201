"""The operator's tags on what neither CloudFormation nor Chalice tags.

That is each function's log group, rule and role, the API, and the secrets under the stage's names.
Only tags that differ are written, and only those that an earlier deployment gave are removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from ops.account import error_code, readable_errors
from ops.api import api_stage, apis_of
from ops.grants import certificate_secret
from ops.reach import ROUTES_FUNCTION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from ops.account import Account
    from ops.stages import ConfigFile, Stage

_MISSING: Final = frozenset({"ResourceNotFoundException", "NoSuchEntity", "NotFoundException"})


@dataclass(frozen=True)
class Calls:
    """How a service names a thing, and its calls about tags."""

    service: str
    name: str
    read: str
    write: str
    remove: str
    tags: str = "Tags"
    keys: str = "TagKeys"
    is_list: bool = True
    """Whether its tags are a list of keys and values, not an object."""


_LOG_GROUP: Final = Calls(
    "logs",
    "resourceArn",
    "list_tags_for_resource",
    "tag_resource",
    "untag_resource",
    "tags",
    "tagKeys",
    is_list=False,
)
_RULE: Final = Calls(
    "events", "ResourceARN", "list_tags_for_resource", "tag_resource", "untag_resource"
)
_ROLE: Final = Calls("iam", "RoleName", "list_role_tags", "tag_role", "untag_role")
_SECRET: Final = Calls(
    "secretsmanager", "SecretId", "describe_secret", "tag_resource", "untag_resource"
)
_API: Final = Calls(
    "apigateway",
    "resourceArn",
    "get_tags",
    "tag_resource",
    "untag_resource",
    "tags",
    "tagKeys",
    is_list=False,
)


@dataclass(frozen=True)
class Thing:
    """Something of the stage that may have tags."""

    kind: str
    name: str
    """Its name for people."""
    id: str
    calls: Calls

    def read(self, account: Account) -> dict[str, str] | None:
        """Return its tags; None if it does not exist. Raises AwsError."""
        with readable_errors(f"read the tags of {self.kind} {self.name}"):
            try:
                answer = self._call(account, self.calls.read)
            except ClientError as error:
                if error_code(error) not in _MISSING:
                    raise
                return None
        found = answer.get(self.calls.tags) or {}
        return {each["Key"]: each["Value"] for each in found} if self.calls.is_list else dict(found)

    def write(self, account: Account, tags: Mapping[str, str]) -> None:
        """Set these tags, and leave others as they are. Raises AwsError."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        with readable_errors(f"tag {self.kind} {self.name}"):
            written = listed if self.calls.is_list else dict(tags)
            self._call(account, self.calls.write, {self.calls.tags: written})

    def remove(self, account: Account, keys: Collection[str]) -> None:
        """Remove the tags with these keys. Raises AwsError."""
        with readable_errors(f"remove tags of {self.kind} {self.name}"):
            self._call(account, self.calls.remove, {self.calls.keys: sorted(keys)})

    def _call(
        self, account: Account, method: str, more: Mapping[str, object] | None = None
    ) -> Mapping[str, Any]:
        call = getattr(account.client(self.calls.service), method)
        answer: Mapping[str, Any] = call(**{self.calls.name: self.id}, **(more or {}))
        return answer


def things(
    config_file: ConfigFile, stage: Stage, account: Account, functions: Collection[str]
) -> Iterator[Thing]:
    """Yield what may exist. A secret under another name may be shared, and is left alone."""
    for function in functions:
        name = stage.function_name(function)
        group = f"/aws/lambda/{name}"
        yield Thing("log group", group, f"{stage.arn('logs')}:log-group:{group}", _LOG_GROUP)
        rule = stage.rule_name(function)
        yield Thing("rule", rule, f"{stage.arn('events')}:rule/{rule}", _RULE)
        role = stage.role_name(function)
        yield Thing("role", role, role, _ROLE)
    for secret in _secrets(stage):
        yield Thing("secret", secret, secret, _SECRET)
    if ROUTES_FUNCTION in functions:
        name = api_stage(config_file.load(), stage)
        with readable_errors("look for the stage's API"):
            found = apis_of(account.client("apigateway"), stage)
        for api in found:
            arn = f"arn:{stage.partition}:apigateway:{stage.region}::/restapis/{api}"
            yield Thing("API", api, arn, _API)
            yield Thing("API stage", f"{api}/{name}", f"{arn}/stages/{name}", _API)


def remove_tags(
    account: Account, found: Collection[Thing], former: Mapping[str, str], stage: Stage
) -> None:
    """Remove tags that the stage had at its last deployment, and has not any more."""
    gone = former.keys() - stage.tags.keys()
    for each in found if gone else ():
        there = gone & (each.read(account) or {}).keys()
        if there:
            each.remove(account, there)


def write_tags(account: Account, found: Collection[Thing], stage: Stage) -> int:
    """Set the stage's tags on what exists; return on how many things they differed."""
    changed = 0
    for each in found if stage.tags else ():
        there = each.read(account)
        if there is None:
            continue
        wanted = {key: value for key, value in stage.tags.items() if there.get(key) != value}
        if wanted:
            each.write(account, wanted)
            changed += 1
    return changed


def _secrets(stage: Stage) -> Iterator[str]:
    own, settings = f"elephant/{stage.name}/", stage.settings
    if settings.secret_id.startswith(own):
        yield settings.secret_id
    if settings.meetings:
        yield stage.place.schedule_secret
        yield stage.place.seed_secret
        if certificate_secret(stage).startswith(own):
            yield certificate_secret(stage)
