"""Reserved concurrency: what is asked for, and whether the account has it to give."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.concurrency import asked_for, check_room, configured, reserved
from ops.iam_page import PLAIN as STAGE
from ops.stages import ConfigError
from tests.ops.played import Played, refusal


def aws(unreserved: int | None, **there: int | None) -> Played:
    """Play an account with so many unreserved executions, and what its functions have reserved."""
    known = {STAGE.function_name(name): number for name, number in there.items()}

    def concurrency(FunctionName: str) -> dict[str, int | None]:  # noqa: N803 (AWS's name)
        if FunctionName not in known:
            raise refusal("ResourceNotFoundException")
        number = known[FunctionName]
        return {} if number is None else {"ReservedConcurrentExecutions": number}

    limits: Any = {"AccountLimit": {"UnreservedConcurrentExecutions": unreserved}}
    if unreserved is None:
        limits = refusal("AccessDeniedException", "GetAccountSettings")
    return Played(get_function_concurrency=concurrency, get_account_settings=limits)


def check(client: Played, **wanted: int | None) -> list[str]:
    said: list[str] = []
    check_room(client, STAGE, wanted, said.append)
    return said


def test_the_sweep_gets_one_if_anything_is_reserved() -> None:
    one, none = {"reserved_concurrency": 1}, {"reserved_concurrency": None}
    assert asked_for("20") == {"dns_watchdog": {"reserved_concurrency": 20}, "sweep": one}
    assert asked_for("none") == {"dns_watchdog": none, "sweep": none}


@pytest.mark.parametrize("option", ["", "0", "-1", "1.5", "None", "²", "1000000"])
def test_anything_else_is_refused(option: str) -> None:
    with pytest.raises(ConfigError, match="must be a number from 1, or 'none'"):
        asked_for(option)


@pytest.mark.parametrize("value", [None, 7, "20", -1, 2.5, []])
def test_what_chalice_would_reserve_is_read_if_it_is_a_number(value: object) -> None:
    config = {"stages": {"prod": {"lambda_functions": {"sweep": {"reserved_concurrency": value}}}}}

    assert configured(config, "prod", "dns_watchdog") is None
    if value is None or value == 7:
        assert configured(config, "prod", "sweep") == value
        return
    with pytest.raises(ConfigError, match=r"reserved_concurrency of sweep is .* fix it manually"):
        configured(config, "prod", "sweep")


@pytest.mark.parametrize(
    ("unreserved", "there", "wanted", "said"),
    [
        (120, {}, {"dns_watchdog": 20, "sweep": None}, ""),
        (110, {"dns_watchdog": 10}, {"dns_watchdog": 20}, ""),
        (100, {"dns_watchdog": 20, "sweep": None}, {"dns_watchdog": 18, "sweep": 2}, ""),
        (10, {"dns_watchdog": 20}, {"dns_watchdog": None}, ""),
        (119, {}, {"dns_watchdog": 20}, "20 more than now, but the account can reserve 19"),
        (10, {}, {"dns_watchdog": 20}, "can reserve 0 in us-west-2, where 10 are unreserved"),
        (109, {"dns_watchdog": 10}, {"dns_watchdog": 20}, "10 more than now"),
        (120, {}, {"dns_watchdog": 20, "sweep": 1}, "20 for dns_watchdog, 1 for sweep"),
    ],
)
def test_what_the_account_cannot_spare_is_refused_with_the_way_out(
    unreserved: int, there: dict[str, int | None], wanted: dict[str, int | None], said: str
) -> None:
    client = aws(unreserved, **there)
    if not said:
        assert check(client, **wanted) == []
        return
    with pytest.raises(ConfigError) as raised:
        check(client, **wanted)
    for each in (said, "`elephant stage prod --concurrency none`", "L-B99A9384"):
        assert each in str(raised.value)


def test_what_aws_does_not_tell_is_an_error_where_it_matters_and_holds_nothing_else_up() -> None:
    denied = Played(get_function_concurrency=refusal("AccessDeniedException"))
    with pytest.raises(ClientError):
        reserved(denied, "elephant-prod-dns_watchdog")
    assert check(denied, dns_watchdog=20)[0].startswith("warning: whether the account can reserve")

    (said,) = check(aws(None), dns_watchdog=20)
    assert "not known (GetAccountSettings answered AccessDeniedException): going on" in said
    # and an account that is to reserve nothing more is not asked
    assert check(aws(None, dns_watchdog=20), dns_watchdog=20, sweep=None) == []
