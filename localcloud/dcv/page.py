"""What a browser shows that comes to a DCV server."""

from __future__ import annotations

import html

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<h1>{title}</h1>
<p>{text}</p>
{script}"""

# The connection lasts as long as the page is open.
_SCRIPT = """\
<script>
const stream = new EventSource("/screen?connection={connection}");
stream.onopen = () => {{ document.body.dataset.connected = "yes"; }};
stream.onerror = () => {{ document.body.dataset.connected = "no"; }};
</script>
"""


def screen(whose: str, connection: str) -> str:
    """Show the screen of a desktop, and stay connected to it."""
    script = _SCRIPT.format(connection=connection)
    return _PAGE.format(title=f"You are on {html.escape(whose)}", text="", script=script)


def refusal(whose: str, reason: str) -> str:
    """Say that nobody gets in, and why."""
    title = f"This link does not open {html.escape(whose)}"
    return _PAGE.format(title=title, text=html.escape(reason), script="")
