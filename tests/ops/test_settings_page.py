"""The documentation lists the settings that the code declares."""

from __future__ import annotations

from ops.settings_page import pages


def test_the_tables_in_the_documentation_are_those_of_this_code() -> None:
    for page, text in pages():
        assert page.read_text() == text, "run `python -m ops.settings_page`"
