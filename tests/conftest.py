"""Fixtures shared by the tests."""

from __future__ import annotations

import gc
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings
from moto import mock_aws
from moto.backends import get_backend

from chalicelib import aws
from localcloud.cloudflare import DEFAULT_TOKEN, Api, CloudflareStandIn, Token, Zone
from tests.browser import Browser, find_chromium
from tests.clients import LendingSession
from tests.world import OTHER_TOKEN, REGION, SECRET, World, make_table

if TYPE_CHECKING:
    from collections.abc import Iterator

gc.disable()  # while tests are collected: it would take half of the time

_serve = ThreadingMixIn.process_request_thread


def _serve_untraced(server: ThreadingMixIn, request: Any, client: Any) -> None:  # noqa: ANN401
    """Serve a request, untraced: these servers are the local cloud's, which is not measured."""
    sys.settrace(None)
    _serve(server, request, client)


ThreadingMixIn.process_request_thread = _serve_untraced  # type: ignore[assignment, method-assign]

# No outcome depends on the machine's speed.
settings.register_profile("elephant", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("elephant")


_LONGEST: Final = (
    "ops/test_checks_deployed.py",
    "simulation/test_machine.py",
    "end_to_end/",
    "simulation/",
    "meetings/test_reservation.py",
    "ops/test_derive.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process waits for another one at the end."""
    here = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        name = item.path.relative_to(here).as_posix() if item.path.is_relative_to(here) else ""
        found = (at for at, each in enumerate(_LONGEST) if name.startswith(each))
        return next(found, len(_LONGEST))

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but not among all that was imported: it stays."""
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_account() -> Iterator[None]:
    """Keep every test away from the account of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        unset = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE")
        local = ("CLOUDFLARE_BASE_URL", "ELEPHANT_API_GATEWAY")
        for name in unset + local:
            patch.delenv(name, raising=False)
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture
def untraced() -> Iterator[None]:
    """Leave a test out of coverage that repeats what others reach: tracing doubles its time.

    pytest-cov's `no_cover` has no effect in a worker of xdist.
    """
    of_this, of_others = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    threading.settrace(of_others)
    sys.settrace(of_this)


@pytest.fixture
def new_environment() -> Iterator[None]:
    """Have clients be made anew, as in a new execution environment; none outlives the test."""
    aws._session.cache_clear()
    yield
    aws._session.cache_clear()


@pytest.fixture(scope="session")
def session() -> LendingSession:
    """Give one session to all tests: the services' models are read once."""
    return LendingSession()


@pytest.fixture(scope="session")
def _cloudflare() -> Iterator[CloudflareStandIn]:
    """One server for all tests, each of which gets an API of its own."""
    with CloudflareStandIn(dns_port=None) as cloudflare:
        for service in ("ec2", "dynamodb", "secretsmanager"):
            get_backend(service)
        gc.freeze()
        yield cloudflare


@pytest.fixture
def world(session: LendingSession, _cloudflare: CloudflareStandIn) -> Iterator[World]:
    """AWS with the secret and an empty meetings table, and Cloudflare with an empty zone."""
    zones = (Zone(record_quota=1000),)
    tokens = (Token(DEFAULT_TOKEN, owner="user"), Token(OTHER_TOKEN, owner="user"))
    _cloudflare.serve(Api(zones, tokens))
    with mock_aws(), session.lending(), ThreadPoolExecutor(max_workers=4) as executor:
        made = World(_cloudflare, session.create_client, executor)
        made.secrets.create_secret(
            Name=SECRET, SecretString=json.dumps({"CLOUDFLARE_TOKEN": DEFAULT_TOKEN})
        )
        make_table(made.dynamodb)
        yield made
        get_backend("ec2").clear()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a Chromium for all tests of a module."""
    with Browser(find_chromium(), tmp_path_factory.mktemp("profile")) as opened:
        yield opened
