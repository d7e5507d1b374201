"""The deployed zip against a checkout, and how it is fetched."""

from __future__ import annotations

import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ops.checks_code import _differences, _fetch, _NotAtHandError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
REQUIRED = {
    "aws_lambda_powertools-3.37.0.dist-info/RECORD": "",
    "typing_extensions-4.16.0.dist-info/RECORD": "",
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


def test_the_same_files_and_requirements_are_no_difference(checkout: Path) -> None:
    assert _differences(checkout, _zipped(FILES | REQUIRED)) == []


def test_what_python_cached_counts_nowhere(checkout: Path) -> None:
    other = {"chalicelib/__pycache__/zone.cpython-313.pyc": "other"}
    assert _differences(checkout, _zipped(FILES | REQUIRED | other)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"app.py": "older"}, "app.py differs"),
        ({"chalicelib/extra.py": ""}, "chalicelib/extra.py is not here"),
    ],
)
def test_what_differs_is_named(checkout: Path, change: dict[str, str], said: str) -> None:
    assert _differences(checkout, _zipped(FILES | REQUIRED | change)) == [said]


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("chalicelib/data/table.json", "chalicelib/data/table.json is missing"),
        (
            "typing_extensions-4.16.0.dist-info/RECORD",
            "typing_extensions-4.16.0 is missing",
        ),
    ],
)
def test_what_is_missing_is_named(checkout: Path, without: str, said: str) -> None:
    files = FILES | REQUIRED
    del files[without]
    assert _differences(checkout, _zipped(files)) == [said]


def test_what_is_no_zip_is_a_difference(checkout: Path) -> None:
    assert _differences(checkout, b"hello") == ["it is not a zip file"]


@pytest.fixture
def served(checkout: Path) -> Iterator[str]:
    """Serve the checkout's files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = partial(Quiet, directory=str(checkout))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_zip_is_fetched_from_where_lambda_says(served: str) -> None:
    assert _fetch(f"{served}/app.py") == b"app"


def test_an_address_that_no_longer_works_is_told_and_not_shown(served: str) -> None:
    with pytest.raises(_NotAtHandError, match="S3 answered 404") as caught:
        _fetch(f"{served}/gone?signature=secret")
    assert "secret" not in str(caught.value)


def test_a_host_that_is_not_reached_is_told_and_not_shown(served: str) -> None:
    del served
    with pytest.raises(_NotAtHandError, match="fetching it failed") as caught:
        _fetch("http://127.0.0.1:9/zip?signature=secret")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
