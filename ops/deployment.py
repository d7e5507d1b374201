"""Deployment and removal of a stage: every step is safe to repeat and to interrupt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from chalicelib.secrets import SecretError, Token
from ops.account import AwsError, readable_errors
from ops.agenda import settle_agenda
from ops.api import api_stage, settle_api
from ops.bytecode import compile_project
from ops.chalice import forget_build, run_chalice, without_settings
from ops.cloudflare_zone import ZoneView
from ops.command import CommandError
from ops.concurrency import check_room, configured
from ops.configure import changes
from ops.deployed_note import complete_note, note_path
from ops.desktop_group import DesktopGroup, settle_groups
from ops.features import STREAM_VARIABLE
from ops.functions import absent_functions
from ops.grants import certificate_arn
from ops.lambda_settings import failures_of, make_log_group, settle_function
from ops.meetings import check_no_schedules, living_desktops, remove_schedules
from ops.opened import check_account
from ops.policies import functions_of
from ops.preflight import (
    check_neighbours,
    check_new_owner,
    check_records_to_remove,
    check_removable,
    check_renamed_owner,
    check_zone,
)
from ops.reach import ROUTES_FUNCTION, SWEEP, Code
from ops.removal import Removal
from ops.stack import StackParameters, SupportingStack, table_to_create
from ops.stages import ConfigError
from ops.stream import remove_strays, settle_mapping, table_stream
from ops.tagging import remove_tags, things, write_tags
from ops.tags import as_variable
from ops.zones import pack_zones

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.account import Account
    from ops.removal import Removable
    from ops.stages import ConfigFile, Stage
    from ops.tagging import Thing

    Say = Callable[[str], None]

_SIGNS_OF_DENIAL = ("AccessDenied", "not authorized", "UnauthorizedOperation")


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

    def check_account(self) -> None:
        """Raise AwsError unless the credentials belong to the stage's account."""
        check_account(self._stage, self._account)

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
            zone = self._zone()
        except SecretError as error:  # nothing can be asked, and nothing works before that changes
            say(f"the zone is not checked: {error}")
            check_renamed_owner(before, None, self._account, self._stage)
            return
        ours = check_zone(zone, self._stage, say)
        if before is None:
            check_new_owner(ours, self._account, self._stage)
        check_renamed_owner(before, zone, self._account, self._stage)

    def deploy(self, step: Say, say: Say, take_token: Callable[[], None] = lambda: None) -> None:
        """Deploy the stage; `step` gets the heading of each part, `say` its details.

        `take_token` is called if the stage's secret holds no token yet.
        """
        step("Checking the account and the stage's files")
        self.check_account()
        self.check_files()
        self.check_concurrency(say)
        before = self._stack.owner()
        check_neighbours(self._config_file, self._stage, say, is_new=before is None)
        if not self.has_token():
            step(f"Secret {self._stage.settings.secret_id} has no token yet")
            take_token()
        self._check_zone_and_owner(before, say)
        former_tags = self._stack.tags()
        settle_groups(self._account, self._stage, self._zone, say, former_tags)
        step(f"Supporting stack {self._stack.name}")
        had_meetings = self._stack.has_meetings()
        had_features = had_meetings or self._stack.has_notifications()
        if had_meetings and not self._stage.settings.meetings:
            check_no_schedules(self._account, self._stage)
        remove_tags(self._account, self._tagged(former_tags), former_tags, self._stage)
        outputs = self._stack.deploy(self._parameters(), say, self._stage.tags)
        stream_arn = self._prepare(say, had_meetings=had_meetings)
        step(f"chalice deploy --stage {self._stage.name}")
        self._run_chalice(stream_arn, say)
        step("What Chalice cannot set")
        for function in self._logged_functions():
            settle_function(
                self._account,
                self._stage.function_name(function),
                failures_of(function, outputs.failure_queue_arn),
                say,
            )
        if had_features:
            gone = absent_functions(self._functions)
            Removal(self._account, self._stage, say).remove_left_functions(gone)
        if stream_arn:
            self._settle_meetings(outputs.failure_queue_arn, step, say)
        if self._stage.tags:
            step("Tags of log groups, rules, roles, secrets and the API")
            changed = write_tags(self._account, self._tagged(self._stage.tags), self._stage)
            new = f"new on {changed} of them" if changed else "no change"
            say(f"{as_variable(self._stage.tags)}: {new}")

    def _logged_functions(self) -> list[str]:
        is_public = self._stage.settings.meetings is not None
        return [each for each in self._functions if each != ROUTES_FUNCTION or is_public]

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

    def _run_chalice(self, stream_arn: str | None, say: Say) -> None:
        forget_build(self._config_file.directory)
        compile_project(self._config_file.directory)
        pack_zones(self._config_file.directory, are_wanted=self._stage.settings.invites)
        environment = {
            **without_settings(os.environ),
            "AWS_DEFAULT_REGION": self._stage.region,
            "AWS_REGION": self._stage.region,
            **({STREAM_VARIABLE: stream_arn} if stream_arn else {}),
        }
        arguments = ("deploy", "--stage", self._stage.name)
        try:
            run_chalice(arguments, self._config_file.directory, environment, on_line=say)
        except CommandError as error:
            if any(sign in error.output for sign in _SIGNS_OF_DENIAL):
                raise AwsError(
                    f"{error}\nAWS refused a call that Chalice made: grant yourself the rights in "
                    "'Rights an operator needs' in docs/operations.md, then run this again"
                ) from error
            raise

    def _settle_meetings(self, queue_arn: str, step: Say, say: Say) -> None:
        """Set what Chalice cannot set on the stream's mapping and the API; print its address."""
        settle_mapping(self._account, self._stage, queue_arn, say)
        name = api_stage(self._config_file.load(), self._stage)
        url = settle_api(self._account, self._stage, name, say)
        step("Meetings")
        say(f"book them in a browser at {url}, or as docs/openapi.yaml says, with a key")
        say(f"make a key for each person or front end: elephant keys {self._stage.name} add WHO")

    def destroy(self, removable: Removable, step: Say, say: Say) -> None:
        """Remove what `deploy` created, our DNS records first; table and secret only if named."""
        step("Checking the account")
        self.check_account()
        check_removable(removable, self._config_file, self._stage)
        removal = Removal(self._account, self._stage, say)
        # What may fail for want of a token does so while everything still works.
        zone = self._zone_of_our_records(removal, say) if removable.records else None
        step("Stop events")
        removal.stop_events(self._functions)
        has_meetings = self._stack.has_meetings()
        if has_meetings:
            remove_schedules(self._account, self._stage, say)
            removal.remove_mappings()
        if zone:
            step(f"DNS records of {self._stage.settings.owner}")
            removed = zone.remove_all(self._stage.settings.owner, say)
            say(f"{removed} records removed" if removed else "there are none")
        step("Functions, rules, roles and logs")
        removal.remove_functions(self._functions)
        removal.remove_apis(note_path(self._config_file, self._stage))
        forget_build(self._config_file.directory)
        step(f"Supporting stack {self._stack.name}")
        self._stack.delete(say)
        if has_meetings:
            living_desktops(self._account, self._stage, say)
        if removable.table:
            step(f"Table {removable.table}, as requested")
            remove_table = self._account.client("dynamodb").delete_table
            what = f"remove table {removable.table}"
            removal.remove(what, remove_table, TableName=removable.table)
        if removable.secret:
            step(f"Secret {removable.secret}, as requested")
            remove_secret = self._account.client("secretsmanager").delete_secret
            what = f"remove secret {removable.secret}, which can be restored for 30 days"
            removal.remove(what, remove_secret, SecretId=removable.secret)
        DesktopGroup(self._account, self._stage).delete(say)

    def _parameters(self) -> StackParameters:
        settings = self._stage.settings
        table, meetings = settings.table_name, settings.meetings
        return StackParameters(
            owner=settings.owner,
            table_name=table,
            create_table=bool(table)
            and table_to_create(self._account.client("dynamodb"), str(table), self._stack),
            alarm_email=self._stage.alarm_email,
            has_sweep=SWEEP in self._functions,
            has_meetings=meetings is not None,
            has_notifications=settings.notifications is not None,
            has_invitations=settings.invites,
            certificate_arn=certificate_arn(self._stage) if meetings else "",
            desktop_policies=meetings.desktop_policy_arns if meetings else (),
            # The saved queries name them, and the functions come later.
            log_groups=tuple(
                make_log_group(self._account, self._stage.function_name(each))
                for each in self._logged_functions()
            ),
        )

    def _zone(self) -> ZoneView:
        settings = self._stage.settings
        client = self._account.client("secretsmanager")
        with readable_errors(f"read the token in secret {settings.secret_id!r}"):
            token = Token(client, settings.secret_id).value()
        return ZoneView(settings.cloudflare_api_url, token, settings.zone_id)

    def _zone_of_our_records(self, removal: Removal, say: Say) -> ZoneView | None:
        """Return the zone after checking that the token works and its records are this stage's.

        None if the stage is removed already, and its token with it. Raises ConfigError if another
        deployment has the same owner, which shows in instances that EC2 does not know here.
        """
        settings = self._stage.settings
        try:
            zone = self._zone()
        except SecretError as error:
            if not removal.any_function(self._functions):
                say("functions and token are removed already: not looking for records")
                return None
            raise ConfigError(
                f"{error}. Without it the DNS records cannot be removed: store one with `python "
                f"-m ops token {self._stage.name}`, or leave the records with --keep-records"
            ) from error
        check_records_to_remove(zone.our_records(settings.owner), self._account, self._stage)
        return zone
