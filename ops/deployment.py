"""Deployment of a stage: every step is safe to repeat and to interrupt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from chalicelib.secrets import SecretError, Token
from ops.account import AwsError, readable_errors
from ops.agenda import settle_agenda
from ops.api import api_stage, settle_api
from ops.bytecode import compile_project
from ops.chalice import environment_of, forget_build, run_chalice
from ops.command import CommandError
from ops.concurrency import check_room, configured
from ops.configure import changes
from ops.deployed_note import complete_note, kept_readable, note_path
from ops.desktop_group import settle_groups
from ops.functions import absent_functions
from ops.lambda_settings import failures_of, make_log_group, settle_function
from ops.meetings import check_no_schedules
from ops.opened import open_zone
from ops.policies import functions_of
from ops.preflight import (
    check_neighbours,
    check_new_owner,
    check_renamed_owner,
    check_zone,
)
from ops.reach import ROUTES_FUNCTION, Code
from ops.removal import Removal
from ops.stack import StackParameters, SupportingStack, table_to_create
from ops.stack_parameters import logged_functions, parameters_of
from ops.stage_lock import alone
from ops.stages import ConfigError
from ops.steps import WARNING, Step
from ops.stream import remove_strays, settle_mapping, table_stream
from ops.tagging import remove_tags, things, write_tags
from ops.tags import as_variable
from ops.zones import pack_zones

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.account import Account
    from ops.stage_lock import StageLock
    from ops.stages import ConfigFile, Stage
    from ops.tagging import Thing

    Say = Callable[[str], None]

_CHECK: Final = Step("Check the account and the stage's files", "Nothing was changed.")
_TOKEN: Final = Step("Cloudflare token", "Nothing was deployed.", asks=True)
_ZONE: Final = Step("Check the zone", "Nothing was deployed.")
_DURING_STACK: Final = (
    "CloudFormation completes or undoes by itself what it has begun. Functions and records are as "
    "they were; the desktops' security group may be new."
)
_CHALICE: Final = Step(
    "Functions, rules and roles (chalice deploy)",
    "The supporting stack is up to date. Each function is either new or as it was, or still "
    "missing if this is the first deployment; those that exist work.",
)
_SETTLE: Final = Step(
    "Retries, queues and limits, which Chalice cannot set",
    "The functions are deployed and work. Some may still lack these settings.",
)
_TAGS: Final = Step(
    "Tags of log groups, rules, roles, secrets and the API",
    "The stage is deployed. Some of these may still lack its tags.",
)
_SIGNS_OF_DENIAL: Final = ("AccessDenied", "not authorized", "UnauthorizedOperation")


class Deployment:
    """The deployment of a stage of a project in the operator's account.

    Every method raises AwsError, ConfigError, CommandError or CloudflareError.
    """

    def __init__(self, config_file: ConfigFile, stage: Stage, account: Account) -> None:
        self._config_file = config_file
        self._stage = stage
        self._account = account
        self._code = Code(config_file.directory)
        self._functions = functions_of(self._code, stage)
        self._stack = SupportingStack(account.client("cloudformation"), stage.name)

    def has_token(self) -> bool:
        """Tell whether the stage's secret holds a token. Raises AwsError."""
        client = self._account.client("secretsmanager")
        with readable_errors(f"read secret {self._stage.settings.secret_id!r}"):
            try:
                Token(client, self._stage.settings.secret_id).value()
            except SecretError:
                return False
        return True

    def check_files(self) -> None:
        """Raise ConfigError unless config.json and the policies are up to date."""
        stale = changes(self._config_file, self._code, self._stage)
        if stale:
            names = ", ".join(change.path.name for change in stale)
            raise ConfigError(
                f"{names}: out of date with the code and the stage; see the difference and write "
                f"it with `elephant stage {self._stage.name}`"
            )

    def check_concurrency(self, say: Say) -> None:
        """Raise ConfigError if the account cannot reserve the functions' concurrency."""
        config = self._config_file.load()
        wanted = {name: configured(config, self._stage.name, name) for name in self._functions}
        with readable_errors("read the account's concurrency"):
            check_room(self._account.client("lambda"), self._stage, wanted, say)

    def _check_zone_and_owner(self, before: str | None, say: Say) -> None:
        """Raise ConfigError if the zone is wrong, or its records belong to another deployment."""
        try:
            zone = open_zone(self._stage, self._account)
        except SecretError as error:  # nothing can be asked, and nothing works before that changes
            say(f"{WARNING}the zone is not checked: {error}")
            check_renamed_owner(before, None, self._account, self._stage)
            return
        ours = check_zone(zone, self._stage, say)
        if before is None:
            check_new_owner(ours, self._account, self._stage)
        check_renamed_owner(before, zone, self._account, self._stage)

    def deploy(
        self,
        step: Callable[[Step], None],
        say: Say,
        take_token: Callable[[], None] = lambda: None,
    ) -> str | None:
        """Deploy the stage, and return the address of its API, if it has meetings.

        `step` gets each part as it begins, `say` its details. `take_token` is called if the stage's
        secret holds no token yet. Raises StageBusyError if somebody else deploys the stage.
        """
        step(_CHECK)
        doing = f"deploy {self._stage.name}"
        with alone(self._config_file, self._stage, self._account, doing, say) as lock:

            def next_step(each: Step) -> None:
                lock.check()
                step(each)

            before = self._check(say)
            if not self.has_token():
                next_step(_TOKEN)
                take_token()
            next_step(_ZONE)
            self._check_zone_and_owner(before, say)
            next_step(Step(f"Supporting stack {self._stack.name}", _DURING_STACK))
            had_meetings = self._stack.has_meetings()
            had_features = had_meetings or self._stack.has_notifications()
            if had_meetings and not self._stage.settings.meetings:
                check_no_schedules(self._account, self._stage)
            former_tags = self._stack.tags()
            zone = partial(open_zone, self._stage, self._account)
            settle_groups(self._account, self._stage, zone, say, former_tags)
            remove_tags(self._account, self._tagged(former_tags), former_tags, self._stage)
            for each in logged_functions(self._stage, self._functions):  # saved queries name them
                make_log_group(self._account, self._stage.function_name(each))
            outputs = self._stack.deploy(self._parameters(), say, self._stage.tags)
            stream_arn = self._prepare(say, had_meetings=had_meetings)
            next_step(_CHALICE)
            self._run_chalice(stream_arn, say, lock)
            next_step(_SETTLE)
            queue = outputs.failure_queue_arn
            url = self._settle(queue, stream_arn, say, has_left=had_features)
            if self._stage.tags:
                next_step(_TAGS)
                changed = write_tags(self._account, self._tagged(self._stage.tags), self._stage)
                new = f"new on {changed} of them" if changed else "no change"
                say(f"{as_variable(self._stage.tags)}: {new}")
            return url

    def _check(self, say: Say) -> str | None:
        """Check what needs no token; return the owner that the stage was deployed with, if any."""
        self.check_files()
        self.check_concurrency(say)
        before = self._stack.owner()
        check_neighbours(self._config_file, self._stage, say, is_new=before is None)
        return before

    def _tagged(self, tags: Mapping[str, str]) -> list[Thing]:
        """Return what neither the stack nor Chalice tags; nothing, if there are no tags."""
        found = things(self._config_file, self._stage, self._account, self._functions)
        return list(found) if tags else []

    def _prepare(self, say: Say, *, had_meetings: bool) -> str | None:
        """Prepare what Chalice needs; return the ARN of the table's stream."""
        settings, stream_arn = self._stage.settings, None
        if settings.meetings:
            kept = settings.meetings.kept
            settle_agenda(self._account, str(settings.table_name), say, expires=kept is not None)
            stream_arn = table_stream(self._account, str(settings.table_name), say)
            remove_strays(self._account, self._stage, stream_arn, say)
        if ROUTES_FUNCTION in self._functions or had_meetings:
            complete_note(self._config_file, self._stage, self._account, stream_arn, say)
        return stream_arn

    def _run_chalice(self, stream_arn: str | None, say: Say, lock: StageLock) -> None:
        def on_line(line: str) -> None:
            lock.check()
            say(line)

        forget_build(self._config_file.directory)
        compile_project(self._config_file.directory)
        pack_zones(self._config_file.directory, are_wanted=self._stage.settings.invites)
        environment = environment_of(self._stage, stream_arn)
        arguments = ("deploy", "--stage", self._stage.name)
        note = note_path(self._config_file, self._stage)
        try:
            with kept_readable(note):
                run_chalice(arguments, self._config_file.directory, environment, on_line=on_line)
        except CommandError as error:
            if any(sign in error.output for sign in _SIGNS_OF_DENIAL):
                raise AwsError(
                    "AWS refused a call of Chalice's, which is named above: grant yourself the "
                    "rights in 'Rights an operator needs' in docs/operations.md"
                ) from error
            raise

    def _settle(
        self, queue_arn: str, stream_arn: str | None, say: Say, *, has_left: bool
    ) -> str | None:
        """Set what Chalice cannot set, and remove functions of features that the stage had."""
        for function in logged_functions(self._stage, self._functions):
            name = self._stage.function_name(function)
            settle_function(self._account, name, failures_of(function, queue_arn), say)
        if has_left:
            gone = absent_functions(self._functions)
            Removal(self._account, self._stage, say).remove_left_functions(gone)
        if not stream_arn:
            return None
        settle_mapping(self._account, self._stage, queue_arn, say)
        name = api_stage(self._config_file.load(), self._stage)
        return settle_api(self._account, self._stage, name, say)

    def _parameters(self) -> StackParameters:
        table = self._stage.settings.table_name
        create = bool(table) and table_to_create(
            self._account.client("dynamodb"), str(table), self._stack
        )
        return parameters_of(self._stage, self._functions, create_table=create)
