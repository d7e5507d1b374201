"""The decision about records, whatever stands in the zone and whatever EC2 says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dns.change import Change, Create, Delete, Update
from chalicelib.dns.plan import Observation, Plan, decide
from chalicelib.dns.record import Record
from chalicelib.ec2.instances import Instance
from chalicelib.ec2.presence import Presence
from tests.world import DOMAIN, OWNER, make_settings

SETTINGS = make_settings()
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID = "i-0123456789abcdef0"
NAME = f"{ID}.{DOMAIN}"
ADDRESS = "203.0.113.7"
COMMENT = f"{OWNER} m=m1 r=teacher"
TAGS = {"Project": "Elephant", "MeetingID": "m1", "Role": "teacher"}
RUNNING = Instance(ID, "running", ADDRESS, TAGS, NOW - timedelta(hours=1))
WANTED = Record.address(NAME, ADDRESS, proxied=True, ttl=1, comment=COMMENT)


def plan(instance: Instance | None, records: list[Record]) -> Plan:
    return decide(Observation(NOW, {ID: instance}, tuple(records)), SETTINGS)


def is_ours_to_touch(record: Record) -> bool:
    """Tell whether rule 3 lets a record be changed, for a tagged instance at least."""
    is_unmarked_of_an_instance = record.owner is None and record.name == NAME
    return record.type == "A" and (record.owner == OWNER or is_unmarked_of_an_instance)


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


def record_of(record_id: str, wanted: Record) -> Record:
    return Record(
        record_id, "A", wanted.name, wanted.content, wanted.proxied, wanted.ttl, wanted.comment, NOW
    )


@given(INSTANCES, RECORDS)
def test_a_plan_carried_out_leaves_nothing_to_do(
    instance: Instance | None, records: list[Record]
) -> None:
    after = carry_out(records, plan(instance, records).changes)

    assert plan(instance, after).changes == ()


@given(INSTANCES, RECORDS)
def test_no_plan_touches_what_is_not_ours(instance: Instance | None, records: list[Record]) -> None:
    after = carry_out(records, plan(instance, records).changes)

    left_alone = [record for record in records if not is_ours_to_touch(record)]
    assert [record for record in after if not is_ours_to_touch(record)] == left_alone


@given(INSTANCES, RECORDS)
def test_no_plan_touches_an_unmarked_record_unless_its_instance_is_surely_ours(
    instance: Instance | None, records: list[Record]
) -> None:
    after = carry_out(records, plan(instance, records).changes)

    if not (instance and instance.has_tag(SETTINGS.project_tag)):
        unmarked = [record for record in records if record.owner is None]
        assert [record for record in after if record.owner is None] == unmarked


@given(INSTANCES, RECORDS)
def test_no_plan_acts_on_an_instance_of_which_too_little_is_known(
    instance: Instance | None, records: list[Record]
) -> None:
    finding = plan(instance, records).findings[ID]

    if finding.presence in {Presence.UNCERTAIN, Presence.FOREIGN}:
        assert finding.changes == ()
    if finding.waits:
        assert finding.presence is Presence.UNCERTAIN


@given(INSTANCES, RECORDS)
def test_a_plan_deletes_first_then_updates_then_creates(
    instance: Instance | None, records: list[Record]
) -> None:
    changes = plan(instance, records).changes

    assert [type(each) for each in changes] == sorted(
        (type(each) for each in changes), key=[Delete, Update, Create].index
    )


@given(RECORDS)
def test_a_live_instance_has_exactly_one_record_unless_another_is_in_the_way(
    records: list[Record],
) -> None:
    found = plan(RUNNING, records)
    after = carry_out(records, found.changes)

    if found.findings[ID].in_the_way:
        assert not any(isinstance(change, Create) for change in found.changes)
    else:
        addresses = [each for each in after if each.type == "A" and each.name == NAME]
        assert [record.matches(WANTED) for record in addresses] == [True]
