"""docs/iam.md says what the code needs."""

from __future__ import annotations

import re
from pathlib import Path

from ops.iam_page import iam_page
from ops.reach import Code

PROJECT = Path(__file__).parent.parent.parent


def test_the_page_in_the_repository_is_the_one_of_this_code() -> None:
    written = (PROJECT / "docs/iam.md").read_text()

    assert written == iam_page(Code(PROJECT)), "run `elephant iam > docs/iam.md`"


def test_every_line_that_it_names_makes_a_call() -> None:
    links = re.findall(r"\]\(\.\./(\S+?)#L(\d+)\)", (PROJECT / "docs/iam.md").read_text())

    assert links
    for file, line in links:
        assert "self._client." in (PROJECT / file).read_text().splitlines()[int(line) - 1]
