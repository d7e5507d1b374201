"""Commands in the documents: those of `elephant` parse, and AWS's have these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import pytest
from botocore import xform_name
from botocore.loaders import Loader

from ops.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_BLOCK: Final = re.compile(r"^(?: {4,}|\t)(.+)$", re.MULTILINE)
_SPAN: Final = re.compile(r"`([^`]+)`")
_END: Final = re.compile(r"\s+#\s.*|\s[|;&<>].*")

# What the AWS CLI adds to the operations of the API.
GLOBAL: Final = frozenset({"query", "output", "region", "profile", "cli-binary-format"})
OWN_OPTIONS: Final = {
    "run-instances": {"associate-public-ip-address"},
    "authorize-security-group-ingress": {"protocol", "port", "cidr"},
    "describe-snapshots": {"owner-ids"},
}
OWN_COMMANDS: Final = frozenset({"s3", "sso", "configure", "logs tail"})


def commands(program: str) -> Iterator[tuple[str, str]]:
    """Yield each command line of a program, and the document that has it."""
    for document in DOCUMENTS:
        text = document.read_text().replace("\\\n", " ")
        for line in (*_BLOCK.findall(text), *_SPAN.findall(text)):
            found = re.search(rf"(?:^|[|&;(]\s*)({program} [a-z][a-z0-9-]+\b.*)", line)
            if found:
                command = _END.sub("", found[1].split(" | ")[0])
                yield command, document.name


def words_of(command: str) -> list[str]:
    """Split it as a shell does, up to the end of a substitution in which it is."""
    inner = command.partition(')"')[0]
    try:
        return shlex.split(inner)
    except ValueError:
        return shlex.split(inner.replace("'", "").replace('"', ""))


@pytest.mark.parametrize(("command", "document"), sorted({*commands("elephant")}))
def test_every_command_line_of_elephant_is_one(command: str, document: str) -> None:
    _, name, *arguments = words_of(command)
    assert name in main.commands, document
    found = main.commands[name]
    context = click.Context(found)
    given, rest, _ = found.make_parser(context).parse_args(arguments)
    assert not rest, (document, rest)
    for parameter in found.params:
        value = given.get(str(parameter.name))
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            parameter.type.convert(value, parameter, context)


def test_every_command_line_of_aws_is_one() -> None:
    loader = Loader()
    wrong: list[str] = []
    checked = 0
    for command, document in commands("aws"):
        service, operation, *arguments = [*words_of(command), ""][1:]
        if service in OWN_COMMANDS or f"{service} {operation}" in OWN_COMMANDS:
            continue
        model = loader.load_service_model(service, "service-2")
        shapes = {xform_name(name, "-"): each for name, each in model["operations"].items()}
        if operation not in shapes:
            wrong.append(f"{document}: {service} has no {operation}")
            continue
        members = model["shapes"][shapes[operation].get("input", {}).get("shape")]["members"]
        known = {xform_name(name, "-") for name in members}
        known |= {f"no-{each}" for each in known} | GLOBAL | OWN_OPTIONS.get(operation, set())
        checked += 1
        options = {each[2:] for each in arguments if each.startswith("--")}
        wrong += [f"{document}: {service} {operation} --{each}" for each in options - known]
    assert (wrong, checked > 10) == ([], True)
