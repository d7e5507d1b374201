"""The root certificates by which servers are trusted, without parsing a whole bundle of them.

A bundle takes 30 ms of CPU, or 0.2 s on the share of a processor that 256 MB give. botocore has
every new connection parse one, and accepts nothing but a path: Amazon's own roots are five.
https://docs.aws.amazon.com/general/latest/gr/rande.html
For other servers OpenSSL reads the one root that it needs, from a directory of them.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.exceptions import SSLError
from botocore.httpsession import where
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    from ssl import SSLContext

    from botocore.session import Session

AMAZON: Final = Path(__file__).parent / "models" / "amazon-roots.pem"
ROOTS: Final = Path(__file__).parent / "models" / "roots"
"""The roots of botocore's bundle, each in a file named by the hash of its subject."""


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


def ssl_context(*, of_system: bool = False) -> SSLContext:
    """Return a context that trusts the roots of botocore's bundle, or those of the system.

    With SSL_CERT_FILE or SSL_CERT_DIR it is always the latter, which are then the user's choice.
    """
    made = create_urllib3_context()
    if of_system or {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys():
        made.load_default_certs()
    else:
        made.load_verify_locations(capath=ROOTS)
    return made


def roots_of(session: Session) -> Roots | None:
    """Return the roots for a session's clients; None if the user has a bundle of their own."""
    return None if session.get_config_variable("ca_bundle") else Roots()
