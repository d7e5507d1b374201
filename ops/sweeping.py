"""The sweep run by hand: the function's own code with the operator's credentials."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from chalicelib.cloudflare.client import Cloudflare
from chalicelib.cloudflare.rate_limit import KEPT_BY_SWEEPS, Quota
from chalicelib.cloudflare.transport import Urllib3Transport
from chalicelib.cloudflare.zone import CloudflareZone
from chalicelib.deadline import Deadline
from chalicelib.ec2.instances import Instances
from chalicelib.meeting_row.table import Meetings
from chalicelib.secrets import Token
from chalicelib.step import Steps
from chalicelib.watchdog.sweep import Sweep
from ops.account import readable_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.watchdog.survey import Survey
    from chalicelib.watchdog.sweep_result import Repair
    from ops.account import Account
    from ops.stages import Stage

PATIENCE: Final = 600.0
"""Maximum seconds for a survey or a repair."""


class Sweeping:
    """A stage's sweep. Raises AwsError if AWS refuses, and the exceptions of chalicelib."""

    def __init__(self, stage: Stage, account: Account) -> None:
        settings = stage.settings
        table = settings.table_name
        token = Token(account.client("secretsmanager"), settings.secret_id)
        quota = Quota(kept=KEPT_BY_SWEEPS)
        cloudflare = Cloudflare(settings.cloudflare_api_url, token, Urllib3Transport(), quota)
        self._executor = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sweep")
        self._sweep = Sweep(
            settings=settings,
            instances=Instances(account.client("ec2"), settings.project_tag, settings.owner),
            zone=CloudflareZone(cloudflare, settings.zone_id, settings.batch_size),
            meetings=Meetings(account.client("dynamodb"), table) if table else None,
            reporter=_Nobody(),
            executor=self._executor,
        )

    def survey(self) -> Survey:
        """Read everything and change nothing."""
        with readable_errors("survey the stage"):
            return self._sweep.survey(self._steps())

    def repair(self, survey: Survey, *, force: bool, progress: Callable[[int], None]) -> Repair:
        """Apply the plan of the survey."""
        with readable_errors("repair the stage"):
            return self._sweep.repair(survey, self._steps(), force=force, progress=progress)

    def _steps(self) -> Steps:
        return Steps(self._executor, Deadline(time.time() + PATIENCE))


class _Nobody:
    """Discards reports, since the command prints its own."""

    def succeeded(self, fields: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        """Discard the report."""

    def failed(
        self, fields: Mapping[str, Any], counts: Mapping[str, int], error: Exception
    ) -> None:
        """Discard the report."""
