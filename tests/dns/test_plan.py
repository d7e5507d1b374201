"""The decision about records: whose they are, which one stays, and what is never touched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.dns.change import Change, Create, Delete, Update
from chalicelib.dns.plan import Finding, Observation, Plan, decide
from chalicelib.dns.record import Record
from chalicelib.ec2.instances import Instance
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.meeting import Assignment
from tests.world import DOMAIN, OWNER, make_settings

SETTINGS = make_settings()
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
GRACE = SETTINGS.grace
SECOND = timedelta(seconds=1)
ID = "i-0123456789abcdef0"
NAME = f"{ID}.{DOMAIN}"
ADDRESS = "203.0.113.7"
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

    def __str__(self) -> str:
        return self.what


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
            replace(RIGHT, comment=OWNER),
            replace(RIGHT, comment=f"{OWNER} m=m2 r=teacher"),
            *(
                replace(RIGHT, comment=each)
                for each in ("", " ", "by hand", "Elephant:x", "elephant")
            ),
            replace(RIGHT, comment=f"by {OWNER}"),
        )
    ),
    Case(
        "the right one of several stays",
        RUNNING,
        (WRONG, RIGHT, UNMARKED),
        LIVE,
        (Delete(WRONG), Delete(UNMARKED)),
    ),
    Case(
        "ours is kept rather than an unmarked one",
        RUNNING,
        (UNMARKED, WRONG),
        LIVE,
        (Delete(UNMARKED), Update(WRONG, WANTED)),
    ),
    Case(
        "ours under an older domain goes",
        RUNNING,
        (OLD_DOMAIN,),
        LIVE,
        (Delete(OLD_DOMAIN), Create(WANTED)),
    ),
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
    Case(
        "another's, an unmarked one and ours",
        RUNNING,
        (FOREIGN_2, UNMARKED_3, WRONG),
        LIVE,
        (Update(WRONG, WANTED),),
    ),
    Case("ours would be identical", RUNNING, (FOREIGN, WRONG), LIVE, (Delete(WRONG),)),
    Case(
        "ours would be identical to an unmarked one",
        RUNNING,
        (FOREIGN_2, UNMARKED, WRONG),
        LIVE,
        (Delete(WRONG),),
    ),
    # a record that does not conflict is ignored
    *(
        Case(f"{kind} beside it", instance, (replace(RIGHT, type=kind),), presence, changes)
        for kind in ("TXT", "AAAA", "MX", "HTTPS", "CAA")
        for instance, presence, changes in (
            (RUNNING, LIVE, (Create(WANTED),)),
            (ENDED, GONE, ()),
            (None, UNCERTAIN, ()),
        )
    ),
    Case("another name's", ENDED, (replace(UNMARKED, name=f"x.{NAME}"),), GONE),
    Case("not ours, older domain", ENDED, (replace(UNMARKED, name=OLD_DOMAIN.name),), GONE),
    # an instance that is not running has none; a stopped one keeps its Elastic IP
    *(
        Case(f"{state} at {address}", instance, (RIGHT,), AWAY, (Delete(RIGHT),))
        for state in ("pending", "stopping", "stopped")
        for address in (ADDRESS, None)
        for instance in (replace(RUNNING, state=state, address=address),)
    ),
    Case("no address", replace(RUNNING, address=None), (RIGHT,), AWAY, (Delete(RIGHT),)),
    *(
        Case(
            f"{state}: ours and what was adopted go, another's stays",
            replace(RUNNING, state=state),
            (RIGHT, UNMARKED, FOREIGN),
            GONE,
            (Delete(RIGHT), Delete(UNMARKED)),
        )
        for state in ("shutting-down", "terminated")
    ),
    Case("ended, older domain", ENDED, (OLD_DOMAIN,), GONE, (Delete(OLD_DOMAIN),)),
    # EC2 may show an older state than that for which a young record was made
    Case("pending, no record", PENDING, (), UNCERTAIN),
    Case("pending, a young record", PENDING, (aged(GRACE - SECOND),), UNCERTAIN),
    Case("pending, an old one", PENDING, (aged(GRACE),), AWAY, (Delete(aged(GRACE)),)),
    # an instance that EC2 does not know
    Case("unknown", None, (), UNCERTAIN),
    Case("unknown, not ours", None, (UNMARKED, FOREIGN), UNCERTAIN),
    Case("unknown, ours", None, (RIGHT, UNMARKED, FOREIGN), AWAY, (Delete(RIGHT),)),
    Case("unknown, young", None, (aged(GRACE - SECOND),), UNCERTAIN),
    Case("unknown, old", None, (aged(GRACE),), AWAY, (Delete(aged(GRACE)),)),
    Case("unknown, one of two young", None, (RIGHT, replace(aged(SECOND), id="r4")), UNCERTAIN),
    Case(
        "unknown, another's young",
        None,
        (RIGHT, replace(FOREIGN, modified_at=NOW)),
        AWAY,
        (Delete(RIGHT),),
    ),
    Case("unknown, age unknown", None, (replace(RIGHT, modified_at=None),), UNCERTAIN),
    Case("unknown, a clock ahead", None, (aged(SECOND - GRACE),), UNCERTAIN),
    Case("unknown, a wrong clock", None, (aged(-2 * GRACE),), AWAY, (Delete(aged(-2 * GRACE)),)),
    *(
        Case("unknown, changed since", None, (touched,), AWAY, (Delete(touched),))
        for touched in (replace(RIGHT, created_at=NOW - timedelta(hours=1), modified_at=NOW),)
    ),
    # an instance that is not the project's
    Case("untagged", replace(RUNNING, tags={"Project": "Giraffe"}), (UNMARKED, FOREIGN), NOT_OURS),
    Case("no longer tagged", UNTAGGED, (RIGHT, UNMARKED), AWAY, (Delete(RIGHT),)),
    Case("ended, tags gone", replace(ENDED, tags={}), (RIGHT,), GONE, (Delete(RIGHT),)),
    *(
        Case("another stage's", theirs, records, presence, changes)
        for theirs in (replace(RUNNING, tags=TAGS | {"elephant:owner": "elephant:other"}),)
        for records, presence, changes in (
            ((), NOT_OURS, ()),
            ((RIGHT,), AWAY, (Delete(RIGHT),)),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_found_and_changed(case: Case) -> None:
    finding = find(case.instance, *case.records)

    assert (finding.presence, finding.changes) == (case.presence, case.changes)
    has_ours = any(each.owner == OWNER and each.type == "A" for each in case.records)
    assert finding.waits is (case.presence is UNCERTAIN and has_ours)
    is_proven = case.instance is not None and not finding.is_untagged
    assert finding.unproven is (bool(case.changes) and not is_proven)


def test_a_finding_names_the_meeting_and_the_reason() -> None:
    reason = f"running at {ADDRESS}"

    assert find(RUNNING) == Finding(LIVE, reason, (Create(WANTED),), TEACHER)


@pytest.mark.parametrize("conflicting", [FOREIGN, CNAME], ids=["owner", "type"])
def test_beside_a_conflicting_record_nothing_is_linked(conflicting: Record) -> None:
    finding = find(RUNNING, conflicting)

    assert (finding.in_the_way, finding.may_be_linked) == ((conflicting,), False)


@pytest.mark.parametrize("instance", [UNTAGGED, replace(ENDED, tags={})], ids=["running", "ended"])
def test_an_instance_without_tags_is_known_by_its_record(instance: Instance) -> None:
    assert find(instance, RIGHT).assignment == TEACHER


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


def test_a_record_that_stays_keeps_what_it_knows() -> None:
    finding = find(replace(RUNNING, tags={"Project": "Elephant"}), RIGHT)

    assert (finding.changes, finding.row_comes_first) == ((), False)


def test_the_assignments_in_our_comments_are_listed_once_each() -> None:
    comments = (f"{OWNER} m=m2 r=x", COMMENT, f"{OWNER} m=m2 r=x", OWNER)
    ours = [replace(RIGHT, id=comment, comment=comment) for comment in comments]

    finding = find(None, *ours, FOREIGN)

    assert (finding.assignment, finding.formers) == (Assignment("m2", "x"), (TEACHER,))


def test_the_grace_period_is_the_stages_own() -> None:
    half_an_hour = make_settings(GRACE_MINUTES="30")
    observation = Observation(NOW, {ID: None}, (aged(timedelta(minutes=29)),))

    assert decide(observation, half_an_hour).findings[ID].presence is UNCERTAIN
    assert decide(observation, SETTINGS).findings[ID].presence is AWAY


# Many instances


def test_an_instance_of_which_ec2_says_nothing_keeps_its_record() -> None:
    found = decide(Observation(NOW, {}, (RIGHT,), unclear=frozenset({ID})), SETTINGS).findings[ID]

    assert (found.presence, found.changes, found.waits) == (UNCERTAIN, (), True)


def test_beside_an_unreadable_record_nothing_is_done() -> None:
    astray = replace(RIGHT, name=f"www.{DOMAIN}")
    unreadable = frozenset({NAME, astray.name})
    observation = Observation(NOW, {ID: RUNNING}, (RIGHT, astray), unreadable=unreadable)

    decided = decide(observation, SETTINGS)

    assert decided.changes == ()
    found = decided.findings[ID]
    assert (found.reason, found.waits) == (f"a record {NAME} could not be read", True)


@pytest.mark.parametrize("name", [NAME, f"www.{DOMAIN}", f"{ID}.example.net"])
def test_an_unreadable_record_is_reported_if_it_has_the_name_of_an_instance(name: str) -> None:
    """It may be the last trace of one that has ended."""
    decided = decide(Observation(NOW, {}, (), unreadable=frozenset({name})), SETTINGS)

    assert [key for key, found in decided.findings.items() if found.waits] == [ID] * (name == NAME)


def test_if_no_instance_bears_the_tag_the_setting_may_be_wrong() -> None:
    """Then the deletions count as unproven; of one that has ended they never do."""
    ended = replace(ENDED, id="i-0000000e", tags={})
    tagged = replace(RUNNING, id="i-0000000f")
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


STRAYS = [f"x.{NAME}", DOMAIN, f"www.{DOMAIN}"]


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
    ("instance", "records", "warnings"),
    [
        (RUNNING, (RIGHT,), ()),
        (RUNNING, (CNAME,), (f"conflicting CNAME record {NAME} left unchanged",)),
        (
            RUNNING,
            (FOREIGN,),
            (f"the record {NAME} at {ADDRESS} belongs to elephant:other; left unchanged",),
        ),
        (
            replace(RUNNING, tags=TAGS | {"Role": "co-host"}),
            (),
            ("the Role tag 'co-host' cannot name an attribute of a row; no row was updated",),
        ),
    ],
    ids=["right", "conflicting type", "another owner", "invalid role"],
)
def test_warnings_name_what_somebody_should_look_at(
    instance: Instance, records: tuple[Record, ...], warnings: tuple[str, ...]
) -> None:
    assert find(instance, *records).warnings == warnings


def test_another_stage_is_named_as_the_reason() -> None:
    theirs = replace(RUNNING, tags=TAGS | {"elephant:owner": "elephant:other"})

    assert find(theirs).reason == "launched by another stage, elephant:other"


def test_changes_say_what_they_do_to_which_record() -> None:
    renamed = replace(WANTED, name=f"new.{DOMAIN}")
    changes: list[Change] = [Create(WANTED), Update(RIGHT, renamed), Delete(RIGHT)]

    assert [str(change) for change in changes] == [
        f"create {NAME} at {ADDRESS}",
        f"update {NAME} from {ADDRESS} to {ADDRESS}",
        f"delete {NAME} at {ADDRESS}",
    ]
    assert {change.name for change in changes} == {NAME}
