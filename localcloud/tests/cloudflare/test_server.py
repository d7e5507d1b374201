"""The stand-in over HTTP: connections, delays, control, start and stop."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import urllib3
from urllib3.exceptions import ProtocolError

from localcloud.cloudflare import (
    Api,
    Call,
    CloudflareStandIn,
    Fault,
    FaultKind,
    PortTakenError,
    Quota,
    When,
)
from localcloud.tests.cloudflare.client import HEADERS, RECORDS, a

BODY = json.dumps(a("www"))


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager(retries=False, timeout=600)
    yield pool
    pool.clear()


def wait_until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.001)


def control(standin: CloudflareStandIn, what: str) -> str:
    return standin.url.replace("/client/v4", f"/__standin__/{what}")


def test_a_connection_serves_many_calls(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    url = f"{cloudflare.url}{RECORDS}"
    answers = [
        pool.request("POST", url, headers=HEADERS, body=BODY),
        pool.request("POST", url, headers=HEADERS, body=BODY),
        pool.request("GET", url, headers=HEADERS, fields={"type": "A"}),
    ]
    assert [answer.status for answer in answers] == [200, 400, 200]
    assert answers[0].headers["Ratelimit"] == '"default";r=1199;t=300'
    assert cloudflare.calls == (
        Call("POST", RECORDS, (), 200),
        Call("POST", RECORDS, (), 400),
        Call("GET", RECORDS, (("type", "A"),), 200),
    )
    host = pool.connection_from_url(cloudflare.url)
    assert isinstance(host, urllib3.HTTPConnectionPool)
    assert host.num_connections == 1


@pytest.mark.parametrize("when", list(When))
def test_a_dropped_connection_is_closed_without_an_answer(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager, when: When
) -> None:
    cloudflare.faults.add(Fault(FaultKind.DROP, when))
    with pytest.raises(ProtocolError) as caught:
        pool.request("POST", f"{cloudflare.url}{RECORDS}", headers=HEADERS, body=BODY)
    assert isinstance(caught.value.args[1], http.client.RemoteDisconnected)
    assert len(cloudflare.api.zones[0].records) == (when is When.AFTER)
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 200


@pytest.mark.parametrize("when", list(When))
def test_a_delayed_call_lets_others_pass_until_it_is_released(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager, when: When
) -> None:
    cloudflare.faults.add(Fault(FaultKind.DELAY, when, seconds=600, method="POST"))
    delayed = threading.Thread(
        target=pool.request,
        args=("POST", f"{cloudflare.url}{RECORDS}"),
        kwargs={"headers": HEADERS, "body": BODY},
    )
    delayed.start()
    wait_until(lambda: cloudflare.calls if when is When.AFTER else not cloudflare.faults.faults)
    answer = pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS)
    assert len(answer.json()["result"]) == (when is When.AFTER)
    cloudflare.faults.release()
    delayed.join(600)
    assert not delayed.is_alive()
    assert len(cloudflare.api.zones[0].records) == 1


def test_another_process_can_switch_faults_and_the_quota(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    faults, quota = control(cloudflare, "faults"), control(cloudflare, "quota")
    fault = {"kind": "refused", "status": 401, "times": None}
    (shown,) = pool.request("POST", faults, json=fault).json()
    assert Fault.from_json(shown) == Fault(FaultKind.REFUSED, status=401, times=None)
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 401
    assert pool.request("GET", faults).json() == [shown]
    assert pool.request("DELETE", faults).json() == []
    assert pool.request("PUT", quota, json={"calls": 5}).status == 200
    assert pool.request("GET", quota).json() == {"calls": 5, "window": 300, "block": 300}
    assert cloudflare.api.limiter.quota == Quota(calls=5)
    assert len(cloudflare.calls) == 1, "the control API is no part of the API"


@pytest.mark.parametrize(
    ("method", "what", "body", "status"),
    [
        ("POST", "faults", '{"kind": "unknown"}', 400),
        ("POST", "faults", '"drop"', 400),
        ("POST", "faults", "{", 400),
        ("PUT", "quota", '{"calls": 0}', 400),
        ("PUT", "quota", '{"colour": 1}', 400),
        ("PUT", "faults", "{}", 404),
    ],
)
def test_a_wrong_control_call_is_refused_with_the_reason(  # noqa: PLR0913, PLR0917 (the case)
    cloudflare: CloudflareStandIn,
    pool: urllib3.PoolManager,
    method: str,
    what: str,
    body: str,
    status: int,
) -> None:
    answer = pool.request(method, control(cloudflare, what), body=body)
    assert answer.status == status
    assert answer.json()["error"]


def test_stopping_ends_delays_and_idle_connections_and_leaves_no_thread(
    pool: urllib3.PoolManager,
) -> None:
    before = set(threading.enumerate())
    standin = CloudflareStandIn().start()
    pool.request("GET", f"{standin.url}{RECORDS}", headers=HEADERS)
    standin.faults.add(Fault(FaultKind.DELAY, seconds=600))
    port = pool.connection_from_url(standin.url).port
    waiting = http.client.HTTPConnection("127.0.0.1", port)
    waiting.request("GET", f"/client/v4{RECORDS}", headers=HEADERS)
    wait_until(lambda: not standin.faults.faults)
    standin.stop()
    standin.stop()
    waiting.close()
    assert set(threading.enumerate()) <= before


def test_a_port_that_is_not_free_is_named_and_nothing_is_left_running() -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"HTTP on 127.0.0.1 port {port}: .*in use"):
            CloudflareStandIn(http_port=port).start()
    assert set(threading.enumerate()) <= before


def test_a_client_that_disconnects_disturbs_nobody(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager, capfd: pytest.CaptureFixture[str]
) -> None:
    port = int(cloudflare.url.split(":")[2].partition("/")[0])
    for head in (b"", b"GET /client/v4/zones HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head)
    assert pool.request("GET", f"{cloudflare.url}/zones", headers=HEADERS).status == 200
    assert capfd.readouterr().err == ""


def test_an_api_that_replaces_another_gets_none_of_its_calls(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    former, latter = cloudflare.api, Api()
    address = urlsplit(cloudflare.url)
    earlier = socket.create_connection((address.hostname, address.port), timeout=600)
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 200

    cloudflare.serve(latter)

    assert earlier.recv(1) == b""
    earlier.close()
    assert (len(former.calls), latter.calls) == (1, ())
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 200
    pool.clear()
    assert (len(former.calls), len(latter.calls)) == (1, 1)
    assert cloudflare.calls == latter.calls
