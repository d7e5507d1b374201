"""The lock of a stage, wherever it is deployed from: a parameter of Systems Manager.

The parameter exists while somebody deploys or removes the stage, and is written again every half
minute. If that stops for five minutes its holder is taken for dead, and the next one takes over.
The age is by AWS's own clock, so nobody's own matters.

AWS numbers the versions of a parameter one by one, and answers a write with the number that it
made. So of all writes that follow version 7, the one that made version 8 was the first and holds
the lock; the others know that they were late. docs/decisions/0016-locks.md says why it is this.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from ops.account import AwsError, error_code, readable_errors
from ops.checkout_lock import checkout_lock
from ops.opened import check_account
from ops.steps import WARNING, in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.account import Account
    from ops.stages import ConfigFile, Stage

    Say = Callable[[str], None]

RENEWED_EVERY: Final = timedelta(seconds=30)
EXPIRES_AFTER: Final = timedelta(minutes=5)

_FASTER: Final = frozenset({"ParameterAlreadyExists", "TooManyUpdates"})
_MISSING: Final = frozenset({"ParameterNotFound", "ParameterVersionNotFound"})


class StageBusyError(AwsError):
    """Somebody else deploys or removes the stage. The message says who, and what to do."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as the parameter says."""

    id: str
    doing: str
    who: str
    where: str
    since: str
    after: int = 0
    """The version of the parameter that this one follows; 0 if there was none."""

    @classmethod
    def parse(cls, text: str) -> Holder | None:
        """Read a parameter's value; None if it is anything else."""
        with suppress(ValueError, TypeError):
            return cls(**json.loads(text))
        return None

    def __str__(self) -> str:
        return f"`elephant {self.doing}` by {self.who}, {self.where}, since {self.since}"


def this_process(doing: str, who: str) -> Holder:
    """Describe this process as a holder; `who` is the identity of its credentials."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    where = f"{user}@{socket.gethostname()} (process {os.getpid()})"
    return Holder(token_hex(8), doing, who, where, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")


def parameter_name(stage_name: str) -> str:
    """Name the parameter that is a stage's lock."""
    return f"/elephant/{stage_name}/deploying"


@dataclass(frozen=True)
class _Parameter:
    """A version of the parameter, and its age by AWS's clock."""

    version: int
    holder: Holder | None
    age: timedelta


@contextmanager
def alone(
    config_file: ConfigFile, stage: Stage, account: Account, doing: str, say: Say
) -> Iterator[StageLock]:
    """Hold the locks of the checkout and of the stage, with credentials of the stage's account.

    `doing` is the command, such as `deploy prod`. Raises ConfigError or StageBusyError if another
    process holds one, AwsError.
    """
    with checkout_lock(config_file.path.parent, doing):
        who = check_account(stage, account).arn
        lock = StageLock(account, stage, this_process(doing, who))
        with lock.held(say):
            yield lock


class StageLock:
    """The lock of one stage, for one holder."""

    def __init__(self, account: Account, stage: Stage, holder: Holder) -> None:
        self._client = account.client("ssm")
        self._stage = stage
        self._holder = holder
        self._name = parameter_name(stage.name)
        self._version = 0
        """The version that this holder wrote last; 0 unless it holds the lock."""
        self._is_writing = False
        self._lost: StageBusyError | None = None

    @contextmanager
    def held(self, say: Say, *, every: timedelta = RENEWED_EVERY) -> Iterator[None]:
        """Hold the lock, and renew it meanwhile; release it however this ends.

        Raises StageBusyError if another one holds it, AwsError.
        """
        ended = threading.Event()
        renewal = threading.Thread(target=self._keep, args=(ended, every), daemon=True)
        try:
            with readable_errors(f"take the lock of stage {self._stage.name}, {self._name}"):
                self._take(say)
            renewal.start()
            yield
        finally:
            ended.set()
            if renewal.ident:
                renewal.join()
            self._release(say)

    def check(self) -> None:
        """Raise StageBusyError if another one has taken over, since this process was halted."""
        if self._lost:
            raise self._lost

    def renew(self) -> None:
        """Show that this process lives. Raises botocore's errors."""
        found = self._read()
        if found is None or not self._is_anothers(found):
            before = self._version
            if self._was_first(before):
                return
            found = self._read(before + 1)
            if found and not self._is_anothers(found):
                return  # its writer was late, and knows
        holder = found.holder if found else "its lock was removed"
        self._lost = StageBusyError(
            f"another deployment took stage {self._stage.name} over, because this one gave no sign "
            f"of life for {in_words(EXPIRES_AFTER.total_seconds())}: {holder}"
        )

    def _is_anothers(self, found: _Parameter) -> bool:
        """Tell whether a version was written by another one that then had the lock."""
        holder = found.holder
        is_ours = holder is not None and holder.id == self._holder.id
        return not is_ours and (holder is None or holder.after == found.version - 1)

    def _take(self, say: Say) -> None:
        found = self._read()
        if found and found.age < EXPIRES_AFTER:
            raise self._busy(found)
        self._is_writing = True
        is_first = self._was_first(found.version if found else 0)
        self._is_writing = False
        if not is_first:
            self._version = 0
            raise self._busy(self._read())
        if found:
            say(f"{WARNING}took over from {found.holder}, which gives no sign of life")

    def _was_first(self, before: int) -> bool:
        """Write the parameter; tell whether nobody else has written since this version."""
        document = asdict(replace(self._holder, after=before))
        try:
            answer = self._client.put_parameter(
                Name=self._name,
                Value=json.dumps(document),
                Type="String",
                Overwrite=before > 0,
            )
        except ClientError as error:
            if error_code(error) not in _FASTER:
                raise
        else:
            self._version = answer["Version"]
            if self._version in {before + 1, 1}:  # 1: there was none, since somebody removed it
                return True
        # botocore repeats a write that got no answer, so the faster one may be this holder.
        first = self._read(before + 1)
        if not first or not first.holder or first.holder.id != self._holder.id:
            return False
        self._version = max(self._version, first.version)
        return True

    def _read(self, version: int = 0) -> _Parameter | None:
        name = f"{self._name}:{version}" if version else self._name
        try:
            answer = self._client.get_parameter(Name=name)
        except ClientError as error:
            if error_code(error) not in _MISSING:
                raise
            return None
        found = answer["Parameter"]
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        holder = Holder.parse(found["Value"])
        age = max(now - found["LastModifiedDate"], timedelta())  # `now` is in whole seconds
        return _Parameter(found["Version"], holder, age)

    def _keep(self, ended: threading.Event, every: timedelta) -> None:
        while not self._lost and not ended.wait(every.total_seconds()):
            with suppress(ClientError, BotoCoreError):  # the next one may come in time
                self.renew()

    def _release(self, say: Say) -> None:
        try:
            with readable_errors(f"release the lock of the stage, {self._name}"):
                if self._version and not self._lost:
                    self.renew()  # which finds out whether somebody has taken over
                if self._is_writing:
                    found = self._read()
                    is_ours = found and found.holder and found.holder.id == self._holder.id
                else:
                    is_ours = bool(self._version and not self._lost)
                if is_ours:
                    self._client.delete_parameter(Name=self._name)
        except AwsError as error:
            within = in_words(EXPIRES_AFTER.total_seconds())
            say(f"{WARNING}{error}; it expires within {within}")

    def _busy(self, found: _Parameter | None) -> StageBusyError:
        stage = self._stage
        if found is None:
            return StageBusyError(
                f"another deployment of stage {stage.name} began at the same moment, and has ended "
                "since: nothing was changed; run this again"
            )
        left = max(EXPIRES_AFTER - found.age, timedelta(seconds=1)).total_seconds()
        seen = in_words(found.age.total_seconds())
        return StageBusyError(
            f"stage {stage.name} is in use: {found.holder or 'by another release of Elephant'}; "
            f"last sign of life {seen} ago. Nothing was changed. Run this again when that has "
            f"ended. If it is dead, its lock expires in {in_words(left)}; or remove it now: "
            f"aws ssm delete-parameter --name {self._name} --region {stage.region}"
        )
