"""Clients of AWS, each made once for an execution environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, overload

import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

from chalicelib.deadline import require_time

if TYPE_CHECKING:
    from botocore.session import Session

    from chalicelib.ec2.desktops import DesktopClient
    from chalicelib.ec2.instances import Ec2Client
    from chalicelib.meeting_row.meeting import DynamoDbClient
    from chalicelib.meeting_row.rows import RowsClient
    from chalicelib.meetings.schedules import SchedulerClient
    from chalicelib.notifications.deployments import CodeDeployClient
    from chalicelib.notifications.mailer import MailClient
    from chalicelib.notifications.sent import SentClient
    from chalicelib.secrets import SecretsManagerClient

    class Ec2(Ec2Client, DesktopClient, Protocol):
        """Every call that is made to EC2."""

    class DynamoDb(DynamoDbClient, RowsClient, SentClient, Protocol):
        """Every call that is made to DynamoDB."""


_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)
"""Explicit, since botocore's own defaults differ by version and its timeouts are a minute each."""

_ONCE: Final = _CONFIG.merge(Config(read_timeout=10, retries={"total_max_attempts": 1}))
"""For a call that does its work a second time when it is tried a second time."""

_CONFIGS: Final = {"sesv2": _ONCE}

_MODELS: Final = Path(__file__).parent / "models"


class _Models(Loader):
    """Reads the models of our calls, which `ops/models.py` makes, and all else from botocore.

    It relies on three things of botocore's Loader: that a file is taken from the first search path
    that has it, so that ours go before botocore's of the same API version; that a service may be
    loaded if it is among the available ones; and that endpoints of a built-in path are no override
    of botocore's rules. These rules are always those of the running botocore, which on Lambda need
    not be the version that ours were taken from.

    Nobody else's models are read, neither AWS_DATA_PATH's nor those in `~/.aws/models`, and calls
    that ours lack are not made, such as DynamoDB's endpoint discovery. All other settings, from
    AWS_CA_BUNDLE to AWS_USE_FIPS_ENDPOINT, are the session's and work as ever.
    """

    def __init__(self) -> None:
        super().__init__([str(_MODELS), self.BUILTIN_DATA_PATH], include_default_search_paths=False)
        self._services = [each.name for each in Path(self.BUILTIN_DATA_PATH).iterdir()]

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 (as inherited)
        """Name all that have a directory, instead of looking into each of the 400.

        A profile's credentials may come from a service that is none of ours, as STS.
        """
        return self._services

    def is_builtin_path(self, path: str) -> bool:
        """Count our endpoints as botocore's own, which they are a part of.

        Otherwise botocore sends all calls where they say, whatever its rules for dual-stack, FIPS
        and account-based endpoints would be.
        """
        return path.startswith(str(_MODELS)) or super().is_builtin_path(path)


@overload
def client(service: Literal["ec2"]) -> Ec2: ...
@overload
def client(service: Literal["dynamodb"]) -> DynamoDb: ...
@overload
def client(service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
@overload
def client(service: Literal["scheduler"]) -> SchedulerClient: ...
@overload
def client(service: Literal["codedeploy"]) -> CodeDeployClient: ...
@overload
def client(service: Literal["sesv2"]) -> MailClient: ...
def client(service: Any) -> Any:
    """Make a client of the service in the function's own region and account.

    It is typed as the protocol that names the calls that may be made with it. It sends nothing,
    and repeats nothing, once the deadline that is in force has come: OutOfTimeError.
    """
    made = _session().create_client(service, config=_CONFIGS.get(service, _CONFIG))
    made.meta.events.register_last("request-created", _require_time)  # for each attempt
    return made


def _require_time(operation_name: str, **_: object) -> None:
    require_time(f"ask AWS ({operation_name})")


@cache
def _session() -> Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", _Models())
    return session
