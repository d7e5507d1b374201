"""A DCV server on this machine, as far as getting in goes; see README.md."""

from .server import DcvServer
from .sessions import CommandError

__all__ = ["CommandError", "DcvServer"]
