"""Two deployments of a stage: the second one waits, unless the first is dead."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.ssm.models import ssm_backends

from localcloud.aws import ACCOUNT_ID, DEFAULT_REGION
from ops.account import AwsError
from ops.checkout_lock import checkout_lock
from ops.iam_page import PLAIN
from ops.stage_lock import StageBusyError, StageLock, parameter_name, this_process
from ops.stages import ConfigError
from tests.ops.projects import account, silent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = parameter_name(PLAIN.name)
LONG = timedelta(minutes=6)
EVER = timedelta(days=1)


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


def a_lock(doing: str = "deploy prod", who: str = "arn:aws:iam::1:user/ann") -> StageLock:
    return StageLock(account(), PLAIN, this_process(doing, who))


def held(lock: StageLock, say: Any = silent) -> Any:  # noqa: ANN401
    return lock.held(say, every=EVER)


def is_there() -> bool:
    return bool(account().client("ssm").get_parameters(Names=[NAME])["Parameters"])


def grow_old(age: timedelta = LONG) -> None:
    """Let the lock's holder be halted for so long."""
    backend: Any = ssm_backends[ACCOUNT_ID][DEFAULT_REGION]
    versions = backend._parameters[NAME]
    versions[-1].last_modified_date -= age


def refused(lock: StageLock) -> str:
    with pytest.raises(StageBusyError) as raised, held(lock):
        pass
    return str(raised.value)


def test_the_second_is_refused_and_reads_who_it_is_and_what_to_do() -> None:
    with suppress(ZeroDivisionError), held(a_lock(who="arn:aws:iam::1:user/bob")):
        text = refused(a_lock())
        assert text.startswith(
            "stage prod is in use: `elephant deploy prod` by arn:aws:iam::1:user/bob"
        )
        assert "Nothing was changed." in text
        assert "If it is dead, its lock expires in " in text
        assert f"aws ssm delete-parameter --name {NAME} --region {PLAIN.region}" in text
        assert is_there()
        raise ZeroDivisionError  # however it ends, it releases the lock

    assert not is_there()


def test_who_is_dead_is_replaced_and_finds_that_out_if_it_was_only_halted(said: list[str]) -> None:
    halted = a_lock()
    with held(halted):
        grow_old()
        with held(a_lock("destroy prod"), said.append):
            assert said[0].startswith("warning: took over from `elephant deploy prod` by")
            halted.check()
            halted.renew()
            with pytest.raises(StageBusyError, match=r"another deployment took stage prod over"):
                halted.check()
    assert not is_there()


def test_a_lock_that_is_removed_by_hand_is_free_and_its_holder_finds_that_out() -> None:
    first, second = a_lock(), a_lock()
    with held(first):
        account().client("ssm").delete_parameter(Name=NAME)
        first.renew()
        first.check()  # nobody has taken it meanwhile
        account().client("ssm").delete_parameter(Name=NAME)
        with held(second):
            first.renew()
            with pytest.raises(StageBusyError):
                first.check()
            second.renew()  # which counts what the first wrote for nothing
            second.check()
    assert not is_there()


def test_of_two_that_take_over_at_once_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    halted, faster, slower = a_lock(), a_lock(), a_lock()
    with held(halted):
        grow_old()
        seen = slower._read()
        with held(faster):
            read = StageLock._read
            answers = iter([seen])
            monkeypatch.setattr(
                slower, "_read", lambda *which: next(answers, None) or read(slower, *which)
            )
            refused(slower)
            faster.renew()
            faster.check()
    assert not is_there()


def test_of_two_that_begin_at_once_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    slower = a_lock()
    with held(a_lock()):
        read = StageLock._read
        answers = iter([True])
        monkeypatch.setattr(
            slower, "_read", lambda *which: None if next(answers, None) else read(slower, *which)
        )
        assert "stage prod is in use" in refused(slower)
        assert is_there()

    monkeypatch.setattr(slower, "_was_first", lambda _: False)
    assert "has ended since: nothing was changed; run this again" in refused(slower)


@pytest.mark.parametrize("answer", ["ParameterAlreadyExists", None])
def test_a_write_that_botocore_repeated_is_its_holders_own(
    monkeypatch: pytest.MonkeyPatch, answer: str | None
) -> None:
    """The first attempt arrived, its answer did not."""
    lock = a_lock()
    put = lock._client.put_parameter

    def twice(**request: Any) -> Any:  # noqa: ANN401
        put(**request)
        return put(**request | ({} if answer else {"Overwrite": True}))

    monkeypatch.setattr(lock._client, "put_parameter", twice)
    with held(lock):
        lock.renew()
        lock.check()
    assert not is_there()


def test_ctrl_c_while_it_is_taken_leaves_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = a_lock()
    put = lock._client.put_parameter

    def interrupted(**request: Any) -> None:  # noqa: ANN401
        put(**request)
        raise KeyboardInterrupt

    monkeypatch.setattr(lock._client, "put_parameter", interrupted)
    with pytest.raises(KeyboardInterrupt), held(lock):
        pass
    assert not is_there()


def test_it_is_renewed_while_it_is_held_even_if_a_write_fails(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    lock, renewed = a_lock(), threading.Event()
    put, failures = lock._client.put_parameter, iter(["InternalServerError"])

    def renew(**request: Any) -> Any:  # noqa: ANN401
        code = next(failures, None) if request["Overwrite"] else None
        if code:
            raise ClientError({"Error": {"Code": code}}, "PutParameter")
        renewed.set() if request["Overwrite"] else None
        return put(**request)

    monkeypatch.setattr(lock._client, "put_parameter", renew)
    with lock.held(said.append, every=timedelta(milliseconds=1)):
        assert renewed.wait(60)
    assert (said, is_there()) == ([], False)


def test_without_the_right_nothing_begins_and_the_right_is_named(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    lock = a_lock()

    def deny(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutParameter")

    with held(lock, said.append):
        monkeypatch.setattr(lock._client, "delete_parameter", deny)
    assert f"warning: could not release the lock of the stage, {NAME}" in said[0]
    assert said[0].endswith("it expires within 5 min 00 s")
    grow_old()
    monkeypatch.setattr(lock._client, "put_parameter", deny)
    with (
        pytest.raises(AwsError, match=rf"{NAME}: .*grant yourself the right to PutParameter"),
        held(lock),
    ):
        pass


def test_what_is_not_written_by_this_release_is_respected() -> None:
    account().client("ssm").put_parameter(Name=NAME, Value='{"by": "a"}', Type="String")
    assert "in use: by another release of Elephant" in refused(a_lock())


def test_a_checkout_has_one_deployment_at_a_time(tmp_path: Path) -> None:
    with checkout_lock(tmp_path, "deploy prod"):
        refusal = r"in use by `elephant deploy prod`, process \d+, since .*nothing was changed"
        with pytest.raises(ConfigError, match=refusal), checkout_lock(tmp_path, "deploy qa"):
            pass
    with checkout_lock(tmp_path, "deploy qa"):
        pass


def test_a_process_without_a_users_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> None:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert this_process("deploy prod", "me").where.partition("@")[0].isdigit()
