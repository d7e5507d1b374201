"""The lock of a checkout: one deployment at a time, since Chalice's build is the same for all."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ops.stages import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE: Final = "deploying.lock"


@contextmanager
def checkout_lock(directory: Path, doing: str) -> Iterator[None]:
    """Hold the lock of a project, in its `.chalice`; `doing` says what for, such as `deploy prod`.

    Raises ConfigError if another process holds it. The kernel releases it with the process, however
    that ends, so no file that is left says anything.
    """
    with (directory / FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ConfigError(
                f"this checkout is in use by {holder}, and both would use the build in "
                ".chalice/deployments: wait until that ends, or deploy from another checkout; "
                "nothing was changed"
            ) from error
        file.truncate(0)
        file.write(f"`elephant {doing}`, process {os.getpid()}, since {_now()}\n")
        file.flush()
        yield


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S %Z")
