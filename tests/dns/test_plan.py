"""The decision about records: whose they are, which one stays, and what is never touched."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.dns.change import Create, Delete, Update
from chalicelib.dns.plan import Finding, Observation, decide
from chalicelib.dns.record import Record
from chalicelib.ec2.instances import Instance
from chalicelib.ec2.presence import Presence
from chalicelib.meeting_row.meeting import Assignment
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
    foreign = replace(FOREIGN, content="192.0.2.2")
    unmarked = replace(UNMARKED, content="192.0.2.3")

    assert find(RUNNING, foreign, unmarked).changes == ()
    assert find(RUNNING, foreign, unmarked, ours).changes == (Update(ours, WANTED),)


def test_beside_another_owners_record_of_the_same_address_ours_goes() -> None:
    """Cloudflare takes no two that are alike, so it could never be set right."""
    ours = replace(RIGHT, content="192.0.2.1")

    elsewhere = replace(FOREIGN, content="192.0.2.2")

    assert find(RUNNING, FOREIGN, ours).changes == (Delete(ours),)
    assert find(RUNNING, elsewhere, UNMARKED, ours).changes == (Delete(ours),)


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
    assert not finding.waits


@pytest.mark.parametrize(
    ("age", "presence"),
    [
        (timedelta(0), Presence.UNCERTAIN),
        (SETTINGS.grace - timedelta(seconds=1), Presence.UNCERTAIN),
        (SETTINGS.grace, Presence.AWAY),
    ],
)
def test_a_pending_instance_keeps_a_fresh_record(age: timedelta, presence: Presence) -> None:
    """Whoever wrote it saw the instance run; EC2's answers may be older than that."""
    record = replace(RIGHT, modified_at=NOW - age)

    finding = find(replace(RUNNING, state="pending"), record)

    assert finding.presence is presence
    assert finding.changes == ((Delete(record),) if presence is Presence.AWAY else ())
    assert finding.waits is (presence is Presence.UNCERTAIN)


def test_an_instance_that_ec2_does_not_know_yet_is_looked_at_again() -> None:
    assert find(None).presence is Presence.UNCERTAIN
    assert find(None, UNMARKED, FOREIGN).presence is Presence.UNCERTAIN


@pytest.mark.parametrize(
    ("tags", "formers", "row_comes_first"),
    [
        (TAGS, (), False),
        ({"Project": "Elephant"}, (), True),
        ({"MeetingID": "m1", "Role": "teacher"}, (), True),
        (TAGS | {"Role": "student"}, (), False),
        (TAGS | {"Role": "no role"}, (Assignment("m1", "teacher"),), False),
        (TAGS | {"MeetingID": "m2"}, (Assignment("m1", "teacher"),), False),
    ],
)
def test_what_only_the_record_knows_is_not_forgotten_with_it(
    tags: dict[str, str], formers: tuple[Assignment, ...], *, row_comes_first: bool
) -> None:
    finding = find(replace(RUNNING, state="terminated", tags=tags), RIGHT)

    assert (finding.formers, finding.row_comes_first) == (formers, row_comes_first)


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
        (SETTINGS.grace - timedelta(seconds=1), Presence.UNCERTAIN),
        (SETTINGS.grace, Presence.AWAY),
    ],
)
def test_an_unknown_instance_loses_its_record_only_after_the_grace(
    age: timedelta, presence: Presence
) -> None:
    record = replace(RIGHT, modified_at=NOW - age)

    finding = find(None, record)

    assert finding.presence is presence
    assert finding.changes == ((Delete(record),) if presence is Presence.AWAY else ())
    assert finding.unproven is (presence is Presence.AWAY)
    assert finding.waits is (presence is Presence.UNCERTAIN)


def test_the_grace_is_the_stages_own() -> None:
    half_an_hour = make_settings(GRACE_MINUTES="30")
    record = replace(RIGHT, modified_at=NOW - timedelta(minutes=29))
    observation = Observation(NOW, {ID: None}, (record,))

    assert decide(observation, half_an_hour).findings[ID].presence is Presence.UNCERTAIN
    assert decide(observation, SETTINGS).findings[ID].presence is Presence.AWAY


def test_a_record_of_unknown_age_is_taken_to_be_fresh() -> None:
    assert find(None, replace(RIGHT, modified_at=None)).presence is Presence.UNCERTAIN


def test_a_record_from_the_future_is_taken_to_be_fresh() -> None:
    """Cloudflare's clock may be ahead of ours, but not by more than the grace period."""
    ahead = replace(RIGHT, modified_at=NOW + SETTINGS.grace - timedelta(seconds=1))
    nonsense = replace(RIGHT, modified_at=NOW + timedelta(days=365))

    assert find(None, ahead).presence is Presence.UNCERTAIN
    assert find(None, nonsense).presence is Presence.AWAY


def test_a_record_that_is_touched_all_the_time_is_as_old_as_it_is() -> None:
    touched = replace(RIGHT, created_at=NOW - timedelta(hours=1), modified_at=NOW)

    assert find(None, touched).changes == (Delete(touched),)


def test_an_instance_of_which_ec2_says_nothing_keeps_its_record() -> None:
    plan = decide(Observation(NOW, {}, (RIGHT,), unclear=frozenset({ID})), SETTINGS)

    finding = plan.findings[ID]
    assert (finding.presence, finding.changes, finding.waits) == (Presence.UNCERTAIN, (), True)


def test_beside_a_record_that_makes_no_sense_nothing_is_done() -> None:
    astray = replace(RIGHT, name=f"www.{DOMAIN}")
    unreadable = frozenset({NAME, astray.name})
    observation = Observation(NOW, {ID: RUNNING}, (RIGHT, astray), unreadable=unreadable)

    plan = decide(observation, SETTINGS)

    assert plan.changes == ()
    found = plan.findings[ID]
    assert (found.reason, found.waits) == (f"a record {NAME} could not be read", True)


@pytest.mark.parametrize("name", [NAME, f"www.{DOMAIN}", f"{ID}.example.net"])
def test_a_record_that_makes_no_sense_is_reported_if_it_has_the_name_of_an_instance(
    name: str,
) -> None:
    """It may be the last trace of one that has ended."""
    plan = decide(Observation(NOW, {}, (), unreadable=frozenset({name})), SETTINGS)

    assert [key for key, found in plan.findings.items() if found.waits] == [ID] * (name == NAME)


def test_if_no_instance_bears_the_tag_the_setting_may_be_wrong() -> None:
    """Then the deletions count as unproven; of one that has ended they never do."""
    untagged, ended = replace(RUNNING, tags={}), replace(RUNNING, id="i-0000000e", tags={})
    ended = replace(ended, state="terminated")
    other = replace(RIGHT, id="r9", name=f"{ended.id}.{DOMAIN}")
    tagged = replace(RUNNING, id="i-0000000f")
    records = (RIGHT, other)

    alone = decide(Observation(NOW, {ID: untagged, ended.id: ended}, records), SETTINGS)
    beside = decide(Observation(NOW, {ID: untagged, tagged.id: tagged}, records[:1]), SETTINGS)

    assert [each.unproven for each in alone.findings.values()] == [True, False]
    assert not beside.findings[ID].unproven


def test_what_another_stage_launched_is_not_ours() -> None:
    theirs = replace(RUNNING, tags={**RUNNING.tags, "elephant:owner": "elephant:other"})

    assert find(theirs).reason == "launched by another stage, elephant:other"
    assert find(theirs).presence is Presence.FOREIGN
    assert find(theirs, RIGHT).changes == (Delete(RIGHT),)


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


def test_a_record_of_another_name_is_not_the_instances() -> None:
    elsewhere = replace(UNMARKED, name=f"x.{NAME}")

    assert find(replace(RUNNING, state="terminated"), elsewhere).changes == ()


@pytest.mark.parametrize("state", ["running", "stopped", "terminated"])
def test_a_record_of_ours_under_an_older_domain_is_the_instances_and_one_too_many(
    state: str,
) -> None:
    astray = replace(RIGHT, name=f"{ID}.old.example.com")

    plan = decide(Observation(NOW, {ID: replace(RUNNING, state=state)}, (astray,)), SETTINGS)

    assert list(plan.findings) == [ID]
    assert Delete(astray) in plan.changes
    assert [type(each) for each in plan.changes[1:]] == ([Create] if state == "running" else [])


# Records of ours under names that are no instance's


STRAYS = [f"x.{NAME}", DOMAIN, f"www.{DOMAIN}"]


@pytest.mark.parametrize("name", STRAYS)
def test_a_record_of_ours_under_no_instances_name_is_one_too_many(name: str) -> None:
    astray = replace(RIGHT, name=name)

    plan = decide(Observation(NOW, {ID: RUNNING}, (RIGHT, astray)), SETTINGS)

    assert plan.findings[ID].changes == ()
    assert plan.findings[name] == Finding(
        Presence.AWAY, "no instance has this name", (Delete(astray),), unproven=True
    )
    assert plan.changes == (Delete(astray),)


def test_a_fresh_record_under_no_instances_name_is_left() -> None:
    """Its instance may have been launched since."""
    name = f"www.{DOMAIN}"
    young = replace(RIGHT, name=name, modified_at=NOW - SETTINGS.grace + timedelta(seconds=1))

    plan = decide(Observation(NOW, {}, (young, replace(young, id="r9"))), SETTINGS)

    reason = "no instance has this name; the record is within the grace period"
    assert plan.findings == {name: Finding(Presence.UNCERTAIN, reason, waits=True)}


@pytest.mark.parametrize("record", [UNMARKED, FOREIGN, replace(RIGHT, type="TXT")])
@pytest.mark.parametrize("name", STRAYS)
def test_what_is_not_ours_under_such_a_name_is_nobodys_business(record: Record, name: str) -> None:
    observation = Observation(NOW, {ID: RUNNING}, (RIGHT, replace(record, name=name)))

    assert list(decide(observation, SETTINGS).findings) == [ID]


def test_beside_a_record_of_ours_that_goes_the_others_of_its_name_stay() -> None:
    name = f"www.{DOMAIN}"
    every = [replace(each, name=name) for each in (RIGHT, UNMARKED, FOREIGN)]

    assert decide(Observation(NOW, {}, tuple(every)), SETTINGS).changes == (Delete(every[0]),)


# Conflicting records


@pytest.mark.parametrize("comment", ["", "made by hand", COMMENT, "elephant:other"])
def test_a_cname_is_in_the_way_whoever_made_it(comment: str) -> None:
    """Cloudflare would refuse a record beside it, run after run."""
    cname = replace(RIGHT, type="CNAME", content="elsewhere.example.com", comment=comment)

    finding = find(RUNNING, cname)

    assert (finding.changes, finding.in_the_way, finding.may_be_linked) == ((), (cname,), False)
    assert finding.warnings == (f"conflicting CNAME record {NAME} left unchanged",)


@pytest.mark.parametrize("kind", ["TXT", "AAAA", "MX", "HTTPS", "CAA"])
@pytest.mark.parametrize("comment", ["", COMMENT, "elephant:other"])
def test_what_may_stand_beside_an_address_record_is_not_looked_at(kind: str, comment: str) -> None:
    beside = replace(RIGHT, type=kind, comment=comment)

    assert find(RUNNING, beside).changes == (Create(WANTED),)
    assert find(RUNNING, RIGHT, beside) == find(RUNNING, RIGHT)
    assert find(replace(RUNNING, state="terminated"), beside).changes == ()
    assert find(None, beside).changes == ()


def test_a_warning_names_the_record_and_whose_it_is() -> None:
    assert find(RUNNING, FOREIGN).warnings == (
        f"the record {NAME} at {ADDRESS} belongs to elephant:other; left unchanged",
    )


def test_a_role_that_can_name_no_attribute_is_a_warning() -> None:
    finding = find(replace(RUNNING, tags=TAGS | {"Role": "co-host"}))

    assert finding.warnings == (
        "the Role tag 'co-host' cannot name an attribute of a row; no row was updated",
    )


def test_what_is_right_is_no_warning() -> None:
    assert find(RUNNING, RIGHT).warnings == ()


def test_changes_read_well_in_a_log() -> None:
    assert [str(change) for change in (Create(WANTED), Update(RIGHT, WANTED), Delete(RIGHT))] == [
        f"create {NAME} at {ADDRESS}",
        f"update {NAME} from {ADDRESS} to {ADDRESS}",
        f"delete {NAME} at {ADDRESS}",
    ]


def test_a_change_goes_by_the_name_of_its_record() -> None:
    renamed = replace(WANTED, name=f"new.{DOMAIN}")

    names = [change.name for change in (Create(WANTED), Update(RIGHT, renamed), Delete(RIGHT))]

    assert names == [NAME, NAME, NAME]
