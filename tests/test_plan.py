"""The decision about records: whose they are, which one stays, and what is never touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.change import Change, Create, Delete, Update
from chalicelib.instance import Instance
from chalicelib.meeting import Assignment
from chalicelib.plan import GRACE, Finding, Observation, Presence, decide
from chalicelib.record import Record, WantedRecord
from tests.world import DOMAIN, OWNER, make_settings

SETTINGS = make_settings()
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID = "i-0123456789abcdef0"
NAME = f"{ID}.{DOMAIN}"
ADDRESS = "203.0.113.7"
COMMENT = f"{OWNER} m=m1 r=teacher"
TAGS = {"Project": "Elephant", "MeetingID": "m1", "Role": "teacher"}
RUNNING = Instance(ID, "running", ADDRESS, TAGS, NOW - timedelta(hours=1))
WANTED = WantedRecord(NAME, ADDRESS, proxied=True, ttl=1, comment=COMMENT)
RIGHT = Record("r1", "A", NAME, ADDRESS, True, 1, COMMENT, NOW - timedelta(days=1))  # noqa: FBT003
UNMARKED = replace(RIGHT, id="r2", comment="made by hand")
FOREIGN = replace(RIGHT, id="r3", comment="elephant:other m=m1 r=teacher")


def find(instance: Instance | None, *records: Record) -> Finding:
    observation = Observation(NOW, {ID: instance}, records)
    return decide(observation, SETTINGS).findings[ID]


def test_a_live_instance_gets_a_record_bearing_owner_meeting_and_role() -> None:
    finding = find(RUNNING)

    assert finding == Finding(
        Presence.LIVE, f"running at {ADDRESS}", (Create(WANTED),), Assignment("m1", "teacher")
    )


def test_what_is_right_is_left() -> None:
    assert find(RUNNING, RIGHT).changes == ()


@pytest.mark.parametrize(
    "wrong",
    [
        replace(RIGHT, content="192.0.2.1"),
        replace(RIGHT, proxied=False),
        replace(RIGHT, ttl=120),
        replace(RIGHT, comment=OWNER),
        replace(RIGHT, comment=f"{OWNER} m=m2 r=teacher"),
        UNMARKED,
    ],
)
def test_a_record_that_differs_in_anything_is_overwritten_in_place(wrong: Record) -> None:
    assert find(RUNNING, wrong).changes == (Update(wrong, WANTED),)


def test_of_several_records_the_right_one_stays() -> None:
    wrong = replace(RIGHT, id="r0", content="192.0.2.1")

    assert set(find(RUNNING, wrong, RIGHT, UNMARKED).changes) == {Delete(wrong), Delete(UNMARKED)}


def test_of_several_wrong_records_our_own_is_mended_rather_than_an_unmarked_one() -> None:
    ours = replace(RIGHT, id="r9", content="192.0.2.1")

    assert find(RUNNING, UNMARKED, ours).changes == (Delete(UNMARKED), Update(ours, WANTED))


def test_beside_another_owners_record_none_is_made() -> None:
    finding = find(RUNNING, FOREIGN)

    assert (finding.changes, finding.in_the_way, finding.may_be_linked) == ((), (FOREIGN,), False)


def test_beside_another_owners_record_an_unmarked_one_is_left_and_ours_kept_right() -> None:
    ours = replace(RIGHT, content="192.0.2.1")

    assert find(RUNNING, FOREIGN, UNMARKED).changes == ()
    assert find(RUNNING, FOREIGN, UNMARKED, ours).changes == (Update(ours, WANTED),)


@pytest.mark.parametrize(
    "comment", ["elephant:test/us-west-21", "elephant:", f"{OWNER}/x m=m1", " elephant:other x"]
)
def test_an_owner_is_the_whole_first_word(comment: str) -> None:
    record = replace(RIGHT, comment=comment)

    assert find(RUNNING, record).in_the_way == (record,)


@pytest.mark.parametrize("comment", ["", " ", "Elephant:x", f"by {OWNER}", "elephant x"])
def test_a_comment_without_a_marker_as_its_first_word_is_nobodys(comment: str) -> None:
    record = replace(RIGHT, comment=comment)

    assert find(RUNNING, record).changes == (Update(record, WANTED),)


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped"])
@pytest.mark.parametrize("address", [ADDRESS, None])
def test_only_a_running_instance_has_a_record(state: str, address: str | None) -> None:
    """A stopped instance keeps its Elastic IP, so an address alone says nothing."""
    finding = find(replace(RUNNING, state=state, address=address), RIGHT)

    assert (finding.presence, finding.changes) == (Presence.AWAY, (Delete(RIGHT),))


def test_a_pending_instance_without_a_record_is_looked_at_again() -> None:
    """EC2 may still say so when its event says that the instance runs."""
    finding = find(replace(RUNNING, state="pending"))

    assert (finding.presence, finding.changes) == (Presence.UNCERTAIN, ())


def test_an_instance_that_ec2_does_not_know_yet_is_looked_at_again() -> None:
    assert find(None).presence is Presence.UNCERTAIN
    assert find(None, UNMARKED, FOREIGN).presence is Presence.UNCERTAIN


@pytest.mark.parametrize(
    ("tags", "former", "row_comes_first"),
    [
        (TAGS, None, False),
        ({"Project": "Elephant"}, None, True),
        (TAGS | {"Role": "student"}, Assignment("m1", "teacher"), False),
        (TAGS | {"MeetingID": "m2"}, Assignment("m1", "teacher"), False),
    ],
)
def test_what_only_the_record_knows_is_not_forgotten_with_it(
    tags: dict[str, str], former: Assignment | None, *, row_comes_first: bool
) -> None:
    finding = find(replace(RUNNING, state="terminated", tags=tags), RIGHT)

    assert (finding.former, finding.row_comes_first) == (former, row_comes_first)


def test_a_record_that_stays_keeps_what_it_knows() -> None:
    finding = find(replace(RUNNING, tags={"Project": "Elephant"}), RIGHT)

    assert (finding.changes, finding.row_comes_first) == ((), False)


@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_an_ended_instance_loses_ours_and_what_was_adopted_but_not_anothers(state: str) -> None:
    finding = find(replace(RUNNING, state=state), RIGHT, UNMARKED, FOREIGN)

    assert finding.presence is Presence.ENDED
    assert finding.changes == (Delete(RIGHT), Delete(UNMARKED))


def test_a_running_instance_without_an_address_has_no_record() -> None:
    finding = find(replace(RUNNING, address=None), RIGHT)

    assert (finding.presence, finding.changes) == (Presence.AWAY, (Delete(RIGHT),))


def test_an_untagged_instance_is_none_of_ours() -> None:
    finding = find(replace(RUNNING, tags={"Project": "Giraffe"}), UNMARKED, FOREIGN)

    assert (finding.presence, finding.changes) == (Presence.FOREIGN, ())


def test_an_instance_that_is_no_longer_tagged_loses_only_the_record_that_we_made() -> None:
    finding = find(replace(RUNNING, tags={}), RIGHT, UNMARKED)

    assert (finding.presence, finding.changes) == (Presence.AWAY, (Delete(RIGHT),))
    assert finding.assignment == Assignment("m1", "teacher")


def test_an_ended_instance_whose_tags_are_gone_is_known_by_its_record() -> None:
    finding = find(replace(RUNNING, state="terminated", tags={}), RIGHT)

    assert (finding.presence, finding.changes) == (Presence.ENDED, (Delete(RIGHT),))
    assert finding.assignment == Assignment("m1", "teacher")


@pytest.mark.parametrize(
    ("age", "presence"),
    [
        (timedelta(0), Presence.UNCERTAIN),
        (GRACE - timedelta(seconds=1), Presence.UNCERTAIN),
        (GRACE, Presence.ENDED),
    ],
)
def test_an_unknown_instance_loses_its_record_only_after_the_grace(
    age: timedelta, presence: Presence
) -> None:
    record = replace(RIGHT, modified_at=NOW - age)

    finding = find(None, record)

    assert finding.presence is presence
    assert finding.changes == ((Delete(record),) if presence is Presence.ENDED else ())


def test_a_record_of_unknown_age_is_taken_to_be_fresh() -> None:
    assert find(None, replace(RIGHT, modified_at=None)).presence is Presence.UNCERTAIN


def test_one_fresh_record_keeps_every_record_of_an_unknown_instance() -> None:
    assert find(None, RIGHT, replace(RIGHT, id="r4", modified_at=NOW)).changes == ()


def test_an_unknown_instance_keeps_what_is_not_marked_as_ours() -> None:
    assert find(None, UNMARKED, FOREIGN).changes == ()
    assert find(None, RIGHT, UNMARKED, FOREIGN).changes == (Delete(RIGHT),)


def test_many_instances_are_decided_at_once_deletions_first() -> None:
    other, third = "i-00000001", "i-00000002"
    gone = replace(RIGHT, id="r5", name=f"{other}.{DOMAIN}")
    wrong = replace(RIGHT, id="r6", name=f"{third}.{DOMAIN}", content="192.0.2.1")
    instances = {
        ID: RUNNING,
        third: replace(RUNNING, id=third),
        other: replace(RUNNING, id=other, state="terminated"),
    }

    plan = decide(Observation(NOW, instances, (wrong, gone)), SETTINGS)

    assert [type(change) for change in plan.changes] == [Delete, Update, Create]
    assert list(plan.findings) == [ID, third, other]


def test_a_record_of_another_name_is_nobodys_business() -> None:
    elsewhere = replace(RIGHT, name=f"x.{NAME}")

    assert find(replace(RUNNING, state="terminated"), elsewhere).changes == ()


def test_changes_read_well_in_a_log() -> None:
    assert [str(change) for change in (Create(WANTED), Update(RIGHT, WANTED), Delete(RIGHT))] == [
        f"create {NAME} at {ADDRESS}",
        f"update {NAME} from {ADDRESS} to {ADDRESS}",
        f"delete {NAME} at {ADDRESS}",
    ]


COMMENTS = st.sampled_from([COMMENT, OWNER, f"{OWNER}1", "elephant:x", "", "by hand"])
RECORDS = st.lists(
    st.builds(
        Record,
        id=st.uuids().map(str),
        type=st.just("A"),
        name=st.just(NAME),
        content=st.sampled_from([ADDRESS, "192.0.2.1", "192.0.2.2"]),
        proxied=st.booleans(),
        ttl=st.sampled_from([1, 300]),
        comment=COMMENTS,
        modified_at=st.sampled_from([None, NOW, NOW - timedelta(days=1)]),
    ),
    max_size=5,
)
INSTANCES = st.none() | st.builds(
    Instance,
    id=st.just(ID),
    state=st.sampled_from(
        ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]
    ),
    address=st.sampled_from([None, ADDRESS]),
    tags=st.sampled_from([TAGS, {}, {"Project": "Elephant"}, {"Project": "Giraffe"}]),
    launched_at=st.just(NOW),
)


def carry_out(records: list[Record], changes: tuple[Change, ...]) -> list[Record]:
    """Do to the records what Cloudflare would."""
    standing = {record.id: record for record in records}
    for change in changes:
        match change:
            case Delete():
                del standing[change.record.id]
            case Create():
                standing["new"] = record_of("new", change.wanted)
            case Update():
                standing[change.record.id] = record_of(change.record.id, change.wanted)
    return list(standing.values())


def record_of(record_id: str, wanted: WantedRecord) -> Record:
    return Record(
        record_id, "A", wanted.name, wanted.content, wanted.proxied, wanted.ttl, wanted.comment, NOW
    )


@given(INSTANCES, RECORDS)
def test_a_plan_carried_out_leaves_nothing_to_do(
    instance: Instance | None, records: list[Record]
) -> None:
    after = carry_out(records, find(instance, *records).changes)

    assert find(instance, *after).changes == ()


@given(INSTANCES, RECORDS)
def test_no_plan_touches_another_owners_record(
    instance: Instance | None, records: list[Record]
) -> None:
    after = carry_out(records, find(instance, *records).changes)

    foreign = [record for record in records if record.owner not in {None, OWNER}]
    assert [record for record in after if record.owner not in {None, OWNER}] == foreign


@given(RECORDS)
def test_a_live_instance_has_exactly_one_record_unless_another_owner_is_in_the_way(
    records: list[Record],
) -> None:
    finding = find(RUNNING, *records)
    after = carry_out(records, finding.changes)

    if finding.in_the_way:
        assert not any(isinstance(change, Create) for change in finding.changes)
    else:
        assert [record.is_right(WANTED) for record in after] == [True]
