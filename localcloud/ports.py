"""Ports of this machine."""

from __future__ import annotations


class PortTakenError(OSError):
    """A port that was asked for is not free; the message names it."""

    def __init__(self, what: str, host: str, port: int, error: OSError) -> None:
        super().__init__(
            error.errno,
            f"cannot serve {what} on {host} port {port}: {error.strerror or error}; "
            "free the port, or choose another one",
        )
        self.port = port
