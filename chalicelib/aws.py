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

    from chalicelib.instance import Ec2Client
    from chalicelib.meeting import DynamoDbClient
    from chalicelib.meetings.desktops import DesktopClient
    from chalicelib.meetings.rows import RowsClient
    from chalicelib.meetings.schedules import SchedulerClient
    from chalicelib.notifications.deployments import CodeDeployClient
    from chalicelib.notifications.mailer import MailClient
    from chalicelib.notifications.sent import SentClient
    from chalicelib.secret import SecretsManagerClient

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
    """Reads the models of our calls, which `ops/models.py` makes, and all else from botocore."""

    def __init__(self) -> None:
        super().__init__(extra_search_paths=[str(_MODELS)])

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 (as inherited)
        """Name ours, instead of looking into the directories of 400 services."""
        return [each.name for each in _MODELS.iterdir() if each.is_dir()]


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
