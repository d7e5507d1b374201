"""What lies on this machine, and what other stages share: each thing broken in a project's copy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ops import checks_certificate, checks_neighbours, checks_stage
from ops.check import Context, Level, run
from ops.doctor import QUESTIONS
from ops.iam_page import EXAMPLE, PLAIN
from tests.authority import AUTHORITY, LIFE, certify
from tests.ops.projects import account, code, edit_stages, project_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.check import Check
    from ops.stages import ConfigFile
    from tests.world import World

    Change = Callable[[ConfigFile], object]

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OF_STAGE = (*checks_stage.QUESTIONS, *checks_certificate.QUESTIONS)
OF_OTHERS = (*checks_neighbours.OF_THE_PROJECT, *checks_neighbours.OF_THE_ACCOUNT)
OK, FAILURE, WARNING, SKIPPED = Level.OK, Level.FAILURE, Level.WARNING, Level.SKIPPED
DAYS = timedelta(days=1)
CERTIFICATE = "origin certificate"
PEM, POLICY = ".chalice/certificate-prod.pem", ".chalice/policy-prod-dns_watchdog.json"
OURS = (f"*.{PLAIN.settings.domain_root}", PLAIN.settings.domain_root)


@pytest.fixture
def project(tmp_path: Path) -> ConfigFile:
    return project_with(PLAIN, tmp_path / "project")


def checks(project: ConfigFile, questions: Any = OF_STAGE, **options: Any) -> dict[str, Check]:  # noqa: ANN401
    settled: dict[str, Any] = {"python": (3, 13), "now": lambda: NOW}
    context = Context(project, "prod", **settled | options)
    if (project.directory / "app.py").is_symlink():
        context.code = code()
    return {check.name: check for check in run(questions, context)}


def stage(name: str = "prod", **variables: str) -> Change:
    """Write a stage by hand, with the variables of the one that is there."""

    def change(project: ConfigFile) -> None:
        written = {"environment_variables": {**PLAIN.variables, **variables}}
        edit_stages(project.path, lambda stages: stages.update({name: stages["prod"] | written}))

    return change


def file(name: str, content: bytes | None) -> Change:
    def change(project: ConfigFile) -> None:
        path = project.directory / name
        path.unlink(missing_ok=True)  # app.py is a link to the project's own
        if content is not None:
            path.write_bytes(content)

    return change


def certificate(*names: str, left: timedelta = LIFE, life: timedelta = LIFE) -> Change:
    """Note that a certificate was made for these names."""
    text = certify(AUTHORITY.public_key(), names or OURS, NOW + left, life)
    return file(PEM, text.encode())


CHANGED = (
    "app.py has changed since ops/calls.json was derived from it: `make install-dev`, then "
    "`.venv/bin/python -m ops.derive`"
)
SAME_OWNER = "stage 'qa' has the owner elephant:prod/us-west-2"
HERE: list[tuple[Change, str, Level, str, str]] = [
    (lambda _: None, "files", OK, "config.json and 2 policies are up to date", ""),
    (file(POLICY, None), "files", FAILURE, "policy-prod-dns_watchdog.json", "elephant stage prod"),
    (file(".chalice/config.json", b"{"), "configuration", FAILURE, "is not valid JSON", ""),
    (stage(ZONE_ID="a.com"), "configuration", FAILURE, "ZONE_ID is 'a.com'; it must", ""),
    (stage("qa"), "owner", FAILURE, SAME_OWNER, "--owner"),
    (file("app.py", b"x = 1"), "names", FAILURE, CHANGED, ""),
    (certificate(left=30 * DAYS), CERTIFICATE, OK, "until 2026-12-20", ""),
    (certificate(left=DAYS * 29.99), CERTIFICATE, WARNING, "2026-12-19, in 29 days", ""),
    (certificate(left=DAYS / 9), CERTIFICATE, WARNING, "in 0 days", ""),
    (certificate(left=0 * DAYS), CERTIFICATE, FAILURE, "it expired on 2026-11-20", ""),
    (certificate(left=-400 * DAYS), CERTIFICATE, FAILURE, "it expired on 2025-10-16", ""),
    (certificate(left=11 * DAYS, life=30 * DAYS), CERTIFICATE, OK, "until 2026-12-01", ""),
    (certificate(left=9 * DAYS, life=30 * DAYS), CERTIFICATE, WARNING, "in 9 days", ""),
    (
        certificate("*.other.example", "other.example"),
        CERTIFICATE,
        FAILURE,
        "it is for *.other.example, other.example, but desktops are named *.example.com",
        "elephant certificate prod",
    ),
    (file(PEM, b"PEM"), CERTIFICATE, WARNING, f"{PEM} holds no certificate", "delete"),
    (file(PEM, b"\xff\xfe"), CERTIFICATE, WARNING, f"{PEM} holds no certificate", "delete"),
]
DEPEND = {
    "configuration": {"names", "owner", "files", CERTIFICATE},
    "names": {"files"},
    "owner": {"files"},
}


@pytest.mark.parametrize(("change", "name", "level", "found", "remedy"), HERE)
def test_what_is_wrong_on_this_machine_is_reported_and_nothing_written(  # noqa: PLR0913 (a case)
    project: ConfigFile, change: Change, *, name: str, level: Level, found: str, remedy: str
) -> None:
    change(project)
    before = {path: path.read_bytes() for path in project.path.parent.iterdir()}

    every = checks(project)

    check = every[name]
    assert check.level is level
    assert found in check.found
    assert remedy in check.remedy
    skipped = {each.name for each in every.values() if each.level is SKIPPED}
    assert skipped == DEPEND.get(name, set())
    rest = {each.level for each in every.values() if each is not check and each.name not in skipped}
    assert rest == {OK}
    assert {path: path.read_bytes() for path in project.path.parent.iterdir()} == before


def test_without_a_certificate_of_ours_nothing_is_said(project: ConfigFile) -> None:
    assert CERTIFICATE not in checks(project)
    assert {*OF_STAGE, *OF_OTHERS} <= {*QUESTIONS}


def test_a_name_too_long_for_aws_is_a_failure(project: ConfigFile) -> None:
    name = "p" * 60
    stage(name, OWNER="elephant:long")(project)
    context = Context(project, name)
    context.code = code()
    (check,) = [each for each in run(OF_STAGE, context) if each.level is FAILURE]
    assert (check.name, "AWS allows 64" in check.found) == ("names", True)


@pytest.mark.parametrize(
    ("version", "now", "level"),
    [
        ((3, 11), NOW, WARNING),
        ((3, 12), NOW, OK),
        ((3, 12), datetime(2028, 9, 1, tzinfo=UTC), WARNING),
        ((3, 15), NOW, OK),
    ],
)
def test_a_python_that_lambda_will_soon_forget_is_a_warning(
    project: ConfigFile, version: tuple[int, int], now: datetime, level: Level
) -> None:
    check = checks(project, python=version, now=lambda: now)["Python"]
    assert check.level is level
    assert "python{}.{}".format(*version) in check.found


# Other stages


def test_what_other_stages_share_is_said(world: World, project: ConfigFile) -> None:
    stage(**EXAMPLE.variables)(project)
    other = {**EXAMPLE.variables, "OWNER": "elephant:qa", "DOMAIN_ROOT": "other.example.com"}
    stage("qa", **other)(project)
    world.launch(owner="elephant:prod/us-west-2")
    world.terminate(world.launch(owner="elephant:gone"))
    for _ in range(2):
        world.launch(owner="elephant:other")

    asked = (checks_neighbours.other_stages, checks_neighbours.other_desktops)
    found = checks(project, asked, account=lambda _: account())

    assert {name: check.level for name, check in found.items()} == {
        "other stages qa table": FAILURE,
        "other stages qa tag": WARNING,
        "other desktops": WARNING,
    }
    assert "--table elephant-prod-meetings" in found["other stages qa table"].remedy
    assert "as well: 2 of elephant:other." in found["other desktops"].found
