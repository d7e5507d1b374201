"""The machine and the versions that figures were measured with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "boto3",
    "botocore",
    "urllib3",
    "chalice",
    "awslambdaric",
    "moto",
    "octodns",
    "octodns-cloudflare",
)


def describe() -> dict[str, str]:
    """Say what this machine is, how busy it is now, and which versions it has."""
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processors": f"{os.cpu_count()} x {_model()}",
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "python": platform.python_version(),
        "valgrind": _valgrind(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def _valgrind() -> str:
    found = shutil.which("valgrind")
    if not found:
        return "not installed, so no instructions were counted"
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    return said.stdout.strip().removeprefix("valgrind-")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
