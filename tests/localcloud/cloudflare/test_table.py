"""Changes that can be undone and dated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudflare import Record
from localcloud.cloudflare.records import Fields
from localcloud.cloudflare.table import RecordTable


def record(number: int, content: str = "192.0.2.1") -> Record:
    fields = Fields("A", f"h{number % 3}.example.com", content)
    return Record(f"{number:032x}", number, fields, 0, 0)


def in_order(records: tuple[Record, ...]) -> list[Record]:
    return sorted(records, key=lambda item: item.serial)


def test_a_rollback_undoes_what_is_not_committed_and_no_more() -> None:
    table = RecordTable()
    table.put(record(1))
    table.commit(10)
    table.put(record(1, "192.0.2.2"))
    table.put(record(2))
    table.remove(record(2))
    table.rollback()
    assert table.all() == (record(1),)
    assert [transaction.moment for transaction in table.history] == [10]


def test_a_commit_without_writes_is_no_transaction() -> None:
    table = RecordTable()
    table.commit(1)
    assert table.history == ()


@pytest.mark.parametrize(
    ("ago", "moment", "count"),
    [
        (0, None, 3),
        (1, None, 2),
        (3, None, 0),
        (9, None, 0),
        (0, 20, 2),
        (0, 19.9, 1),
        (0, 0, 0),
        (1, 10, 1),
        (2, 30, 1),
    ],
)
def test_the_past_is_known_by_transactions_and_by_time(
    ago: int, moment: float | None, count: int
) -> None:
    table = RecordTable()
    for number in (1, 2, 3):
        table.put(record(number))
        table.commit(number * 10)
    assert len(table.as_of(transactions_ago=ago, moment=moment)) == count


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["", "192.0.2.1", "192.0.2.2"]))),
        max_size=12,
    ),
)
def test_every_earlier_state_can_be_seen_again(batches: list[list[tuple[int, str]]]) -> None:
    table = RecordTable()
    states = [in_order(table.all())]
    for batch in batches:
        for number, content in batch:
            present = table.get(f"{number:032x}")
            if content:
                table.put(record(number, content))
            elif present is not None:
                table.remove(present)
        before = len(table.history)
        table.commit(0)
        if len(table.history) > before:
            states.append(in_order(table.all()))
    for ago, state in enumerate(reversed(states)):
        assert in_order(table.as_of(transactions_ago=ago)) == state
    for name in table.names:
        expected = [item for item in states[-1] if item.name == name]
        assert in_order(table.named(name)) == expected
