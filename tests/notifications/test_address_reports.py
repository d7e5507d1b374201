"""Desktops that run and never got an address are told, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.notifications.office import run_of

if TYPE_CHECKING:
    from tests.notifications.office import Office


def sweep(office: Office, number: int = 1) -> tuple[str, ...]:
    """Look as a sweep of a new execution environment does."""
    return office.addresses().report_missing(run_of("sweep", str(number)))


def test_a_desktop_without_an_address_is_told_after_a_while_and_once(office: Office) -> None:
    desktop = office.world.launch(public=False, Role="student", MeetingID="m1")
    assert sweep(office) == ()

    office.pass_time(9.9)
    assert sweep(office) == ()
    office.pass_time(0.2)
    assert [sweep(office, number) for number in range(3)] == [(desktop,), (), ()]

    assert office.subjects == ["Student's desktop without an address for 10 min"]
    assert list(office.sent()) == [f"no-address/{desktop}"]


def test_it_is_reported_only_if_there_is_something_to_tell(office: Office) -> None:
    desktop = office.world.launch(public=False)
    office.pass_time(11)

    for number in range(2):
        sweep(office, number)

    ((outcome, fields, counts),) = office.world.reports.lines
    assert (outcome, fields["action"], fields["instances"]) == ("succeeded", "notified", [desktop])
    assert fields["reason"] == "1 desktops have no address"
    assert counts == {"Notified": 1, "Warnings": 0}


def test_desktops_that_are_found_together_are_told_in_one_e_mail(office: Office) -> None:
    first, second = (office.world.launch(public=False) for _ in range(2))
    office.pass_time(11)
    assert sorted(sweep(office)) == sorted([first, second])

    third = office.world.launch(public=False)
    office.pass_time(11)
    assert sweep(office, 2) == (third,)

    assert len(office.mails) == 2
    assert all(each in office.mails[0].body for each in (first, second))
    assert third in office.mails[1].body
    assert first not in office.mails[1].body


def test_what_has_an_address_or_does_not_run_or_is_not_ours_is_left_alone(office: Office) -> None:
    world = office.world
    world.launch()
    stopped, ended = world.launch(public=False), world.launch(public=False)
    world.ec2.stop_instances(InstanceIds=[stopped])
    world.terminate(ended)
    world.launch(public=False, Project="Giraffe")
    world.launch(public=False, owner="elephant:dev")
    office.pass_time(60)

    assert sweep(office) == ()
    assert office.mails == []
    assert office.faults.calls == ["describe_instances"]


def test_how_long_is_the_stages_own(office: Office) -> None:
    office.world.launch(public=False)
    office.pass_time(4)

    reports = office.addresses(ADDRESS_MINUTES="3")

    assert len(reports.report_missing(run_of("sweep"))) == 1


def test_one_that_was_told_costs_nothing_more_in_the_same_environment(office: Office) -> None:
    reports = office.addresses()
    desktop = office.world.launch(public=False)
    office.pass_time(11)
    reports.report_missing(run_of("sweep"))
    office.faults.calls.clear()

    reports.report_missing(run_of("sweep", "2"))

    assert office.faults.calls == ["describe_instances"]
    # and one that has an address at last, and loses it, is nothing new within a month
    office.world.associate(desktop, "192.0.2.9")
    reports.report_missing(run_of("sweep", "3"))
    assert len(office.mails) == 1


def test_what_another_environment_told_is_asked_for_once(office: Office) -> None:
    office.world.launch(public=False)
    office.pass_time(11)
    sweep(office)
    reports = office.addresses()
    office.faults.calls.clear()

    for number in range(3):
        reports.report_missing(run_of("sweep", str(number)))

    assert office.faults.calls.count("put_item") == 1


def test_an_e_mail_that_is_refused_is_tried_again_by_the_next_sweep(office: Office) -> None:
    desktops = {office.world.launch(public=False) for _ in range(3)}
    office.pass_time(11)
    office.faults.refused = {("send_email", "")}
    with pytest.raises(ClientError):
        sweep(office)
    assert office.sent() == {}
    assert office.world.reports.lines[-1][2] == {"Failed": 1}

    office.faults.refused = set()
    assert set(sweep(office, 2)) == desktops
    assert len(office.mails) == 1


def test_an_e_mail_that_could_not_be_noted_is_a_warning(office: Office) -> None:
    office.world.launch(public=False)
    office.pass_time(11)
    office.faults.refused = {("update_item", "")}

    sweep(office)

    ((_, fields, counts),) = office.world.reports.lines
    assert "could not be recorded" in fields["warnings"][0]
    assert counts == {"Notified": 1, "Warnings": 1}
