"""Root certificates for the functions, taken out of botocore's bundle.

`amazon-roots.pem` has Amazon's own, and `roots/` each one in a file of its own, named as OpenSSL
looks it up: by a hash of its subject (`chalicelib/trust.py`).
https://docs.openssl.org/3.0/man3/X509_LOOKUP_hash_dir/
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import botocore
from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import NameAttribute, RelativeDistinguishedName
from cryptography.x509.name import _ASN1Type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.x509 import Name

AMAZONS: Final = (
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
)
"""What AWS's endpoints are signed by: https://www.amazontrust.com/repository/"""

_CERTIFICATE = re.compile(
    r'^# Label: "(?P<label>[^"]+)"\n.*?'
    r"(?P<text>-----BEGIN CERTIFICATE-----\n.*?-----END CERTIFICATE-----\n)",
    re.DOTALL | re.MULTILINE,
)
_LONG: Final = 0x80
"""From this on, the first byte of a length in DER counts the bytes that follow it."""


def roots() -> Iterator[tuple[Path, str]]:
    """Yield each file and its content."""
    bundle = (Path(botocore.__file__).parent / "cacert.pem").read_text()
    found = {each["label"]: each["text"] for each in _CERTIFICATE.finditer(bundle)}
    yield Path("amazon-roots.pem"), "".join(f"# {each}\n{found[each]}" for each in AMAZONS)
    same: Counter[str] = Counter()
    for label, text in found.items():
        with warnings.catch_warnings():  # of a root with a serial number that is not positive
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            subject = subject_hash(x509.load_pem_x509_certificate(text.encode()).subject)
        yield Path("roots") / f"{subject}.{same[subject]}", f"# {label}\n{text}"
        same[subject] += 1


def subject_hash(subject: Name) -> str:
    """Hash a name as `openssl x509 -subject_hash` does.

    That is the start of the SHA-1 of its DER without the outermost header, after every text was
    made UTF-8, in lower case and with single spaces.
    https://docs.openssl.org/3.0/man3/X509_NAME_hash_ex/
    """
    canonical = x509.Name(
        [RelativeDistinguishedName(map(_canonical, each)) for each in subject.rdns]
    ).public_bytes()
    header = 2 if canonical[1] < _LONG else 2 + canonical[1] - _LONG
    digest = hashlib.sha1(canonical[header:], usedforsecurity=False).digest()
    return digest[3::-1].hex()


def _canonical(attribute: NameAttribute[str | bytes]) -> NameAttribute[str | bytes]:
    words = " ".join(str(attribute.value).split())
    text = "".join(each.lower() if each.isascii() else each for each in words)
    return NameAttribute(attribute.oid, text, _ASN1Type.UTF8String, _validate=False)
