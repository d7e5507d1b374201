"""The sessions of a DCV server, who is connected to them, and the command `dcv`.

https://docs.aws.amazon.com/dcv/latest/adminguide/managing-sessions.html. Of JSON there is what the
documentation shows; of `list-connections` it shows nothing, so that only the number counts here.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


class CommandError(Exception):
    """The command `dcv` fails with this message."""


class FullError(Exception):
    """As many clients are connected to the session as there may be."""


@dataclass
class Session:
    """A session, with the connections to it: by id, and whether each is open."""

    id: str
    owner: str
    type: str
    name: str
    max_clients: int | None
    created: str = field(default_factory=_now)
    last_disconnection: str = ""
    connections: dict[str, bool] = field(default_factory=dict)

    @property
    def connected(self) -> int:
        """How many clients are connected now."""
        return sum(self.connections.values())

    @property
    def full(self) -> bool:
        """Whether nobody else may connect."""
        return self.max_clients is not None and self.connected >= self.max_clients


class Sessions:
    """What there is on one server; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._held: dict[str, Session] = {}

    @property
    def only(self) -> Session | None:
        """The session for those who name none: the first."""
        with self._lock:
            return next(iter(self._held.values()), None)

    def admit(self, session: Session) -> str:
        """Let a client connect to a session; return its connection's id. Raises FullError."""
        with self._lock:
            if session.full:
                raise FullError
            connection = secrets.token_urlsafe(16)
            session.connections[connection] = False
            return connection

    @contextmanager
    def open(self, connection: str) -> Iterator[None]:
        """Connect for as long as the context lasts. Raises LookupError or FullError."""
        with self._lock:
            held = [each for each in self._held.values() if connection in each.connections]
            if not held:
                raise LookupError(connection)
            (session,) = held
            if session.full:
                raise FullError
            session.connections[connection] = True
        try:
            yield
        finally:
            with self._lock:
                session.connections[connection] = False
                session.last_disconnection = _now()

    def clear(self) -> None:
        """Close all sessions."""
        with self._lock:
            self._held.clear()

    def command(self, arguments: Sequence[str]) -> str:
        """Carry out what the command `dcv` is called with; return its output. CommandError."""
        wanted = _parser().parse_args(list(arguments))
        with self._lock:
            match wanted.command:
                case "create-session":
                    return self._create(wanted)
                case "list-sessions":
                    return _list([self._describe(each) for each in self._held.values()], wanted)
                case "list-connections":
                    session = self._find(wanted.id)
                    open_ones = [{"username": session.owner}] * session.connected
                    return _list(open_ones, wanted)
                case "describe-session":
                    described = self._describe(self._find(wanted.id))
                    return json.dumps(described, indent=4) if wanted.json else _text(described)
                case _:
                    del self._held[self._find(wanted.id).id]
                    return ""

    def _create(self, wanted: argparse.Namespace) -> str:
        if wanted.id in self._held:
            raise CommandError(f"Could not create session. A session with id {wanted.id} exists.")
        if wanted.type == "virtual" and not wanted.user:
            raise CommandError("Could not create session. A virtual session needs a user.")
        owner = wanted.owner or wanted.user
        if not owner:
            raise CommandError("Could not create session. A console session needs an owner.")
        limit = wanted.max_concurrent_clients
        self._held[wanted.id] = Session(wanted.id, owner, wanted.type, wanted.name, limit)
        return ""

    def _find(self, session_id: str) -> Session:
        session = self._held.get(session_id)
        if session is None:
            raise CommandError(f"Could not find the requested session: {session_id}")
        return session

    @staticmethod
    def _describe(session: Session) -> dict[str, object]:
        return {
            "id": session.id,
            "owner": session.owner,
            "name": session.name,
            "num-of-connections": session.connected,
            "creation-time": session.created,
            "last-disconnection-time": session.last_disconnection,
            "type": session.type,
        }


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(message)


def _parser() -> _Parser:
    parser = _Parser(prog="dcv", add_help=False)
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create-session", add_help=False)
    create.add_argument("--type", choices=("console", "virtual"), default="virtual")
    for name in ("--user", "--owner", "--name"):
        create.add_argument(name, default="")
    create.add_argument("--max-concurrent-clients", type=int)
    create.add_argument("id")
    listing = commands.add_parser("list-sessions", add_help=False)
    listing.add_argument("--json", "-j", action="store_true")
    for name in ("describe-session", "list-connections", "close-session"):
        about = commands.add_parser(name, add_help=False)
        about.add_argument("id")
        about.add_argument("--json", "-j", action="store_true")
    return parser


def _list(found: Sequence[dict[str, Any]], wanted: argparse.Namespace) -> str:
    return json.dumps(found, indent=4) if wanted.json else "\n".join(map(_text, found))


def _text(described: dict[str, Any]) -> str:
    return "Session: " + " ".join(f"{name}:{value}" for name, value in described.items())
