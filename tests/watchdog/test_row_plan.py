"""Which desktops a row is written for, what is written, and for which before their record goes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.row_plan import RowPlan, meetings_touched
from tests.surveys import HOUR, SETTINGS, A, B, C, instance, linked, record, row, survey
from tests.world import DOMAIN, link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.dns.record import Record
    from chalicelib.ec2.instances import Instance
    from chalicelib.meeting_row.meeting import Meeting
    from chalicelib.watchdog.row_plan import RowWrite
    from chalicelib.watchdog.survey import Survey

LIVE, AWAY, ENDED = Presence.LIVE, Presence.AWAY, Presence.ENDED
FIRST, AFTER = True, False
NOTHING: tuple[dict[str, str | None], None] = ({}, None)


def entries(
    instances: Sequence[Instance] = (), records: Sequence[Record] = (), rows: Sequence[Meeting] = ()
) -> dict[str, list[tuple[str, str, Presence, bool]]]:
    """Return of each entry the instance, its role and presence, and whether its row is first."""
    row_plan = RowPlan(survey(instances, records, rows), SETTINGS)
    for meeting_id, found in row_plan.entries.items():
        assert {each.desktop.assignment.meeting_id for each in found} == {meeting_id}
    return {
        meeting_id: [
            (each.desktop.instance_id, each.desktop.role, each.desktop.presence, each.comes_first)
            for each in found
        ]
        for meeting_id, found in row_plan.entries.items()
    }


def row_write_for(found: Survey) -> RowWrite | None:
    """Return the one write for all desktops of a meeting."""
    row_plan = RowPlan(found, SETTINGS)
    desktops = [each.desktop for each in row_plan.entries.get("m1", ())]
    return row_plan.row_write(found.meetings["m1"], desktops)


def written_for(found: Survey) -> tuple[dict[str, str | None], str | None]:
    """Return the links and the status that it sets."""
    row_write = row_write_for(found)
    return (dict(row_write.change.links), row_write.change.status) if row_write else NOTHING


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


def test_a_desktop_has_its_link_and_its_instance_as_it_was_seen() -> None:
    teacher = instance()

    (entry,) = RowPlan(survey([teacher], [], [row()]), SETTINGS).entries["m1"]

    assert (entry.desktop.instance, entry.desktop.link) == (teacher, link(A))


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


OTHERS = record(comment="elephant:other m=m1 r=teacher")
CNAME = record(content="elsewhere.example.com", kind="CNAME", comment="")


@pytest.mark.parametrize("conflicting", [OTHERS, CNAME])
@pytest.mark.parametrize("meeting", [row(), linked(teacher=A)])
def test_nobody_is_sent_to_a_name_that_another_has_taken_but_an_end_is_written(
    conflicting: Record, meeting: Meeting
) -> None:
    assert entries([instance()], [conflicting], [meeting]) == {}
    over = entries([instance(state="terminated")], [conflicting], [meeting])
    assert over == {"m1": [(A, "teacher", ENDED, AFTER)]}


def test_who_is_gone_comes_before_who_runs_and_who_was_launched_later_after() -> None:
    """So a link is first removed, then set, and the youngest desktop in a role has it."""
    student = instance(C, "stopped", role="student", age=60)

    assert entries([instance(A), instance(B, age=2 * HOUR), student], [], [row()])["m1"] == [
        (C, "student", AWAY, AFTER),
        (B, "teacher", LIVE, AFTER),
        (A, "teacher", LIVE, AFTER),
    ]


# Whose record is the last trace of the meeting: its row comes first

BARE = instance(project=None, meeting=None)
MOVED = instance(meeting="m2")
SERVES = (A, "teacher", LIVE, AFTER)
LEAVES = (A, "teacher", AWAY, FIRST)
ENDS = (A, "teacher", ENDED, FIRST)


LAST_TRACES: dict[str, tuple[list[Instance], list[Record], dict[str, object]]] = {
    "unknown": ([], [record()], {"m1": [LEAVES]}),
    "unknown, a young record": ([], [record(age=60)], {}),
    "unknown, of two meetings": (
        [],
        [record(), record(content="192.0.2.9", meeting="m2")],
        {"m1": [LEAVES], "m2": [LEAVES]},
    ),
    "unknown, older domain": ([], [record(name=f"{A}.old.example.com")], {"m1": [LEAVES]}),
    "running without tags": ([BARE], [record()], {"m1": [LEAVES]}),
    "stopped without tags": ([replace(BARE, state="stopped")], [record()], {"m1": [LEAVES]}),
    "ended without tags": ([replace(BARE, state="terminated")], [record()], {"m1": [ENDS]}),
    "tagged with no meeting": ([instance(meeting=None)], [record()], {"m1": [SERVES]}),
    "given to another meeting": ([MOVED], [record()], {"m1": [LEAVES], "m2": [SERVES]}),
    "given to it, from no role": ([MOVED], [record(role="co-host")], {"m2": [SERVES]}),
    "an invalid role": ([instance()], [record(role="co-host")], {"m1": [SERVES]}),
    "and meeting": ([instance()], [record(meeting="m2", role="no%20role")], {"m1": [SERVES]}),
}


@pytest.mark.parametrize(
    ("instances", "records", "expected"), LAST_TRACES.values(), ids=LAST_TRACES
)
def test_a_row_comes_before_the_record_that_alone_leads_to_it_goes(
    instances: list[Instance], records: list[Record], expected: dict[str, object]
) -> None:
    assert entries(instances, records, [row("m1"), row("m2")]) == expected


# Links that were left behind


LEFT = (B, "teacher", AWAY, AFTER)
LEFT_BEHIND: dict[str, tuple[list[Instance], list[Record], list[object]]] = {
    "unknown": ([], [], [LEFT]),
    "unknown, with a record of no meeting": ([], [record(B, meeting=None)], [LEFT]),
    "beside another's last trace": ([], [record(A)], [LEAVES, (B, "teacher", AWAY, FIRST)]),
    "stopped, of no meeting": ([instance(B, "stopped", meeting=None)], [], [LEFT]),
    "of another meeting": ([instance(B, meeting="m2")], [record(B, meeting="m2")], [LEFT]),
    "ended": ([replace(BARE, id=B, state="terminated")], [], [(B, "teacher", ENDED, AFTER)]),
}


@pytest.mark.parametrize(
    ("instances", "records", "expected"), LEFT_BEHIND.values(), ids=LEFT_BEHIND
)
def test_a_link_to_an_instance_that_is_not_the_meetings_is_removed(
    instances: list[Instance], records: list[Record], expected: list[object]
) -> None:
    assert entries(instances, records, [linked(teacher=B)])["m1"] == expected


@pytest.mark.parametrize(
    ("instances", "records"),
    [
        ([], [record(B, meeting=None, age=60)]),
        ([instance(B, project="Giraffe")], [record(B, comment="elephant:other")]),
        ([instance(B, "pending", meeting="m2")], []),
        ([instance(B, meeting=None)], [record(B, meeting=None)]),
        ([instance(B, meeting="m2")], [record(B, comment="elephant:other")]),
    ],
    ids=["a young record", "another project", "pending", "no meeting", "another owner's record"],
)
def test_a_link_stays_while_it_is_not_sure_that_it_leads_nowhere(
    instances: list[Instance], records: list[Record]
) -> None:
    assert entries(instances, records, [linked(teacher=B)]) == {}


@pytest.mark.parametrize(
    ("meeting", "expected"),
    [
        (row(teacher_ec2_link=f"https://{B}.elsewhere.example.com:8443"), {}),
        (row(teacher_ec2_link=f"https://{B}.{DOMAIN}.example.org:8443"), {}),
        (row(teacher_ec2_link=f"https://{B}.{DOMAIN}"), {}),
        (row(teacher_ec2_link="https://meet.example.com/m1"), {}),
        (row(teacher_ec2_link=""), {}),
        (row(teacher_ec2_link=f"https://{B}.{DOMAIN}:443"), {"m1": [LEFT]}),
        (linked(observer=B), {"m1": [(B, "observer", AWAY, AFTER)]}),
    ],
)
def test_links_of_any_role_and_port_are_ours_and_others_are_left(
    meeting: Meeting, expected: dict[str, object]
) -> None:
    assert entries([], [], [meeting]) == expected


# What is written, in one write

Links = dict[str, str | None]
BOTH: Links = {"teacher": None, "student": None}
REMOVED: Links = {"teacher": None}
TO_A: Links = {"teacher": link(A)}
TO_B: Links = {"teacher": link(B)}
OVER, YOUNGER = instance(A, "terminated"), instance(B, age=60)
LINKED, LINKS_BOTH = linked(teacher=A), linked(teacher=A, student=B)
NOTED = row(status="LAUNCHED", teacher_ec2_id=A)
BARE_OVER = replace(BARE, state="terminated")
GIRAFFE, STRAY = instance(B, project="Giraffe"), instance(B, "stopped", project=None)
CO_HOST, STOPPED = instance(B, "pending", role="co-host"), replace(BARE, id=B, state="stopped")
NAMES_BOTH = row(status="HEALTHY", teacher_ec2_link=link(A), student_ec2_id=B)
WRITES: dict[str, tuple[list[Instance], list[Record], Meeting, tuple[Links, str | None]]] = {
    "a row that is right": ([instance()], [record()], LINKED, NOTHING),
    "a changed role": ([instance()], [], linked(student=A), ({"student": None, **TO_A}, None)),
    "a replacement does not end the meeting": ([OVER, YOUNGER], [], LINKED, (TO_B, None)),
    "a noted one that ended leaves its role": ([OVER, YOUNGER], [], NOTED, (TO_B, "DNS_WRITTEN")),
    "of two the younger has the role": ([YOUNGER, instance()], [record()], LINKED, (TO_B, None)),
    "unless the row notes the other one": ([instance(), YOUNGER], [], NOTED, (TO_A, "DNS_WRITTEN")),
    "two that EC2 denies end no meeting": ([], [], linked(teacher=B, student=C), (BOTH, None)),
    "one that EC2 denies keeps it open": ([OVER], [], LINKS_BOTH, (BOTH, None)),
    "the end of both": ([OVER, replace(OVER, id=B)], [], LINKS_BOTH, (BOTH, "TERMINATED")),
    "an end without tags": ([BARE_OVER], [], LINKED, (REMOVED, "TERMINATED")),
    # What keeps a meeting open
    "not another project's": ([OVER, GIRAFFE], [], LINKED, (REMOVED, "TERMINATED")),
    "one without a project, by its record": ([OVER, STRAY], [record(B)], LINKED, (REMOVED, None)),
    "a pending one in any role": ([OVER, CO_HOST], [], LINKED, (REMOVED, None)),
    "one that the row names, without any tag": ([OVER, STOPPED], [], NAMES_BOTH, (REMOVED, None)),
}


@pytest.mark.parametrize(
    ("instances", "records", "meeting", "expected"), WRITES.values(), ids=WRITES
)
def test_what_is_written_in_one_write(
    instances: list[Instance],
    records: list[Record],
    meeting: Meeting,
    expected: tuple[dict[str, str | None], str | None],
) -> None:
    assert written_for(survey(instances, records, [meeting])) == expected


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


def test_a_write_names_the_desktops_for_which_something_changes() -> None:
    instances = [
        instance(A),
        instance(B, "terminated", role="student"),
        instance(C, "stopped", role="observer"),
    ]

    row_write = row_write_for(survey(instances, [record(A)], [linked(teacher=A, student=B)]))

    assert row_write
    assert row_write.instance_ids == (B,)


def test_nothing_is_written_of_a_desktop_while_it_is_unclear_what_became_of_its_rival() -> None:
    """EC2 neither shows nor denies the noted instance: it may be the one in use."""
    whole = survey([instance(B, age=60)], [record(B)], [row(teacher_ec2_id=A)])
    unclear = replace(whole, instances={B: whole.instances[B]})

    assert written_for(whole) == ({"teacher": link(B)}, "DNS_WRITTEN")
    assert written_for(unclear) == NOTHING


@pytest.mark.parametrize(
    ("records", "meeting", "touched"),
    [
        ([record(A)], linked(teacher=A), set()),
        ([record(A)], row(status="LAUNCHED"), {"m1"}),
        ([], linked(teacher=A), {"m1"}),
        ([record(A, meeting="m2")], linked(teacher=A), {"m1", "m2"}),
    ],
    ids=["all is right", "the row is not", "the record is missing", "it names another meeting"],
)
def test_only_meetings_for_which_anything_changes_are_touched(
    records: list[Record], meeting: Meeting, touched: set[str]
) -> None:
    found = survey([instance(A), instance(B, meeting="m3")], records, [meeting])
    found = replace(found, plan=replace(found.plan, findings={A: found.plan.findings[A]}))

    assert meetings_touched(found, SETTINGS) == touched


def test_rows_of_meetings_that_are_not_touched_are_left_alone() -> None:
    found = survey([instance(A), instance(B, meeting="m2")], [], [row("m1"), row("m2")])

    assert list(RowPlan(replace(found, touched=frozenset({"m2"})), SETTINGS).entries) == ["m2"]
    assert RowPlan(replace(found, touched=frozenset()), SETTINGS).entries == {}
