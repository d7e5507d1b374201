"""What leads to a row: without any trace of its desktops nobody can know that it is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.names import ROLES, assignment, is_ours, is_project, noted

if TYPE_CHECKING:
    from tests.simulation.stage import Stage


@dataclass(frozen=True)
class Traces:
    """The rows to which something leads.

    A row of whose desktops EC2, tags and comments have lost every trace is out of everyone's
    sight: nothing is promised of it. (An instance that ended an hour ago is no longer described,
    and its record may have been deleted by hand; a Role tag that is no role leads nowhere.)
    """

    rows: frozenset[str]

    @classmethod
    def of(cls, stage: Stage) -> Traces:
        """Look at the tags of what EC2 still describes, and at the comments of our records."""
        tagged = {
            each[0]
            for host in stage.ec2.hosts.values()
            if is_project(host.view) and (each := assignment(host.view)) and each[1] in ROLES
        }
        said = {
            each[0]
            for record in stage.cloudflare.store.records
            if is_ours(record) and (each := noted(record)) and each[1] in ROLES
        }
        return cls(frozenset(tagged | said))
