"""Parts of the pages: files beside this one, and the headers of a page that contains them.

A page is one self-contained file; its style and its script are allowed only by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

HTML: Final = "text/html; charset=utf-8"


def read_part(name: str) -> str:
    """Read a part of a page."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def page_headers(style: str, script: str) -> dict[str, str]:
    """Build the headers that are a page's own: what it may load, and that nobody indexes it."""
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Robots-Tag": "noindex, nofollow",
    }


def _source(text: str) -> str:
    """Name an inline style or script by its hash: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
