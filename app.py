"""Entry points for AWS. Wiring only: the work is done in chalicelib."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chalice.app import BadRequestError, Chalice, CloudWatchEvent, DynamoDBEvent, Response

from chalicelib import aws
from chalicelib.cloudflare.client import Cloudflare
from chalicelib.cloudflare.rate_limit import KEPT_BY_EVENTS, KEPT_BY_SWEEPS, Quota
from chalicelib.cloudflare.transport import Urllib3Transport
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.ec2.event import event_of, event_pattern
from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.meetings import parts
from chalicelib.notifications import parts as notification_parts
from chalicelib.secrets import Token
from chalicelib.settings.stage import Settings, SettingsError
from chalicelib.step import Workers
from chalicelib.telemetry import LogReporter
from chalicelib.watchdog.handler import Watchdog
from chalicelib.watchdog.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from chalicelib.deadline import LambdaContext

    Handler = TypeVar("Handler", bound=Callable[..., object])

PROJECT = Path(__file__).parent
command_line = None
if "AWS_CHALICE_CLI_MODE" in os.environ:  # a command typed by a person: no stack trace
    from chalicelib.command_line import CommandLine, refuse

    command_line = CommandLine.read(sys.argv[1:], PROJECT)
    os.environ.update(command_line.variables)
try:
    settings = Settings.parse(os.environ)
except SettingsError as error:
    if command_line:
        refuse(f"{error}{command_line.hint()}")
    raise
if command_line and settings.is_local:
    sys.stderr.write(command_line.notice(os.environ))
LOCAL_FUNCTION = (
    f"arn:aws:lambda:{os.environ.get('AWS_DEFAULT_REGION', 'us-west-2')}:123456789012:function:"
    "elephant-local"
)


class Api(Chalice):
    """Chalice, with a fix for events whose path parameters are null."""

    def __call__(self, event: Any, context: Any) -> Any:  # noqa: ANN401 (as inherited)
        """Treat all path parameters of such an event as empty."""
        if isinstance(event, dict) and event.get("pathParameters", {}) is None:
            event = event | {"pathParameters": defaultdict(str)}
        return super().__call__(event, context)


app = Api(app_name="elephant", configure_logs=False)


@cache
def watchdog() -> Watchdog:
    """Build the watchdog, once for each execution environment."""
    return Watchdog(
        settings=settings,
        instances=instances(),
        zone=zone(KEPT_BY_EVENTS),
        meetings=meetings(),
        reporter=LogReporter("dns_watchdog", settings.owner),
        executor=executor(),
    )


@cache
def sweeper() -> Sweep:
    """Build the sweep, once for each execution environment."""
    return Sweep(
        settings=settings,
        instances=instances(),
        zone=zone(KEPT_BY_SWEEPS),
        meetings=meetings(),
        reporter=LogReporter("sweep", settings.owner),
        executor=executor(),
    )


def oversee(context: LambdaContext) -> None:
    """In a stage with meetings, check that no desktop is left running."""
    if settings.meetings:
        parts.build_overseer(settings).oversee(context)


def report_unreachable(context: LambdaContext) -> None:
    """In a stage with notifications, notify people of desktops that never got an address."""
    if settings.notifications:
        notification_parts.build_address_reports(settings).report_missing(context)


def instances() -> Instances:
    """Build the EC2 gateway."""
    return Instances(aws.client("ec2"), settings.project_tag, settings.owner)


def zone(kept: float) -> CloudflareZone:
    """Build the Cloudflare zone, which keeps this share of the quota for others."""
    token = Token(aws.client("secretsmanager"), settings.secret_id)
    token.read_ahead()
    quota = Quota(kept=kept)
    cloudflare = Cloudflare(settings.cloudflare_api_url, token, Urllib3Transport(), quota)
    return CloudflareZone(cloudflare, settings.zone_id, settings.batch_size)


def meetings() -> Meetings | None:
    """Build the meetings table's gateway, if there is a table."""
    table = settings.table_name
    return Meetings(aws.client("dynamodb"), table) if table else None


def executor() -> Workers:
    """Build the executor of parallel steps."""
    return Workers()


def stream_arn() -> str:
    """Return the ARN of the table's stream, which only a deployment needs and gets."""
    arn = os.environ.get("TABLE_STREAM_ARN", "")
    if not arn and command_line and not settings.is_local:
        refuse("TABLE_STREAM_ARN is missing: deploy with `elephant deploy`, which finds it")
    return arn


def ready_with(
    build: Callable[[], object], name: str | None = None
) -> Callable[[Handler], Handler]:
    """Build a function's dependencies during the init phase.

    Lambda gives initialization a whole processor, but an event with 256 MB a seventh of one. The
    `name` is that of the handler, if it is not the decorated function itself.
    """

    def prepare(handler: Handler) -> Handler:
        if os.environ.get("_HANDLER") == f"app.{name or handler.__name__}":
            build()
        return handler

    return prepare


class AnyEvent(CloudWatchEvent):
    """A raw event; Chalice's own class raises KeyError on unexpected payloads."""

    def _extract_attributes(self, event_dict: object) -> None:
        """Leave the event unchanged."""


def of_any_shape(handler: Any) -> Any:  # noqa: ANN401 (Chalice does not declare its type)
    """Pass raw events to the handler."""
    handler.event_class = AnyEvent
    return handler


@of_any_shape
@app.on_cw_event(event_pattern(settings))
@ready_with(watchdog)
def dns_watchdog(event: AnyEvent) -> dict[str, Any]:
    """Create, update or delete the DNS record of the instance in the event."""
    return watchdog().handle(event.to_dict(), cast("LambdaContext", event.context))


@of_any_shape
@app.schedule(settings.sweep_schedule)
@ready_with(sweeper)
def sweep(event: AnyEvent) -> dict[str, Any]:
    """Repair the drift that events left."""
    context = cast("LambdaContext", event.context)
    try:
        oversee(context)
    finally:  # independent of each other's failures
        try:
            report_unreachable(context)
        finally:
            result = sweeper().handle(context)
    return result


if settings.is_local:

    @app.route("/events", methods=["POST"])
    def events() -> dict[str, Any]:
        """Handle an event sent by hand: a complete one, or just {"instance-id": …}."""
        request = app.current_request
        body = request.json_body if request else None
        if not isinstance(body, dict):
            raise BadRequestError('send an EventBridge event, or {"instance-id": "i-…"}')
        context = app.lambda_context
        return watchdog().handle(event_of(body, context.invoked_function_arn), context)


if settings.meetings:
    from chalicelib.meetings.http import Request, to_chalice  # not loaded by other stages

    def asked() -> Request:
        """Return the current request."""
        request = cast("Any", app.current_request)
        return Request.of(request, request.context["path"])

    @app.route("/schedule", methods=["POST", "OPTIONS"], content_types=["*/*"])
    @ready_with(lambda: parts.build_scheduling(settings), "app")
    def schedule_meeting() -> Response:
        """Schedule a meeting."""
        context = app.lambda_context
        if settings.is_local and not context.invoked_function_arn:  # by `chalice local`
            context.invoked_function_arn = LOCAL_FUNCTION
        return to_chalice(parts.build_scheduling(settings).handle(asked(), context))

    @app.route("/join/{meeting_id}/{role}", methods=["GET"])
    @ready_with(lambda: parts.build_join(settings), "app")
    def join(meeting_id: str, role: str) -> Response:
        """Report a meeting's progress, and send people to their desktop."""
        return to_chalice(parts.build_join(settings).handle(asked(), meeting_id, role))

    @app.lambda_function()
    @ready_with(lambda: parts.build_launch(settings))
    def launch_ec2(event: object, context: LambdaContext) -> dict[str, Any]:
        """Launch the desktops of the meeting that a schedule names."""
        return parts.build_launch(settings).handle(event, context)

    @app.lambda_function()
    @ready_with(lambda: parts.build_safety_net(settings))
    def safety_net(event: object, context: LambdaContext) -> dict[str, Any]:
        """Check the meeting that a schedule names, and end it if it is over."""
        return parts.build_safety_net(settings).handle(event, context)

    @app.on_dynamodb_record(stream_arn=stream_arn())
    @ready_with(lambda: parts.build_terminator(settings))
    def terminator(event: DynamoDBEvent) -> dict[str, Any]:
        """End meetings that both sides have finished."""
        return parts.build_terminator(settings).handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )


if settings.notifications:
    from chalicelib.notifications.events import deployment_pattern, termination_pattern

    @of_any_shape
    @app.on_cw_event(termination_pattern(settings.notifications))
    @ready_with(lambda: notification_parts.build_termination_reports(settings))
    def notify_instance_termination(event: AnyEvent) -> dict[str, Any]:
        """Notify people of an instance that terminated because something failed."""
        return notification_parts.build_termination_reports(settings).handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )

    @of_any_shape
    @app.on_cw_event(deployment_pattern(settings.notifications))
    @ready_with(lambda: notification_parts.build_deployment_reports(settings))
    def notify_deployment(event: AnyEvent) -> dict[str, Any]:
        """Notify people of a deployment."""
        return notification_parts.build_deployment_reports(settings).handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )


if command_line:
    names = [each.name for each in app.event_sources]
    names += [each.name for each in app.pure_lambda_functions]
    names += ["api_handler"] if app.routes else []
    command_line.check_policies(names, PROJECT)
