"""What AWS calls. Wiring only: the work is done in chalicelib."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from chalice.app import BadRequestError, Chalice, CloudWatchEvent

from chalicelib import aws
from chalicelib.cloudflare import Cloudflare
from chalicelib.event import event_of, event_pattern
from chalicelib.instance import Instances
from chalicelib.meeting import Meetings
from chalicelib.quota import Quota
from chalicelib.secret import Token
from chalicelib.settings import Settings, SettingsError
from chalicelib.telemetry import PowertoolsReporter
from chalicelib.transport import Urllib3Transport
from chalicelib.watchdog import Watchdog
from chalicelib.zone import Zone

if TYPE_CHECKING:
    from chalicelib.deadline import LambdaContext

try:
    settings = Settings.parse(os.environ)
except SettingsError as error:
    if "AWS_CHALICE_CLI_MODE" in os.environ:  # a person is deploying: no stack trace
        raise SystemExit(f"Error: {error}") from None
    raise
app = Chalice(app_name="elephant", configure_logs=False)


@cache
def watchdog() -> Watchdog:
    """Build the watchdog, once for an execution environment."""
    token = Token(aws.client("secretsmanager"), settings.secret_id)
    cloudflare = Cloudflare(settings.cloudflare_api_url, token, Urllib3Transport(), Quota())
    table = settings.table_name
    return Watchdog(
        settings=settings,
        instances=Instances(aws.client("ec2"), settings.project_tag),
        zone=Zone(cloudflare, settings.zone_id),
        meetings=Meetings(aws.client("dynamodb"), table) if table else None,
        reporter=PowertoolsReporter("dns_watchdog", settings.owner),
        executor=ThreadPoolExecutor(max_workers=4, thread_name_prefix="step"),
    )


class AnyEvent(CloudWatchEvent):
    """An event of any shape: Chalice's own class raises KeyError before our code has a say."""

    def _extract_attributes(self, event_dict: object) -> None:
        """Leave the event as it came."""


@app.on_cw_event(event_pattern(settings))
def dns_watchdog(event: AnyEvent) -> dict[str, Any]:
    """Give the instance that the event names its DNS record, or take it away."""
    return watchdog().handle(event.to_dict(), cast("LambdaContext", event.context))


dns_watchdog.event_class = AnyEvent


if settings.is_local:

    @app.route("/events", methods=["POST"])
    def events() -> dict[str, Any]:
        """Handle an event by hand: a whole one, or just {"instance-id": …}."""
        request = app.current_request
        body = request.json_body if request else None
        if not isinstance(body, dict):
            raise BadRequestError('send an event of EventBridge, or {"instance-id": "i-…"}')
        context = app.lambda_context
        return watchdog().handle(event_of(body, context.invoked_function_arn), context)
