"""Entry points for AWS. Wiring only: the work is done in chalicelib."""

from __future__ import annotations

import gc
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from chalice.app import (
    BadRequestError,
    Chalice,
    CloudWatchEvent,
    DynamoDBEvent,
    IAMAuthorizer,
    Response,
)

from chalicelib.container.core import Container
from chalicelib.ec2.event import event_of, event_pattern
from chalicelib.settings.stage import Settings, SettingsError

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


container = Container(settings)


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
            gc.disable()  # all that is built stays, so a collection would find nothing
            try:
                build()
            finally:
                gc.freeze()
                gc.enable()
        return handler

    return prepare


class RawEvent(CloudWatchEvent):
    """A raw event; Chalice's own class raises KeyError on unexpected payloads."""

    def _extract_attributes(self, event_dict: object) -> None:
        """Leave the event unchanged."""


def raw_event(handler: Any) -> Any:  # noqa: ANN401 (Chalice does not declare its type)
    """Pass raw events to the handler."""
    handler.event_class = RawEvent
    return handler


@raw_event
@app.on_cw_event(event_pattern(settings))
@ready_with(lambda: container.watchdog)
def dns_watchdog(event: RawEvent) -> dict[str, Any]:
    """Create, update or delete the DNS record of the instance in the event."""
    return container.watchdog.handle(event.to_dict(), cast("LambdaContext", event.context))


@raw_event
@app.schedule(settings.sweep_schedule)
@ready_with(lambda: container.sweep)
def sweep(event: RawEvent) -> dict[str, Any]:
    """Repair the drift that events left."""
    context = cast("LambdaContext", event.context)
    try:  # independent of each other's failures
        result = container.sweep.handle(context)
    finally:
        snapshot = container.sweep.snapshot()
        try:
            if settings.meetings:
                container.meetings.overseer.oversee(context, snapshot)
        finally:
            if settings.notifications:
                container.notifications.address_reports.report_missing(context, snapshot)
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
        return container.watchdog.handle(event_of(body, context.invoked_function_arn), context)


if settings.meetings:
    from chalicelib.meetings.http import Request, to_chalice  # not loaded by other stages

    def asked() -> Request:
        """Return the current request."""
        return Request.of(cast("Any", app.current_request))

    def api_context() -> LambdaContext:
        """Return the current run's context."""
        context = app.lambda_context
        if settings.is_local and not context.invoked_function_arn:  # by `chalice local`
            context.invoked_function_arn = LOCAL_FUNCTION
        return cast("LambdaContext", context)

    # Built by the first visitor: nobody else needs its parts.
    @app.route("/", methods=["GET"])
    def booking_page() -> Response:
        """Show the page on which people book meetings."""
        return to_chalice(container.meetings.booking_page.handle(asked()))

    @app.route("/schedule", methods=["POST", "OPTIONS"], content_types=["*/*"])
    @ready_with(lambda: container.meetings.scheduling, "app")
    def schedule_meeting() -> Response:
        """Schedule a meeting."""
        return to_chalice(container.meetings.scheduling.handle(asked(), api_context()))

    # Like what desktops need, built by the first who asks: most visitors open a join link.
    @app.route("/meetings", methods=["GET", "OPTIONS"], content_types=["*/*"])
    def own_meetings() -> Response:
        """List the meetings that the caller's key has scheduled."""
        return to_chalice(container.meetings.own_meetings.list_all(asked(), api_context()))

    @app.route(
        "/meetings/{meeting_id}",
        methods=["GET", "PATCH", "DELETE", "OPTIONS"],
        content_types=["*/*"],
    )
    def own_meeting(meeting_id: str) -> Response:
        """Show, move, extend or cancel a meeting that the caller's key has scheduled."""
        return to_chalice(
            container.meetings.own_meetings.handle(asked(), api_context(), meeting_id)
        )

    @app.route("/join/{meeting_id}/{role}", methods=["GET"], content_types=["*/*"])
    @ready_with(lambda: container.meetings.join, "app")
    def join(meeting_id: str, role: str) -> Response:
        """Report a meeting's progress, and send people to their desktop."""
        return to_chalice(container.meetings.join.handle(asked(), meeting_id, role))

    desktops_only = IAMAuthorizer()

    # Built by the first desktop that asks: it can wait for a client of EC2, and people need not.
    @app.route("/desktop", methods=["GET"], authorizer=desktops_only)
    def desktop() -> Response:
        """Describe its meeting to a desktop."""
        return to_chalice(container.meetings.desktop_api.describe(asked(), api_context()))

    @app.route(
        "/desktop/healthy", methods=["POST"], content_types=["*/*"], authorizer=desktops_only
    )
    def desktop_healthy() -> Response:
        """Let people enter a desktop that reports that it is healthy."""
        return to_chalice(container.meetings.desktop_api.healthy(asked(), api_context()))

    @app.route(
        "/desktop/finished", methods=["POST"], content_types=["*/*"], authorizer=desktops_only
    )
    def desktop_finished() -> Response:
        """Keep what a desktop's session leaves."""
        return to_chalice(container.meetings.desktop_api.finished(asked(), api_context()))

    if settings.meetings.signs_in:

        @app.route("/dcv/{instance_id}", methods=["POST"], content_types=["*/*"])
        @ready_with(lambda: container.meetings.sign_in, "app")
        def sign_in(instance_id: str) -> Response:
            """Tell a desktop's DCV server whether somebody may enter."""
            return to_chalice(container.meetings.sign_in.handle(asked(), instance_id))

    @app.lambda_function()
    @ready_with(lambda: container.meetings.launch)
    def launch_ec2(event: object, context: LambdaContext) -> dict[str, Any]:
        """Launch the desktops of the meeting that a schedule names."""
        return container.meetings.launch.handle(event, context)

    @app.lambda_function()
    @ready_with(lambda: container.meetings.safety_net)
    def safety_net(event: object, context: LambdaContext) -> dict[str, Any]:
        """Check the meeting that a schedule names, and end it if it is over."""
        return container.meetings.safety_net.handle(event, context)

    @app.on_dynamodb_record(stream_arn=stream_arn())
    @ready_with(lambda: container.meetings.terminator)
    def terminator(event: DynamoDBEvent) -> dict[str, Any]:
        """End meetings that both sides have finished."""
        return container.meetings.terminator.handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )


if settings.notifications:
    from chalicelib.notifications.events import deployment_pattern, termination_pattern

    @raw_event
    @app.on_cw_event(termination_pattern(settings.notifications))
    @ready_with(lambda: container.notifications.termination_reports)
    def notify_instance_termination(event: RawEvent) -> dict[str, Any]:
        """Notify people of an instance that terminated because something failed."""
        return container.notifications.termination_reports.handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )

    @raw_event
    @app.on_cw_event(deployment_pattern(settings.notifications))
    @ready_with(lambda: container.notifications.deployment_reports)
    def notify_deployment(event: RawEvent) -> dict[str, Any]:
        """Notify people of a deployment."""
        return container.notifications.deployment_reports.handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )


if settings.invites:
    from chalicelib.invitations.bounces import bounce_pattern

    @app.on_dynamodb_record(stream_arn=stream_arn())
    @ready_with(lambda: container.invitations.invite)
    def invite(event: DynamoDBEvent) -> dict[str, Any]:
        """Send the people of meetings the letters that they are due."""
        return container.invitations.invite.handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )

    @raw_event
    @app.on_cw_event(bounce_pattern())
    @ready_with(lambda: container.invitations.note_bounce)
    def note_bounce(event: RawEvent) -> dict[str, Any]:
        """Note a letter that came back."""
        return container.invitations.note_bounce.handle(
            event.to_dict(), cast("LambdaContext", event.context)
        )


if command_line:
    names = [each.name for each in app.event_sources]
    names += [each.name for each in app.pure_lambda_functions]
    names += ["api_handler"] if app.routes else []
    command_line.check_policies(names, PROJECT)
