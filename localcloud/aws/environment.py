"""One execution environment: a child process that runs a deployed function's own code.

The child runs AWS's runtime client, `awslambdaric`, in the unpacked zip; `runtime_start.py` gives
it the local cloud's time. It sees the variables that Lambda sets
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html), the function's own, and
those that lead to the local AWS; and of this machine's Python packages only those in Lambda's
Python runtime, so that a module missing from the zip is missing here too.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from . import runtime_start
from .account import aws_settings
from .runtime_api import Message, RuntimeApi, Work

if TYPE_CHECKING:
    from .clock import Clock
    from .state import DeployedFunction

_INIT_TIMEOUT: Final = 100.0
"""On Lambda it is ten seconds; this machine may be slower."""


class EnvironmentGoneError(Exception):
    """The environment ended before it took the invocation; another one may take it."""


@dataclass(frozen=True)
class RuntimeConfig:
    """The settings that all environments share."""

    endpoint: str
    region: str
    runtime_directory: Path
    clock: Clock


@dataclass(frozen=True)
class Outcome:
    """How one invocation ended: the payload that the caller gets, and what was logged.

    `init_duration` is the seconds that starting took if this was the environment's first
    invocation. `duration` counts from the hand-over, as the function's timeout does.
    """

    payload: bytes
    failed: bool
    log: tuple[str, ...]
    duration: float
    init_duration: float | None


class Environment:
    """A process that serves invocations of one function, one at a time, until closed or killed."""

    def __init__(
        self, function: DeployedFunction, task_root: Path, runtime_config: RuntimeConfig
    ) -> None:
        self.function = function
        date = datetime.now(UTC).strftime("%Y/%m/%d")
        self.log_stream = f"{date}/[$LATEST]{uuid4().hex}"
        self._runtime_config = runtime_config
        self._home = Path(tempfile.mkdtemp(prefix="localcloud-environment-"))
        self._log_file = self._home / "log"
        self._ahead_file = self._home / "ahead"
        self._write_time()
        self._log_read = 0
        self._served = 0
        self._started = time.monotonic()
        self._api = RuntimeApi()
        self._closed = False
        start = str(Path(runtime_start.__file__))
        with self._log_file.open("ab") as log:
            # -P: nothing is imported from the directory of the script.
            self._process = subprocess.Popen(  # noqa: S603 - AWS's runtime client on deployed code
                [sys.executable, "-S", "-P", start, str(self._ahead_file), function.handler],
                cwd=task_root,
                env=self._variables(task_root),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the local cloud; it ends its functions
            )
        self._watcher = threading.Thread(target=self._watch, name="environment", daemon=True)
        self._watcher.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def invoke(self, payload: bytes, request_id: str) -> Outcome:
        """Run the handler on `payload` and return what came of it.

        A handler that raises, that runs past the function's timeout or that ends its process is
        an outcome, not an exception. After the latter two the environment is not alive.
        """
        first, self._served = self._served == 0, self._served + 1
        ready = self._receive(_INIT_TIMEOUT)
        init_duration = time.monotonic() - self._started if first else None
        if ready is None or ready.kind != "ready":
            if not first:
                self.kill()
                raise EnvironmentGoneError
            if ready is not None and ready.kind == "init-error":
                self._process.wait()  # the runtime client ends itself, and its last words count
            note, body = self._ending(request_id, ready, _INIT_TIMEOUT)
            log = self._log(request_id, note, 0.0, init_duration)
            return Outcome(body, failed=True, log=log, duration=0.0, init_duration=init_duration)
        if not first and not self.alive:
            raise EnvironmentGoneError
        ahead = self._write_time()
        deadline = time.time() + ahead + self.function.timeout
        self._api.give(Work(request_id, self.function.arn, payload, deadline))
        begun = time.monotonic()
        answer = self._receive(self.function.timeout)
        duration = time.monotonic() - begun
        note, body = self._ending(request_id, answer, self.function.timeout)
        log = self._log(request_id, note, duration, init_duration)
        failed = answer is None or answer.kind != "response"
        return Outcome(body, failed, log, duration, init_duration)

    def kill(self) -> None:
        """Kill the process at once. An invocation in flight fails."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the process and everything that belongs to it. May be called again."""
        if self._closed:
            return
        self._closed = True
        self.kill()
        self._watcher.join()
        self._api.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _write_time(self) -> float:
        """Write the clock's offset for the process, and return it."""
        ahead = self._runtime_config.clock.ahead
        with self._ahead_file.open("r+b" if self._ahead_file.exists() else "wb") as file:
            file.write(struct.pack("d", ahead))
        return ahead

    def _watch(self) -> None:
        self._process.wait()
        self._api.messages.put(Message("exit"))

    def _receive(self, timeout: float) -> Message | None:
        try:
            return self._api.messages.get(timeout=timeout)
        except Empty:
            return None

    def _ending(
        self, request_id: str, answer: Message | None, limit: float
    ) -> tuple[list[str], bytes]:
        """Return what Lambda itself logs of this end, and the payload of the result."""
        if answer is None:
            self.kill()
            reason = f"Task timed out after {limit:.2f} seconds"
            note = f"{_now()} {request_id} {reason}"
            return [note], _failure("Sandbox.Timedout", request_id, reason)
        if answer.kind == "exit":
            reason = _exit_reason(self._process.wait())
            note = f"RequestId: {request_id} Error: {reason}"
            return [note, "Runtime.ExitError"], _failure("Runtime.ExitError", request_id, reason)
        return [], answer.body

    def _log(
        self, request_id: str, note: list[str], duration: float, init: float | None
    ) -> tuple[str, ...]:
        return (
            f"START RequestId: {request_id} Version: $LATEST",
            *self._new_log_lines(),
            *note,
            f"END RequestId: {request_id}",
            self._report(request_id, duration, init),
        )

    def _report(self, request_id: str, duration: float, init: float | None) -> str:
        milliseconds = duration * 1000
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {int(milliseconds) + 1} ms",
            f"Memory Size: {self.function.memory} MB",
        ]
        if init is not None:
            parts.append(f"Init Duration: {init * 1000:.2f} ms")
        return "\t".join(parts)

    def _new_log_lines(self) -> list[str]:
        # A file, not a pipe: what the process wrote before it answered is there when the answer is.
        with self._log_file.open("rb") as log:
            log.seek(self._log_read)
            text = log.read()
        self._log_read += len(text)
        # The runtime client joins the lines of one message with carriage returns.
        lines = text.decode(errors="replace").rstrip("\n").split("\n")
        return [line.replace("\r", "\n") for line in lines if line]

    def _variables(self, task_root: Path) -> dict[str, str]:
        function = self.function
        runtime = self._runtime_config.runtime_directory
        ours = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "PYTHONPATH": os.pathsep.join((str(task_root), str(runtime))),
        }
        fixed = {
            "_HANDLER": function.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "TEXT",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "LAMBDA_TASK_ROOT": str(task_root),
            "LAMBDA_RUNTIME_DIR": str(runtime),
        }
        local = aws_settings(self._runtime_config.endpoint, self._runtime_config.region)
        return ours | local | dict(function.variables) | fixed


def _failure(kind: str, request_id: str, message: str) -> bytes:
    failure = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return json.dumps(failure).encode()


def _exit_reason(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        name = "killed" if -code == signal.SIGKILL else signal.Signals(-code).name.lower()
        return f"Runtime exited with error: signal: {name}"
    return f"Runtime exited with error: exit status {code}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
