"""Which records may share a name."""

import pytest

from localcloud.cloudflare.jsonvalue import Json
from tests.localcloud.cloudflare.caller import RECORDS, Caller

TYPES: dict[str, dict[str, Json]] = {
    "A": {"type": "A", "content": "198.51.100.9"},
    "AAAA": {"type": "AAAA", "content": "2001:db8::9"},
    "CNAME": {"type": "CNAME", "content": "target.example.net"},
    "TXT": {"type": "TXT", "content": '"text"'},
    "MX": {"type": "MX", "content": "mail.example.net", "priority": 10},
    "NS": {"type": "NS", "content": "ns.example.net"},
}


def add(caller: Caller, record_type: str, name: str = "host", **members: Json) -> int:
    """Return the code of the refusal, or 0."""
    body = {**TYPES[record_type], "name": name, **members}
    answer = caller.call("POST", RECORDS, body)
    if answer.status == 200:
        return 0
    assert answer.status == 400
    return caller.error("POST", RECORDS, body)[1]


@pytest.mark.parametrize(
    ("present", "added", "code"),
    [
        ("A", "CNAME", 81053),
        ("AAAA", "CNAME", 81053),
        ("CNAME", "A", 81054),
        ("CNAME", "AAAA", 81054),
        ("A", "AAAA", 0),
        ("A", "TXT", 0),
        ("CNAME", "TXT", 0),
        ("MX", "CNAME", 0),
        ("NS", "A", 81056),
        ("TXT", "NS", 81056),
    ],
)
def test_which_types_may_share_a_name(caller: Caller, present: str, added: str, code: int) -> None:
    assert add(caller, present) == 0
    assert add(caller, added) == code


def test_a_second_address_of_a_name_is_one_more_record(caller: Caller) -> None:
    first = caller.create("host", "198.51.100.1")
    second = caller.create("host", "198.51.100.2")
    assert first != second
    assert len(caller.results(f"{RECORDS}?name=host.example.com")) == 2


@pytest.mark.parametrize("record_type", list(TYPES))
def test_the_same_type_name_and_content_exist_once(caller: Caller, record_type: str) -> None:
    assert add(caller, record_type) == 0
    assert add(caller, record_type, "HOST.example.com", ttl=300, comment="other") == 81058


def test_another_cname_for_the_name_is_refused(caller: Caller) -> None:
    add(caller, "CNAME")
    assert add(caller, "CNAME", content="other.example.net") == 81053


def test_texts_are_the_same_with_and_without_quotes(caller: Caller) -> None:
    add(caller, "TXT")
    assert add(caller, "TXT", content="text") == 81058


def test_an_exchange_may_be_listed_at_two_priorities(caller: Caller) -> None:
    add(caller, "MX")
    assert add(caller, "MX", priority=20) == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_change_that_would_make_two_records_equal_is_refused(caller: Caller, method: str) -> None:
    caller.create("host", "198.51.100.1")
    other = caller.create("host", "198.51.100.2")
    body: Json = {"type": "A", "name": "host", "content": "198.51.100.1"}
    assert caller.error(method, f"{RECORDS}/{other}", body) == (400, 81058)
    assert caller.result("GET", f"{RECORDS}/{other}")["content"] == "198.51.100.2"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_record_does_not_stand_in_its_own_way(caller: Caller, method: str) -> None:
    record_id = caller.create("host", "198.51.100.1")
    body: Json = {"type": "A", "name": "host", "content": "198.51.100.1", "comment": "new"}
    assert caller.result(method, f"{RECORDS}/{record_id}", body)["comment"] == "new"


def test_a_record_cannot_be_renamed_onto_a_cname(caller: Caller) -> None:
    add(caller, "CNAME", "taken")
    record_id = caller.create("host")
    body: Json = {"name": "taken"}
    assert caller.error("PATCH", f"{RECORDS}/{record_id}", body) == (400, 81054)


def test_name_servers_of_the_apex_exclude_nothing(caller: Caller) -> None:
    assert add(caller, "NS", "@") == 0
    assert add(caller, "A", "@") == 0


def test_the_records_of_a_name_and_type_hold_8192_characters_together(caller: Caller) -> None:
    assert add(caller, "TXT", content="a" * 4096) == 0
    assert add(caller, "TXT", content="b" * 4096) == 0
    assert add(caller, "TXT", content="c") == 83011
    assert add(caller, "TXT", "elsewhere", content="c") == 0
