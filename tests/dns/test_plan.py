"""The decision about records: whose they are, which one stays, and what is never touched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dns.change import Change, Create, Delete, Update
from chalicelib.dns.finding import Finding
from chalicelib.dns.plan import Observation, Plan, decide
from chalicelib.dns.record import Record
from chalicelib.ec2.instances import Instance
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.meeting import Assignment
from tests.surveys import ADDRESS, NOW, SETTINGS
from tests.world import DOMAIN, OWNER, make_settings

GRACE = SETTINGS.grace
SECOND = timedelta(seconds=1)
ID = "i-0123456789abcdef0"
NAME = f"{ID}.{DOMAIN}"
COMMENT = f"{OWNER} m=m1 r=teacher"
TAGS = {"Project": "Elephant", "MeetingID": "m1", "Role": "teacher"}
TEACHER = Assignment("m1", "teacher")
RUNNING = Instance(ID, "running", ADDRESS, TAGS, NOW - timedelta(hours=1))
PENDING = replace(RUNNING, state="pending")
ENDED = replace(RUNNING, state="terminated")
UNTAGGED = replace(RUNNING, tags={})
WANTED = Record.address(NAME, ADDRESS, proxied=True, ttl=1, comment=COMMENT)
RIGHT = Record("r1", "A", NAME, ADDRESS, True, 1, COMMENT, NOW - timedelta(days=1))  # noqa: FBT003
WRONG = replace(RIGHT, id="r0", content="192.0.2.1")
UNMARKED = replace(RIGHT, id="r2", comment="made by hand")
FOREIGN = replace(RIGHT, id="r3", comment="elephant:other m=m1 r=teacher")
FOREIGN_2 = replace(FOREIGN, content="192.0.2.2")
UNMARKED_3 = replace(UNMARKED, content="192.0.2.3")
CNAME = replace(RIGHT, type="CNAME", content="elsewhere.example.com")
OLD_DOMAIN = replace(RIGHT, name=f"{ID}.old.example.com")
UNMARKED_OLD = replace(OLD_DOMAIN, id="r2", comment="made by hand")
FOREIGN_NOW = replace(FOREIGN, modified_at=NOW)
TOUCHED = replace(RIGHT, created_at=NOW - timedelta(hours=1), modified_at=NOW)
THEIRS = replace(RUNNING, tags=TAGS | {"elephant:owner": "elephant:other"})
NO_RIGHT, NO_WRONG, NO_UNMARKED = Delete(RIGHT), Delete(WRONG), Delete(UNMARKED)
NO_OLD_DOMAIN, CORRECTION = Delete(OLD_DOMAIN), Update(WRONG, WANTED)

LIVE, AWAY, GONE = Presence.LIVE, Presence.AWAY, Presence.ENDED
UNCERTAIN, NOT_OURS = Presence.UNCERTAIN, Presence.FOREIGN


def aged(age: timedelta) -> Record:
    return replace(RIGHT, modified_at=NOW - age)


@dataclass(frozen=True)
class Case:
    """An instance and the records of the zone, and what follows from them."""

    what: str
    instance: Instance | None
    records: tuple[Record, ...]
    presence: Presence
    changes: tuple[Change, ...] = ()


def find(instance: Instance | None, *records: Record) -> Finding:
    return plan({ID: instance}, *records).findings[ID]


def plan(instances: dict[str, Instance | None], *records: Record) -> Plan:
    return decide(Observation(NOW, instances, records), SETTINGS)


CASES = [
    # a live instance has exactly one record, the wanted one
    Case("none yet", RUNNING, (), LIVE, (Create(WANTED),)),
    Case("right", RUNNING, (RIGHT,), LIVE),
    *(
        Case(f"wrong: {wrong}", RUNNING, (wrong,), LIVE, (Update(wrong, WANTED),))
        for wrong in (
            WRONG,
            replace(RIGHT, proxied=False),
            replace(RIGHT, ttl=120),
            *(
                replace(RIGHT, comment=comment)
                for comment in (OWNER, f"{OWNER} m=m2 r=teacher", "", "by hand", f"by {OWNER}")
            ),
        )
    ),
    Case(
        "one of several is right", RUNNING, (WRONG, RIGHT, UNMARKED), LIVE, (NO_WRONG, NO_UNMARKED)
    ),
    Case("ours and an unmarked one", RUNNING, (UNMARKED, WRONG), LIVE, (NO_UNMARKED, CORRECTION)),
    Case("ours, older domain", RUNNING, (OLD_DOMAIN,), LIVE, (NO_OLD_DOMAIN, Create(WANTED))),
    # beside a conflicting record none is created
    Case("another owner's", RUNNING, (FOREIGN,), LIVE),
    *(
        Case(f"another owner's: {comment}", RUNNING, (replace(RIGHT, comment=comment),), LIVE)
        for comment in (f"{OWNER}1 m=m1", f"{OWNER}/x m=m1", "elephant:", " elephant:other x")
    ),
    *(
        Case(f"a CNAME: {comment}", RUNNING, (replace(CNAME, comment=comment),), LIVE)
        for comment in ("", "by hand", COMMENT, "elephant:other")
    ),
    Case("another's and an unmarked one", RUNNING, (FOREIGN_2, UNMARKED_3), LIVE),
    Case("and ours", RUNNING, (FOREIGN_2, UNMARKED_3, WRONG), LIVE, (CORRECTION,)),
    Case("ours would be identical", RUNNING, (FOREIGN, WRONG), LIVE, (NO_WRONG,)),
    Case("identical to an unmarked", RUNNING, (FOREIGN_2, UNMARKED, WRONG), LIVE, (NO_WRONG,)),
    # a record that does not conflict is ignored
    *(
        Case(f"{kind} beside it", instance, (replace(RIGHT, type=kind),), presence, changes)
        for kind in ("TXT", "AAAA", "MX")
        for instance, presence, changes in (
            (RUNNING, LIVE, (Create(WANTED),)),
            (ENDED, GONE, ()),
            (None, UNCERTAIN, ()),
        )
    ),
    Case("another name's", ENDED, (replace(UNMARKED, name=f"x.{NAME}"),), GONE),
    Case("not ours, older domain", ENDED, (UNMARKED_OLD,), GONE),
    Case("not ours, older domain, then ours", ENDED, (UNMARKED_OLD, RIGHT), GONE, (NO_RIGHT,)),
    # an instance that is not running has none; a stopped one keeps its Elastic IP
    *(
        Case(f"{state} at {address}", instance, (RIGHT,), AWAY, (NO_RIGHT,))
        for state in ("pending", "stopping", "stopped")
        for address in (ADDRESS, None)
        for instance in (replace(RUNNING, state=state, address=address),)
    ),
    Case("no address", replace(RUNNING, address=None), (RIGHT,), AWAY, (NO_RIGHT,)),
    *(
        Case("ended", instance, (RIGHT, UNMARKED, FOREIGN), GONE, (NO_RIGHT, NO_UNMARKED))
        for instance in (ENDED, replace(ENDED, state="shutting-down"))
    ),
    Case("ended, older domain", ENDED, (OLD_DOMAIN,), GONE, (NO_OLD_DOMAIN,)),
    # EC2 may show an older state than that for which a young record was made
    Case("pending, no record", PENDING, (), UNCERTAIN),
    Case("pending, a young record", PENDING, (aged(GRACE - SECOND),), UNCERTAIN),
    Case("pending, an old one", PENDING, (aged(GRACE),), AWAY, (Delete(aged(GRACE)),)),
    # an instance that EC2 does not know
    Case("unknown", None, (), UNCERTAIN),
    Case("unknown, not ours", None, (UNMARKED, FOREIGN), UNCERTAIN),
    Case("unknown, ours", None, (RIGHT, UNMARKED, FOREIGN), AWAY, (NO_RIGHT,)),
    Case("unknown, young", None, (aged(GRACE - SECOND),), UNCERTAIN),
    Case("unknown, old", None, (aged(GRACE),), AWAY, (Delete(aged(GRACE)),)),
    Case("unknown, one of two young", None, (RIGHT, replace(aged(SECOND), id="r4")), UNCERTAIN),
    Case("unknown, another's young", None, (RIGHT, FOREIGN_NOW), AWAY, (NO_RIGHT,)),
    Case("unknown, age unknown", None, (replace(RIGHT, modified_at=None),), UNCERTAIN),
    Case("unknown, a clock ahead", None, (aged(SECOND - GRACE),), UNCERTAIN),
    Case("unknown, a wrong clock", None, (aged(-2 * GRACE),), AWAY, (Delete(aged(-2 * GRACE)),)),
    Case("unknown, changed since", None, (TOUCHED,), AWAY, (Delete(TOUCHED),)),
    # an instance that is not the project's
    Case("our stage's", replace(RUNNING, tags=TAGS | {"elephant:owner": OWNER}), (RIGHT,), LIVE),
    Case("untagged", replace(RUNNING, tags={"Project": "Giraffe"}), (UNMARKED, FOREIGN), NOT_OURS),
    Case("no longer tagged", UNTAGGED, (RIGHT, UNMARKED), AWAY, (NO_RIGHT,)),
    Case("ended, tags gone", replace(ENDED, tags={}), (RIGHT,), GONE, (NO_RIGHT,)),
    Case("another stage's", THEIRS, (), NOT_OURS),
    Case("another stage's, our record", THEIRS, (RIGHT,), AWAY, (NO_RIGHT,)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_what_is_found_and_changed(case: Case) -> None:
    finding = find(case.instance, *case.records)

    assert (finding.presence, finding.changes) == (case.presence, case.changes)
    has_ours = any(each.owner == OWNER and each.type == "A" for each in case.records)
    assert finding.waits is (case.presence is UNCERTAIN and has_ours)
    is_proven = case.instance is not None and not finding.is_untagged
    assert finding.unproven is (bool(case.changes) and not is_proven)


def test_a_finding_names_the_meeting_and_the_reason() -> None:
    finding = find(RUNNING)

    assert finding == Finding(LIVE, f"running at {ADDRESS}", (Create(WANTED),), TEACHER)
    assert finding.may_be_linked


@pytest.mark.parametrize("conflicting", [FOREIGN, CNAME])
def test_beside_a_conflicting_record_nothing_is_linked(conflicting: Record) -> None:
    finding = find(RUNNING, conflicting)

    assert (finding.conflicting, finding.may_be_linked) == ((conflicting,), False)


@pytest.mark.parametrize(
    ("tags", "formers", "row_comes_first"),
    [
        (TAGS, (), False),
        ({"Project": "Elephant"}, (), True),
        ({"MeetingID": "m1", "Role": "teacher"}, (), True),
        (TAGS | {"Role": "student"}, (), False),
        (TAGS | {"Role": "no role"}, (TEACHER,), False),
        (TAGS | {"MeetingID": "m2"}, (TEACHER,), False),
    ],
)
def test_what_only_the_record_knows_is_not_forgotten_with_it(
    tags: dict[str, str], formers: tuple[Assignment, ...], *, row_comes_first: bool
) -> None:
    finding = find(replace(ENDED, tags=tags), RIGHT)

    assert (finding.formers, finding.row_comes_first) == (formers, row_comes_first)
    has_both = {"MeetingID", "Role"} <= tags.keys()
    assert has_both or finding.assignment == TEACHER


def test_the_assignments_in_our_comments_are_listed_once_each() -> None:
    comments = (f"{OWNER} m=m2 r=x", COMMENT, f"{OWNER} m=m2 r=x", OWNER)
    ours = [replace(RIGHT, id=comment, comment=comment) for comment in comments]

    finding = find(None, *ours, FOREIGN)

    assert (finding.assignment, finding.formers) == (Assignment("m2", "x"), (TEACHER,))


def test_the_grace_period_is_the_stages_own() -> None:
    observation = Observation(NOW, {ID: None}, (aged(timedelta(minutes=29)),))

    found = decide(observation, make_settings(GRACE_MINUTES="30"))

    assert found.findings[ID].presence is UNCERTAIN


# Many instances


def test_an_instance_of_which_ec2_says_nothing_keeps_its_record() -> None:
    reason = "EC2 gives no clear answer about this instance"
    for records in ((RIGHT,), ()):
        found = decide(Observation(NOW, {}, records, unclear=frozenset({ID})), SETTINGS)

        waits = bool(records)
        assert found.findings == {ID: Finding(UNCERTAIN, reason, waits=waits)}


def test_beside_an_unreadable_record_nothing_is_done() -> None:
    astray = replace(RIGHT, name=f"www.{DOMAIN}")
    unreadable = frozenset({NAME, astray.name})
    observation = Observation(NOW, {ID: RUNNING}, (RIGHT, astray), unreadable=unreadable)

    decided = decide(observation, SETTINGS)

    assert decided.changes == ()
    found = decided.findings[ID]
    assert found == Finding(UNCERTAIN, f"a record {NAME} could not be read", waits=True)


@pytest.mark.parametrize("name", [NAME, f"www.{DOMAIN}", f"{ID}.example.net"])
def test_an_unreadable_record_is_reported_if_it_has_the_name_of_an_instance(name: str) -> None:
    """It may be the last trace of one that has ended."""
    decided = decide(Observation(NOW, {}, (), unreadable=frozenset({name})), SETTINGS)

    assert [key for key, found in decided.findings.items() if found.waits] == [ID] * (name == NAME)


def test_if_no_instance_bears_the_tag_the_setting_may_be_wrong() -> None:
    """Then the deletions count as unproven; of one that has ended they never do."""
    ended = replace(ENDED, id="i-0000000e", tags={})
    tagged = replace(RUNNING, id="i-0000000f", tags=TAGS | {"elephant:owner": OWNER})
    other = replace(RIGHT, id="r9", name=f"{ended.id}.{DOMAIN}")

    alone = plan({ID: UNTAGGED, ended.id: ended}, RIGHT, other)
    beside = plan({ID: UNTAGGED, tagged.id: tagged}, RIGHT)

    assert [each.unproven for each in alone.findings.values()] == [True, False]
    assert not beside.findings[ID].unproven


def test_many_instances_are_decided_at_once_deletions_first() -> None:
    other, third = "i-00000001", "i-00000002"
    gone = replace(RIGHT, id="r5", name=f"{other}.{DOMAIN}")
    wrong = replace(WRONG, id="r6", name=f"{third}.{DOMAIN}")
    instances: dict[str, Instance | None] = {
        ID: RUNNING,
        third: replace(RUNNING, id=third),
        other: replace(ENDED, id=other),
    }

    decided = plan(instances, wrong, gone)

    assert [type(change) for change in decided.changes] == [Delete, Update, Create]
    assert list(decided.findings) == [ID, third, other]


STRAYS = [f"x.{NAME}", DOMAIN, f"www.{DOMAIN}", f"i-0000000d.{DOMAIN}"]


@pytest.mark.parametrize("name", STRAYS)
def test_a_record_of_ours_under_no_instances_name_is_deleted_and_no_other(name: str) -> None:
    astray, *others = [replace(each, name=name) for each in (RIGHT, UNMARKED, FOREIGN)]

    decided = plan({ID: RUNNING}, RIGHT, astray, *others)

    assert decided.findings[ID].changes == ()
    assert decided.findings[name] == Finding(
        AWAY, "no instance has this name", (Delete(astray),), unproven=True
    )


def test_a_young_record_under_no_instances_name_is_left() -> None:
    """Its instance may have been launched since."""
    name = f"www.{DOMAIN}"
    young = replace(aged(GRACE - SECOND), name=name)

    reason = "no instance has this name; the record is within the grace period"
    assert plan({}, young, replace(young, id="r9")).findings == {
        name: Finding(UNCERTAIN, reason, waits=True)
    }


@pytest.mark.parametrize("record", [UNMARKED, FOREIGN, replace(RIGHT, type="TXT")])
@pytest.mark.parametrize("name", STRAYS)
def test_what_is_not_ours_under_such_a_name_is_ignored(record: Record, name: str) -> None:
    assert list(plan({ID: RUNNING}, RIGHT, replace(record, name=name)).findings) == [ID]


# Words


@pytest.mark.parametrize(
    ("role", "record", "warnings"),
    [
        ("teacher", RIGHT, ()),
        ("teacher", CNAME, (f"conflicting CNAME record {NAME} left unchanged",)),
        (
            "teacher",
            FOREIGN,
            (f"the record {NAME} at {ADDRESS} belongs to elephant:other; left unchanged",),
        ),
        (
            "co-host",
            RIGHT,
            ("the Role tag 'co-host' cannot name an attribute of a row; no row was updated",),
        ),
    ],
)
def test_what_somebody_should_look_at_is_a_warning(
    role: str, record: Record, warnings: tuple[str, ...]
) -> None:
    instance = replace(RUNNING, tags=TAGS | {"Role": role})

    assert find(instance, record).warnings == warnings


@pytest.mark.parametrize(
    ("instance", "records", "reason"),
    [
        (replace(RUNNING, address=None), (), "running, without a public address yet"),
        (UNTAGGED, (), "not tagged Project=Elephant"),
        (UNTAGGED, (RIGHT,), "no longer tagged"),
        (PENDING, (), "pending"),
        (replace(RUNNING, state="stopped"), (RIGHT,), "stopped"),
        (THEIRS, (), "launched by another stage, elephant:other"),
        (replace(THEIRS, tags={"elephant:owner": "x"}), (), "not tagged Project=Elephant"),
        (None, (), "EC2 does not know this instance, or not yet"),
        (
            None,
            (aged(SECOND),),
            "EC2 does not know this instance; its record is within the grace period",
        ),
        (None, (RIGHT,), "EC2 no longer knows this instance"),
    ],
)
def test_the_reason_says_what_was_found(
    instance: Instance | None, records: tuple[Record, ...], reason: str
) -> None:
    assert find(instance, *records).reason == reason


# Any zone, and any answer of EC2


def may_be_touched(record: Record, *, is_surely_ours: bool) -> bool:
    """Return whether rule 3 lets a record be changed."""
    is_unmarked_of_an_instance = record.owner is None and record.name == NAME
    adopted = is_surely_ours and is_unmarked_of_an_instance
    return record.type == "A" and (record.owner == OWNER or adopted)


Records = list[Record]
COMMENTS = st.sampled_from([COMMENT, OWNER, f"{OWNER}1", "elephant:x", "", "by hand"])
RECORDS = st.lists(
    st.builds(
        Record,
        id=st.uuids().map(str),
        type=st.sampled_from(["A", "A", "A", "TXT", "CNAME"]),
        name=st.sampled_from([NAME, NAME, NAME, f"x.{NAME}"]),
        content=st.sampled_from([ADDRESS, "192.0.2.1", "192.0.2.2"]),
        proxied=st.booleans(),
        ttl=st.sampled_from([1, 300]),
        comment=COMMENTS,
        modified_at=st.sampled_from([None, NOW, NOW - timedelta(days=1)]),
    ),
    max_size=5,
)
STATES = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]
INSTANCES = st.none() | st.builds(
    Instance,
    id=st.just(ID),
    state=st.sampled_from(STATES),
    address=st.sampled_from([None, ADDRESS]),
    tags=st.sampled_from([TAGS, {}, {"Project": "Elephant"}, {"Project": "Giraffe"}]),
    launched_at=st.just(NOW),
)


def carry_out(records: Records, changes: tuple[Change, ...]) -> Records:
    """Do to the records what Cloudflare would."""
    standing = {record.id: record for record in records}
    for change in changes:
        if not isinstance(change, Create):
            del standing[change.record.id]
        if not isinstance(change, Delete):
            record_id = change.record.id if isinstance(change, Update) else "new"
            standing[record_id] = replace(change.wanted, id=record_id, modified_at=NOW)
    return list(standing.values())


@given(INSTANCES, RECORDS)
def test_any_plan_touches_only_what_is_ours_and_leaves_nothing_to_do(
    instance: Instance | None, records: Records
) -> None:
    """An unmarked record is ours to adopt or delete only if its instance surely is."""
    after = carry_out(records, plan({ID: instance}, *records).changes)

    assert plan({ID: instance}, *after).changes == ()
    is_surely_ours = instance is not None and instance.has_tag(SETTINGS.project_tag)
    before_and_after = [
        [each for each in standing if not may_be_touched(each, is_surely_ours=is_surely_ours)]
        for standing in (records, after)
    ]
    assert before_and_after[0] == before_and_after[1]


@given(INSTANCES, RECORDS)
def test_no_plan_acts_on_an_instance_of_which_too_little_is_known(
    instance: Instance | None, records: Records
) -> None:
    finding = plan({ID: instance}, *records).findings[ID]

    if finding.presence in {Presence.UNCERTAIN, Presence.FOREIGN}:
        assert finding.changes == ()
    if finding.waits:
        assert finding.presence is Presence.UNCERTAIN


@given(RECORDS)
def test_a_live_instance_has_exactly_one_record_unless_another_blocks_it(records: Records) -> None:
    found = plan({ID: RUNNING}, *records)
    after = carry_out(records, found.changes)

    if found.findings[ID].conflicting:
        assert not any(isinstance(change, Create) for change in found.changes)
    else:
        addresses = [each for each in after if each.type == "A" and each.name == NAME]
        assert [record.matches(WANTED) for record in addresses] == [True]
