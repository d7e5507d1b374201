"""Which desktops a row is written for, what is written, and for which before their record goes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.meeting import Assignment, Status
from chalicelib.watchdog.row_plan import RowPlan
from tests.surveys import HOUR, SETTINGS, A, B, C, instance, linked, record, row, survey
from tests.world import DOMAIN, link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.dns.record import Record
    from chalicelib.ec2.instances import Instance
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.watchdog.survey import Survey

LIVE, AWAY, ENDED = Presence.LIVE, Presence.AWAY, Presence.ENDED
FIRST, AFTER = True, False
NOTHING: tuple[dict[str, str | None], None] = ({}, None)


def entries(
    instances: Sequence[Instance] = (),
    records: Sequence[Record] = (),
    rows: Sequence[Meeting] = (),
) -> dict[str, list[tuple[str, str, Presence, bool]]]:
    """Return of each entry the instance, its role and presence, and whether its row is first."""
    row_plan = RowPlan(survey(instances, records, rows), SETTINGS)
    return {
        meeting_id: [
            (each.desktop.instance_id, each.desktop.role, each.desktop.presence, each.comes_first)
            for each in found
        ]
        for meeting_id, found in row_plan.entries.items()
    }


def written_for(found: Survey) -> tuple[dict[str, str | None], str | None]:
    """Return links and status that one write sets for all desktops of a meeting, if any."""
    row_plan = RowPlan(found, SETTINGS)
    desktops = [each.desktop for each in row_plan.entries.get("m1", ())]
    row_write = row_plan.row_write(found.meetings["m1"], desktops)
    return (dict(row_write.change.links), row_write.change.status) if row_write else NOTHING


def written(
    instances: Sequence[Instance], records: Sequence[Record], meeting: Meeting
) -> tuple[dict[str, str | None], str | None]:
    return written_for(survey(instances, records, [meeting]))


# For whom a row is written


@pytest.mark.parametrize(
    ("state", "presence"),
    [
        ("running", LIVE),
        ("stopping", AWAY),
        ("stopped", AWAY),
        ("shutting-down", ENDED),
        ("terminated", ENDED),
    ],
)
@pytest.mark.parametrize("records", [[], [record()]])
def test_a_row_is_written_for_each_instance_whose_tags_name_it(
    state: str, presence: Presence, records: list[Record]
) -> None:
    found = entries([instance(state=state)], records, [row()])

    assert found == {"m1": [(A, "teacher", presence, AFTER)]}


def test_no_row_is_written_for_a_former_role_that_names_no_attribute() -> None:
    former = record(A, meeting="m2", role="no%20role")

    assert entries([instance(A)], [former], [row(), row("m2")]) == {
        "m1": [(A, "teacher", LIVE, AFTER)]
    }


def test_a_desktop_has_its_link_and_its_instance_as_it_was_seen() -> None:
    teacher = instance()

    (entry,) = RowPlan(survey([teacher], [], [row()]), SETTINGS).entries["m1"]

    assert entry.desktop.instance is teacher
    assert entry.desktop.link == link(A)
    assert entry.desktop.assignment == Assignment("m1", "teacher")


def test_each_row_is_written_for_its_own_desktops() -> None:
    instances = [instance(A), instance(B, meeting="m2"), instance(C, meeting="m2", role="student")]

    assert entries(instances, [], [row("m1"), row("m2"), row("m3")]) == {
        "m1": [(A, "teacher", LIVE, AFTER)],
        "m2": [(B, "teacher", LIVE, AFTER), (C, "student", LIVE, AFTER)],
    }


@pytest.mark.parametrize(
    "nobody",
    [
        instance(state="pending"),
        instance(project="Giraffe"),
        instance(project=None),
        instance(meeting=None),
        instance(role="co-host"),
        instance(meeting="m2"),
    ],
    ids=["pending", "another project", "no project", "no meeting", "no attribute", "no row"],
)
def test_no_row_is_written_for_an_uncertain_instance(nobody: Instance) -> None:
    assert entries([nobody], [], [row()]) == {}


@pytest.mark.parametrize(
    "conflicting",
    [
        record(comment="elephant:other m=m1 r=teacher"),
        record(content="elsewhere.example.com", kind="CNAME", comment=""),
    ],
)
def test_nobody_is_sent_to_a_name_that_another_has_taken(conflicting: Record) -> None:
    assert entries([instance()], [conflicting], [row()]) == {}
    assert entries([instance()], [conflicting], [linked(teacher=A)]) == {}


def test_an_end_is_written_although_another_has_the_name() -> None:
    conflicting = record(comment="elephant:other m=m1 r=teacher")

    assert entries([instance(state="terminated")], [conflicting], [linked(teacher=A)]) == {
        "m1": [(A, "teacher", ENDED, AFTER)]
    }


# Who comes first


def test_an_unknown_instance_is_away_and_its_row_is_written_before_its_record_goes() -> None:
    assert entries([], [record()], [row()]) == {"m1": [(A, "teacher", AWAY, FIRST)]}


def test_an_unknown_instance_with_a_fresh_record_is_left() -> None:
    assert entries([], [record(age=60)], [linked(teacher=A)]) == {}


@pytest.mark.parametrize(
    ("state", "presence"), [("running", AWAY), ("stopped", AWAY), ("terminated", ENDED)]
)
def test_an_instance_without_our_tags_leaves_the_row_that_its_record_names_first(
    state: str, presence: Presence
) -> None:
    bare = instance(state=state, project=None, meeting=None)

    assert entries([bare], [record()], [row()]) == {"m1": [(A, "teacher", presence, FIRST)]}


def test_a_running_instance_whose_meeting_only_the_record_knows_keeps_it() -> None:
    assert entries([instance(meeting=None)], [record()], [row()]) == {
        "m1": [(A, "teacher", LIVE, AFTER)]
    }


def test_an_instance_that_was_given_to_another_meeting_leaves_the_first_one_first() -> None:
    found = entries([instance(meeting="m2")], [record()], [row("m1"), row("m2")])

    assert found == {
        "m1": [(A, "teacher", AWAY, FIRST)],
        "m2": [(A, "teacher", LIVE, AFTER)],
    }


def test_a_role_of_the_record_that_names_no_attribute_is_ignored() -> None:
    assert entries([instance()], [record(role="co-host")], [row()]) == {
        "m1": [(A, "teacher", LIVE, AFTER)]
    }


def test_who_is_gone_comes_before_who_runs_and_who_was_launched_later_after() -> None:
    """So a link is first removed, then set, and the youngest desktop in a role has it."""
    instances = [
        instance(A, age=HOUR),
        instance(B, age=2 * HOUR),
        instance(C, "stopped", role="student", age=60),
    ]

    assert entries(instances, [], [row()])["m1"] == [
        (C, "student", AWAY, AFTER),
        (B, "teacher", LIVE, AFTER),
        (A, "teacher", LIVE, AFTER),
    ]


# Links that were left behind


def test_a_link_to_an_instance_that_is_not_known_and_has_no_record_is_removed() -> None:
    assert entries([], [], [linked(teacher=B)]) == {"m1": [(B, "teacher", AWAY, AFTER)]}
    assert written([], [], linked(teacher=B)) == ({"teacher": None}, None)


def test_that_an_instance_is_not_known_alone_never_ends_a_meeting() -> None:
    meeting = linked(status="IN_PROGRESS", teacher=B, student=C)

    assert written([], [], meeting) == ({"teacher": None, "student": None}, None)


def test_a_denied_instance_keeps_the_meeting_open_though_its_link_goes_first() -> None:
    ended = instance(A, "terminated")

    assert written([ended], [], linked(teacher=A, student=B)) == (
        {"teacher": None, "student": None},
        None,
    )


@pytest.mark.parametrize(
    ("age", "expected"), [(60, {}), (HOUR, {"m1": [(B, "teacher", AWAY, AFTER)]})]
)
def test_a_link_is_left_while_the_instance_has_a_fresh_record_of_ours(
    age: float, expected: dict[str, object]
) -> None:
    without_meeting = record(B, meeting=None, age=age)

    assert entries([], [without_meeting], [linked(teacher=B)]) == expected


def test_a_link_to_an_instance_that_ended_ends_the_meeting() -> None:
    ended = instance(B, "terminated", project=None, meeting=None)

    assert entries([ended], [], [linked(teacher=B)]) == {"m1": [(B, "teacher", ENDED, AFTER)]}
    assert written([ended], [], linked(teacher=B)) == ({"teacher": None}, "TERMINATED")


def test_a_link_to_an_instance_of_ours_that_serves_elsewhere_is_removed() -> None:
    elsewhere = instance(B, meeting="m2")

    assert entries([elsewhere], [record(B, meeting="m2")], [linked(teacher=B), row("m2")]) == {
        "m1": [(B, "teacher", AWAY, AFTER)],
        "m2": [(B, "teacher", LIVE, AFTER)],
    }


@pytest.mark.parametrize(
    ("instances", "records"),
    [
        ([instance(B, project="Giraffe")], [record(B, comment="elephant:other")]),
        ([instance(B, "pending", meeting="m2")], []),
        ([instance(B, meeting=None)], [record(B, meeting=None)]),
        ([instance(B, meeting="m2")], [record(B, comment="elephant:other")]),
    ],
    ids=["another project", "pending", "no meeting", "another owner's record"],
)
def test_a_link_stays_while_it_is_not_sure_that_it_leads_nowhere(
    instances: list[Instance], records: list[Record]
) -> None:
    assert entries(instances, records, [linked(teacher=B)]) == {}


@pytest.mark.parametrize(
    "other",
    [
        f"https://{B}.elsewhere.example.com:8443",
        f"https://{B}.{DOMAIN}.example.org:8443",
        f"https://{B}.{DOMAIN}",
        "https://meet.example.com/m1",
        "",
    ],
)
def test_a_link_that_is_not_as_ours_are_is_left(other: str) -> None:
    assert entries([], [], [row(teacher_ec2_link=other)]) == {}


def test_a_link_with_an_older_port_is_ours() -> None:
    rows = [row(teacher_ec2_link=f"https://{B}.{DOMAIN}:443")]

    assert entries([], [], rows) == {"m1": [(B, "teacher", AWAY, AFTER)]}


def test_links_of_any_role_are_looked_at() -> None:
    assert entries([], [], [linked(observer=B)]) == {"m1": [(B, "observer", AWAY, AFTER)]}


def test_who_has_a_role_in_the_meeting_is_not_taken_for_left_behind() -> None:
    """Its tag was changed: the old role's link goes as the new one's is set."""
    meeting = linked(student=A)

    assert entries([instance()], [record()], [meeting]) == {"m1": [(A, "teacher", LIVE, AFTER)]}
    assert written([instance()], [record()], meeting) == (
        {"student": None, "teacher": link(A)},
        None,
    )


# What is written, in one write


def test_nothing_is_written_to_a_row_that_is_right() -> None:
    assert written([instance()], [record()], linked(teacher=A)) == NOTHING


@pytest.mark.parametrize("status", Status)
def test_a_replacement_is_one_write_that_never_ends_the_meeting(status: str) -> None:
    old, new = instance(B, "terminated", age=2 * HOUR), instance(A)

    found = written([old, new], [record(A)], linked(status=status, teacher=B))

    expected = "DNS_WRITTEN" if status in {"SCHEDULED", "LAUNCHED"} else None
    assert found == ({"teacher": link(A)}, expected)


def test_the_end_of_both_desktops_is_one_write() -> None:
    gone = [instance(A, "terminated"), instance(B, "terminated", role="student")]

    assert written(gone, [], linked(teacher=A, student=B)) == (
        {"teacher": None, "student": None},
        "TERMINATED",
    )


@pytest.mark.parametrize("state", ["pending", "running", "stopping", "stopped"])
def test_a_meeting_is_not_over_while_another_of_its_instances_has_not_ended(state: str) -> None:
    instances = [instance(A, "terminated"), instance(B, state, role="co-host")]

    assert written(instances, [], linked(teacher=A)) == ({"teacher": None}, None)


def test_an_instance_of_another_project_does_not_keep_a_meeting_open() -> None:
    instances = [instance(A, "terminated"), instance(B, role="student", project="Giraffe")]

    assert written(instances, [], linked(teacher=A)) == (
        {"teacher": None},
        "TERMINATED",
    )


def test_an_instance_that_lost_the_projects_tag_keeps_a_meeting_open_by_its_record() -> None:
    instances = [instance(A, "terminated"), instance(B, role="student", project=None)]
    records = [record(B, role="student")]

    assert written(instances, records, linked(teacher=A)) == ({"teacher": None}, None)


def test_a_listing_without_the_ended_instance_itself_does_not_end_a_meeting() -> None:
    whole = survey([instance(A, "terminated")], [], [linked(teacher=A)])
    thin = replace(whole, listed=frozenset())

    assert written_for(thin) == ({"teacher": None}, None)
    assert written_for(whole) == ({"teacher": None}, "TERMINATED")


def test_a_row_that_could_not_be_read_keeps_its_last_trace_and_no_other_record() -> None:
    """What leads to the row besides the comment keeps it as well."""
    bare = instance(B, "stopped", meeting=None, role="student")
    moved = instance(C, meeting="m2")
    records = [record(A), record(B, role="student"), record(C), record("i-0000000d", meeting="m3")]
    unread = replace(survey([bare, moved], records), unread={"m1": "throttled"})

    assert RowPlan(unread, SETTINGS).unsettled == {A, B, C}


def test_an_instance_that_the_row_names_keeps_the_meeting_open_without_any_tag() -> None:
    instances = [instance(A, "terminated"), instance(B, "stopped", project=None, meeting=None)]
    meeting = row(status="HEALTHY", teacher_ec2_link=link(A), student_ec2_id=B)

    assert written(instances, [], meeting) == ({"teacher": None}, None)


def test_of_two_desktops_in_a_role_the_one_launched_last_gets_the_link() -> None:
    older, younger = instance(A, age=HOUR), instance(B, age=60)

    found = written([younger, older], [record(A), record(B)], linked(teacher=A))

    assert found == ({"teacher": link(B)}, None)


def test_the_desktop_that_the_row_notes_keeps_the_role() -> None:
    noted, younger = instance(A, age=HOUR), instance(B, age=60)
    meeting = row(status="HEALTHY", teacher_ec2_id=A, teacher_ec2_link=link(A))

    assert written([noted, younger], [record(A), record(B)], meeting) == NOTHING


def test_a_noted_desktop_that_ended_leaves_its_role_to_the_next() -> None:
    noted, younger = instance(A, "terminated"), instance(B, age=60)
    meeting = row(status="LAUNCHED", teacher_ec2_id=A)

    assert written([noted, younger], [record(B)], meeting) == (
        {"teacher": link(B)},
        "DNS_WRITTEN",
    )


def test_a_write_names_the_desktops_for_which_something_changes() -> None:
    instances = [
        instance(A),
        instance(B, "terminated", role="student"),
        instance(C, "stopped", role="observer"),
    ]
    found = survey(instances, [record(A)], [linked(teacher=A, student=B)])
    row_plan = RowPlan(found, SETTINGS)

    row_write = row_plan.row_write(
        found.meetings["m1"], [each.desktop for each in row_plan.entries["m1"]]
    )

    assert row_write is not None
    assert row_write.instance_ids == (B,)


def test_nothing_is_written_of_a_desktop_while_it_is_unclear_what_became_of_its_rival() -> None:
    """EC2 neither shows nor denies the noted instance: it may be the one in use."""
    whole = survey([instance(B, age=60)], [record(B)], [row(teacher_ec2_id=A)])
    unclear = replace(whole, instances={B: whole.instances[B]})

    assert written_for(whole) == ({"teacher": link(B)}, "DNS_WRITTEN")
    assert written_for(unclear) == NOTHING
