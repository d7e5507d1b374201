"""The deployed zip against a checkout, and who may start a function."""

from __future__ import annotations

import io
import zipfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import urllib3

from ops.checks_code import _differences, _fetch, _NotAtHandError
from ops.checks_rule import _lets_in

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "app.py": "app",
    "chalicelib/__init__.py": "",
    "chalicelib/cloudflare/zone.py": "zone",
    "chalicelib/data/table.json": "{}",
}
REQUIREMENTS = """\
# a comment
aws-lambda-powertools==3.37.0 \\
    --hash=sha256:92df3f790851a30cfb5ed45ff8e11f2de9b74e60aed0169d2a6b6da2362b45fb
typing-extensions==4.16.0 \\
    --hash=sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8
chalice==1.34.0
tomli==2.0.0; python_version < "3.11"
"""
TYPING = "typing_extensions-4.16.0"
REQUIRED = {
    "aws_lambda_powertools-3.37.0.dist-info/RECORD": "",
    f"{TYPING}.dist-info/RECORD": "",
    "chalice/app.py": "what Chalice adds",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in {**FILES, "requirements.txt": REQUIREMENTS}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    cache = tmp_path / "chalicelib/__pycache__"
    cache.mkdir()
    (cache / "zone.cpython-311.pyc").write_bytes(b"bytes")
    return tmp_path


def _zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("changed", "without", "differences"),
    [
        ({}, "", []),
        ({"chalicelib/__pycache__/zone.cpython-313.pyc": "other"}, "", []),
        ({"app.py": "older"}, "", ["app.py differs"]),
        ({"chalicelib/extra.py": ""}, "", ["chalicelib/extra.py is not here"]),
        ({}, "chalicelib/data/table.json", ["chalicelib/data/table.json is missing"]),
        ({}, f"{TYPING}.dist-info/RECORD", [f"{TYPING} is missing"]),
    ],
)
def test_what_differs_from_the_checkout_and_its_requirements_is_named(
    checkout: Path, changed: dict[str, str], without: str, differences: list[str]
) -> None:
    assert _differences(checkout, b"hello") == ["it is not a zip file"]
    files = FILES | REQUIRED | changed
    files.pop(without, None)
    assert _differences(checkout, _zipped(files)) == differences


SECRET = "https://s3.example/zip?signature=secret"


def _s3(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    """Answer a request for the zip, or fail with an error of urllib3."""

    def request(_: object, method: str, url: str) -> object:
        assert (method, url) == ("GET", SECRET)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(urllib3.PoolManager, "request", request)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (SimpleNamespace(status=404, data=b""), "S3 answered 404"),
        (urllib3.exceptions.ConnectTimeoutError(SECRET), r"fetching it failed \(ConnectTimeoutE"),
    ],
)
def test_a_zip_is_fetched_and_what_cannot_be_is_reported_without_its_secret_address(
    monkeypatch: pytest.MonkeyPatch, answer: object, said: str
) -> None:
    _s3(monkeypatch, SimpleNamespace(status=200, data=b"zip"))
    assert _fetch(SECRET) == b"zip"
    _s3(monkeypatch, answer)
    with pytest.raises(_NotAtHandError, match=said) as caught:
        _fetch(SECRET)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


RULE = "arn:aws:events:us-west-2:123456789012:rule/elephant-prod-sweep-event"
STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "events.amazonaws.com"},
    "Action": "lambda:InvokeFunction",
    "Condition": {"ArnLike": {"AWS:SourceArn": RULE}},
}
OUR_RULES = {"aws:sourcearn": "arn:aws:events:*:rule/elephant-prod-*"}


@pytest.mark.parametrize(
    ("change", "is_let_in"),
    [
        ({}, True),
        ({"Condition": {}}, True),
        ({"Condition": {"ArnLike": OUR_RULES}}, True),
        ({"Condition": {"ArnEquals": {"AWS:SourceArn": RULE}}}, True),
        ({"Effect": "Deny"}, False),
        ({"Action": "lambda:GetFunction"}, False),
        ({"Principal": {"Service": "s3.amazonaws.com"}}, False),
        ({"Principal": "*"}, False),
        ({"Condition": {"ArnLike": {"AWS:SourceArn": f"{RULE}-of-another"}}}, False),
        ({"Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}}, False),
    ],
)
def test_only_a_statement_that_allows_just_this_lets_eventbridge_in(
    change: dict[str, Any], *, is_let_in: bool
) -> None:
    assert _lets_in(STATEMENT | change, RULE) is is_let_in
