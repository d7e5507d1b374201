"""The deployed API is as docs/openapi.yaml describes it, whatever schemathesis sends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from click.testing import CliRunner
from hypothesis import strategies as st
from schemathesis.cli import schemathesis as command
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER

from localcloud.cloud import LocalCloud, Ports
from tests.end_to_end.conftest import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis import Case, HookContext, Response

DESCRIPTION = PROJECT.directory / "docs" / "openapi.yaml"
CONFIGURATION = PROJECT.directory / "tests" / "end_to_end" / "schemathesis.toml"
DAY_OF_EXAMPLES: Final = "2026-11-21"
PAUSE: Final = 0.2
"""Seconds after which API Gateway lets another meeting be scheduled or changed: ops/api.py."""
YEAR: Final = 60 * 24 * 365
"""In minutes."""


@pytest.fixture
def cloud(copied: Path) -> Iterator[LocalCloud]:
    with LocalCloud(PROJECT.settings, Ports(), time_scale=0.001) as cloud:
        cloud.deploy(PROJECT.copy(copied, cloud.cloudflare.url).directory)
        yield cloud


@pytest.fixture
def answered(cloud: LocalCloud) -> Iterator[set[str]]:
    """Which operations were answered how; time passes between requests, so none is one too many."""
    found: set[str] = set()

    def before_call(context: HookContext, case: Case[Any], kwargs: object) -> None:  # noqa: ARG001 (named so by schemathesis)
        cloud.clock.skip(PAUSE)

    def after_call(context: HookContext, case: Case[Any], response: Response) -> None:  # noqa: ARG001 (likewise)
        found.add(f"{case.operation.label} {response.status_code}")

    for hook in (before_call, after_call):
        schemathesis.hook(hook)
    yield found
    for hook in (before_call, after_call):
        GLOBAL_HOOK_DISPATCHER.unregister(hook)


def test_each_operation_answers_as_described(
    cloud: LocalCloud, answered: set[str], tmp_path: Path
) -> None:
    now = cloud.clock.now().replace(microsecond=0)
    later = st.integers(60, YEAR).map(lambda each: (now + timedelta(minutes=each)).isoformat())
    schemathesis.openapi.format("date-time", later)
    visible = st.characters(
        categories=["L", "N", "P", "S"], exclude_characters="\u2800\u3164\uffa0"
    )
    schemathesis.openapi.format("person-name", st.text(visible, min_size=1, max_size=100))
    description = tmp_path / DESCRIPTION.name
    tomorrow = f"{now + timedelta(days=1):%Y-%m-%d}"
    description.write_text(DESCRIPTION.read_text().replace(DAY_OF_EXAMPLES, tomorrow))
    key = cloud.client("secretsmanager").get_secret_value(SecretId="elephant-local-schedule-key")

    done = CliRunner().invoke(
        command,
        [f"--config-file={CONFIGURATION}", "run", str(description), f"--url={cloud.api_url}"],
        env={"SCHEDULE_KEY": key["SecretString"]},
    )

    assert done.exit_code == 0, done.output
    assert answered >= {
        "POST /schedule 201",
        "POST /schedule 401",
        "GET /meetings 200",
        "GET /meetings/{meeting_id} 200",
        "PATCH /meetings/{meeting_id} 200",
        "DELETE /meetings/{meeting_id} 200",
        "GET /desktop 403",
        "POST /dcv/{instance_id} 200",
    }
