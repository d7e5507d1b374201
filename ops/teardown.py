"""Removal of a stage: every step is safe to repeat and to interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from chalicelib.secrets import SecretError
from ops.chalice import forget_build
from ops.deployed_note import note_path
from ops.desktop_group import DesktopGroup
from ops.inventory import take_inventory
from ops.meetings import remove_schedules
from ops.opened import check_account, open_zone
from ops.policies import functions_of
from ops.preflight import check_records_to_remove, check_removable
from ops.reach import Code
from ops.removal import Removal
from ops.stack import SupportingStack
from ops.stage_lock import alone
from ops.stages import ConfigError
from ops.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.account import Account
    from ops.cloudflare_zone import ZoneView
    from ops.inventory import Inventory
    from ops.removal import Removable
    from ops.stages import ConfigFile, Stage

    Say = Callable[[str], None]


_CHECK: Final = Step("Check the account, the token and the zone", "Nothing was removed.")
_EVENTS: Final = Step(
    "Stop events",
    "Functions may be stopped, so that nothing new gets a record; schedules of meetings may be "
    "gone. Nothing else was removed.",
)
_RECORDS: Final = Step("DNS records", "The functions are stopped. Some records may be left.")
_FUNCTIONS: Final = Step(
    "Functions, rules, roles, logs and API",
    "The DNS records are removed. What is left of the functions is stopped.",
)
_DURING_STACK: Final = (
    "Records and functions are removed. CloudFormation completes by itself what it has begun."
)
_DATA: Final = Step(
    "Table and secret, as you asked", "All but what you named here is removed for certain."
)


class Teardown:
    """The removal of a stage from the operator's account.

    Every method raises AwsError, ConfigError or CloudflareError.
    """

    def __init__(self, config_file: ConfigFile, stage: Stage, account: Account) -> None:
        self._config_file = config_file
        self._stage = stage
        self._account = account
        self._functions = functions_of(Code(config_file.directory), stage)
        self._stack = SupportingStack(account.client("cloudformation"), stage.name)

    def inventory(self) -> Inventory:
        """Look at what the stage has now. Raises AwsError in another account."""
        check_account(self._stage, self._account)
        return take_inventory(self._stage, self._account, self._stack, self._functions)

    def check(self, removable: Removable) -> None:
        """Raise ConfigError unless table and secret are the stage's, and no other's."""
        check_removable(removable, self._config_file, self._stage)

    def destroy(self, removable: Removable, step: Callable[[Step], None], say: Say) -> None:
        """Remove what `deploy` created, our DNS records first; table and secret only if named.

        `step` gets each part as it begins, `say` its details. Raises StageBusyError if somebody
        else deploys or removes the stage.
        """
        step(_CHECK)
        doing = f"destroy {self._stage.name}"
        with alone(self._config_file, self._stage, self._account, doing, say) as lock:

            def next_step(each: Step) -> None:
                lock.check()
                step(each)

            self.check(removable)
            removal = Removal(self._account, self._stage, say)
            # What may fail for want of a token does so while everything still works.
            zone = self._zone_of_our_records(removal, say) if removable.records else None
            next_step(_EVENTS)
            removal.stop_events(self._functions)
            if self._stack.has_meetings():
                remove_schedules(self._account, self._stage, say)
                removal.remove_mappings()
            if zone:
                next_step(_RECORDS)
                removed = zone.remove_all(self._stage.settings.owner, say)
                say(f"{removed} records removed" if removed else "there are none")
            next_step(_FUNCTIONS)
            removal.remove_functions(self._functions)
            removal.remove_apis(note_path(self._config_file, self._stage))
            forget_build(self._config_file.directory)
            next_step(Step(f"Supporting stack {self._stack.name}", _DURING_STACK))
            self._stack.delete(say)
            if removable.table or removable.secret:
                next_step(_DATA)
                self._remove_data(removable, removal)
            DesktopGroup(self._account, self._stage).delete(say)

    def _remove_data(self, removable: Removable, removal: Removal) -> None:
        if removable.table:
            remove_table = self._account.client("dynamodb").delete_table
            what = f"remove table {removable.table}"
            removal.remove(what, remove_table, TableName=removable.table)
        if removable.secret:
            remove_secret = self._account.client("secretsmanager").delete_secret
            what = f"remove secret {removable.secret}, which can be restored for 30 days"
            removal.remove(what, remove_secret, SecretId=removable.secret)

    def _zone_of_our_records(self, removal: Removal, say: Say) -> ZoneView | None:
        """Return the zone after checking that the token works and its records are this stage's.

        None if the stage is removed already, and its token with it. Raises ConfigError if another
        deployment has the same owner, which shows in instances that EC2 does not know here.
        """
        settings = self._stage.settings
        try:
            zone = open_zone(self._stage, self._account)
        except SecretError as error:
            if not removal.any_function(self._functions):
                say("functions and token are removed already: not looking for records")
                return None
            raise ConfigError(
                f"{error}. Without it the DNS records cannot be removed: store one with `elephant "
                f"token {self._stage.name}`, or leave the records with --keep-records"
            ) from error
        check_records_to_remove(zone.our_records(settings.owner), self._account, self._stage)
        return zone
