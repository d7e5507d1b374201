"""The zip holds byte code that Lambda's Python uses, and no other."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.util import cache_from_source
from typing import TYPE_CHECKING

import pytest

from ops.bytecode import compile_project
from ops.chalice import run_chalice

if TYPE_CHECKING:
    from pathlib import Path

APP = """
from chalice import Chalice
from chalicelib.greeting import greet
app = Chalice(app_name="a")
@app.lambda_function()
def function(event, context):
    return greet()
"""
CHECKED_HASH = 0b11
"""https://peps.python.org/pep-0552/#specification"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "chalicelib" / "__init__.py").write_text("")
    write_greeting(tmp_path, "hello")
    return tmp_path


def write_greeting(project: Path, greeting: str) -> None:
    source = f"def greet() -> str:\n    return {greeting!r}\n"
    (project / "chalicelib" / "greeting.py").write_text(source)


def greet(project: Path) -> tuple[str, bool]:
    """Run the code as Lambda does; return what it says and whether byte code was used."""
    code = "from chalicelib import greeting; print(greeting.greet())"
    command = [sys.executable, "-B", "-v", "-c", code]
    done = subprocess.run(  # noqa: S603 (this Python)
        command, cwd=project, capture_output=True, text=True, check=True
    )
    used = cache_from_source(str(project / "chalicelib" / "greeting.py"))
    return done.stdout.strip(), f"code object from {used!r}" in done.stderr


def test_the_zip_has_byte_code_of_our_code_and_chalices_and_no_other(project: Path) -> None:
    stale = project / "chalicelib" / "__pycache__" / "gone.cpython-39.pyc"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    (project / ".chalice").mkdir()
    (project / ".chalice" / "config.json").write_text('{"version": "2.0", "app_name": "a"}')

    compile_project(project)
    environment = {"AWS_DEFAULT_REGION": "us-west-2", "PATH": ""}
    run_chalice(("package", "out"), project, environment)

    with zipfile.ZipFile(project / "out" / "deployment.zip") as archive:
        names = {name for name in archive.namelist() if name.endswith((".py", ".pyc"))}
        codes = {name for name in names if name.endswith(".pyc")}
        assert codes == {cache_from_source(name) for name in names - codes}
        assert {archive.read(name)[4] for name in codes} == {CHECKED_HASH}


def test_byte_code_is_used_until_the_source_changes(project: Path) -> None:
    compile_project(project)
    assert greet(project) == ("hello", True)

    write_greeting(project, "bye")
    assert greet(project) == ("bye", False)
