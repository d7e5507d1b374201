"""Wherever it runs, and with whichever AWS settings, a function calls AWS as botocore would."""

from __future__ import annotations

import json
import re
import time
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from chalicelib import aws
from ops.models import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("new_environment")
OPTIONS: Final[tuple[dict[str, str], ...]] = (
    {},
    {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    {"AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_ENDPOINT_URL": "http://localhost:4566/aws"},
    {"AWS_ACCOUNT_ID": "123456789012"},  # DynamoDB has an address for each account
)
SERVICES: Final = tuple(CALLS)
FUTURE: Final = ("eu-future-7", "us-gov-future-7", "cn-future-7", "mars-1")

_LOADER: Final = Loader()  # which reads each file once
REFUSALS: Final = [
    ("ThrottlingException", 400),
    ("InternalFailure", 500),
    *(
        {
            (name, 400)
            for service in CALLS
            for name, shape in _LOADER.load_service_model(service, "service-2")["shapes"].items()
            if "retryable" in shape
        }
    ),
]
REGIONS: Final = [
    region
    for partition in _LOADER.load_data("endpoints")["partitions"]
    for region in partition["regions"]
] + list(FUTURE)

KEY: Final = {"TableName": "t", "Key": {"id": {"S": "m"}}}
MAIL: Final = {"Content": {"Simple": {"Subject": {"Data": "s"}, "Body": {}}}}
CALL_OF: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "codedeploy": ("get_deployment", {"deploymentId": "d-1"}),
    "dynamodb": ("delete_item", KEY),
    "ec2": ("describe_instances", {}),
    "scheduler": ("delete_schedule", {"Name": "s", "ClientToken": "t"}),
    "secretsmanager": ("get_secret_value", {"SecretId": "s"}),
    "sesv2": ("send_email", MAIL),
}
CBOR_PATH: Final = "/service/CodeDeploy_20141006/operation/GetDeployment"
"""botocore has a newer protocol for CodeDeploy, which ours leave for JSON."""


class Clients:
    """Makes a client as the function does, and as botocore does by itself."""

    def __init__(self, ours: Callable[[str], Any]) -> None:
        self.ours = ours
        self._session = botocore.session.get_session()
        self._session.register_component("data_loader", _LOADER)

    def whole(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        return self._session.create_client(service, config=aws._CONFIGS.get(service, aws._CONFIG))


@pytest.fixture(scope="module")
def models() -> aws._Models:
    return aws._Models()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch, models: aws._Models) -> Clients:
    monkeypatch.setattr(aws, "_Models", lambda: models)
    ours: Any = aws.client
    return Clients(ours)


def refusal(request: Any, code: str) -> bytes:  # noqa: ANN401 (botocore's)
    """Refuse a request in its own protocol."""
    if request.url.endswith(CBOR_PATH):
        members = ("__type", code, "message", "no")
        return b"\xa2" + b"".join(b"\x78" + bytes([len(each)]) + each.encode() for each in members)
    if "Action=" in str(request.body):
        error = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
        return f"<Response><Errors>{error}</Errors></Response>".encode()
    return json.dumps({"__type": code, "message": "no"}).encode()


def outcome_of(make: Callable[[str], Any], service: str, code: str, status: int) -> object:
    """Make a call that is refused; return where each try went, how it was signed, and the end."""
    sent: list[object] = []

    def refuse(request: Any, **_: object) -> AWSResponse:  # noqa: ANN401 (botocore's)
        scope = re.search(rb"Credential=\w+/\d+/(\S+),", request.headers["Authorization"])
        assert scope
        sent.append((request.url.removesuffix(CBOR_PATH).rstrip("/"), scope[1]))
        raw: Any = SimpleNamespace(stream=lambda: [refusal(request, code)])
        return AWSResponse(request.url, status, HTTPHeaders(), raw)

    end: object
    try:
        client = make(service)
        client.meta.events.register_first("before-send", refuse)
        name, parameters = CALL_OF[service]
        end = getattr(client, name)(**parameters)
    except ClientError as error:
        end = error.response["Error"]
    except BotoCoreError as error:
        end = type(error), str(error)
    return sent, end


def test_botocore_finds_the_same_in_our_files_for_every_service_region_and_option() -> None:
    """That is all it makes an address and a signature of, besides its own rules."""
    whole, ours = Loader(), aws._Models()
    resolvers = [EndpointResolver(loader.load_data("endpoints")) for loader in (whole, ours)]
    flags = list(product((True, False), (True, False)))  # the plain one last: it leaves traces

    for service in SERVICES:
        path = f"{service}/{whole.determine_latest_version(service, 'service-2')}"
        rules = f"{path}/endpoint-rule-set-1"
        assert ours.load_data(rules) == whole.load_data(rules)
        prefix = whole.load_data(f"{path}/service-2")["metadata"]["endpointPrefix"]
        for region, (dual_stack, fips) in product(REGIONS, flags):
            expected, found = [
                endpoint_of(resolver, prefix, region, dual_stack, fips) for resolver in resolvers
            ]
            assert (region, service, found) == (region, service, expected)


def endpoint_of(resolver: EndpointResolver, service: str, region: str, *flags: bool) -> object:
    try:
        return resolver.construct_endpoint(service, region, None, *flags)
    except BotoCoreError as error:
        return type(error), str(error)


@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_every_region_is_called_as_botocore_calls_it(
    number: int, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of a region, a service and an option is met, in whole calls."""
    for name, value in OPTIONS[number].items():
        monkeypatch.setenv(name, value)

    for place, region in enumerate(REGIONS):
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        service = SERVICES[(number - place) % len(SERVICES)]
        expected = outcome_of(clients.whole, service, "AccessDeniedException", 400)
        found = outcome_of(clients.ours, service, "AccessDeniedException", 400)
        assert (region, service, found) == (region, service, expected)


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_refusals_are_tried_again_as_by_botocore(
    service: str, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    for code, status in REFUSALS:
        expected = outcome_of(clients.whole, service, code, status)
        assert (code, outcome_of(clients.ours, service, code, status)) == (code, expected)


def test_a_profile_may_take_its_credentials_from_a_service_that_is_none_of_ours() -> None:
    client = aws._session().create_client("sts")

    assert client.meta.endpoint_url == "https://sts.us-west-2.amazonaws.com"
