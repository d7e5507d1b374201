"""One run of the self-test, which leaves nothing behind."""

from __future__ import annotations

import platform
import secrets
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import urllib3

from ops.account import AwsError, readable_errors
from ops.api import address_of, api_stage, apis_of
from ops.keys import KeySecret
from ops.opened import open_zone
from ops.selftest.dns_walk import DnsWalk, Parts
from ops.selftest.facts import Facts
from ops.selftest.instance import RUN_TAG, SMALLEST, TestInstance
from ops.selftest.meeting_walk import Api, MeetingWalk, first_key
from ops.selftest.report import document
from ops.selftest.resolution import Resolution
from ops.selftest.row import TestRow

if TYPE_CHECKING:
    from ops.account import Account
    from ops.selftest.promises import Promises
    from ops.stages import ConfigFile, Stage


@dataclass(frozen=True)
class Wish:
    """What to launch, where, and whether to book a meeting too."""

    kind: str = SMALLEST
    subnet: str | None = None
    with_meeting: bool = False


class SelfTest:
    """A run against a deployed stage.

    Raises AwsError, SecretError or DnsError if it cannot begin.
    """

    def __init__(
        self,
        config_file: ConfigFile,
        stage: Stage,
        account: Account,
        wish: Wish,
        promises: Promises,
    ) -> None:
        self.run_id = f"selftest-{secrets.token_hex(8)}"
        self.facts = Facts()
        self.promises = promises
        self.is_whole = False
        self._config_file = config_file
        self._stage = stage
        self._account = account
        self._wish = wish
        settings = stage.settings
        self._zone = open_zone(stage, account)
        self._zone_name = self._zone.details().name
        self._resolution = Resolution()
        self._instance = TestInstance(stage, account, self.run_id, wish.kind, wish.subnet)
        self._row = None
        if settings.table_name:
            self._row = TestRow(account, settings.table_name, self.run_id)

    def run(self) -> None:
        """Go through everything, and remove what it has made, also if it is interrupted.

        Raises AwsError with the command to type if an instance may be left.
        """
        parts = Parts(
            self._stage.settings,
            self._instance,
            self._zone,
            self._zone_name,
            self._resolution,
            self._row,
        )
        try:
            DnsWalk(self._stage.name, parts, self.promises, self.facts).run()
            if self._wish.with_meeting:
                self._meeting_walk().run()
            self.is_whole = True
        finally:
            self._clean_up()

    def report(self) -> dict[str, Any]:
        """Build the report, which names nothing of the stage."""
        settings = self._stage.settings
        about = {
            "elephant": version("elephant"),
            "python": platform.python_version(),
            "region": self._stage.region,
            "instance": self._wish.kind,
            "proxied": str(settings.proxied).lower(),
            "features": ",".join(sorted(settings.features)),
            "sweeps": settings.sweep_schedule,
        }
        names = {
            settings.domain_root: "DOMAIN",
            self._zone_name: "ZONE",
            settings.zone_id: "ZONE_ID",
            settings.owner: "OWNER",
            settings.table_name or "": "TABLE",
            settings.secret_id: "SECRET",
            self._stage.name: "NAME",
            self.run_id: "RUN",
        }
        outcomes, facts = self.promises.outcomes, self.facts.answers
        return document(outcomes, facts, about, names, is_whole=self.is_whole)

    def _meeting_walk(self) -> MeetingWalk:
        name = api_stage(self._config_file.load(), self._stage)
        with readable_errors("look for the stage's API"):
            apis = apis_of(self._account.client("apigateway"), self._stage)
        if not apis:
            raise AwsError(
                f"no API calls the stage's function: `elephant deploy {self._stage.name}`"
            )
        key = first_key(KeySecret(self._stage, self._account).read().keys)
        address = address_of(apis[0], self._stage, name)
        return MeetingWalk(
            self._stage,
            self._account,
            Api(address, key),
            self._resolution,
            self.promises,
        )

    def _clean_up(self) -> None:
        try:
            self._instance.remove()
        except BaseException as error:
            raise AwsError(
                f"an instance of the self-test may still run ({error or type(error).__name__}); it "
                f"ends by itself within an hour of its start. To end it now: aws ec2 "
                f"terminate-instances --region {self._stage.region} --instance-ids "
                f"{self._instance.id or 'ID'}; its tag is {RUN_TAG}={self.run_id}"
            ) from error
        finally:
            if self._row:
                with suppress(AwsError, urllib3.exceptions.HTTPError):
                    self._row.remove()
