"""Checks of a stage: question, finding and remedy.

A check asks one question about the stage and changes nothing. Checks run in order; one that
depends on a failed one is skipped, and names it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from botocore.exceptions import ClientError
from chalice.config import Config

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.provider import DnsError, RateLimitedError, UnavailableError
from chalicelib.secrets import SecretError, Token
from chalicelib.settings.stage import SettingsError
from ops.account import Account, AwsError, error_code, readable_errors
from ops.cloudflare_zone import ZoneView
from ops.policies import functions_of
from ops.reach import ROUTES_FUNCTION, Code, UnreadableCallError
from ops.stack import SupportingStack
from ops.stages import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.dns.record import Record
    from ops.stack import StackOutputs
    from ops.stages import ConfigFile, Stage
    from ops.token_view import ZoneDetails

NOT_FOUND: Final = "ResourceNotFoundException"


class Level(StrEnum):
    """The severity of a check's result."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """What a check found, and the command or action that fixes it, if anything is wrong."""

    name: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Finding:
    """A result of a question; `of` names the thing if the question covers several."""

    level: Level
    found: str
    remedy: str = ""
    of: str = ""


def ok(found: str, *, of: str = "") -> Finding:
    """Make a finding that all is well."""
    return Finding(Level.OK, found, "", of)


def warning(found: str, remedy: str, *, of: str = "") -> Finding:
    """Make a finding that the stage works, but something should be done."""
    return Finding(Level.WARNING, found, remedy, of)


def failure(found: str, remedy: str, *, of: str = "") -> Finding:
    """Make a finding that the stage does not work, or not as promised."""
    return Finding(Level.FAILURE, found, remedy, of)


def skipped(found: str, remedy: str = "", *, of: str = "") -> Finding:
    """Make a finding that the answer is not known, and why."""
    return Finding(Level.SKIPPED, found, remedy, of)


class Context:
    """A stage under examination. AWS and Cloudflare are asked lazily, each question once.

    `prove` allows the one check that writes: it creates a DNS record and removes it again.
    """

    def __init__(  # noqa: PLR0913 (the ends of the world, which a test replaces)
        self,
        config_file: ConfigFile,
        name: str,
        *,
        prove: bool = False,
        account: Callable[[str], Account] = Account,
        python: tuple[int, int] = sys.version_info[:2],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.config_file = config_file
        self.name = name
        self.prove = prove
        self.python = python
        self.now = now
        self._account_in = account
        self._sleep = sleep
        self._clients: dict[str, Any] = {}
        self._deployed: dict[str, Mapping[str, Any] | None] = {}

    def command(self, command: str, options: str = "") -> str:
        """Format one of our own commands for this stage."""
        return f"`{f'elephant {command} {self.name} {options}'.rstrip()}`"

    @cached_property
    def stage(self) -> Stage:
        """The stage in config.json. Raises ConfigError or SettingsError."""
        return self.config_file.stage(self.name)

    @cached_property
    def code(self) -> Code:
        """The project's code. Raises UnreadableCallError."""
        return Code(self.config_file.directory)

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """The functions that the stage deploys, by Chalice's names for them."""
        return functions_of(self.code, self.stage)

    @property
    def event_functions(self) -> tuple[str, ...]:
        """Functions that AWS invokes: all but the one behind the API's routes."""
        return tuple(each for each in self.functions if each != ROUTES_FUNCTION)

    @property
    def logged_functions(self) -> tuple[str, ...]:
        """Functions whose logs are kept; the routes' only if other people use them."""
        return self.functions if self.stage.settings.meetings else self.event_functions

    @cached_property
    def account(self) -> Account:
        """The operator's account, in the stage's region."""
        return self._account_in(self.stage.region)

    def client(self, service: str) -> Any:  # noqa: ANN401 (botocore makes the class)
        """Return the client of a service, created once."""
        if service not in self._clients:
            self._clients[service] = self.account.client(service)
        return self._clients[service]

    def expected(self, function: str) -> Config:
        """Return the configuration that Chalice would give a function."""
        return Config(
            chalice_stage=self.name,
            function_name=function,
            config_from_disk=self.config_file.load(),
        )

    def deployed(self, function: str) -> Mapping[str, Any] | None:
        """Return Lambda's configuration of a function; None if there is none."""
        if function not in self._deployed:
            name = self.stage.function_name(function)
            try:
                answer = self.client("lambda").get_function_configuration(FunctionName=name)
            except ClientError as error:
                if error_code(error) != NOT_FOUND:
                    raise
                answer = None
            self._deployed[function] = answer
        return self._deployed[function]

    @cached_property
    def stack(self) -> SupportingStack:
        """The supporting stack."""
        return SupportingStack(self.client("cloudformation"), self.name)

    @cached_property
    def outputs(self) -> StackOutputs | None:
        """The supporting stack's resources; None if it is missing or incomplete."""
        return self.stack.outputs()

    @cached_property
    def token(self) -> str:
        """The Cloudflare token, read as the application does. Raises SecretError."""
        return Token(self.client("secretsmanager"), self.stage.settings.secret_id).read()

    @cached_property
    def zone(self) -> ZoneView:
        """The zone as seen with the token."""
        settings = self.stage.settings
        url = settings.cloudflare_api_url
        return ZoneView(url, self.token, settings.zone_id, sleep=self._sleep)

    @cached_property
    def zone_details(self) -> ZoneDetails:
        """Cloudflare's details of the zone."""
        return self.zone.details()

    @cached_property
    def our_records(self) -> tuple[Record, ...]:
        """The records of the zone with our owner comment."""
        return self.zone.our_records(self.stage.settings.owner)


Ask: TypeAlias = Callable[[Context], Finding | Iterable[Finding]]


@dataclass(frozen=True)
class Question:
    """One question about a stage. `needs` names the questions that must not have failed.

    `remedy` is used if asking itself fails; `{stage}` is replaced by the stage's name.
    """

    name: str
    ask: Ask = field(compare=False)
    needs: tuple[str, ...] = ()
    remedy: str = ""


def question(
    name: str, *, needs: tuple[str, ...] = (), remedy: str = ""
) -> Callable[[Ask], Question]:
    """Turn a function into the question that it answers."""
    return lambda ask: Question(name, ask, needs, remedy)


def run(
    questions: Iterable[Question],
    context: Context,
    on_check: Callable[[Check], None] = lambda _: None,
) -> tuple[Check, ...]:
    """Ask the questions in order; `on_check` gets each result at once.

    An error of AWS, Cloudflare or a file fails the check that caused it.
    """
    checks: list[Check] = []
    blocked: dict[str, str] = {}
    for each in questions:
        cause = next((blocked[need] for need in each.needs if need in blocked), None)
        if cause is not None:
            findings = [skipped(f"depends on failed check {cause!r}")]
            blocked[each.name] = cause
        else:
            findings = _findings(each, context)
            if any(finding.level is Level.FAILURE for finding in findings):
                blocked[each.name] = each.name
        for finding in findings:
            name = f"{each.name} {finding.of}".rstrip()
            check = Check(name, finding.level, finding.found, finding.remedy)
            checks.append(check)
            on_check(check)
    return tuple(checks)


def _findings(each: Question, context: Context) -> list[Finding]:
    """Answer one question; an error becomes the last finding."""
    findings: list[Finding] = []
    try:
        with readable_errors(f"check {each.name}"):
            answer = each.ask(context)
            findings.extend([answer] if isinstance(answer, Finding) else answer)
    except _SAID as error:
        fallback = each.remedy.replace("{stage}", context.name)
        findings.append(_refusal(error, fallback))
    return findings


def _refusal(error: Exception, fallback: str) -> Finding:
    """Turn an error into a failure; the error's own remedy comes first."""
    if isinstance(error, AwsError):
        found, _, remedy = str(error).rpartition("; ")
        return failure(found or remedy, remedy if found else "try again, or look up the error code")
    if isinstance(error, RateLimitedError):
        return failure(str(error), f"try again in {error.seconds:.0f} seconds")
    if isinstance(error, UnavailableError):
        return failure(str(error), "try again; https://www.cloudflarestatus.com/ shows outages")
    return failure(str(error), fallback)


_SAID: Final = (
    AwsError,
    DnsError,
    ConfigError,
    OSError,
    OutOfTimeError,
    SecretError,
    SettingsError,
    UnreadableCallError,
)
"""Errors whose message says what is wrong."""
