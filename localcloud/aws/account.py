"""The one account of the local AWS, and the environment that leads to it.

Nothing here reads the user's own AWS configuration, nor can programs that run with
`aws_environment`: profiles, tokens, per-service endpoints and configuration files are removed.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT_ID = DEFAULT_ACCOUNT_ID  # moto's own, 123456789012
DEFAULT_REGION = "us-west-2"

_LOOPBACK = "127.0.0.1,localhost"


def aws_settings(endpoint: str, region: str = DEFAULT_REGION) -> dict[str, str]:
    """Return the variables that lead an AWS SDK, the AWS CLI or Chalice to `endpoint`.

    See https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html.
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }


def aws_environment(
    endpoint: str,
    region: str = DEFAULT_REGION,
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return a whole environment for a program that is to use the local AWS and no other.

    It is `base` (this process's environment unless given) without any `AWS_…` variable, plus
    `aws_settings`; a proxy that `base` names is not used for this machine's own
    addresses.
    """
    source = os.environ if base is None else base
    kept = {name: value for name, value in source.items() if not name.startswith("AWS_")}
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name), _LOOPBACK)))
    return kept | aws_settings(endpoint, region)


def aws_client(service: str, endpoint: str, region: str = DEFAULT_REGION) -> Any:  # noqa: ANN401 - botocore makes the classes of its clients at run time
    """Return a botocore client of the local AWS; the user's configuration is not read."""
    with _making_clients:
        return _session().create_client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - moto takes any
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )


_making_clients = threading.Lock()  # botocore's sessions are for one thread at a time


@cache
def _session() -> botocore.session.Session:
    # One for all: it keeps the service models, which take long to load.
    return botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
