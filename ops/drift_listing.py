"""A survey on a terminal: what is there, and what a sweep would do about it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from rich.text import Text

from chalicelib.watchdog.sweep_result import HOW_TO_FORCE
from ops.drift import how_to_force
from ops.listing import Item, Said, listing, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.watchdog.sweep_result import Repair
    from ops.drift import Desktop, Drift, Line, Planned


class Verdict(StrEnum):
    """Whether something is as it should be, in one word; the worst one is the first."""

    DRIFT = "drift"
    WARNING = "warning"
    WAITING = "waiting"
    OK = "ok"


_STYLES: Final = {
    Verdict.DRIFT: "bold red",
    Verdict.WARNING: "yellow",
    Verdict.WAITING: "yellow",
    Verdict.OK: "green",
}
_ACTIONS: Final = {"create": "green", "update": "yellow", "delete": "red"}
_URGENT: Final = "red"
_ORDER: Final = tuple(Verdict)


def status_listing(drift: Drift, width: int) -> Iterator[Text]:
    """Yield the lines of everything that concerns the stage: drift first, a summary last."""
    lines = sorted(drift.lines(), key=lambda line: _ORDER.index(verdict_of(line)))
    if lines:
        columns = ("instance", "state", "address", "record", "found", "meeting")
        yield from listing(columns, [_item(line) for line in lines], width)
    yield from _summary(drift, width)


def plan_listing(drift: Drift, width: int) -> Iterator[Text]:
    """Yield the lines of what a sweep would do, and of what it would leave."""
    if drift.planned:
        columns = ("do", "to", "what", "since")
        yield from listing(columns, [_planned(each) for each in drift.planned], width)
    else:
        yield Text("Nothing to repair.", "green")
    for line in drift.lines():
        for note in _notes_of(line):
            yield from sentence(Said(f"{line.instance} {note.text}", note.style), width)
    yield from _summary(drift, width)


def repair_listing(repair: Repair, stage: str, width: int) -> Iterator[Text]:
    """Yield the lines of what a sweep did and what it left."""
    result = repair.to_dict()
    done = result.get("repaired", [])
    kinds = (
        (done, "", "green"),
        (repair.left, "left: ", "yellow"),
        (repair.held, "held back: ", "red"),
        (repair.waiting, "waiting: ", "yellow"),
        (repair.warnings, "warning: ", "red"),
    )
    for texts, kind, style in kinds:
        for each in texts:
            yield from sentence(Said(f"{kind}{each}", style), width, indent="  ")
        more = sum(repair.counts.values()) - len(done) if texts is done else 0
        if more:
            yield from sentence(Said(f"and {more:,} more", style), width, indent="  ")
    reason = result["reason"].replace(HOW_TO_FORCE, how_to_force(stage))
    yield from sentence(Said(f"{result['action']}: {reason}"), width)


def verdict_of(line: Line) -> Verdict:
    """Say in one word what is the matter with an instance."""
    if line.drift:
        return Verdict.DRIFT
    if line.warnings:
        return Verdict.WARNING
    return Verdict.WAITING if line.waits else Verdict.OK


def _item(line: Line) -> Item:
    verdict = verdict_of(line)
    cells = (
        Said(line.instance),
        Said(line.state, "" if line.is_running else "dim"),
        Said(line.address),
        Said(_record(line)),
        Said(verdict, _STYLES[verdict]),
        Said(_meeting(line.meeting)),
    )
    several = (*line.records, *line.others)
    notes = [Said(f"records: {', '.join(several)}")] if len(several) > 1 else []
    notes += [Said(f"drift: {each}", _URGENT) for each in line.drift]
    return Item(cells, (*notes, *_notes_of(line)))


def _notes_of(line: Line) -> Iterator[Said]:
    for each in line.warnings:
        yield Said(f"warning: {each}", _STYLES[Verdict.WARNING])
    if line.waits:
        yield Said(f"waiting: {line.waits}", _STYLES[Verdict.WAITING])


def _record(line: Line) -> str:
    if len(line.records) > 1:
        return f"{len(line.records)} records"
    return line.records[0] if line.records else "not ours" if line.others else "none"


def _meeting(desktop: Desktop | None) -> str:
    if desktop is None:
        return ""
    said = f"{desktop.id} {desktop.role}, "
    if not desktop.has_row:
        return said + "no row"
    linked = "linked" if desktop.is_linked else "no link"
    return f"{said}{linked}, {desktop.status or 'no status'}"


def _planned(each: Planned) -> Item:
    name = f"row {each.name}" if each.kind == "row" else each.name
    action = Said(each.action, _ACTIONS[each.action])
    return Item((action, Said(name), Said(each.change), Said(each.reason)))


def _summary(drift: Drift, width: int) -> Iterator[Text]:
    yield from sentence(Said(drift.summary, _URGENT if drift.planned else ""), width)
    for each in filter(None, (*drift.foreign, drift.unsafe)):
        yield from sentence(Said(each, _URGENT), width)
