"""The configuration file of a DCV server, `dcv.conf`.

https://docs.aws.amazon.com/dcv/latest/adminguide/config-param-ref.html
"""

from __future__ import annotations

from configparser import ConfigParser
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_PORT = 8443


@dataclass(frozen=True)
class Configuration:
    """The parameters that have an effect here."""

    web_port: int = DEFAULT_PORT
    auth_token_verifier: str | None = None

    @classmethod
    def read(cls, path: Path) -> Configuration:
        """Read the file, if there is one. Raises ValueError or configparser.Error if it is bad."""
        parser = ConfigParser(
            strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",)
        )
        parser.read(path)
        port = parser.get("connectivity", "web-port", fallback=str(DEFAULT_PORT))
        verifier = parser.get("security", "auth-token-verifier", fallback="")
        return cls(int(port), verifier.strip("\"'") or None)
