"""Who calls the API: those who book meetings, and those who come to them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from chalicelib.meetings.http import Answer, Request
from tests.simulation.names import API, BASE_URL, CALLERS, FRONT_END, MINUTE, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.dynamodb import Item
    from tests.simulation.lambda_service import Invocation
    from tests.simulation.people import Change
    from tests.simulation.stage import Stage

POLL: Final = MINUTE
"""How often a visitor's page asks."""
JSON, WAIT, PAGE, ENTER = "json", "wait", "page", "enter"
"""How somebody asks: as a program, by a page in a hidden tab, by looking at it, by its link."""
AT_ONCE, LATE, TWICE, ASTRAY, NEVER = "at once", "late", "twice", "astray", "never"
"""When a desktop's DCV server asks for a ticket; astray it is another desktop's first."""
DELAYS: Final = {AT_ONCE: 2.0, LATE: 90.0, TWICE: 20.0, ASTRAY: 40.0}

_SUCCESSES: Final = frozenset({200, 201})


@dataclass(frozen=True)
class Plan:
    """How a meeting is meant to go: who comes, and for how long; None is until it is ended.

    Unless `is_well`, its desktops never report that they are healthy. If it `is_declared_over`,
    somebody writes TERMINATED soon after people have come, and claims nothing. If it `is_hostile`,
    its desktops report whatever they may whenever its end is about to be written. If it
    `is_hidden`, people leave the page in a tab in the background, and never get in. `enters` is how
    their first ticket comes to be verified. `changes` are made meanwhile by who has booked it.
    """

    comes: tuple[str, ...]
    stays: float | None
    is_well: bool = True
    is_declared_over: bool = False
    is_hostile: bool = False
    is_hidden: bool = False
    enters: str = AT_ONCE
    changes: tuple[Change, ...] = ()


@dataclass(eq=False)
class Order:
    """A meeting that somebody books, with a key (then again and again, perhaps) or without one.

    `start` is when it is to start by now.
    """

    number: int
    meet_time: float
    key: str | None
    plan: Plan
    caller: str = FRONT_END
    minutes: int | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    start: float = 0.0
    runs: list[Invocation] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    booked: dict[str, dict[str, str]] = field(default_factory=dict)
    """The keys of its links by role, by the meeting that an answer named."""

    @property
    def teacher(self) -> str:
        return f"Teacher {self.number}"

    @property
    def meeting(self) -> str | None:
        return next(iter(self.booked), None)

    @property
    def is_refused(self) -> bool:
        """Whether every request with its key was answered, and none of them well."""
        is_answered = len(self.answers) == len(self.runs) > 0
        return is_answered and not any(each.status in _SUCCESSES for each in self.answers)

    def request(self, *, minutes_later: int = 0) -> Request:
        """Format the request, the time in the zone of whoever books."""
        zone = timezone(timedelta(hours=self.number % 3 - 1))
        moment = datetime.fromtimestamp(self.meet_time + minutes_later * MINUTE, UTC)
        body: dict[str, object] = {
            "teacher_name": self.teacher,
            "student_name": "Student",
            "meet_time": moment.astimezone(zone).isoformat(timespec="seconds"),
        }
        for role, address in self.addresses.items():
            body[f"{role}_email"] = address
        if self.minutes:
            body["duration_minutes"] = self.minutes
        key = CALLERS[self.caller]
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        if self.key:
            headers["idempotency-key"] = self.key
        return Request("POST", "/schedule", headers, {}, json.dumps(body).encode(), BASE_URL)


@dataclass(frozen=True)
class Booking:
    """One request for a meeting; `is_same` as the order's other ones."""

    order: Order
    request: Request
    is_same: bool = True


@dataclass(frozen=True)
class Visit:
    """One request for a desktop."""

    meeting: str
    role: str
    request: Request
    how: str


@dataclass(eq=False)
class Pass:
    """A ticket that somebody was given who asked for a desktop, and has been shown until now."""

    visit: Visit
    text: str = field(repr=False)
    instance_id: str
    asked_at: float
    answered_at: float
    replaced_at: float = 0.0
    """When another one was used after it."""

    @property
    def door(self) -> tuple[str, str]:
        return self.visit.meeting, self.visit.role


@dataclass(eq=False)
class Guest:
    """Somebody who is to come to a meeting, and asks until the desktop is there."""

    order: Order
    role: str
    next_look: float
    ticket: Pass | None = None
    """What the desktop will be shown next."""
    tickets: int = 0
    entered: float | None = None
    has_left: bool = False
    has_been_declared: bool = False


class Callers:
    """Everybody who calls the API."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.orders: list[Order] = []
        self.guests: list[Guest] = []
        self.tickets: list[Pass] = []

    # Booking

    def order(self, seconds_ahead: float, *, keyed: bool, plan: Plan, **members: Any) -> Order:  # noqa: ANN401
        """Make an order, with these other members of it."""
        number = len(self.orders)
        meet_time = float(int(self._stage.clock.now + seconds_ahead))
        key = f"key-{number}" if keyed else None
        order = Order(number, meet_time, key, plan, start=meet_time, **members)
        self.orders.append(order)
        return order

    def book(self, order: Order, warm: int | None = 0, *, same: bool = True) -> Invocation:
        """Send the request, or one for another time with the same key."""
        booking = Booking(order, order.request(minutes_later=0 if same else 7), same)
        run = self._stage.functions.invoke(booking, function=API, warm=warm)
        order.runs.append(run)
        return run

    def was_answered(self, booking: Booking, answer: Answer) -> None:
        """Take the answer; after the first good one the guests know of the meeting."""
        order = booking.order
        order.answers.append(answer)
        if answer.status not in _SUCCESSES or not booking.is_same:
            return
        document = json.loads(answer.body)
        if order.meeting is None:
            for role in order.plan.comes:
                self.guests.append(Guest(order, role, self._arrival(order)))
            self._stage.people.plan(order)
        order.booked[document["meeting_id"]] = {
            role: _key_in(document[f"{role}_link"]) for role in ROLES
        }

    def row_became(self, item_id: str, before: Item, after: Item) -> None:
        """Let people know that a meeting has been moved."""
        if not (before and after) or before.text("meet_time") == after.text("meet_time"):
            return
        for order in (each for each in self.orders if each.meeting == item_id):
            order.start = after.meet_time
        for guest in self.guests:
            if guest.order.meeting == item_id and guest.entered is None and not guest.ticket:
                guest.next_look = self._arrival(guest.order)

    def _arrival(self, order: Order) -> float:
        return max(order.start - 5 * MINUTE, self._stage.clock.now)

    # Coming

    def visit(self, order: Order, role: str, how: str, warm: int | None = 0) -> Invocation:
        meeting = order.meeting
        assert meeting
        query = {"key": order.booked[meeting][role]} | ({"enter": "1"} if how == ENTER else {})
        headers = {"accept": "application/json" if how in {JSON, WAIT} else "text/html,*/*;q=0.8"}
        headers |= {"elephant-waiting": "1"} if how == WAIT else {}
        path = f"/join/{meeting}/{role}"
        request = Request("GET", path, headers, query, b"", BASE_URL)
        visit = Visit(meeting, role, request, how)
        return self._stage.functions.invoke(visit, function=API, warm=warm)

    def look(self, guest: Guest) -> None:
        guest.next_look = self._stage.clock.now + POLL
        self.visit(guest.order, guest.role, WAIT if guest.order.plan.is_hidden else JSON)

    def was_let_in(self, meeting: str, role: str) -> None:
        for guest in self._guests_of(meeting, role):
            guest.entered, guest.ticket = guest.entered or self._stage.clock.now, None

    def was_offered(self, ticket: Pass) -> None:
        self.tickets.append(ticket)
        for guest in self._guests_of(*ticket.door):
            guest.tickets += 1
            how = guest.order.plan.enters
            if how != NEVER and guest.entered is None:
                delay = DELAYS[how if guest.tickets == 1 else AT_ONCE]
                guest.ticket, guest.next_look = ticket, self._stage.clock.now + delay

    def show(self, guest: Guest) -> None:
        """Let the browser show the ticket, and the desktop's DCV server ask for it."""
        ticket, guest.ticket = guest.ticket, None
        assert ticket
        guest.next_look = self._stage.clock.now + POLL
        others = [each for each in self._stage.ec2.hosts if each != ticket.instance_id]
        if guest.order.plan.enters == ASTRAY and others:
            self._stage.agents.ask(others[-1], ticket)
        for _ in range(2 if guest.order.plan.enters == TWICE else 1):
            self._stage.agents.ask(ticket.instance_id, ticket)

    def _guests_of(self, meeting: str, role: str) -> list[Guest]:
        return [each for each in self.guests if (each.order.meeting, each.role) == (meeting, role)]


def _key_in(link: str) -> str:
    return dict(parse_qsl(urlsplit(link).query))["key"]


def document_of(answer: Answer) -> Any:  # noqa: ANN401
    return json.loads(answer.body)
