"""Reports of running desktops without a public address.

No event says that an address never came, so the sweep checks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.ec2.instances import RUNNING
from chalicelib.notifications.messages import no_address_notice
from chalicelib.resource_names import StageNames
from chalicelib.telemetry import Outcome, reported

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instance
    from chalicelib.notifications.notifier import Notifier
    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.telemetry import Reporter
    from chalicelib.watchdog.snapshot import Snapshot


class AddressReports:
    """Reports desktops without an address; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: NotificationsSettings,
        notifier: Notifier,
        reporter: Reporter,
    ) -> None:
        self._patience = settings.address_patience
        self._notifier = notifier
        self._reporter = reporter
        self._reported: frozenset[str] = frozenset()

    def report_missing(self, context: LambdaContext, snapshot: Snapshot) -> tuple[str, ...]:
        """Notify once for each such desktop, all in one e-mail; return those in the e-mail.

        Reports only if there is one. Errors are reported and raised, and the next sweep retries.
        """
        result = reported(self._reporter, context, lambda _: self._report(context, snapshot))
        return tuple(result.get("instances", ()))

    def _report(self, context: LambdaContext, snapshot: Snapshot) -> Outcome | None:
        now = self._notifier.now()
        place = StageNames.of(context.invoked_function_arn)
        missing = {each.id: each for each in snapshot.instances() if self._is_missing(each, now)}
        delivery = self._notifier.notify_once(
            [_key(each) for each in sorted(missing.keys() - self._reported)],
            lambda keys: no_address_notice(
                [missing[_instance_id(key)] for key in keys], now, place
            ),
            context,
        )
        # The table knows as well; this saves reading it every minute.
        learned = {_instance_id(key) for key in (*delivery.sent, *delivery.known)}
        self._reported = frozenset((self._reported & missing.keys()) | learned)
        if not delivery.sent:
            return None
        sent = [_instance_id(key) for key in delivery.sent]
        details = {"instances": sent, "message_id": delivery.message_id}
        reason = f"{len(sent)} desktops have no address"
        return Outcome("notified", reason, details, delivery.warnings)

    def _is_missing(self, instance: Instance, now: datetime) -> bool:
        is_running = instance.state == RUNNING and instance.address is None
        return is_running and instance.launched_at <= now - self._patience


def _key(instance_id: str) -> str:
    return f"no-address/{instance_id}"


def _instance_id(key: str) -> str:
    return key.partition("/")[2]
