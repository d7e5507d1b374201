"""The stand-in over HTTP: connections, faults, start and stop."""

import http.client
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest
import urllib3
from urllib3.exceptions import MaxRetryError, ProtocolError, ReadTimeoutError

from localcloud.cloudflare import (
    DEFAULT_ZONE_ID,
    Api,
    Call,
    CloudflareStandIn,
    Fault,
    FaultKind,
    When,
)
from localcloud.ports import PortTakenError
from tests.localcloud.cloudflare.caller import BEARER, RECORDS

HEADERS = {"Authorization": BEARER, "Content-Type": "application/json"}
BODY = json.dumps({"type": "A", "name": "www", "content": "198.51.100.4"})


@pytest.fixture
def pool() -> urllib3.PoolManager:
    return urllib3.PoolManager(retries=False, timeout=5)


def test_it_answers_where_it_says(cloudflare: CloudflareStandIn, pool: urllib3.PoolManager) -> None:
    answer = pool.request(
        "GET", f"{cloudflare.url}/zones", headers=HEADERS, fields={"name": "example.com"}
    )
    pool.clear()
    assert answer.status == 200
    assert answer.json()["result"][0]["id"] == DEFAULT_ZONE_ID
    assert answer.headers["cf-ray"]
    assert answer.headers["Ratelimit"] == '"default";r=1199;t=300'
    assert cloudflare.calls == (Call("GET", "/zones", (("name", "example.com"),), 200),)


def test_a_connection_serves_many_calls(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    answers = [
        pool.request("POST", f"{cloudflare.url}{RECORDS}", headers=HEADERS, body=BODY),
        pool.request("POST", f"{cloudflare.url}{RECORDS}", headers=HEADERS, body=BODY),
        pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS),
        pool.request("HEAD", f"{cloudflare.url}{RECORDS}", headers=HEADERS),
        pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS),
    ]
    assert [answer.status for answer in answers] == [200, 400, 200, 405, 200]
    host = pool.connection_from_url(cloudflare.url)
    assert isinstance(host, urllib3.HTTPConnectionPool)
    assert (host.num_connections, host.num_requests) == (1, 5)
    pool.clear()


@pytest.mark.parametrize("when", list(When))
def test_a_dropped_connection_is_closed_without_an_answer(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager, when: When
) -> None:
    cloudflare.faults.add(Fault(FaultKind.DROP, when))
    with pytest.raises(ProtocolError) as caught:
        pool.request("POST", f"{cloudflare.url}{RECORDS}", headers=HEADERS, body=BODY)
    assert isinstance(caught.value.args[1], http.client.RemoteDisconnected)
    assert len(cloudflare.api.zones[0].records) == (when is When.AFTER)
    assert cloudflare.calls == (Call("POST", RECORDS, (), None),)
    # the next call of the same client finds the server well
    answer = pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS)
    assert answer.status == 200
    pool.clear()


def test_an_edge_error_comes_as_html(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, status=520))
    answer = pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS)
    pool.clear()
    assert answer.status == 520
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.data.startswith(b"<html>")


def test_a_client_may_lose_patience_with_a_call_that_is_executed(
    cloudflare: CloudflareStandIn,
) -> None:
    cloudflare.faults.add(Fault(FaultKind.DELAY, When.AFTER, seconds=30))
    pool = urllib3.PoolManager(retries=False, timeout=0.05)
    with pytest.raises((ReadTimeoutError, MaxRetryError)):
        pool.request("POST", f"{cloudflare.url}{RECORDS}", headers=HEADERS, body=BODY)
    pool.clear()
    assert len(cloudflare.api.zones[0].records) == 1


def test_a_delay_before_the_work_lets_other_calls_overtake(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    cloudflare.faults.add(Fault(FaultKind.DELAY, When.BEFORE, seconds=0.05, method="POST"))
    started = time.monotonic()
    slow = threading.Thread(
        target=pool.request,
        args=("POST", f"{cloudflare.url}{RECORDS}"),
        kwargs={"headers": HEADERS, "body": BODY},
    )
    slow.start()
    while cloudflare.faults.faults:
        time.sleep(0.001)
    answer = pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS)
    slow.join()
    pool.clear()
    assert answer.json()["result"] == []
    assert time.monotonic() - started >= 0.05
    assert [call.method for call in cloudflare.calls] == ["GET", "POST"]


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("let_go", ["release", "clear"])
def test_a_call_that_is_held_goes_on_when_it_is_let_go(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager, when: When, let_go: str
) -> None:
    cloudflare.faults.add(Fault(FaultKind.DELAY, when, seconds=600, method="POST"))
    held = threading.Thread(
        target=pool.request,
        args=("POST", f"{cloudflare.url}{RECORDS}"),
        kwargs={"headers": HEADERS, "body": BODY},
    )
    held.start()
    while cloudflare.faults.faults or (when is When.AFTER and not cloudflare.calls):
        time.sleep(0.001)
    assert held.is_alive()
    assert len(cloudflare.calls) == (when is When.AFTER)
    getattr(cloudflare.faults, let_go)()
    held.join(5)
    pool.clear()
    assert [call.status for call in cloudflare.calls] == [200]


def test_another_process_can_switch_faults_and_see_the_calls(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    fault = {"kind": "refused", "status": 401}
    switched = pool.request("POST", f"{cloudflare.control_url}/faults", json=fault)
    assert switched.status == 200
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 401
    calls = pool.request("GET", f"{cloudflare.control_url}/calls").json()
    pool.clear()
    assert calls == [{"method": "GET", "path": RECORDS, "query": [], "status": 401}]


def test_an_api_that_replaces_another_gets_none_of_its_calls(
    cloudflare: CloudflareStandIn, pool: urllib3.PoolManager
) -> None:
    former, latter = cloudflare.api, Api()
    address = urlsplit(cloudflare.url)
    earlier = socket.create_connection((address.hostname, address.port), timeout=5)
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 200

    cloudflare.serve(latter)

    assert earlier.recv(1) == b""
    earlier.close()
    assert (len(former.calls), latter.calls) == (1, ())
    assert pool.request("GET", f"{cloudflare.url}{RECORDS}", headers=HEADERS).status == 200
    pool.clear()
    assert (len(former.calls), len(latter.calls)) == (1, 1)
    assert cloudflare.calls == latter.calls


def test_stopping_ends_delays_and_idle_connections_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    standin = CloudflareStandIn().start()
    pool = urllib3.PoolManager(retries=False, timeout=5)
    pool.request("GET", f"{standin.url}{RECORDS}", headers=HEADERS)
    resolver = socket.create_connection(standin.dns_address, timeout=5)
    standin.faults.add(Fault(FaultKind.DELAY, seconds=600))
    waiting = http.client.HTTPConnection(*standin.dns_address[:1], int(standin.url[17:22]))
    waiting.request("GET", f"/client/v4{RECORDS}", headers=HEADERS)
    while standin.faults.faults:
        time.sleep(0.001)
    started = time.monotonic()
    standin.stop()
    standin.stop()
    assert time.monotonic() - started < 5
    assert set(threading.enumerate()) <= before
    for connection in (pool, waiting, resolver):
        connection.clear() if isinstance(connection, urllib3.PoolManager) else connection.close()


def test_it_can_be_started_again_on_the_same_port() -> None:
    with CloudflareStandIn(dns_port=None) as first:
        port = int(first.url.split(":")[2].partition("/")[0])
    with CloudflareStandIn(http_port=port, dns_port=None) as second:
        assert f":{port}/" in second.url


def test_a_taken_port_is_named_and_nothing_is_left_behind() -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=rf"HTTP on 127.0.0.1 port {port}: .*in use"):
            CloudflareStandIn(http_port=port).start()
    assert threading.active_count() == before


def test_addresses_are_known_only_while_it_serves_them() -> None:
    standin = CloudflareStandIn(dns_port=None)
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = standin.url
    with standin, pytest.raises(RuntimeError, match="serves no DNS"):
        _ = standin.dns_address


def test_a_client_that_goes_away_disturbs_nobody(
    cloudflare: CloudflareStandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    port = int(cloudflare.url.split(":")[2].partition("/")[0])
    for head in (b"", b"GET /client/v4/zones HTTP/1.1\r\nHost: x\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(head)
    pool = urllib3.PoolManager(retries=False, timeout=5)
    assert pool.request("GET", f"{cloudflare.url}/zones", headers=HEADERS).status == 200
    pool.clear()
    assert capfd.readouterr().err == ""
