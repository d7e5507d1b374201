"""One execution environment that measures itself; run by its path, in a process of its own.

It gets in JSON what to import, answers once that is done, and then handles one event for each line
that it is given. It imports nothing before the first measurement, and nothing of this project but
what the deployed zip holds.
"""

import sys
import time

BEGUN = (time.monotonic(), time.process_time())

import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from pathlib import Path  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Moment = tuple[float, float]
"""Wall clock, which all processes share, and the CPU seconds that this one has used."""


def now() -> Moment:
    """Take the time."""
    return time.monotonic(), time.process_time()


def since(then: Moment) -> dict[str, float]:
    """Tell what has passed since then."""
    wall, cpu = now()
    return {"wall": wall - then[0], "cpu": cpu - then[1]}


def mark() -> None:
    """Say that a part of the work is done, to whoever counts instructions.

    Callgrind writes down what it has counted whenever this function of C is called.
    """
    os.getppid()


def peak_memory() -> int:
    """Return the most memory that this process ever had, in bytes."""
    # Not ru_maxrss: a process inherits that from the one that started it.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Certificates:
    """Counts the certificates that are parsed for trusting others."""

    def __init__(self) -> None:
        self._parsed = 0
        self._in_file: dict[str, int] = {}

    def watch(self) -> None:
        """Count from now on."""
        ssl: Any = importlib.import_module("ssl")
        load, load_default = (
            getattr(ssl.SSLContext, name)
            for name in ("load_verify_locations", "set_default_verify_paths")
        )

        def counted(
            context: object, cafile: "str | None" = None, *more: object, **named: object
        ) -> None:
            if cafile:
                self._count(cafile)
            load(context, cafile, *more, **named)

        def default_counted(context: object) -> None:
            self._count(ssl.get_default_verify_paths().cafile)
            load_default(context)

        ssl.SSLContext.load_verify_locations = counted
        ssl.SSLContext.set_default_verify_paths = default_counted

    def take(self) -> int:
        """Return how many there were since the last time."""
        taken, self._parsed = self._parsed, 0
        return taken

    def _count(self, path: str) -> None:
        if path not in self._in_file:
            self._in_file[path] = Path(path).read_text().count("BEGIN CERTIFICATE")
        self._parsed += self._in_file[path]


class Context:
    """Lambda's context, as far as handlers read it."""

    aws_request_id = "00000000-0000-0000-0000-000000000000"
    invoked_function_arn = os.environ.get("FUNCTION_ARN", "")
    function_name = "bench"
    memory_limit_in_mb = 256

    @staticmethod
    def get_remaining_time_in_millis() -> float:
        """Give every run as long as Lambda can."""
        return 900_000.0


def handle(handler: "Callable[[Any, Any], Any]", event: object) -> "dict[str, Any]":
    """Handle an event; say what it took and what came of it."""
    mark()
    begun = now()
    try:
        answer: dict[str, Any] = {"result": handler(event, Context())}
    except Exception as error:  # noqa: BLE001 (as Lambda's runtime does: it is the caller's)
        answer = {"error": f"{type(error).__name__}: {error}"}
    answer |= since(begun)
    mark()
    return answer | {"memory": peak_memory()}


def main() -> None:
    """Do as the argument says."""
    task = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # handlers log there
    certificates = Certificates()

    def answer(content: "dict[str, Any]") -> None:
        answers.write(json.dumps(content | {"certificates": certificates.take()}) + "\n")
        answers.flush()

    for module in task["runtime"]:
        importlib.import_module(module)
    mark()
    for module in task["parts"]:
        importlib.import_module(module)
        mark()
    certificates.watch()
    module = importlib.import_module(task["module"])
    wall, cpu = now()
    mark()
    answer(
        {
            "ready": {"wall": wall - task["started"], "cpu": cpu},
            "memory": peak_memory(),
        }
    )
    handler = getattr(module, task["handler"])
    for line in sys.stdin:
        answer(handle(handler, json.loads(line)))


if __name__ == "__main__":
    main()
