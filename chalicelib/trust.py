"""The certificates by which AWS is trusted: Amazon's own roots, or all if these do not suffice.

botocore has every new connection parse a whole bundle of certificates, which takes 30 ms of CPU, or
0.2 s on the share of a processor that 256 MB give. Amazon's own roots are five.
https://docs.aws.amazon.com/general/latest/gr/rande.html
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import SSLError
from botocore.httpsession import where

if TYPE_CHECKING:
    from botocore.session import Session

AMAZON: Final = Path(__file__).parent / "models" / "amazon-roots.pem"


class Roots(os.PathLike[str]):
    """The path of the bundle in use, which is read again for each new connection."""

    def __init__(self) -> None:
        self._path = str(AMAZON)

    def __fspath__(self) -> str:
        return self._path

    def widen(self, caught_exception: Exception | None = None, **_: object) -> int | None:
        """Use botocore's whole bundle after a failed handshake; 0: try again without a pause.

        A handler of botocore's event `needs-retry`. It makes one more attempt than the client's
        own retries: nothing was sent.
        """
        if self._path != str(AMAZON) or not isinstance(caught_exception, SSLError):
            return None
        self._path = where()
        logging.getLogger(__name__).warning(
            "AWS was not trusted by Amazon's own root certificates; using all of botocore's: %s",
            caught_exception,
        )
        return 0


def roots_of(session: Session) -> Roots | None:
    """Return the roots for a session's clients; None if the user has a bundle of their own."""
    return None if session.get_config_variable("ca_bundle") else Roots()
