"""From any state, and with any failures: no sweep breaks a promise, and they settle.

A world in memory watches over each single write while sweeps go on in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.dns.change import Change, Create, Delete, Update
from chalicelib.dns.provider import (
    RateLimitedError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
)
from chalicelib.dns.record import Record, ownership_comment
from chalicelib.meeting_row.meeting import Assignment, Meeting, MeetingChange, Status
from chalicelib.meeting_row.table import RowChangedError, RowsRead
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from chalicelib.watchdog.sweep import Sweep
from tests.changes import Inline
from tests.memory_dns import MemoryZone
from tests.surveys import ADDRESS, HOUR, NOW, A, B, C, ago
from tests.surveys import instance as an_instance
from tests.surveys import row as a_row
from tests.world import DOMAIN, OWNER, Context, Reports, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chalicelib.ec2.instances import Instance

SETTINGS = make_settings(SWEEP_DELETE_LIMIT="1000", SWEEP_BATCH_SIZE="3")
IDS = (A, B, C)
LINKED = {link(each): each for each in IDS}


@dataclass
class Small:
    """EC2, the zone and the table, each of which fails at the calls that a test names."""

    seen: Mapping[str, Instance]
    zone: MemoryZone
    rows: dict[str, Meeting]
    zone_fails: dict[int, Exception | None] = field(default_factory=dict)
    """By the number of the call; None: it is carried out, and the answer lost."""
    row_fails: dict[int, Exception] = field(default_factory=dict)
    lags: set[int] = field(default_factory=set)
    """The numbers of the reads of rows that are not consistent, and show the rows before."""
    before: dict[str, Meeting] = field(default_factory=dict)
    writes: int = 0
    reads: int = 0

    def __post_init__(self) -> None:
        self.zone.fail = [self.before_zone_call]

    # EC2

    def of_project(self) -> tuple[Instance, ...]:
        return tuple(each for each in self.seen.values() if each.tags.get("Project"))

    def look_up(self, instance_ids: Iterable[str]) -> dict[str, Instance | None]:
        return {each: self.seen.get(each) for each in instance_ids}

    # The zone

    def before_zone_call(self, changes: Sequence[Change]) -> Exception | None:
        """Fail as the test wants, and watch over what is about to be written."""
        number = len(self.zone.calls)
        if error := self.zone_fails.get(number):
            return error
        self.zone.loses_answer = number in self.zone_fails
        for change in changes:
            if isinstance(change, Create | Update):
                assert self.is_live(change.name)
            if isinstance(change, Update | Delete):
                for each in self.zone.records:
                    if each.id == change.record.id:
                        self._may_be_touched(each)
        return None

    def _may_be_touched(self, record: Record) -> None:
        """Hold rule 3: ours, or nobody's under the name of an instance that is surely ours."""
        instance = self.seen.get(record.name.partition(".")[0])
        tagged = instance is not None and instance.has_tag(SETTINGS.project_tag)
        assert record.owner == OWNER or (record.owner is None and tagged)
        if instance is None:
            assert record.modified_at is not None
            assert NOW - record.modified_at >= SETTINGS.grace

    def meeting_of(self, instance_id: str) -> str | None:
        """Return the meeting that an instance is tagged with; None also if EC2 denies it."""
        instance = self.seen.get(instance_id)
        return instance.tags.get("MeetingID") if instance else None

    def is_live(self, name: str) -> bool:
        instance = self.seen.get(name.partition(".")[0])
        return (
            instance is not None
            and instance.has_tag(SETTINGS.project_tag)
            and instance.state == "running"
            and instance.address is not None
        )

    def right(self, instance_id: str) -> list[Record]:
        """Return the address records of an instance's name."""
        return [each for each in self.zone.records if each.name == f"{instance_id}.{DOMAIN}"]

    # The table

    def rows_of(self, meeting_ids: Iterable[str], *, is_consistent: bool) -> RowsRead:
        rows = self.rows
        if not is_consistent:
            self.reads += 1
            rows = self.before if self.reads in self.lags else rows
        return RowsRead({each: rows[each] for each in meeting_ids if each in rows})

    def apply(self, change: MeetingChange) -> None:
        self.writes += 1
        if self.writes in self.row_fails:
            raise self.row_fails[self.writes]
        row = self.rows.get(change.meeting.id)
        if row is None or any(
            row.item.get(each) != change.meeting.item.get(each) for each in change.relies_on
        ):
            raise RowChangedError(change.meeting.id)
        after = MeetingChange(row, change.links, change.status, ()).result
        self._may_be_written(row, after)
        self.before[row.id], self.rows[row.id] = row, after

    def _may_be_written(self, before: Meeting, after: Meeting) -> None:
        for role in before.roles:
            if after.link(role) and after.link(role) != before.link(role):
                self._may_be_linked(LINKED[after.link(role) or ""], Assignment(before.id, role))
            elif before.link(role) and not after.link(role):
                gone = LINKED[before.link(role) or ""]  # never what is not an instance's
                instance = self.seen.get(gone)
                serves = instance and Assignment.of(instance) == Assignment(before.id, role)
                assert not (serves and self.is_live(gone))
        if after.status != before.status:
            known = [None, *Status]
            assert known.index(after.status) > known.index(before.status)
        if after.status == "TERMINATED" and before.status != "TERMINATED":
            assert not any(after.link(role) for role in after.roles)
            assert not any(
                instance.tags.get("MeetingID") == after.id
                and instance.has_tag(SETTINGS.project_tag)
                and not instance.has_ended
                for instance in self.seen.values()
            )

    def _may_be_linked(self, instance_id: str, assignment: Assignment) -> None:
        """Hold rule 6: DNS first. The link leads to one record, ours and as it should be."""
        assert self.is_live(instance_id)
        (record,) = self.right(instance_id)
        assert (record.content, record.owner) == (ADDRESS, OWNER)
        assert Assignment.of(self.seen[instance_id]) in {None, assignment}

    # Sweeps

    def sweep(self) -> dict[str, Any] | None:
        """Sweep once; None if rows could not be written."""
        ends: Any = self
        sweep = Sweep(
            settings=SETTINGS,
            instances=ends,
            zone=self.zone,
            meetings=ends,
            reporter=Reports(),
            executor=Inline(),
            clock=NOW.timestamp,
        )
        try:
            return sweep.handle(Context())
        except RowsNotUpdatedError:
            return None

    def settle(self) -> int:
        """Sweep without failures until there is nothing left to do; return how often."""
        self.zone_fails, self.row_fails, self.lags = {}, {}, set()
        for times in range(1, 6):
            result = self.sweep()
            assert result is not None
            if result["action"] == "unchanged":
                return times
        raise AssertionError(f"the sweeps do not settle: {result}")

    def standing(self) -> tuple[object, object]:
        return (
            sorted((each.name, each.content, each.comment) for each in self.zone.records),
            {each: dict(row.item) for each, row in self.rows.items()},
        )


# What may stand

MEETINGS = ("m1", "m2")
ROLES = ("teacher", "student")
ASSIGNMENTS = [None, *(Assignment(meeting, role) for meeting in MEETINGS for role in ROLES)]


@st.composite
def instances(draw: st.DrawFn, *, tidy: bool) -> dict[str, Instance]:
    states = ["running", "running", "running", "stopping", "stopped", "terminated"]
    states += [] if tidy else ["pending"]
    return {
        each: an_instance(
            each,
            draw(st.sampled_from(states)),
            meeting=draw(st.sampled_from([*MEETINGS, *([] if tidy else [None])])),
            role=draw(st.sampled_from(ROLES)),
            project=draw(st.sampled_from(["Elephant", "Elephant", "Elephant" if tidy else None])),
            address=draw(st.sampled_from([ADDRESS, ADDRESS, None])),
            age=draw(st.sampled_from([60, HOUR])),
        )
        for each in draw(st.sets(st.sampled_from(IDS)))
    }


@st.composite
def worlds(draw: st.DrawFn, *, tidy: bool = False) -> Small:
    """Draw a world; in a tidy one tags are whole, comments agree, and nobody is pending."""
    seen = draw(instances(tidy=tidy))
    noted = {each: draw(st.sampled_from(ASSIGNMENTS)) for each in IDS}
    standing = draw(records(noted, tidy=tidy))
    served = {
        each: {Assignment.of(seen[each])} if each in seen else set[Assignment | None]()
        for each in IDS
    }
    for record in standing:
        if record.owner == OWNER:
            served[record.name.partition(".")[0]].add(record.assignment)
    now = draw(rows(seen, served, tidy=tidy))
    return Small(seen, zone_of(standing), now, before=draw(rows(seen, served, tidy=tidy)))


@st.composite
def rows(
    draw: st.DrawFn,
    seen: Mapping[str, Instance],
    served: Mapping[str, set[Assignment | None]],
    *,
    tidy: bool,
) -> dict[str, Meeting]:
    found = {}
    for meeting in draw(st.sets(st.sampled_from(MEETINGS))):
        attributes = {"status": draw(st.sampled_from(["", *Status]))}
        for role in ROLES:
            links = ["", *LINKED]
            if tidy:  # a link that nothing leads to is not promised to go
                links = ["", *(link(each) for each in IDS if each in seen or not served[each])]
                links += [link(each) for each in IDS if Assignment(meeting, role) in served[each]]
            attributes[f"{role}_ec2_link"] = draw(st.sampled_from(links))
            launched = ["", "", *(each for each in IDS if each in seen or not tidy)]
            attributes[f"{role}_ec2_id"] = draw(st.sampled_from(launched))
        found[meeting] = a_row(meeting, **{key: text for key, text in attributes.items() if text})
    return found


@st.composite
def records(draw: st.DrawFn, noted: Mapping[str, Assignment | None], *, tidy: bool) -> list[Record]:
    """Draw records; what was noted for an instance is in most comments of ours under its name."""
    domains = st.just(DOMAIN) if tidy else st.sampled_from([DOMAIN, DOMAIN, "old.example.com"])
    addresses = st.sampled_from([ADDRESS, "192.0.2.1", "192.0.2.2"])
    places = st.tuples(st.sampled_from(IDS), domains, addresses)
    found = []
    for instance_id, domain, content in draw(st.lists(places, unique=True, max_size=5)):
        wrong = None if tidy else draw(st.sampled_from([None, None, None, *ASSIGNMENTS]))
        ours = ownership_comment(OWNER, wrong or noted[instance_id])
        comment = draw(st.sampled_from([ours, ours, ours, "elephant:other m=m1 r=teacher", ""]))
        name = f"{instance_id}.{domain}"
        made = Record.address(name, content, proxied=draw(st.booleans()), ttl=1, comment=comment)
        age = ago(draw(st.sampled_from([60, HOUR])))
        found.append(replace(made, id=f"record of {name} at {content}", modified_at=age))
    return found


def zone_of(records: Sequence[Record]) -> MemoryZone:
    return MemoryZone(records=records, size=3, clock=lambda: NOW)


def copy(world: Small) -> Small:
    rows, before = dict(world.rows), dict(world.before)
    return replace(world, zone=zone_of(world.zone.records), rows=rows, before=before)


ZONE_FAILS = st.dictionaries(
    st.integers(1, 8),
    st.sampled_from(
        [
            None,
            UnavailableError("HTTP 502"),
            UnconfirmedError("HTTP 524"),
            RateLimitedError("HTTP 429", 300),
            RejectedError("HTTP 400"),
        ]
    ),
    max_size=4,
)
ROW_FAILS = st.dictionaries(
    st.integers(1, 6),
    st.sampled_from(
        [RowChangedError("m1"), ClientError({"Error": {"Code": "InternalServerError"}}, "x")]
    ),
    max_size=3,
)
LAGS = st.sets(st.integers(1, 3))


@settings(max_examples=120)
@given(worlds())
def test_two_sweeps_settle_any_state(world: Small) -> None:
    """A row may depend on the records, so there may be a second."""
    foreign = [each for each in world.zone.records if each.owner not in {None, OWNER}]

    assert world.settle() <= 3

    assert [each for each in world.zone.records if each.owner not in {None, OWNER}] == foreign
    for instance_id in IDS:
        ours = [each for each in world.right(instance_id) if each.owner == OWNER]
        others = [each for each in world.right(instance_id) if each.owner not in {None, OWNER}]
        if world.is_live(instance_id):
            assert len(ours) == (0 if others and not ours else 1)
            assert {each.content for each in ours} <= {ADDRESS}


@settings(max_examples=120)
@given(worlds(), ZONE_FAILS, ROW_FAILS, LAGS, st.integers(1, 3))
def test_no_failure_breaks_a_promise_and_the_next_sweeps_settle(
    world: Small,
    zone_fails: dict[int, Exception | None],
    row_fails: dict[int, Exception],
    lags: set[int],
    runs: int,
) -> None:
    world.zone_fails, world.row_fails, world.lags = zone_fails, row_fails, lags

    for _ in range(runs):
        world.sweep()

    assert world.settle() <= 4


@settings(max_examples=120)
@given(worlds(tidy=True), ZONE_FAILS, ROW_FAILS, LAGS, st.integers(1, 3))
def test_failures_on_the_way_do_not_change_where_it_leads(
    world: Small,
    zone_fails: dict[int, Exception | None],
    row_fails: dict[int, Exception],
    lags: set[int],
    runs: int,
) -> None:
    """But for the status of a row that named an instance that EC2 denies, or another meeting's.

    Whether it is TERMINATED depends on whether it still names it when another one's end is seen:
    what EC2 denies has not been shown to have ended, and what runs for another meeting leaves the
    row by itself. Either way every instance that the row names then has ended.
    """
    doubtful = {
        meeting
        for meeting, row in world.rows.items()
        if any(world.meeting_of(each) != meeting for each in row.instance_ids)
    }
    smooth = copy(world)
    smooth.settle()
    world.zone_fails, world.row_fails, world.lags = zone_fails, row_fails, lags

    for _ in range(runs):
        world.sweep()
    world.settle()

    for each in (world, smooth):
        for meeting in doubtful:
            each.rows[meeting] = Meeting(
                meeting, {**each.rows[meeting].item, "status": {"S": "any"}}
            )
    assert world.standing() == smooth.standing()


def test_a_record_that_alone_leads_to_a_row_goes_only_after_the_row_as_it_is_now() -> None:
    """Reads that are not consistent may show the row from before its link was set."""
    comment = ownership_comment(OWNER, Assignment("m1", "teacher"))
    last = Record.address(f"{A}.{DOMAIN}", ADDRESS, proxied=True, ttl=1, comment=comment)
    zone = zone_of([replace(last, id="last", modified_at=ago(HOUR))])
    linked = a_row("m1", status="DNS_WRITTEN", teacher_ec2_link=link(A))
    launched = a_row("m1", status="LAUNCHED")
    world = Small({}, zone, {"m1": linked}, lags={1}, before={"m1": launched})

    world.sweep()

    assert (world.zone.records, world.rows["m1"].link("teacher")) == ([], None)
