"""Lists on terminals of any width: what is copied is on one line."""

from __future__ import annotations

import pytest

from ops.listing import Item, Said, counted, fields, listing, sentence, show, width_here

COLUMNS = ("id", "start", "by", "hours")
SHORT, UUID = "4fzyo82mvyr2k7aq", "0b1e4c52-8b7c-4d0e-9d5b-1f2a3c4d5e6f"


def item(name: str = SHORT, by: str = "anna", *notes: str) -> Item:
    cells = (Said(name), Said("2026-11-27 17:51"), Said(by, "green"), Said("  1.5"))
    return Item(cells, tuple(map(Said, notes)))


def lines(*items: Item, width: int = 80) -> list[str]:
    return [line.plain for line in listing(COLUMNS, items, width)]


def test_what_fits_is_one_line_each_in_columns() -> None:
    assert lines(item(), item("x", "李明")) == [
        "id                start             by    hours",
        "4fzyo82mvyr2k7aq  2026-11-27 17:51  anna    1.5",
        "x                 2026-11-27 17:51  李明    1.5",
    ]


def test_columns_that_do_not_fit_follow_below_with_their_names() -> None:
    shown = lines(item(), item(by="b" * 30), item(by=""), width=40)

    assert shown == [
        "id                start",
        "4fzyo82mvyr2k7aq  2026-11-27 17:51",
        "  by: anna",
        "  hours: 1.5",
        "4fzyo82mvyr2k7aq  2026-11-27 17:51",
        f"  by: {'b' * 30}",
        "  hours: 1.5",
        "4fzyo82mvyr2k7aq  2026-11-27 17:51",
        "  hours: 1.5",
    ]


def test_a_few_long_names_leave_the_columns_of_the_others_as_they_are() -> None:
    shown = lines(item(), item(), item(UUID), width=50)

    assert shown[1].endswith("anna    1.5")
    assert shown[3:] == [UUID, f"{' ' * 18}2026-11-27 17:51  anna    1.5"]
    assert UUID in lines(item(UUID), width=10)


def test_a_sentence_breaks_at_spaces_only() -> None:
    note = f"{UUID} at elephant:other/us-west-2 and {UUID}{UUID} is of another owner"
    shown = lines(item(SHORT, "anna", note), width=48)[2:]

    assert " ".join(map(str.strip, shown)) == note
    assert f"    {UUID}{UUID}" in shown
    assert max(len(line) for line in shown if UUID * 2 not in line) <= 48
    assert [line.plain for line in sentence(Said("a\nb"), 9)] == ["a", "b"]


def test_what_others_have_written_does_not_control_the_terminal() -> None:
    hostile = "\x1b[2J\u202e"
    shown = [*lines(item(hostile, hostile, hostile)), *lines(item(by=hostile * 9), width=30)]
    shown += [line.plain for line in fields([("id", hostile)], 80)]

    assert [each for each in shown if not each.isprintable()] == []
    assert "[2J" in shown[1]


@pytest.mark.parametrize(("columns", "width"), [("0", 20), ("1", 20), ("132", 132)])
def test_a_terminal_that_says_nothing_of_its_width_shows_everything(
    columns: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show(listing(COLUMNS, [item(UUID)], width_here()))

    assert width_here() == width
    assert UUID in capsys.readouterr().out


def test_fields_have_their_values_side_by_side() -> None:
    shown = fields([("id", SHORT), ("reason", f"a b {UUID}")], 40)
    assert [line.plain for line in shown] == [f"id      {SHORT}", "reason  a b", f"        {UUID}"]
    assert [*fields([], 80)] == []


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1500, "1,500 rows")]
)
def test_things_are_counted_as_people_do(count: int, said: str) -> None:
    assert counted(count, "row") == said
