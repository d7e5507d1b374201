"""What a long command prints: a line for each step, and all that matters if one fails."""

from __future__ import annotations

import os
import signal
from itertools import count

import click
import pytest

from ops.steps import INTERRUPTED, Step, Steps, in_words

FIRST = Step("Check", "Nothing was changed.")
SECOND = Step("Functions", "Some functions are new.")
TOKEN = Step("Token", "Nothing was deployed.", asks=True)


def steps(*, verbose: bool = False) -> Steps:
    """Each step takes 70 seconds."""
    return Steps("run `x` again", verbose=verbose, clock=count(0, 70).__next__)


def play(it: Steps, end: BaseException | None = None) -> None:
    with it.running():
        it.step(FIRST)
        it.say("looked")
        it.say("warning: it is late")
        it.step(SECOND)
        it.say("made one")
        if end:
            raise end


def test_a_step_that_succeeds_is_one_line_and_its_warnings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    play(steps())

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["✓", f"{'Check'.ljust(67)} 1 min 10 s"],
        ["warning:", "it is late"],
        ["✓", f"{'Functions'.ljust(67)} 1 min 10 s"],
    ]
    assert max(map(len, lines)) == 80


def test_verbose_and_what_asks_show_everything_as_it_comes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    play(steps(verbose=True))
    asking = steps()
    asking.step(TOKEN)
    asking.say("paste it")

    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Check", "  looked", "  warning: it is late"]
    assert lines[-2:] == ["Token", "  paste it"]


def test_a_step_that_fails_shows_its_details_the_state_and_what_to_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(click.ClickException) as raised:
        play(steps(), click.ClickException("AWS refused it"))

    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "  made one"
    assert "looked" not in out
    after = "AWS refused it\n\nSome functions are new. To go on, run `x` again."
    assert raised.value.message == after


def test_a_defect_keeps_its_traceback_and_says_the_state(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ZeroDivisionError):
        play(steps(), ZeroDivisionError())
    assert "Some functions are new. To go on" in capsys.readouterr().err


def test_what_fails_before_the_first_step_fails_as_ever() -> None:
    error = click.UsageError("--zone-id is missing")
    with pytest.raises(click.UsageError) as raised, steps().running():
        raise error
    assert raised.value is error


@pytest.mark.parametrize("end", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_says_where_it_was(end: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        play(steps(), end)

    said = capsys.readouterr().err
    assert raised.value.code == INTERRUPTED == 130
    assert "Interrupted at 'Functions'.\n\nSome functions are new. To go on" in said
    with pytest.raises(SystemExit), steps().running():
        raise end
    assert "Interrupted before the first step." in capsys.readouterr().err


def test_sigterm_is_as_ctrl_c_and_only_meanwhile(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    it = steps()
    it.step(FIRST)
    with pytest.raises(SystemExit), it.running():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
    assert "Interrupted at 'Check'." in capsys.readouterr().err


def test_a_terminal_shows_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "60", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    it = steps()

    with it.running():
        it.step(SECOND)
        it.say("made [one] that has a very long name, so that it would need two lines")
        assert it._live
        it._live.refresh()

    out = capsys.readouterr().out
    assert "Functions … made [one] that" in out
    assert "two lines" not in out
    assert "✓ Functions" in out


def test_how_long_it_took_is_said_in_words() -> None:
    said = [in_words(seconds) for seconds in (0.2, 1.4, 59.4, 59.7, 60, 125)]
    assert said == ["< 1 s", "1 s", "59 s", "1 min 00 s", "1 min 00 s", "2 min 05 s"]
