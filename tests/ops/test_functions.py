"""Defaults of single functions: they give way to whatever config.json says."""

from __future__ import annotations

from typing import Any

import pytest

from ops.functions import OF_FEATURES, absent_functions, defaults
from ops.iam_page import EXAMPLE, PLAIN
from tests.ops.projects import code

PROJECT = {"lambda_timeout": 60, "lambda_memory_size": 256}
"""What the project's own config.json says of all functions."""


def test_a_function_of_which_nothing_is_said_gets_its_defaults() -> None:
    assert defaults(PROJECT, "prod", "dns_watchdog") == {"reserved_concurrency": 20}
    assert defaults(PROJECT, "prod", "sweep") == {"lambda_timeout": 120, "reserved_concurrency": 1}
    assert defaults(PROJECT, "prod", "api_handler") == {"lambda_timeout": 26}
    assert defaults(PROJECT, "prod", "terminator") == {}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("dns_watchdog", {"reserved_concurrency": 5}),
        ("sweep", {"lambda_timeout": 300, "reserved_concurrency": 2}),
    ],
)
@pytest.mark.parametrize("of_stage", [True, False])
@pytest.mark.parametrize("of_function", [True, False])
def test_what_is_said_of_it_anywhere_stays(
    function: str, said: dict[str, int], *, of_stage: bool, of_function: bool
) -> None:
    written: dict[str, Any] = {"lambda_functions": {function: said}} if of_function else said
    if of_stage:
        written = {"stages": {"prod": written}}
    # The project's own time-out is for events.
    expected = {"lambda_timeout": 120} if "lambda_timeout" in written else {}

    assert defaults(PROJECT | written, "prod", function) == expected


def test_what_comes_and_goes_with_features_is_what_the_code_has_under_them() -> None:
    """A stage that lost a feature loses these, and no other."""
    both = {*code().functions_of(PLAIN.settings)}

    assert {*OF_FEATURES} == {*code().functions_of(EXAMPLE.settings)} - both
    assert absent_functions(["dns_watchdog", "sweep"]) == OF_FEATURES
    assert absent_functions(code().functions) == ()
