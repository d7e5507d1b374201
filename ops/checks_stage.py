"""Checks of this machine: the stage's configuration, its files and Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from chalicelib.settings.stage import SettingsError
from ops.check import failure, ok, question, warning
from ops.configure import changes
from ops.neighbours import Neighbour, Over, conflicts
from ops.stages import LONGEST_AWS_NAME, ConfigError, check_name

if TYPE_CHECKING:
    from ops.check import Context, Finding

OLDEST_PYTHON: Final = (3, 12)
"""Older versions run on Amazon Linux 2, which is no longer supported."""

DEPRECATIONS: Final = {
    "python3.10": "2026-10-31",
    "python3.11": "2027-06-30",
    "python3.12": "2028-10-31",
    "python3.13": "2029-06-30",
    "python3.14": "2029-06-30",
}
"""When Lambda stops patching a runtime; soon after, functions with it can no longer be changed.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-supported
"""

_NOTICE: Final = timedelta(days=180)


@question("configuration")
def configuration(context: Context) -> Finding:
    """Whether the stage exists and all of its settings are valid."""
    try:
        stage = context.stage
    except ConfigError as error:
        return failure(str(error), context.command("stage"))
    except SettingsError as error:
        return failure(
            "; ".join(error.problems),
            f"{context.command('stage', '--OPTION …')}; `elephant stage --help` lists them",
        )
    settings = stage.settings
    return ok(f"{settings.domain_root}, with the owner {settings.owner}")


@question("names", needs=("configuration",), remedy="fix the code, then run this again")
def names(context: Context) -> Finding:
    """Whether AWS accepts the names derived from the stage's name."""
    stage = context.stage
    longest = max(map(stage.rule_name, context.functions), key=len)
    try:
        check_name(stage.name, context.functions)
    except ConfigError as error:
        return failure(str(error), "create a stage with a shorter name, and destroy this one")
    return ok(f"{longest} is the longest: {len(longest)} of {LONGEST_AWS_NAME} characters")


@question("owner", needs=("configuration",))
def owner(context: Context) -> Finding:
    """Whether another stage of this project claims the same records, or the same desktops."""
    found = conflicts(context.config_file, Neighbour.of(context.stage))
    same = [each.found for each in found if each.over is Over.OWNER]
    if same:
        return failure(
            "; ".join(same),
            f"{context.command('stage', '--owner elephant:ANOTHER')}, then "
            f"{context.command('deploy')}",
        )
    return ok(f"no other stage of this project is {context.stage.settings.owner}")


@question(
    "files",
    needs=("configuration", "names", "owner"),
    remedy="fix the file that is named, then `elephant stage {stage}`",
)
def files(context: Context) -> Finding:
    """Whether config.json and the policies match what `elephant stage` would write."""
    directory = context.config_file.directory
    found = changes(context.config_file, context.code, context.stage)
    if found:
        paths = ", ".join(change.path.relative_to(directory).as_posix() for change in found)
        return failure(
            f"out of date with the code and the settings: {paths}", context.command("stage")
        )
    return ok(f"config.json and {len(context.functions)} policies are up to date")


@question("Python")
def python(context: Context) -> Finding:
    """Whether Lambda supports this Python, for which Chalice deploys, for long enough."""
    name = runtime(context.python)
    end = DEPRECATIONS.get(name, "")
    is_old = context.python < OLDEST_PYTHON
    if is_old or (
        end and datetime.fromisoformat(end).replace(tzinfo=UTC) - context.now() < _NOTICE
    ):
        return warning(
            f"Lambda supports {name} until {end or 'no longer'}, and refuses changes of functions "
            "that use it soon after",
            "`rm -r .venv && make PYTHON=python3.13 install`, then " + context.command("deploy"),
        )
    return ok(f"{name}" + (f", which Lambda supports until {end}" if end else ""))


def runtime(python_version: tuple[int, int]) -> str:
    """Name Lambda's runtime for a Python version."""
    return "python{}.{}".format(*python_version)


QUESTIONS: Final = (configuration, names, owner, files, python)
