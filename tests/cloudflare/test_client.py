"""Calls to Cloudflare: what is repeated, what an answer means, and what is never let out."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from chalicelib.cloudflare.client import Call, Cloudflare, TokenRefusedError
from chalicelib.cloudflare.rate_limit import Quota
from chalicelib.cloudflare.transport import NoAnswerError, NotSentError, Response
from chalicelib.deadline import Deadline, OutOfTimeError, require_time
from chalicelib.dns.provider import (
    DnsError,
    NameOccupiedError,
    RateLimitedError,
    RecordExistsError,
    RecordNotFoundError,
    RejectedError,
    UnavailableError,
    UnconfirmedError,
    ZoneFullError,
)
from chalicelib.secrets import Token
from tests.answers import answering

if TYPE_CHECKING:
    from collections.abc import Mapping

READ = Call.read("/zones/z/dns_records", [("name.exact", "a.example.com")])
WRITE = Call("POST", "/zones/z/dns_records", {"name": "a.example.com"})
FAR = Deadline(1000, lambda: 0)
OK = Response(200, {}, b'{"success": true, "result": {"id": "1"}, "errors": []}')
HTML = Response(502, {"cf-ray": "8a-LHR"}, b"<center><h1>502 Bad Gateway</h1></center>")
TOKEN, RENEWED = "first-token", "second-token"


def refusal(status: int, *codes: int, chain: int | None = None) -> Response:
    errors: list[dict[str, Any]] = [{"code": code, "message": f"m{code}"} for code in codes]
    if chain:
        errors[0]["error_chain"] = [{"code": chain, "message": f"m{chain}"}]
    body = {"success": False, "errors": errors, "messages": [], "result": None}
    return Response(status, {"cf-ray": "8a-LHR"}, json.dumps(body).encode())


class Api:
    """Cloudflare's API, with answers from a list, and what it asks and for how long it pauses."""

    def __init__(self, *answers: Response | Exception, tokens: tuple[str, ...] = (TOKEN,)) -> None:
        self._answers = deque(answers)
        self.asked: list[tuple[str, str, Mapping[str, str], bytes | None, float]] = []
        self.pauses: list[float] = []
        self.quota = Quota(lambda: 0)
        secrets = answering(*({"SecretString": token} for token in tokens))
        self.cloudflare = Cloudflare(
            "https://api.example/client/v4",
            Token(secrets, "the/secret"),
            self,
            self.quota,
            sleep=self.pauses.append,
            jitter=lambda: 0.5,
        )

    def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Response:
        self.asked.append((method, url, headers, body, seconds))
        answer = self._answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(self, call: Call = READ, deadline: Deadline = FAR) -> Any:  # noqa: ANN401
        return self.cloudflare.answer(call, deadline).result


def test_a_call_bears_the_token_and_the_json_body() -> None:
    api = Api(OK)

    assert api.ask(WRITE) == {"id": "1"}

    ((method, url, headers, body, seconds),) = api.asked
    assert (method, url) == ("POST", "https://api.example/client/v4/zones/z/dns_records")
    assert headers == {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json",
        "Content-Type": "application/json",
    }
    assert (body, seconds) == (b'{"name": "a.example.com"}', 6)


def test_a_read_has_its_query_and_no_body_and_no_more_time_than_is_left() -> None:
    api = Api(OK)

    api.ask(deadline=Deadline(2.5, lambda: 0))

    ((_, url, headers, body, seconds),) = api.asked
    assert url.endswith("/zones/z/dns_records?name.exact=a.example.com")
    assert "Content-Type" not in headers
    assert (body, seconds) == (None, 2.5)


@pytest.mark.parametrize(
    "passing",
    [
        HTML,
        NoAnswerError("timed out"),
        NotSentError("refused"),
        Response(200, {}, b'{"success": false, "errors": [{"code": 0}]}'),
        Response(200, {}, b"[]"),
        Response(200, {}, b""),
        *(Response(status, {}, OK.body) for status in (301, 400, 500)),
        Response(408, {}, b'{"errors": [{"code": 1}]}'),
        Response(400, {}, b"<html>"),
        refusal(500, 1000),
    ],
)
def test_a_read_that_fails_in_passing_is_made_three_times_and_then_unavailable(
    passing: Response | Exception,
) -> None:
    assert Api(passing, passing, OK).ask() == {"id": "1"}

    api = Api(passing, passing, passing)
    with pytest.raises(UnavailableError, match="/zones/z/dns_records"):
        api.ask()
    assert api.pauses == pytest.approx([0.3, 0.6])


@pytest.mark.parametrize(
    "passing", [HTML, NoAnswerError("timed out"), refusal(503, 1), Response(301, {}, OK.body)]
)
def test_a_write_that_may_have_been_made_is_never_repeated(passing: Response | Exception) -> None:
    """One that was never sent is."""
    api = Api(passing)

    with pytest.raises(UnconfirmedError, match="could not confirm POST /zones"):
        api.ask(WRITE)

    assert len(api.asked) == 1
    assert Api(NotSentError("refused"), NotSentError("refused"), OK).ask(WRITE) == {"id": "1"}


def test_nothing_sleeps_or_is_asked_past_the_deadline() -> None:
    api = Api(HTML, HTML, HTML)

    with pytest.raises(UnavailableError):
        api.ask(deadline=Deadline(0.4, lambda: 0))
    with pytest.raises(OutOfTimeError, match="call Cloudflare"):
        api.ask(deadline=Deadline(0, lambda: 0))

    assert (len(api.asked), api.pauses) == (1, [])


@pytest.mark.parametrize("attempts", [0, 1])
def test_after_an_objection_nothing_is_sent_and_no_pause_made(attempts: int) -> None:
    """It is asked last, before each attempt: the token may have taken long to be read."""
    api = Api(NotSentError("refused"))

    with pytest.raises(UnavailableError):
        api.cloudflare.answer(WRITE, FAR, lambda: "too old" if len(api.asked) == attempts else "")

    assert (len(api.asked), api.pauses) == (attempts, [])


def test_while_a_call_is_made_its_deadline_is_in_force() -> None:
    now = [0.0]

    class Slow:
        def request(self, *_: object) -> Response:
            require_time("begin")
            now[0] = 30.0
            require_time("send")
            return OK

    api = Api()
    api.cloudflare._transport = Slow()

    with pytest.raises(OutOfTimeError, match="no time left to send"):
        api.ask(WRITE, Deadline(30, lambda: now[0]))


BY_HAND = "; remove or rename the record of that name by hand"
FULL = "; the zone is full: remove records or raise its plan"
UNREACHABLE = "; Cloudflare cannot proxy to the instance's address; set PROXIED to 'false'"


@pytest.mark.parametrize(
    ("answer", "error", "remedy"),
    [
        (refusal(400, 81057), RecordExistsError, ""),
        (refusal(400, 1004, chain=81058), RecordExistsError, ""),
        (refusal(404, 81044), RecordNotFoundError, ""),
        (refusal(400, 81053), NameOccupiedError, BY_HAND),
        (refusal(400, 81054), NameOccupiedError, BY_HAND),
        (refusal(400, 81045), ZoneFullError, FULL),
        (refusal(404, 7003), RejectedError, "; set ZONE_ID to the zone's id"),
        (refusal(400, 1004, chain=9003), RejectedError, UNREACHABLE),
        (refusal(400, 1004, chain=9005), RejectedError, ""),
        (refusal(400, 0), RejectedError, ""),
    ],
)
@pytest.mark.parametrize("call", [READ, WRITE])
def test_a_refusal_is_named_by_its_code_says_what_to_do_and_is_not_repeated(
    answer: Response, error: type[DnsError], remedy: str, call: Call
) -> None:
    api = Api(answer)

    with pytest.raises(error) as raised:
        api.ask(call)

    assert raised.type is error
    assert str(raised.value).endswith(f"(ray 8a-LHR){remedy}")
    assert len(api.asked) == 1


def test_an_error_says_what_was_asked_what_was_answered_and_the_ray() -> None:
    with pytest.raises(RejectedError) as raised:
        Api(refusal(400, 1004, chain=9005)).ask(WRITE)

    assert str(raised.value) == (
        "POST /zones/z/dns_records: HTTP 400, 1004 m1004; 9005 m9005 (ray 8a-LHR)"
    )


def test_little_of_a_long_body_is_repeated_in_an_error() -> None:
    with pytest.raises(UnconfirmedError) as raised:
        Api(Response(502, {}, b"x" * 100_000)).ask(WRITE)

    assert len(str(raised.value)) < 400


REFUSALS = [
    refusal(401, 10000),
    refusal(403, 0),
    Response(403, {}, b"<html>"),
    refusal(400, 6003, chain=6111),
    refusal(400, 9106),
]


@pytest.mark.parametrize("refused", REFUSALS)
def test_a_refused_token_is_read_again_and_the_new_one_used(refused: Response) -> None:
    api = Api(refused, OK, tokens=(TOKEN, RENEWED))

    assert api.ask(WRITE) == {"id": "1"}
    assert [headers["Authorization"] for _, _, headers, _, _ in api.asked] == [
        f"Bearer {TOKEN}",
        f"Bearer {RENEWED}",
    ]


@pytest.mark.parametrize("renewed", [TOKEN, RENEWED])
@pytest.mark.parametrize("refused", REFUSALS)
def test_a_token_that_is_refused_again_fails_by_the_secrets_name_and_is_not_shown(
    refused: Response, renewed: str
) -> None:
    """The same is not tried twice: failed authentications add up to a block of the right one."""
    api = Api(refused, refused, tokens=(TOKEN, renewed))

    with pytest.raises(TokenRefusedError, match="token in secret 'the/secret'") as raised:
        api.ask()

    assert len(api.asked) == (1 if renewed == TOKEN else 2)
    error: BaseException | None = raised.value
    while error:
        assert TOKEN not in f"{error!r}"
        assert RENEWED not in f"{error!r}"
        error = error.__cause__ or error.__context__
    assert TOKEN not in repr(api.cloudflare)


@pytest.mark.parametrize("body", [b"", b"<html>", refusal(429, 971).body, refusal(429, 10000).body])
@pytest.mark.parametrize("call", [READ, WRITE])
def test_a_429_is_believed_with_any_body_and_not_repeated(body: bytes, call: Call) -> None:
    api = Api(Response(429, {"Retry-After": "17"}, body))

    with pytest.raises(RateLimitedError) as raised:
        api.ask(call)

    assert (raised.value.seconds, api.quota.seconds_to_wait) == (17, 17)
    assert (len(api.asked), api.pauses) == (1, [])


def test_every_answer_updates_the_quota() -> None:
    headers = HTTPHeaderDict({"ratelimit": '"default";r=50;t=30'})
    api = Api(Response(200, headers, OK.body))

    api.ask()

    assert (api.quota.remaining, api.quota.seconds_to_wait) == (50, 30)


MEMBERS = st.sampled_from(["success", "errors", "result", "code", "message", "error_chain"])
ENVELOPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)


@example(400, {"errors": ["text", None, {"code": "1"}, {"error_chain": "x"}]})
@given(st.sampled_from([200, 204, 301, 400, 401, 404, 429, 500, 520]), ENVELOPES)
def test_no_answer_is_so_odd_that_it_is_not_understood(status: int, envelope: object) -> None:
    response = Response(status, {}, json.dumps(envelope).encode())
    api = Api(response, response, response, tokens=(TOKEN, TOKEN))

    try:
        api.ask()
    except DnsError:
        return
    assert isinstance(envelope, dict)
    assert envelope["success"] is True
