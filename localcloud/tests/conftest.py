"""Keeps the tests away from the AWS account of whoever runs them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# No outcome depends on the machine's speed.
settings.register_profile("elephant", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("elephant")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
