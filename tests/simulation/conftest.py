"""The simulation is not traced for coverage: its tests are for orders, faults and losses.

Every branch is reached by tests of its own, and what modules execute when imported is traced here.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import pytest

import chalicelib

for each in walk_packages(chalicelib.__path__, "chalicelib."):
    if each.name != "chalicelib.clients":  # types only
        import_module(each.name)


@pytest.fixture(autouse=True)
def _untraced(untraced: None) -> None:
    """Trace no test of this folder."""
