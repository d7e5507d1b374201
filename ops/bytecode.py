"""Byte code for the deployed functions, made before Chalice packs them.

Lambda's file system is read-only, so what the zip has as source alone is compiled at every cold
start. Chalice packs each file below `chalicelib/`, and the files below `vendor/` at the top of the
zip. Byte code is checked by the source's hash (PEP 552): Chalice sets the time of each file, so
code that is checked by time would never be used. None can be stale.
"""

from __future__ import annotations

from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode
from py_compile import compile as compile_file
from typing import Final

import chalice

_TASK: Final = Path("/var/task")
"""Where Lambda unpacks the zip, as tracebacks name it."""


def compile_project(directory: Path) -> None:
    """Compile what Chalice packs: app.py, chalicelib and Chalice's own runtime modules.

    Byte code of earlier builds, or of another Python, is removed: it would only make the zip
    larger. Raises PyCompileError for a syntax error.
    """
    vendor, package = directory / "vendor", directory / "chalicelib"
    sources = {each.relative_to(directory): each for each in package.rglob("*.py")}
    compiled = {_compile(source, directory / name, name) for name, source in sources.items()}
    compiled.add(_compile(directory / "app.py", vendor / "app.py", Path("app.py")))
    for module in ("__init__.py", "app.py"):  # all that Chalice packs of itself
        name = Path("chalice", module)
        source = Path(chalice.__file__).with_name(module)
        compiled.add(_compile(source, vendor / name, name))
    for file in (*package.rglob("*.pyc"), *vendor.rglob("*.pyc")):
        if file not in compiled:
            file.unlink(missing_ok=True)


def _compile(source: Path, place: Path, name: Path) -> Path:
    """Compile a source into the cache beside `place`; `name` is its path in the zip."""
    target = cache_from_source(str(place))
    compile_file(
        str(source),
        cfile=target,
        dfile=str(_TASK / name),
        doraise=True,
        invalidation_mode=PycInvalidationMode.CHECKED_HASH,
    )
    return Path(target)
