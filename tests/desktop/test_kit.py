"""Both agents agree with each other, and the installers' files are those that an image gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.meetings.tickets import SESSION, USER
from ops.image import FILES, KIT

LINUX = (KIT / "linux/elephant-desktop").read_text()
WINDOWS = (KIT / "windows/Elephant-Desktop.ps1").read_text()


def found(pattern: str, text: str) -> list[str]:
    return re.findall(pattern, text, re.MULTILINE)


def values(text: str) -> set[str]:
    """Return the names of the desktop's values that a script uses."""
    return set(found(r"\b(CERTIFICATE_SECRET|SIGN_IN|DCV_PORT|[A-Z]+_(?:MINUTES|SECONDS))\b", text))


def test_session_and_owner_are_the_same_on_both_platforms_and_in_the_api() -> None:
    (linux,) = found(r"^readonly SESSION=(\w+) SESSION_OWNER=(\w+)$", LINUX)
    windows = found(r"^\$Session(?:Owner)? = '(\w+)'$", WINDOWS)
    assert list(linux) == windows == [SESSION, USER]
    assert "$SessionOwner = 'elephant'" in (KIT / "windows/Install.ps1").read_text()
    assert (
        "useradd --create-home --shell /bin/bash elephant" in (KIT / "linux/install.sh").read_text()
    )


@pytest.mark.parametrize(
    "pattern",
    [
        r"\b(?:GET|POST)'? '?(desktop(?:/\w+)?)\b",  # routes
        r"\b(web-port|idle-timeout|os-auto-lock|auth-token-verifier)\b",
        r"--(max-concurrent-clients \d)",
        r"(ELEPHANT_(?:MEETING_ID|ROLE|ROOM_URL|API))\b",
        r"\b((?:start|finish)\.d)\b",
        r"tags/instance/(elephant:api)",
        r"\b(x-amzn-errortype|retry-after)\b",
    ],
)
def test_both_agents_speak_the_same_protocol(pattern: str) -> None:
    assert set(found(pattern, LINUX)) == set(found(pattern, WINDOWS)) != set()


def test_both_agents_have_the_same_values_with_the_same_defaults() -> None:
    (linux,) = found(r"^\t(CERTIFICATE_SECRET=.*)$", LINUX)
    (windows,) = found(r"^\$Config = @\{ (.*) \}$", WINDOWS)
    defaults = dict(each.split("=") for each in linux.replace("'", "").split())
    assert defaults.pop("SESSION_TYPE") == "virtual"  # Windows has console sessions only
    assert defaults == dict(each.split(" = ") for each in windows.replace("'", "").split("; "))
    for name in ("linux/install.sh", "windows/Install.ps1"):
        assert values((KIT / name).read_text()) == set(defaults)


def test_waits_are_in_proportion_to_the_same_interval() -> None:
    (linux,) = found(r"ELEPHANT_POLL_SECONDS:-(\d+)", LINUX)
    assert found(r"^\$PollSeconds = (\d+)$", WINDOWS) == [linux] == ["20"]


@pytest.mark.parametrize("platform", FILES)
def test_an_image_gets_all_files_of_its_platform(platform: str) -> None:
    folder = KIT / platform
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there - {"README.md"} == set(FILES[platform])


def test_scripts_for_windows_are_ascii() -> None:
    for name in FILES["windows"]:
        assert Path(KIT / "windows" / name).read_bytes().isascii(), (
            name
        )  # else it guesses a code page
