"""Chalice is run as by hand, and its zip holds the byte code that Lambda's Python uses."""

from __future__ import annotations

import sys
import zipfile
from importlib.util import cache_from_source
from typing import TYPE_CHECKING

import pytest

from ops.bytecode import compile_project
from ops.chalice import forget_build, run_chalice, without_settings
from ops.command import CommandError, run_command

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_of_the_shell_are_not_taken_for_the_stages() -> None:
    kept = {"PATH": "/bin", "AWS_REGION": "us-west-2"}
    settings = {"OWNER": "elephant:x", "AMI_ID": "ami-1", "TABLE_STREAM_ARN": "another's"}
    tokens = {"CLOUDFLARE_API_TOKEN": "no other program needs it", "CLOUDFLARE_TOKEN": ""}

    assert without_settings(kept | settings | tokens) == kept


def test_an_older_build_is_forgotten(tmp_path: Path) -> None:
    build = tmp_path / ".chalice" / "deployments"
    build.mkdir(parents=True)
    (build / "old.zip").write_text("")

    forget_build(tmp_path)
    forget_build(tmp_path)

    assert not build.exists()


def test_a_program_that_fails_is_named_with_all_that_it_printed(tmp_path: Path) -> None:
    script = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"

    with pytest.raises(CommandError) as raised:
        run_command([sys.executable, "-c", script], "the script", tmp_path, {})

    assert raised.value.code == 3
    assert str(raised.value).startswith("`the script` failed with exit code 3:\n")
    assert {"one", "two"} <= set(raised.value.output.split())


STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.{})
try:
    print("begun", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    open("ended", "w")
"""


@pytest.mark.parametrize("ends_itself", [True, False])
def test_what_ends_the_command_ends_its_program_too(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends_itself: bool,  # noqa: FBT001 (a case)
) -> None:
    monkeypatch.setattr("ops.command.PATIENCE", 60 if ends_itself else 0.1)
    script = STUBBORN.format("default_int_handler" if ends_itself else "SIG_IGN")

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_command([sys.executable, "-c", script], "x", tmp_path, {}, on_line=interrupt)
    assert (tmp_path / "ended").exists() is ends_itself


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


def test_the_zip_has_byte_code_of_our_code_and_chalices_and_no_other(tmp_path: Path) -> None:
    for name, text in {
        "app.py": APP,
        "chalicelib/greeting.py": "def greet():\n    return 'hello'\n",
        "chalicelib/__pycache__/gone.cpython-39.pyc": "",
        ".chalice/config.json": '{"version": "2.0", "app_name": "a"}',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    compile_project(tmp_path)
    lines: list[str] = []
    environment = {"AWS_DEFAULT_REGION": "us-west-2", "PATH": ""}
    printed = run_chalice(("package", "out"), tmp_path, environment, on_line=lines.append)
    assert "Creating deployment package." in printed
    assert lines == printed.splitlines()

    with zipfile.ZipFile(tmp_path / "out" / "deployment.zip") as archive:
        names = {name for name in archive.namelist() if name.endswith((".py", ".pyc"))}
        codes = {name for name in names if name.endswith(".pyc")}
        assert codes == {cache_from_source(name) for name in names - codes}
        assert {archive.read(name)[4] for name in codes} == {CHECKED_HASH}
