"""What must hold during the whole run, checked at each call and each write."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import DnsError
from chalicelib.ec2.desktops import TerminationError
from chalicelib.ec2.instances import IncompleteAnswerError
from chalicelib.meeting_row.table import RowChangedError, RowFullError
from chalicelib.meetings.ending import EndingError
from chalicelib.meetings.launch import LaunchDelayedError, LaunchFailedError
from chalicelib.meetings.schedules import ScheduleError
from chalicelib.secrets import SecretError
from chalicelib.watchdog.row_writer import RowsNotUpdatedError
from tests.simulation import (
    letter_invariants,
    meeting_invariants,
    people_invariants,
    record_invariants,
    row_invariants,
)
from tests.simulation.ec2 import View
from tests.simulation.names import (
    API,
    BEGUN,
    CANCELLED,
    CONFIRMED,
    CORE,
    INVITE,
    LAUNCH,
    LONGEST,
    MINUTE,
    SAFETY_NET,
    SHORTEST,
    TERMINATOR,
)
from tests.simulation.people import Asking
from tests.simulation.record_invariants import LONGEST_LAG
from tests.world import OWNER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from localcloud.cloudflare import Request
    from localcloud.cloudflare import Response as Answer
    from localcloud.cloudflare.table import Transaction
    from tests.simulation.callers import Pass, Visit
    from tests.simulation.dynamodb import Item
    from tests.simulation.ec2 import Host
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.mail import Sending
    from tests.simulation.stage import Stage

FAILURES: Final = (
    *(BotoCoreError, ClientError, DnsError, IncompleteAnswerError, OutOfTimeError, SecretError),
    *(RowChangedError, RowFullError, RowsNotUpdatedError),
    *(EndingError, LaunchDelayedError, LaunchFailedError, ScheduleError, TerminationError),
)
"""What a run may raise; anything else is a fault of the code. The API raises nothing."""

_BY_ID: Final = "DescribeInstances {'InstanceIds'"
_ID = re.compile(r"\bi-[0-9a-f]{17}\b")
_OK: Final = 200
_LEFT = re.compile(r";r=(\d+);")


class Invariants:
    """Watches every call and every write; what was broken is in `broken`.

    `least_left` is the least of Cloudflare's quota that any answer showed, and `writers` has the
    run that made each change of the zone's history, None for people. `linked` has every link that
    a row ever had.

    `over_since` says since when a row's meeting is being ended, `removed` when a row was removed
    (`removed_over` those that were over by then), `moved` when its status changed last, `owners`
    the teacher's name in each row that there ever was. `seen` counts what has happened, so that a
    test can tell whether anything did.

    By meeting and role, `offers` has the visit whose ticket is in the row, and when it was written,
    `entered` the ticket used last (and, under "before", the one before it), and `connected`
    when somebody was last seen there: when the run began that wrote so, and when it wrote.

    `versions` has all that each row ever was, and since when, `written_at` when it became what it
    is, `confirmed_at` when its meeting was booked, `changed_at` when it was moved, extended or
    shortened last, `begun_at` when its launch began, `joined_at` when somebody came, `claimed_at`
    when its end was claimed. `written_by` has the numbers of the requests of people that wrote a
    row.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.broken: list[str] = []
        self.writers: dict[int, Invocation | None] = {}
        self.least_left = sys.maxsize
        self.linked: set[tuple[str, str]] = set()
        self.over_since: dict[str, float] = {}
        self.removed: dict[str, float] = {}
        self.removed_over: set[str] = set()
        self.owners: dict[str, str] = {}
        self.moved: dict[str, float] = {}
        self.offers: dict[tuple[str, str], tuple[Visit, float]] = {}
        self.entered: dict[tuple[str, ...], Pass] = {}
        self.connected: dict[tuple[str, str], tuple[float, float]] = {}
        self.versions: dict[str, list[tuple[float, Item]]] = {}
        self.written_at: dict[str, float] = {}
        self.changed_at: dict[str, float] = {}
        self.begun_at: dict[str, float] = {}
        self.claimed_at: dict[str, float] = {}
        self.joined_at: dict[str, float] = {}
        self.confirmed_at: dict[str, float] = {}
        self.written_by: set[int] = set()
        self.seen: Counter[str] = Counter()

    def check(self) -> None:
        assert not self.broken, "\n".join(self.broken)

    @property
    def run(self) -> Invocation | None:
        """The run that is going on, if it is one that acts, not people."""
        current = self.stage.tasks.current
        return current.run if current else None

    def breaks(self, run: Invocation | None, what: str) -> None:
        self.broken.append(f"{run}: {what}")

    def breaks_all(self, run: Invocation, problems: Iterable[str]) -> None:
        for problem in problems:
            self.breaks(run, problem)

    # Reads

    @contextmanager
    def reading(self, key: str) -> Iterator[None]:
        run = self.run
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            denied = _denied(error)
            if run and denied:
                run.learnt.denied |= denied
            elif run:
                run.learnt.reads[key] = False
            raise
        if run:
            run.learnt.reads[key] = True

    def saw_instances(self, answer: Mapping[str, Any], key: str) -> None:
        run = self.run
        if run is None:
            return
        found = [each["Instances"][0] for each in answer["Reservations"]]
        for described in found:
            run.learnt.shown.setdefault(described["InstanceId"], []).append(View.parse(described))
        if "InstanceIds" in key and not found and not run.is_sweep:
            run.learnt.reads[key] = False

    def withholds(self, lacking: Iterable[str]) -> None:
        """Note which instances an answer of EC2 lacks that a run is about to get."""
        if self.run:
            self.run.learnt.withheld.update(lacking)

    def calls_cloudflare(self, request: Request) -> None:
        run = self.run
        if run is None:
            return
        needed = ("GET ", "DescribeInstances" if run.is_sweep else _BY_ID)
        failed = [key for key in run.learnt.failed if key.startswith(needed)]
        is_batch = request.path.endswith("/batch") and b'"deletes"' in request.body
        if failed and (request.method == "DELETE" or is_batch):
            self.breaks(run, f"deletes after a failed read: {failed}")

    def missed(self, request: Request) -> None:
        if self.run and request.method == "GET":
            self.run.learnt.reads[_key(request)] = False

    def answered(self, request: Request, answer: Answer, view: int) -> None:
        run = self.run
        if run is None:
            return
        if left := _LEFT.search(answer.headers.get("Ratelimit", "")):
            self.least_left = min(self.least_left, int(left[1]))
        envelope = _parse(answer.body)
        went_well = answer.status == _OK and envelope.get("success") is True
        if request.method == "GET":
            run.learnt.reads[_key(request)] = went_well
            run.learnt.view = view if went_well else run.learnt.view
        if went_well:
            for record in _records_in(envelope["result"]):
                if str(record.get("comment") or "").split()[:1] == [OWNER]:
                    run.learnt.confirmed.setdefault(record["name"], set()).add(record["content"])

    # Writes

    def wrote_records(
        self, run: Invocation | None, position: int, changes: Sequence[Transaction]
    ) -> None:
        for offset, transaction in enumerate(changes):
            self.writers[position + offset] = run
            if run:
                found = record_invariants.problems(self.stage, run, position, transaction)
                self.breaks_all(run, found)

    def lacks_room(self, run: Invocation | None, item_id: str) -> None:
        self.seen["full"] += 1
        if run:
            run.learnt.crowded.add(item_id)

    def about_to_write_row(self, item_id: str) -> None:
        run = self.run
        if run is None or run.function not in CORE:
            return
        # Another row that could not be read is nothing to this one.
        failed = [
            key
            for key in run.learnt.failed
            if not key.startswith("BatchGetItem") or repr(item_id) in key
        ]
        if failed:
            self.breaks(run, f"writes {item_id} after a failed read {failed}")

    def wrote_row(self, run: Invocation | None, item_id: str, before: Item, after: Item) -> None:
        if run and run.function not in CORE:
            found = meeting_invariants.problems(self.stage, run, item_id, before, after)
            self.breaks_all(run, found)
            return
        self.linked.update((item_id, link) for link in after.links.values())
        if run and not after:
            self.breaks(run, f"removed the row {item_id}")
        elif run and after:
            self.breaks_all(run, row_invariants.problems(self.stage, run, item_id, before, after))

    # Meetings

    def meetings_of(self, run: Invocation) -> set[str]:
        if run.function in {TERMINATOR, INVITE}:
            return {each["dynamodb"]["Keys"]["id"]["S"] for each in run.event["Records"]}
        return set(map(str, run.event.values()))

    # Desktops

    def started(self, run: Invocation | None, host: Host) -> None:
        assert host.view
        meeting, role = host.view.tag("MeetingID") or "", host.view.tag("Role") or ""
        if run is None:
            return
        is_new = host.past[-1][0] == self.stage.clock.now and len(host.past) == 1
        self.seen["started" if is_new else "found again"] += 1
        others = [
            each
            for each in self.stage.ec2.desktops_of(meeting, role)
            if each is not host and each.past[0][1].assignment == (meeting, role)
        ]
        if others:
            self.breaks(run, f"started {host.id} beside {others} as the {role} of {meeting}")
        if run.function != LAUNCH or self.meetings_of(run) != {meeting}:
            self.breaks(run, f"started {host.id} for {meeting}")
        item = self.stage.dynamodb.row(meeting)
        begun = run.started or 0.0
        if not item:
            if self.removed.get(meeting, 0.0) < begun:
                self.breaks(run, f"started {host.id} for {meeting}, of which there is no row")
        elif meeting not in self.stage.actors.touched:
            if CONFIRMED not in item:
                self.breaks(run, f"started {host.id} for {meeting}, which nobody has confirmed")
            if not item.is_begun or self.stage.clock.now > item.ends_at + MINUTE:
                self.breaks(run, f"started {host.id} for {meeting} out of time: {item}")
        if self.over_since.get(meeting, begun) < begun:
            self.breaks(run, f"started {host.id} for {meeting}, which is over")
        self._require_few(run, host)

    def _require_few(self, run: Invocation, host: Host) -> None:
        """Check that there are no more desktops than there may be."""
        others = {
            each.id
            for row in self.stage.dynamodb.items.keys() - self.stage.actors.touched
            for each in self.stage.ec2.desktops_of(row)
        }
        settings = self.stage.settings.meetings
        assert settings
        if len(others | {host.id}) > settings.max_desktops:
            self.breaks(run, f"started {host.id} beside {others - {host.id}}")

    def ends(self, run: Invocation | None, host: Host) -> None:
        if run is None:
            return
        self.seen["ended"] += 1
        shown = host.since((run.started or 0.0) - LONGEST_LAG)
        ours = [view.meeting for view in shown if view.is_project]
        meeting = next((each for each in reversed(ours) if each in self.meetings_of(run)), None)
        if meeting is None:
            self.breaks(run, f"ends {host.id}, which is {host.view}")
            return
        item, now = self.stage.dynamodb.row(meeting), self.stage.clock.now
        if not item:
            is_own = meeting in self.removed and run.function == LAUNCH
            is_own |= meeting in self.removed_over
            if not is_own and now < self.oldest(run, meeting) + LONGEST:
                self.breaks(run, f"ends {host.id} of {meeting}, of which there is no row")
        elif not item.is_claimed and not self._has_lost_its_role(run, host, item):
            is_full = run.function == SAFETY_NET and meeting in run.learnt.crowded
            if not is_full or not self.is_over_by_time(run, meeting, item):
                self.breaks(run, f"ends {host.id} of {meeting}, which nobody has claimed")

    def _has_lost_its_role(self, run: Invocation, host: Host, item: Item) -> bool:
        """Return True if a launch ends what it started, since people gave its role to another."""
        meeting, role = host.view.assignment or (None, None)
        is_touched = meeting in self.stage.actors.touched
        return is_touched and run.function == LAUNCH and item.text(f"{role}_ec2_id") != host.id

    def is_over_by_time(self, run: Invocation, meeting: str, item: Item) -> bool:
        """Return True if a meeting has lasted as long as it may, whatever else is in its row."""
        is_late = self.stage.clock.now >= item.ends_at
        return is_late or self.is_worn_out(run, meeting)

    def is_worn_out(self, run: Invocation, meeting: str) -> bool:
        """Return True if it was put off again and again while its desktops ran."""
        return self.stage.clock.now >= self.oldest(run, meeting) + SHORTEST + LONGEST

    def oldest(self, run: Invocation, meeting: str) -> float:
        """Return when the oldest desktop was launched that a meeting had when the run looked."""
        looked_at = (run.started or 0.0) - LONGEST_LAG
        launches = (
            int(host.launched_at)
            for host in self.stage.ec2.hosts.values()
            if any(
                view.is_project and view.meeting == meeting and not view.is_gone
                for view in host.since(looked_at)
            )
        )
        return min(launches, default=float("inf"))

    # Rows

    def row_became(self, item_id: str, before: Item, after: Item) -> None:
        now = self.stage.clock.now
        self._note_times(item_id, before, after)
        is_back = bool(before.status) and bool(after) and after.rank < before.rank
        if self.run and is_back:
            self.breaks(self.run, f"moved {item_id} back from {before.status} to {after.status}")
        if not after:
            self.removed[item_id] = now
            if item_id in self.over_since:
                self.over_since.pop(item_id)
                self.removed_over.add(item_id)
            return
        if not before:
            self.removed.pop(item_id, None)  # a request that went on has made it again
        self.owners[item_id] = after.text("teacher_name") or ""
        if after.status != before.status:
            self.moved[item_id] = now
        if after.is_over:
            self.over_since.setdefault(item_id, now)
        if before and after.is_claimed and not before.is_claimed:
            reason = after.text("termination_reason") or ""
            self.seen[reason] += 1
            self.claimed_at[item_id] = now
            run = self.run
            is_cancelled = run is not None and isinstance(run.event, Asking) and reason == CANCELLED
            is_claim = run is not None and run.function not in CORE and not is_cancelled
            if run and is_claim and before.goes_on(now) and not self.is_worn_out(run, item_id):
                self.breaks(run, f"ends {item_id}, which is live")

    def _note_times(self, item_id: str, before: Item, after: Item) -> None:
        now = self.stage.clock.now
        self.versions.setdefault(item_id, []).append((now, after))
        self.written_at[item_id] = now
        for name, times in ((CONFIRMED, self.confirmed_at), (BEGUN, self.begun_at)):
            if name in after and name not in before:
                times[item_id] = now
        if after.has_begun:
            self.joined_at.setdefault(item_id, now)

    def lately(self, item_id: str, run: Invocation) -> list[Item]:
        """Return what a row has been since a run began."""
        versions = self.versions.get(item_id, [])
        return list(people_invariants.lately(versions, run.started or 0.0, self.stage.clock.now))

    # Letters

    def sent_letter(self, letter: Sending) -> None:
        self.breaks_all(letter.run, letter_invariants.sent_problems(self.stage, letter))

    # Schedules

    def changed_schedule(self, operation: str, name: str) -> None:
        run = self.run
        if run and isinstance(run.event, Asking):
            found = people_invariants.changed_schedule(self.stage, run, operation, name)
            self.breaks_all(run, found)

    # Runs

    def ended(self, run: Invocation) -> None:
        if run.error and not (isinstance(run.error, FAILURES) and run.function != API):
            self.breaks(run, f"raised {run.error!r}")
        what = type(run.error).__name__ if run.error else "went well"
        self.seen[f"{run.function} {what}"] += 1
        if run.function == API and run.error is None:
            self.breaks_all(run, meeting_invariants.answer_problems(self.stage, run))
        if run.function == SAFETY_NET and run.result:
            self.seen[f"look: {run.result['action']}"] += 1


def _denied(error: BotoCoreError | ClientError) -> set[str]:
    said = str(error)
    return set(_ID.findall(said)) if "InvalidInstanceID.NotFound" in said else set()


def _key(request: Request) -> str:
    return f"GET {request.path} {request.query}"


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        envelope = json.loads(body)
    except ValueError:
        return {}
    return envelope if isinstance(envelope, dict) else {}


def _records_in(result: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401
    if isinstance(result, list):
        yield from result
    elif isinstance(result, dict) and "content" in result:
        yield result
    elif isinstance(result, dict):
        for kind in ("patches", "posts"):
            yield from result.get(kind, ())
