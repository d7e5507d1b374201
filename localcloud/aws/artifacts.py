"""The directories that execution environments run in.

`/var/task` of Lambda is the unpacked zip, `/var/runtime` what Lambda's Python runtime brings.
"""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .state import DeployedFunction

# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html: the runtime client and the AWS
# SDK, with what these need. The SDK's version is this machine's, not the Lambda runtime's.
_RUNTIME_DISTRIBUTIONS = (
    "awslambdaric",
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot-restore-py",
    "urllib3",
)


class Artifacts:
    """Temporary directories of code, gone after `close`.

    Functions with the same zip share one; nothing is unpacked twice.
    """

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="localcloud-code-"))
        self._lock = threading.Lock()
        self.runtime_directory = self._root / "runtime"
        self.runtime_directory.mkdir()
        for name in _RUNTIME_DISTRIBUTIONS:
            self._link(name)

    def task_root(self, function: DeployedFunction) -> Path:
        """Return the directory of the function's code."""
        directory = self._root / function.code_sha256.replace("/", "_")
        with self._lock:
            if not directory.exists():
                with zipfile.ZipFile(io.BytesIO(function.code)) as archive:
                    archive.extractall(directory)
        return directory

    def close(self) -> None:
        """Remove the directories."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _link(self, name: str) -> None:
        installed = distribution(name)
        tops = {file.parts[0] for file in installed.files or ()} - {"..", "__pycache__"}
        for top in tops:
            target = Path(str(installed.locate_file(top)))
            (self.runtime_directory / top).symlink_to(target)
