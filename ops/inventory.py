"""What a stage has in AWS and at Cloudflare, as `destroy` shows it before it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.dns.provider import DnsError
from chalicelib.secrets import SecretError
from ops.account import error_code, readable_errors
from ops.api import apis_of
from ops.desktop_group import DesktopGroup
from ops.meetings import desktops_of, schedules_of
from ops.opened import open_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ops.account import Account
    from ops.removal import Removable
    from ops.stack import SupportingStack
    from ops.stages import Stage

_MISSING: Final = "ResourceNotFoundException"
_LABEL: Final = 11


@dataclass(frozen=True)
class Rows:
    """How many rows the table has, at least."""

    count: int
    are_all: bool

    def __str__(self) -> str:
        more = "" if self.are_all else "more than "
        return f"{more}{counted(self.count, 'row')}"


@dataclass(frozen=True)
class Inventory:
    """What there is. None says that something does not exist."""

    stage: Stage
    stack: str | None
    functions: tuple[str, ...]
    apis: tuple[str, ...]
    records: int | str
    """How many DNS records, or why that is not known."""
    rows: Rows | None
    secret: str | None
    own_secrets: tuple[str, ...]
    schedules: int
    desktops: tuple[str, ...]
    """Instances of meetings that run; `destroy` terminates none."""
    unmarked: tuple[str, ...]
    """Those without an owner, which may be another stage's."""
    log_groups: tuple[str, ...]
    groups: tuple[str, ...]
    """The security groups that were made for its desktops."""

    def lines(self, removable: Removable, *, forget: bool = False) -> Iterator[str]:
        """Format what goes and what stays."""
        stage = self.stage
        yield f"Stage {stage.name} in account {stage.account}, {stage.region}:"
        yield ""
        goes, stays = self._split(removable)
        if not goes:
            goes.append("  nothing: it is not deployed")
        files = _line("files", "the stage's part of .chalice/config.json, and its policies")
        (goes if forget else stays).append(files)
        yield "What is removed:"
        yield from goes
        yield "What stays:"
        yield from stays

    def remains(self, removable: Removable) -> Iterator[tuple[str, str]]:
        """Say what is left after the removal, each with what removes it."""
        settings, region = self.stage.settings, f"--region {self.stage.region}"
        if self.rows:
            table = f"aws dynamodb delete-table --table-name {settings.table_name} {region}"
            yield f"table {settings.table_name} with {self.rows}", table
        if self.secret:
            delete = f"aws secretsmanager delete-secret --secret-id {self.secret} {region}"
            yield f"secret {self.secret}", delete
        if not removable.records:
            yield f"DNS records of {settings.owner}, if any", "in Cloudflare's dashboard"
        for each in self.groups:
            delete = f"aws ec2 delete-security-group --group-id {each} {region}"
            yield f"security group {each}, as long as an instance has it", delete
        end = f"aws ec2 terminate-instances {region} --instance-ids"
        if self.desktops:
            count = counted(len(self.desktops), "desktop")
            yield (
                f"{count} still running, which nothing ends now",
                f"{end} {' '.join(self.desktops)}",
            )
        if self.unmarked:
            count = counted(len(self.unmarked), "running desktop")
            which = f"those of this stage among {', '.join(self.unmarked)}"
            yield f"{count} without a stage's tag, perhaps of this one", f"{end} … ({which})"

    def _split(self, removable: Removable) -> tuple[list[str], list[str]]:
        """Format what there is, as lines of what goes and of what stays."""
        owner, table = self.stage.settings.owner, self.stage.settings.table_name
        records = f"{self.records} of {owner}"
        if isinstance(self.records, str):
            records = f"of {owner}; how many is not known: {self.records}"
        parts = (
            (self.stack, True, "stack", f"{self.stack}: alarms, dashboard, failed events"),
            (self.functions, True, "functions", f"{len(self.functions)}, with rules and roles"),
            (self.groups, True, "network", f"security group {', '.join(self.groups)}, if unused"),
            (self.log_groups, True, "logs", counted(len(self.log_groups), "log group")),
            (self.apis, True, "API", f"{', '.join(self.apis)}, with its address"),
            (self.schedules, True, "meetings", f"{counted(self.schedules, 'schedule')} of them"),
            (self.own_secrets, True, "secrets", f"{', '.join(self.own_secrets)}: keys to book"),
            (self.records, removable.records, "records", records),
            (self.rows, removable.table, "table", f"{table} with {self.rows}"),
            (self.secret, removable.secret, "secret", f"{self.secret} with the Cloudflare token"),
            (self.desktops, False, "desktops", f"that run: {', '.join(self.desktops)}"),
            (self.unmarked, False, "perhaps", f"{', '.join(self.unmarked)}, without a stage's tag"),
        )
        there = [(goes, _line(label, text)) for found, goes, label, text in parts if found]
        return [line for goes, line in there if goes], [line for goes, line in there if not goes]


def take_inventory(
    stage: Stage, account: Account, stack: SupportingStack, functions: Sequence[str]
) -> Inventory:
    """Look at everything that a stage may have. Raises AwsError."""
    settings = stage.settings
    with readable_errors("look at what the stage has"):
        lambdas, secrets = account.client("lambda"), account.client("secretsmanager")
        names = [stage.function_name(each) for each in functions]
        has_meetings = settings.meetings is not None or stack.has_meetings()
        own = (stage.place.schedule_secret, stage.place.seed_secret) if has_meetings else ()
        return Inventory(
            stage=stage,
            stack=stack.name if stack.exists() else None,
            functions=tuple(each for each in names if _has_function(lambdas, each)),
            apis=tuple(apis_of(account.client("apigateway"), stage)) if has_meetings else (),
            records=_records(stage, account),
            rows=_rows(account.client("dynamodb"), settings.table_name),
            secret=settings.secret_id if _has_secret(secrets, settings.secret_id) else None,
            own_secrets=tuple(each for each in own if _has_secret(secrets, each)),
            schedules=len(schedules_of(account.client("scheduler"), stage)) if has_meetings else 0,
            desktops=tuple(desktops_of(account, stage, settings.owner)),
            unmarked=tuple(desktops_of(account, stage, None)) if has_meetings else (),
            log_groups=tuple(_log_groups(account.client("logs"), names)),
            groups=tuple(DesktopGroup(account, stage).find_all()),
        )


def counted(number: int, noun: str) -> str:
    """Format a number of things."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _line(label: str, text: str) -> str:
    return f"  {label.ljust(_LABEL)}{text}"


def _has_function(client: Any, name: str) -> bool:  # noqa: ANN401 (botocore makes the class)
    return _answer(client.get_function_configuration, FunctionName=name) is not None


def _has_secret(client: Any, secret_id: str) -> bool:  # noqa: ANN401
    found = _answer(client.describe_secret, SecretId=secret_id)
    return found is not None and "DeletedDate" not in found


def _records(stage: Stage, account: Account) -> int | str:
    try:
        return len(open_zone(stage, account).our_records(stage.settings.owner))
    except (SecretError, DnsError) as error:
        return str(error)


def _rows(client: Any, table: str | None) -> Rows | None:  # noqa: ANN401
    """Count the rows of the table's first megabyte: AWS's own count is hours old."""
    found = _answer(client.describe_table, TableName=table) if table else None
    if found is None or found["Table"]["TableStatus"] == "DELETING":
        return None
    page = client.scan(TableName=table, Select="COUNT")
    return Rows(page["Count"], are_all="LastEvaluatedKey" not in page)


def _log_groups(client: Any, functions: Sequence[str]) -> Iterator[str]:  # noqa: ANN401
    for name in (f"/aws/lambda/{each}" for each in functions):
        found = client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        yield from (each["logGroupName"] for each in found if each["logGroupName"] == name)


def _answer(call: Callable[..., Any], **request: object) -> Any:  # noqa: ANN401
    """Make a call; None if what it asks for does not exist."""
    try:
        return call(**request)
    except ClientError as error:
        if error_code(error) != _MISSING:
            raise
        return None
