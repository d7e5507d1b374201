"""Methods of a deployed API that are only for signed requests."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.sts.models import sts_backends

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Cloud

ACCOUNT = "123456789012"
INSTANCE = "i-0123456789abcdef0"


@dataclass(frozen=True)
class Signer:
    """Signs requests as an SDK does, with what a session of a role has."""

    access_key: str
    secret: str
    token: str | None
    service: str = "execute-api"
    region: str = "us-west-2"
    late: timedelta = timedelta()

    def headers(self, url: str, body: bytes = b"") -> dict[str, str]:
        request = AWSRequest("POST" if body else "GET", url, data=body)
        signer = SigV4Auth(
            Credentials(self.access_key, self.secret, self.token), self.service, self.region
        )
        with mock.patch("botocore.auth.get_current_datetime") as now:
            now.return_value = datetime.now(UTC) - self.late
            signer.add_auth(request)
        return dict(request.headers.items())


@pytest.fixture
def signer(cloud: Cloud, url: str) -> Signer:
    """Return a session of a role that may call the API's `who`, with GET and POST."""
    iam, (api_id, stage) = cloud.client("iam"), url.split("/")[-3:-1]
    if "caller" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName="caller", AssumeRolePolicyDocument="{}")
    allow(cloud, f"arn:aws:execute-api:us-west-2:{ACCOUNT}:{api_id}/{stage}/*/who")
    answer = cloud.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/caller", RoleSessionName=INSTANCE
    )
    issued = answer["Credentials"]
    return Signer(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])


def allow(cloud: Cloud, resource: str) -> None:
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("iam").put_role_policy(RoleName="caller", PolicyName="p", PolicyDocument=document)


def fetch(url: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, Any, str | None]:
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body or None, headers | kind)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310 - our own server
            return answer.status, json.load(answer), None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers["x-amzn-errortype"]


def test_who_signs_is_told_to_the_function(cloud: Cloud, url: str, signer: Signer) -> None:
    where = url + "who?a=1&b=%C3%A9"
    status, answer, _ = fetch(where, signer.headers(where, b"hello"), b"hello")
    assert (status, answer["body"]) == (200, "hello")
    role = cloud.client("iam").get_role(RoleName="caller")["Role"]
    user = f"{role['RoleId']}:{INSTANCE}"
    assert answer["identity"] | {"sourceIp": "", "userAgent": ""} == {
        "accessKey": signer.access_key,
        "accountId": ACCOUNT,
        "caller": user,
        "user": user,
        "userArn": f"arn:aws:sts::{ACCOUNT}:assumed-role/caller/{INSTANCE}",
        "sourceIp": "",
        "userAgent": "",
    }


def test_curl_signs_as_well(url: str, signer: Signer) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    done = subprocess.run(  # noqa: S603 (curl itself)
        [
            *(curl, "--silent", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-west-2:execute-api"),
            *("--user", f"{signer.access_key}:{signer.secret}"),
            *("--header", f"x-amz-security-token: {signer.token}"),
            *("--data-raw", '{"finished": true}', "--header", "content-type: application/json"),
            url + "who?connections=1",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert answer["body"] == '{"finished": true}'
    assert answer["identity"]["userArn"].endswith(INSTANCE)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (
            lambda signer: replace(signer, secret="other"),
            "InvalidSignatureException",
            "The request signature we calculated does not match",
        ),
        (
            lambda signer: replace(signer, access_key="ASIAUNKNOWN"),
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            lambda signer: replace(signer, token="other"),
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            lambda signer: replace(signer, token=None),
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        (
            lambda signer: replace(signer, service="s3"),
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'execute-api'. ",
        ),
        (
            lambda signer: replace(signer, region="eu-west-1"),
            "InvalidSignatureException",
            "Credential should be scoped to a valid region, not 'eu-west-1'. ",
        ),
        (
            lambda signer: replace(signer, late=timedelta(minutes=6)),
            "InvalidSignatureException",
            "Signature expired: ",
        ),
        (
            lambda signer: replace(signer, late=-timedelta(minutes=6)),
            "InvalidSignatureException",
            "Signature not yet current: ",
        ),
    ],
)
def test_who_signs_otherwise_is_refused(
    url: str, signer: Signer, change: Callable[[Signer], Signer], kind: str, message: str
) -> None:
    status, answer, error_type = fetch(url + "who", change(signer).headers(url + "who"))
    assert (status, error_type) == (403, kind)
    assert answer["message"].startswith(message)


def test_what_was_signed_is_what_counts(url: str, signer: Signer) -> None:
    signed = signer.headers(url + "who?a=1", b"hello")
    refused = (403, "InvalidSignatureException")
    for where, body in (("who?a=1", b"other"), ("who?a=2", b"hello"), ("who", b"hello")):
        assert fetch(url + where, signed, body)[::2] == refused
    date = {"X-Amz-Date": f"{datetime.now(UTC) + timedelta(minutes=1):%Y%m%dT%H%M%SZ}"}
    assert fetch(url + "who?a=1", signed | date, b"hello")[::2] == refused


@pytest.mark.parametrize(
    ("header", "kind", "message"),
    [
        (None, "MissingAuthenticationTokenException", "Missing Authentication Token"),
        ("Bearer x", "IncompleteSignatureException", "Unsupported AWS 'algorithm': 'Bearer'."),
        (
            "AWS4-HMAC-SHA256 Credential=a/b, Signature=c",
            "IncompleteSignatureException",
            "Authorization header requires 'SignedHeaders' parameter.",
        ),
        (
            "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, got ['a', 'b'].",
        ),
    ],
)
def test_who_does_not_sign_is_refused(
    url: str, header: str | None, kind: str, message: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert fetch(url + "who", headers) == (403, {"message": message}, kind)


def test_credentials_expire(url: str, signer: Signer) -> None:
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(signer.access_key)
    assert session is not None
    session.expiration = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
    message = "The security token included in the request is expired"
    answer = fetch(url + "who", signer.headers(url + "who"))
    assert answer == (403, {"message": message}, "ExpiredTokenException")


def test_a_role_gets_no_further_than_its_policy(cloud: Cloud, url: str, signer: Signer) -> None:
    api_id, stage = url.split("/")[-3:-1]
    allow(cloud, f"arn:aws:execute-api:us-west-2:{ACCOUNT}:{api_id}/{stage}/POST/who")
    assert fetch(url + "who", signer.headers(url + "who", b"x"), b"x")[0] == 200
    message = (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/caller/{INSTANCE} is not authorized to perform:"
        f" execute-api:Invoke on resource: "
        f"arn:aws:execute-api:us-west-2:********9012:{api_id}/{stage}/GET/who"
    )
    answer = fetch(url + "who", signer.headers(url + "who"))
    assert answer == (403, {"Message": message}, "AccessDeniedException")


def test_other_methods_need_no_signature(url: str) -> None:
    with urllib.request.urlopen(url + "hello/you") as answer:  # noqa: S310 - our own server
        assert answer.status == 200
