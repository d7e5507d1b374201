"""Reports of running desktops without a public address.

No event says that an address never came, so the sweep checks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.ec2.instances import RUNNING
from chalicelib.notifications.notices import no_address_notice
from chalicelib.resource_names import Place

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.deadline import LambdaContext
    from chalicelib.ec2.instances import Instance, Instances
    from chalicelib.notifications.notifier import Delivery, Notifier
    from chalicelib.settings.notifications import NotificationsSettings
    from chalicelib.telemetry import Reporter


class AddressReports:
    """Reports desktops without an address; one for each execution environment."""

    def __init__(
        self,
        *,
        settings: NotificationsSettings,
        instances: Instances,
        notifier: Notifier,
        reporter: Reporter,
    ) -> None:
        self._patience = settings.address_patience
        self._instances = instances
        self._notifier = notifier
        self._reporter = reporter
        self._told: frozenset[str] = frozenset()

    def report_missing(self, context: LambdaContext) -> tuple[str, ...]:
        """Notify once for each such desktop, all in one e-mail; return those in the e-mail.

        Reports only if there is one. Errors are reported and raised, and the next sweep retries.
        """
        fields: dict[str, Any] = {"request_id": context.aws_request_id}
        try:
            delivery = self._report(context)
        except Exception as error:
            self._reporter.failed(fields, {"Failed": 1}, error)
            raise
        sent = tuple(_instance_id(key) for key in delivery.sent)
        if sent:
            fields |= {"action": "notified", "instances": list(sent)}
            fields |= {"reason": f"{len(sent)} desktops have no address"}
            fields |= {"message_id": delivery.message_id}
            if delivery.warnings:
                fields["warnings"] = list(delivery.warnings)
            counts = {"Notified": 1, "Warnings": len(delivery.warnings)}
            self._reporter.succeeded(fields, counts)
        return sent

    def _report(self, context: LambdaContext) -> Delivery:
        now = self._notifier.now()
        place = Place.of(context.invoked_function_arn)
        missing = {
            each.id: each for each in self._instances.of_project() if self._is_missing(each, now)
        }
        delivery = self._notifier.notify_once(
            [_key(each) for each in sorted(missing.keys() - self._told)],
            lambda keys: no_address_notice(
                [missing[_instance_id(key)] for key in keys], now, place
            ),
            context,
        )
        # The table knows as well; this saves reading it every minute.
        learned = {_instance_id(key) for key in (*delivery.sent, *delivery.known)}
        self._told = frozenset((self._told & missing.keys()) | learned)
        return delivery

    def _is_missing(self, instance: Instance, now: datetime) -> bool:
        is_running = instance.state == RUNNING and instance.address is None
        return is_running and instance.launched_at <= now - self._patience


def _key(instance_id: str) -> str:
    return f"no-address/{instance_id}"


def _instance_id(key: str) -> str:
    return key.partition("/")[2]
