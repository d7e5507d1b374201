"""The result of a sweep: findings and repairs, as the function returns them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from chalicelib.dns.batches import Applied
from chalicelib.dns.change import Create, Delete, Update
from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.row_writer import RowResults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chalicelib.dns.finding import Finding
    from chalicelib.settings.stage import Settings
    from chalicelib.watchdog.survey import Survey

HOW_TO_FORCE: Final = (
    "EC2 shows no reason for them, and they exceed the limits for unproven deletions; check the "
    "account, the region and the permissions, review `elephant plan NAME`, and if it is correct, "
    "apply it with `elephant sweep NAME --force`"
)

SHOWN: Final = 20
"""How many items of a kind a result lists; the counts are complete."""


@dataclass(frozen=True)
class Repair:
    """What a sweep found and did."""

    survey: Survey
    settings: Settings
    applied: Applied = field(default_factory=Applied)
    row_results: RowResults = field(default_factory=RowResults)
    withheld: Mapping[str, Finding] = field(default_factory=dict)
    """The findings whose deletions were held back."""
    returned: tuple[str, ...] = ()
    """Records that were deleted without proof and have been created again."""
    grew_old: bool = False
    """Whether something was left because the survey had become too old."""

    def then(self, later: Repair) -> Repair:
        """Return the combined result of this repair and one of a later survey.

        The findings are those of the first survey; what is left is what the later one left.
        """
        done = [*self.applied.done, *later.applied.done]
        applied = replace(later.applied, done=done)
        row_results = self.row_results.then(later.row_results)
        return replace(self, applied=applied, row_results=row_results, withheld=later.withheld)

    @property
    def made_progress(self) -> bool:
        """Whether anything was written."""
        return bool(self.applied.done or self.row_results.done)

    @property
    def counts(self) -> dict[str, int]:
        """Confirmed counts: records created, updated and deleted, and rows updated."""
        kinds = {"created": Create, "updated": Update, "deleted": Delete}
        done = self.applied.done
        counts = {
            name: sum(isinstance(each, kind) for each in done) for name, kind in kinds.items()
        }
        return {**counts, "rows": len(self.row_results.done)}

    @property
    def waiting(self) -> tuple[str, ...]:
        """What is left unchanged until more is known, and why it may be wrong."""
        return tuple(
            f"{self.settings.record_name(key) if key in self.survey.instances else key}: "
            f"{finding.reason}"
            for key, finding in self.survey.plan.findings.items()
            if finding.waits
        )

    @property
    def left(self) -> tuple[str, ...]:
        """What is deferred to the next run, and why."""
        return (
            *(f"{change}: {reason}" for change, reason in self.applied.left),
            *self.row_results.left,
        )

    @property
    def held(self) -> tuple[str, ...]:
        """The deletions that were held back, and their reasons."""
        return tuple(
            f"{change}: {finding.reason}"
            for finding in self.withheld.values()
            for change in finding.changes
        )

    @property
    def skipped(self) -> tuple[str, ...]:
        """All drift that remains for now."""
        return (*self.left, *self.waiting, *self.held, *self.refused)

    @property
    def refused(self) -> tuple[str, ...]:
        """What the DNS provider rejects permanently or stores differently, and why."""
        refused = (*self.applied.refused, *self.applied.stored_otherwise)
        return tuple(f"{change}: {reason}" for change, reason in refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should look at."""
        warnings = (
            warning
            for finding in self.survey.plan.findings.values()
            if finding.presence is Presence.LIVE and (finding.conflicting or finding.changes)
            for warning in finding.warnings
        )
        fights = (
            f"{name} was deleted because EC2 does not know its instance, and was created again: "
            f"does another deployment use {self.settings.owner}? OWNER must be unique"
            for name in self.returned
        )
        return (*warnings, *fights, *self.refused)

    @property
    def oldest_drift(self) -> float:
        """The longest time, in seconds, for which something may have drifted."""
        return self.survey.oldest_drift(self._drifted())

    def to_dict(self) -> dict[str, Any]:
        """Serialize to JSON; long lists are truncated, counts are not."""
        counts, left, refused, waiting = self.counts, self.left, self.refused, self.waiting
        held = self.held
        repaired = sum(counts.values())
        action = "repaired" if repaired else "deferred" if left or held else "unchanged"
        running = sum(
            finding.presence is Presence.LIVE for finding in self.survey.plan.findings.values()
        )
        numbers = {"running": running, "records": len(self.survey.records)}
        said = [f"{count} {_in_words(name, count)}" for name, count in counts.items() if count]
        said += [f"{len(left)} deferred to the next run"] if left else []
        said += [f"{len(refused)} rejected by the DNS provider"] if refused else []
        said += [f"{len(waiting)} waiting for more information"] if waiting else []
        deletions = "deletion" if len(held) == 1 else "deletions"
        said += [f"{len(held)} {deletions} held back: {HOW_TO_FORCE}"] if held else []
        reason = ", ".join(said) or "everything is up to date"
        more: dict[str, Any] = {
            "repaired": [
                *map(str, self.applied.done[:SHOWN]),
                *(
                    f"the row {each.change.meeting.id!r}: {each.change.summary}"
                    for each in self.row_results.done[:SHOWN]
                ),
            ],
            "left": list(left[:SHOWN]),
            "waiting": list(waiting[:SHOWN]),
            "held_back": list(held[:SHOWN]),
            "refused": list(refused[:SHOWN]),
            "warnings": list(self.warnings[:SHOWN]),
            "oldest_drift_seconds": round(self.oldest_drift),
        }
        always = {"action": action, "reason": reason, **numbers, "done": counts}
        always["skipped"] = len(left) + len(waiting) + len(held)
        return always | {key: value for key, value in more.items() if value}

    def _drifted(self) -> Iterator[str]:
        for key, finding in self.survey.plan.findings.items():
            if finding.changes or finding.waits:
                yield key
        for row_write in self.row_results.done:
            yield from row_write.instance_ids


def _in_words(name: str, count: int) -> str:
    if name == "rows":
        return "row updated" if count == 1 else "rows updated"
    return name
