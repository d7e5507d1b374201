"""The check whether the deployed code matches this checkout."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from typing import TYPE_CHECKING, Final

import urllib3

from ops.check import failure, ok, question, skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ops.check import Context, Finding

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?!.*;)", re.MULTILINE)
_CHALICE: Final = "chalice"
"""A part of Chalice that it adds to the zip itself, so it is not in the requirements."""
_SHOWN: Final = 3


class _NotAtHandError(Exception):
    """The deployed zip cannot be obtained; the message says why."""

    def __init__(self, message: str, *, is_other: bool = False) -> None:
        super().__init__(message)
        self.is_other = is_other


@question("code", needs=("credentials",))
def code(context: Context) -> Iterator[Finding]:
    """Whether the functions have this checkout's code and requirements."""
    differences: dict[str, list[str]] = {}
    for name in context.functions:
        deployed = context.deployed(name)
        if deployed is None:
            yield skipped(f"depends on failed check 'function {name}'", of=name)
            continue
        digest = deployed["CodeSha256"]
        try:
            if digest not in differences:
                zipped = _zip(context, name, digest)
                differences[digest] = _differences(context.config_file.directory, zipped)
        except _NotAtHandError as error:
            report = failure if error.is_other else skipped
            yield report(str(error), context.command("deploy"), of=name)
            continue
        found = differences[digest]
        if found:
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            yield failure(
                f"differs from this checkout: {', '.join(found[:_SHOWN])}{more}",
                f"{context.command('deploy')}, or check out the deployed version",
                of=name,
            )
        else:
            yield ok("matches this checkout and its requirements", of=name)


def _zip(context: Context, name: str, digest: str) -> bytes:
    """Find the deployed zip among those that were built here, or fetch it from Lambda."""
    builds = [
        path.read_bytes()
        for path in sorted((context.config_file.directory / ".chalice/deployments").glob("*.zip"))
    ]
    for build in builds:
        if base64.b64encode(hashlib.sha256(build).digest()).decode() == digest:
            return build
    if context.stage.settings.is_local:
        if builds:
            raise _NotAtHandError("was not built here", is_other=True)
        raise _NotAtHandError("cannot be compared: it was not built here, and cannot be fetched")
    function = context.stage.function_name(name)
    location = context.client("lambda").get_function(FunctionName=function)["Code"]["Location"]
    return _fetch(location)


def _fetch(location: str) -> bytes:
    """Fetch a zip from Lambda's presigned address, which is secret for ten minutes."""
    timeout = urllib3.Timeout(connect=5, read=30)
    try:
        with urllib3.PoolManager(retries=2, timeout=timeout) as pool:
            response = pool.request("GET", location)
    except urllib3.exceptions.HTTPError as error:
        reason = type(error).__name__
        raise _NotAtHandError(f"cannot be compared: fetching it failed ({reason})") from None
    if response.status != 200:  # noqa: PLR2004 (OK)
        raise _NotAtHandError(f"cannot be compared: S3 answered {response.status}")
    return response.data


def _differences(directory: Path, zipped: bytes) -> list[str]:
    """Compare the project's own files and the versions of its requirements."""
    try:
        with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
            names = archive.namelist()
            there = {name: archive.read(name) for name in names if _is_ours(name)}
    except zipfile.BadZipFile:
        return ["it is not a zip file"]
    here = _checkout(directory)
    requires = {name.partition("/")[0].lower() for name in names}
    return [
        *(f"{name} is missing" for name in sorted(here.keys() - there.keys())),
        *(f"{name} is not here" for name in sorted(there.keys() - here.keys())),
        *(
            f"{name} differs"
            for name in sorted(here.keys() & there.keys())
            if here[name] != there[name]
        ),
        *(f"{each} is missing" for each in _pins(directory) if f"{each}.dist-info" not in requires),
    ]


def _checkout(directory: Path) -> Mapping[str, bytes]:
    paths = [directory / "app.py", *(directory / "chalicelib").rglob("*")]
    named = {path.relative_to(directory).as_posix(): path for path in paths if path.is_file()}
    return {name: path.read_bytes() for name, path in named.items() if _is_ours(name)}


def _pins(directory: Path) -> list[str]:
    """Format the pins of requirements.txt like the zip's folders: name, dash, version."""
    path = directory / "requirements.txt"
    text = path.read_text() if path.exists() else ""
    return [
        f"{re.sub(r'[-_.]+', '_', name)}-{version}".lower()
        for name, version in _PIN.findall(text)
        if name != _CHALICE
    ]


def _is_ours(name: str) -> bool:
    ours = name == "app.py" or (name.startswith("chalicelib/") and not name.endswith("/"))
    return ours and "__pycache__" not in name and not name.endswith(".pyc")


QUESTIONS: Final = (code,)
