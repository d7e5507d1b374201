"""What a person does on the booking page, and sees there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.browser import Tab


def at(name: str) -> str:
    return f"document.getElementById({name!r})"


def text(tab: Tab, name: str) -> str:
    return str(tab.find(f"{at(name)}.textContent"))


def fill(tab: Tab, **values: str) -> None:
    """Enter values; a hyphen in a field's name is written as `__`."""
    for name, value in values.items():
        field = at(name.replace("__", "-"))
        tab.find(
            f"{field}.value = {json.dumps(value)};"
            f"for (const each of ['input', 'change']) "
            f"{field}.dispatchEvent(new Event(each, {{bubbles: true}}))"
        )


def click(tab: Tab, name: str) -> None:
    tab.find(f"{at(name)}.click()")


def is_shown(name: str) -> str:
    return f"{at(name)}.checkVisibility()"


def keep(tab: Tab, name: str) -> None:
    """Keep a picture, if somebody wants to look at it."""
    if directory := os.environ.get("ELEPHANT_SCREENSHOTS"):
        (Path(directory) / f"{name}.png").write_bytes(tab.screenshot())


def focused(tab: Tab) -> str:
    return str(tab.find("document.activeElement.id"))


def meeting_of(name: str, having: str = "") -> str:
    """Return an expression for the first meeting in the list with this name and this button."""
    return (
        "Array.from(document.querySelectorAll('.meetings > *')).find((each) => "
        f"[{name!r}, {having!r}].every((word) => each.textContent.includes(word)))"
    )


def act(tab: Tab, label: str, of: str = "") -> None:
    """Press a button of the first meeting that has it, and this name."""
    tab.find(
        f"Array.from({meeting_of(of, having=label)}.querySelectorAll('button'))"
        f".find((each) => each.textContent === {label!r}).click()"
    )
    tab.wait_for(f"{at('confirm')}.open")


def confirm(tab: Tab) -> str:
    """Confirm what the dialog asks, and return what the page then says."""
    click(tab, "confirm-yes")
    tab.wait_for(f"!{at('confirm')}.open && {at('mine-note')}.textContent !== ''")
    return text(tab, "mine-note")
