"""The time zone database that is deployed: what Python reads, and only where it is read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from ops.zones import pack_zones

if TYPE_CHECKING:
    from pathlib import Path

SAY = """
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
print(datetime(2026, 7, 1, 12, tzinfo=timezone.utc).astimezone(ZoneInfo("Europe/Berlin")).hour)
"""


def test_python_finds_the_packed_database_where_the_system_has_none(tmp_path: Path) -> None:
    pack_zones(tmp_path, are_wanted=True)

    said = subprocess.check_output(  # noqa: S603 (Python itself)
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append('vendor'){SAY}"],
        cwd=tmp_path,
        env={"PYTHONTZPATH": ""},
    )

    assert said == b"14\n"
    size = sum(each.stat().st_size for each in tmp_path.rglob("*") if each.is_file())
    assert size < 500_000


def test_a_stage_that_reads_none_has_none(tmp_path: Path) -> None:
    pack_zones(tmp_path, are_wanted=True)
    pack_zones(tmp_path, are_wanted=False)

    assert [*(tmp_path / "vendor").iterdir()] == []
