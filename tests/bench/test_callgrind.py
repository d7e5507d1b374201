"""Instructions: what callgrind wrote is added up, and the picture is drawn from the table."""

import pytest

from bench import callgrind, instructions, picture, report
from bench.callgrind import Part
from bench.figure import Figure, Spread
from bench.servers import Servers

WRITTEN = """version: 1
part: 2
events: Ir

ob=(1) /usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so
fl=(1) ???
fn=(1) load
0 70
cob=(2) /usr/lib/x86_64-linux-gnu/libcrypto.so.3
cfn=(2) parse
calls=1 0
0 32
calls=1 0
0 70
0 5
ob=(2)
fl=(1)
fn=(2)
0 19
cob=(3) /usr/lib/x86_64-linux-gnu/libc.so.6
cfn=(3) qsort
calls=1 0
0 13
fn=(4) compare
0 2
ob=(3)
fn=(3)
0 11
cob=(2)
cfn=(4)
calls=3 0
+1 2

totals: 107
"""


def test_openssl_spends_what_python_calls_it_for_and_all_that_it_calls_itself() -> None:
    assert Part.parse(WRITTEN) == Part(instructions=107, tls=32)
    assert Part(1, 0) + Part(2, 1) == Part(3, 1)


def test_without_valgrind_the_bench_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callgrind, "is_installed", lambda: False)
    said: list[str] = []
    assert instructions.measure(Servers(), quick=True, say=said.append) == []
    assert said == ["valgrind is not installed, so no instructions are counted"]


def test_the_picture_shows_what_the_table_says() -> None:
    names = [f"of it {words}" for words in instructions.PARTS.values()]
    rows = {**dict.fromkeys(names, 100), instructions.BOTH: 750, f"of it {instructions.TLS}": 200}
    figures = [
        Figure(instructions.GROUP, name, "M", Spread.exact(ours), Spread.exact(2 * ours), "guide")
        for name, ours in rows.items()
    ]
    bars = picture.parse(report.to_markdown(figures, {}))
    assert bars
    assert bars["Elephant now"] == (100, 100, 100, 100, 150, 200)
    assert bars["the guide"] == (200, 200, 200, 200, 300, 400)
    assert sum(bars["Elephant before"]) == 2_254
    drawn = picture.draw(bars)
    assert drawn.count("<title>") == len(bars) * len(picture.COLOURS)
    assert ">750 M</text>" in drawn
    assert picture.parse(report.to_markdown([], {})) is None
