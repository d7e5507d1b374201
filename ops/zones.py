"""The time zone database for the deployed functions, of which Lambda's runtime has none.

Chalice packs the files below `vendor/` at the top of the zip, where Python finds the database as
the package `tzdata`: https://docs.python.org/3/library/zoneinfo.html#data-sources. It is copied
from the operator's environment, so packing downloads nothing.

https://github.com/aws/aws-lambda-dotnet/issues/1620
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGE: Final = "tzdata"
_UNUSED: Final = ("__pycache__", "*.zi", "*.tab", "leapseconds", "zones")
"""What Python does not read."""


def pack_zones(directory: Path, *, are_wanted: bool) -> None:
    """Put the database where Chalice packs it, or remove it from there if nothing reads it."""
    target = directory / "vendor" / _PACKAGE
    shutil.rmtree(target, ignore_errors=True)
    found = find_spec(_PACKAGE)
    if are_wanted and found and found.origin:
        source = Path(found.origin).parent
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_UNUSED))
