"""app.py, imported as Lambda does: with a stage's variables around it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    import pytest

PROJECT = Path(__file__).parent.parent


def load_app(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> ModuleType:
    """Import app.py anew, with these variables until the test is over."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("app", PROJECT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
