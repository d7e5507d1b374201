"""The result of a notifying function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.notifications.notifier import Delivery


@dataclass(frozen=True)
class Outcome:
    """The function's result: `notified`, `unchanged` (notified before), or `ignored`."""

    action: str
    reason: str
    about: Mapping[str, str] = field(default_factory=dict)
    message_id: str = ""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, delivery: Delivery, subject: str, about: Mapping[str, str]) -> Outcome:
        """Return the result for a notice with this subject."""
        if delivery.sent:
            return cls("notified", subject, about, delivery.message_id, delivery.warnings)
        if delivery.known:
            return cls("unchanged", "the e-mail was already sent", about)
        return cls("unchanged", "another run is sending the e-mail", about)

    def to_dict(self) -> dict[str, Any]:
        """Serialize to JSON, omitting empty fields."""
        more = {"message_id": self.message_id, "warnings": list(self.warnings)}
        said = {"action": self.action, "reason": self.reason, **self.about}
        return said | {key: value for key, value in more.items() if value}

    @property
    def counts(self) -> dict[str, int]:
        """Count it."""
        return {self.action.capitalize(): 1, "Warnings": len(self.warnings)}
