"""Desktops that run and never got an address are reported, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.notifications.harness import run_of

if TYPE_CHECKING:
    from tests.notifications.harness import Stage


def sweep(stage: Stage, number: int = 1) -> tuple[str, ...]:
    """Look as a sweep of a new execution environment does."""
    return stage.functions().notifications.address_reports.report_missing(
        run_of("sweep", str(number)), stage.snapshot()
    )


def test_a_desktop_without_an_address_is_reported_after_a_while_and_once(stage: Stage) -> None:
    desktop = stage.world.launch(public=False, Role="student", MeetingID="m1")
    assert sweep(stage) == ()

    stage.pass_time(9.5)
    assert sweep(stage) == ()
    stage.pass_time(1)
    assert [sweep(stage, number) for number in range(3)] == [(desktop,), (), ()]

    assert stage.subjects == ["Student's desktop without an address for 10 min"]
    assert list(stage.sent()) == [f"no-address/{desktop}"]
    ((outcome, fields, counts),) = stage.world.reports.lines
    assert (outcome, fields["action"], fields["instances"]) == ("succeeded", "notified", [desktop])
    assert fields["reason"] == "1 desktops have no address"
    assert counts == {"Notified": 1, "Warnings": 0}


def test_desktops_that_are_found_together_are_reported_in_one_e_mail(stage: Stage) -> None:
    first, second = (stage.world.launch(public=False) for _ in range(2))
    stage.pass_time(11)
    assert sorted(sweep(stage)) == sorted([first, second])

    third = stage.world.launch(public=False)
    stage.pass_time(11)
    assert sweep(stage, 2) == (third,)

    desktops = first, second, third
    named = [[each in mail.body for each in desktops] for mail in stage.mails]
    assert named == [[True, True, False], [False, False, True]]


def test_only_running_desktops_of_the_stage_without_an_address_are_reported(stage: Stage) -> None:
    world = stage.world
    world.launch()
    stopped, ended = world.launch(public=False), world.launch(public=False)
    world.ec2.stop_instances(InstanceIds=[stopped])
    world.terminate(ended)
    world.launch(public=False, Project="Giraffe")
    world.launch(public=False, owner="elephant:dev")
    stage.pass_time(60)

    assert sweep(stage) == ()
    assert (stage.mails, stage.faults.calls) == ([], ["describe_instances"])


def test_the_stage_sets_how_long_a_desktop_may_be_without_an_address(stage: Stage) -> None:
    stage.world.launch(public=False)
    stage.pass_time(4)

    reports = stage.functions(ADDRESS_MINUTES="3").notifications.address_reports

    assert len(reports.report_missing(run_of("sweep"), stage.snapshot())) == 1


@pytest.mark.parametrize("is_same", [True, False], ids=["by itself", "by another"])
def test_an_environment_looks_up_at_most_once_what_was_reported(
    stage: Stage, *, is_same: bool
) -> None:
    reports = stage.functions().notifications.address_reports
    desktop = stage.world.launch(public=False)
    stage.pass_time(11)
    (reports if is_same else stage.functions().notifications.address_reports).report_missing(
        run_of("sweep"), stage.snapshot()
    )
    stage.faults.calls.clear()

    for number in range(2, 5):
        reports.report_missing(run_of("sweep", str(number)), stage.snapshot())

    assert stage.faults.calls.count("put_item") == (0 if is_same else 1)
    # A desktop that gets an address at last, and loses it, is not reported again for a month.
    stage.world.associate(desktop, "192.0.2.9")
    reports.report_missing(run_of("sweep", "5"), stage.snapshot())
    assert len(stage.mails) == 1


def test_an_e_mail_that_is_refused_is_tried_again_by_the_next_sweep(stage: Stage) -> None:
    desktops = {stage.world.launch(public=False) for _ in range(3)}
    stage.pass_time(11)
    stage.faults.refused = {("send_email", "")}
    with pytest.raises(ClientError):
        sweep(stage)
    assert (stage.sent(), stage.world.reports.lines[-1][2]) == ({}, {"Failed": 1})

    stage.faults.refused = set()
    assert set(sweep(stage, 2)) == desktops
    assert len(stage.mails) == 1


def test_an_e_mail_that_could_not_be_recorded_is_a_warning(stage: Stage) -> None:
    stage.world.launch(public=False)
    stage.pass_time(11)
    stage.faults.refused = {("update_item", "")}

    sweep(stage)

    ((_, fields, counts),) = stage.world.reports.lines
    assert "could not be recorded" in fields["warnings"][0]
    assert counts == {"Notified": 1, "Warnings": 1}
