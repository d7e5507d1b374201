"""One execution environment that measures itself; run by its path, in a process of its own.

It gets in JSON what to import and what to make ready, answers once that is done, and then
handles one event for each line that it is given. It imports nothing before the first measurement,
and nothing of this project but what the deployed zip holds.
"""

import sys
import time

BEGUN = (time.monotonic(), time.process_time())

import importlib  # noqa: E402
import json  # noqa: E402
import operator  # noqa: E402
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


def peak_memory() -> int:
    """Return the most memory that this process ever had, in bytes."""
    # Not ru_maxrss: a process inherits that from the one that started it.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


class Makers:
    """The functions that make clients, and what was spent in them."""

    def __init__(self, names: "list[str]") -> None:
        self.spent = {"wall": 0.0, "cpu": 0.0}
        self._is_inside = False
        for name in names:
            module, _, path = name.partition(":")
            owner: Any = importlib.import_module(module)
            *outer, attribute = path.split(".")
            for each in outer:
                owner = getattr(owner, each)
            setattr(owner, attribute, self._timed(getattr(owner, attribute)))

    def _timed(self, make: "Callable[..., Any]") -> "Callable[..., Any]":
        def timed(*arguments: object, **options: object) -> "Any":  # noqa: ANN401
            if self._is_inside:
                return make(*arguments, **options)
            self._is_inside, begun = True, now()
            try:
                return make(*arguments, **options)
            finally:
                self._is_inside = False
                for key, value in since(begun).items():
                    self.spent[key] += value

        return timed


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
    begun = now()
    try:
        answer: dict[str, Any] = {"result": handler(event, Context())}
    except Exception as error:  # noqa: BLE001 (as Lambda's runtime does: it is the caller's)
        answer = {"error": f"{type(error).__name__}: {error}"}
    return answer | since(begun) | {"memory": peak_memory()}


def main() -> None:
    """Do as the argument says."""
    task = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # handlers log there

    def answer(content: object) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    began = now()
    for module in task["runtime"]:
        importlib.import_module(module)
    runtime = since(began)
    began = now()
    makers = Makers(task["makers"])
    module = importlib.import_module(task["module"])
    imported = since(began)
    inside = dict(makers.spent)
    for name in task["prepare"]:
        operator.attrgetter(name)(module)
    ready = since(began)
    wall, cpu = now()
    answer(
        {
            "interpreter": {"wall": BEGUN[0] - task["started"], "cpu": BEGUN[1]},
            "runtime": runtime,
            "imports": {key: imported[key] - inside[key] for key in inside},
            "clients": {key: ready[key] - imported[key] + inside[key] for key in inside},
            "ready": {"wall": wall - task["started"], "cpu": cpu},
            "memory": peak_memory(),
        }
    )
    handler = getattr(module, task["handler"])
    for line in sys.stdin:
        answer(handle(handler, json.loads(line)))


if __name__ == "__main__":
    main()
