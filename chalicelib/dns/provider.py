"""The DNS provider: the zone that a provider's package offers, and its errors.

Everything above this package knows a provider by these names only. Another provider is another
package beside `chalicelib.cloudflare`, and a few lines in `chalicelib.container.core`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chalicelib.deadline import Deadline
    from chalicelib.dns.change import Change
    from chalicelib.dns.record import Record


class DnsError(Exception):
    """A call to the DNS provider failed."""


class UnavailableError(DnsError):
    """The call had no effect and no result; retry it later."""


class UnconfirmedError(DnsError):
    """A write was sent without a clear answer: read the records before retrying."""


class NoCallsError(DnsError):
    """No call may be made for now; leave the work to a later sweep."""


class QuotaSpentError(NoCallsError):
    """The rest of the provider's quota is kept for others for now."""


class RateLimitedError(NoCallsError):
    """The provider rejects all calls for `seconds`; make none before."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class RejectedError(DnsError):
    """The provider understood the call and rejects it; retrying does not help."""


class RecordExistsError(RejectedError):
    """An identical record already exists: read the records again."""


class RecordNotFoundError(RejectedError):
    """The record no longer exists: read the records again."""


class NameOccupiedError(RejectedError):
    """A conflicting record of another type exists, and is not ours to remove."""


class ZoneFullError(RejectedError):
    """The zone has reached its record limit."""


class WrongZoneError(RejectedError):
    """The zone is not the domain's: somebody has to fix the setting."""


class StoredOtherwiseError(RejectedError):
    """Records were stored differently than asked; retrying the changes does not help.

    `changes` says what was stored for each. All other changes of the same call are done.
    """

    def __init__(self, call: str, changes: Mapping[Change, str]) -> None:
        super().__init__(f"{call}: {'; '.join(changes.values())}")
        self.changes = changes


class Listing(NamedTuple):
    """The records of a list, and the names, in lower case, of those that could not be parsed.

    A record that cannot be parsed exists all the same: whoever deletes or creates records of its
    name acts on incomplete knowledge.
    """

    records: tuple[Record, ...]
    unreadable: frozenset[str] = frozenset()

    def whole(self) -> tuple[Record, ...]:
        """Return the records. Raises UnavailableError if one could not be parsed."""
        if self.unreadable:
            raise UnavailableError(f"a record of {min(self.unreadable)} could not be parsed")
        return self.records


class Zone(Protocol):
    """The address records of one zone at a provider.

    Its methods may be called by several threads. A record's `comment` is text that the provider
    keeps with the record, at least `dns.record.LONGEST_COMMENT` characters: it marks the owner. A
    provider without such a field keeps it elsewhere, in a TXT record for example.
    """

    @property
    def batch_size(self) -> int:
        """The most changes that one call applies, all of them or none."""
        ...

    @property
    def few_calls_left(self) -> int | None:
        """The calls that the provider's quota still allows, once that is worth reporting.

        None if more than half of the quota is left, or nothing is known.
        """
        ...

    def require_quota(self) -> None:
        """Raise QuotaSpentError if less of the quota is left than is kept for others."""
        ...

    def records_named(self, name: str, deadline: Deadline) -> tuple[Record, ...]:
        """List every address record of exactly this name.

        Raises DnsError; UnavailableError also for a record of this name that cannot be parsed,
        since it cannot be reconciled.
        """
        ...

    def records_of(self, owner: str, deadline: Deadline) -> Listing:
        """List every address record of this owner, and all records named like an instance's.

        The latter may have any owner and type. The list is complete, or DnsError is raised.
        """
        ...

    def apply(
        self,
        changes: Sequence[Change],
        deadline: Deadline,
        objection: Callable[[], str] = ...,
    ) -> None:
        """Apply the changes, deletions first; return only if each one is confirmed.

        More changes than `batch_size` are applied in several calls. `objection` is asked before
        each: once it gives a reason nothing more is sent, and UnavailableError names it.
        Raises DnsError: UnconfirmedError, RecordExistsError and RecordNotFoundError mean that the
        zone should be read again, StoredOtherwiseError that a record has the right name and
        address but differs otherwise from what was asked.
        """
        ...

    def remove_misplaced(self, name: str, owner: str, deadline: Deadline) -> None:
        """Remove records that an earlier call for `name` created under another name.

        Raises WrongZoneError if there was one, and says what became of it.
        """
        ...
