"""The AWS calls that the code of each function can reach, derived from the code.

The code names its calls in one place: the `…Client` protocols of `chalicelib`, which mypy enforces
(`aws.client` returns nothing else). From a function of `app.py` everything is followed that is
named in reached code: functions, classes and values of a module by their name or as a member of
what is imported, whatever module they are in; methods by theirs, on every class reached. It may so
follow too much; what it cannot read, it refuses. A method called on `self._client` is a call to
AWS, and nothing else is: `tests/test_policies.py` holds the code to that.

What stands under `if settings.FEATURE:` is there only in a stage with that feature: for a stage
without it, neither its functions nor its calls are found.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from botocore import xform_name
from botocore.loaders import Loader

from ops.conditions import all_hold
from ops.walk import (
    FunctionNode,
    blocks_of,
    given_name,
    member_of_app,
    nodes_of,
    targets_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chalicelib.settings.stage import Settings
    from ops.conditions import Conditions

SERVICES: Final = {
    "Ec2Client": "ec2",
    "DynamoDbClient": "dynamodb",
    "SecretsManagerClient": "secretsmanager",
    "SchedulerClient": "scheduler",
    "DesktopClient": "ec2",
    "RowsClient": "dynamodb",
    "SentClient": "dynamodb",
    "CodeDeployClient": "codedeploy",
    "MailClient": "sesv2",
}
"""The service behind each protocol."""

IAM_PREFIXES: Final = {"sesv2": "ses"}
"""What IAM calls a service, where that is not botocore's name for it."""

ROUTES_FUNCTION: Final = "api_handler"
"""What Chalice calls the one function behind all routes."""

SWEEP: Final = "sweep"
"""The scheduled function, once the code has it."""

STREAM: Final = "on_dynamodb_record"
"""Chalice's decorator of a function that Lambda reads a table's stream for."""

_FUNCTION_DECORATORS: Final = frozenset(
    {
        "authorizer",
        "lambda_function",
        "on_cw_event",
        STREAM,
        "on_kinesis_record",
        "on_s3_event",
        "on_sns_message",
        "on_sqs_message",
        "schedule",
    }
)


class UnreadableCallError(Exception):
    """Code that may call AWS is unreadable. The message says where, and what to write instead."""


@dataclass(frozen=True, order=True)
class Call:
    """A call to AWS: the IAM action it needs, and the line of code that makes it."""

    action: str
    file: str
    line: int


@dataclass(frozen=True)
class Part:
    """A piece of code that is followed as a whole, and the class that it is a method of, if any."""

    file: str
    nodes: tuple[ast.AST, ...]
    owner: Class | None = None
    conditions: Conditions = ()


@dataclass(frozen=True)
class _Entry:
    """A function of app.py that a decorator of Chalice makes AWS call, and under what condition."""

    name: str
    decorator: str
    conditions: Conditions


@dataclass(frozen=True)
class Class:
    """A class: its body without methods, its methods by name, the protocol of its `_client`."""

    name: str
    body: Part
    methods: tuple[tuple[str, FunctionNode], ...]
    protocol: str | None


@dataclass
class _Definitions:
    """Everything of that name in any module: names are not told apart by where they come from."""

    parts: list[Part] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)


class Code:
    """app.py and chalicelib of a project, read once.

    Raises SyntaxError if they are no Python, UnreadableCallError for a decorator of Chalice that
    is not known here.
    """

    def __init__(self, directory: Path) -> None:
        self.definitions: dict[str, _Definitions] = {}
        self.always: list[Part] = []
        self._entries: dict[str, list[_Entry]] = {}
        self._names: dict[tuple[int, Settings | None], list[ast.Name | ast.Attribute]] = {}
        for path in (directory / "app.py", *sorted((directory / "chalicelib").rglob("*.py"))):
            file = path.relative_to(directory).as_posix()
            self._read(ast.parse(path.read_text(), file).body, file, ())

    @property
    def functions(self) -> tuple[str, ...]:
        """Every Lambda function that a stage may have, by Chalice's names for them."""
        return tuple(sorted(self._entries))

    def functions_of(self, settings: Settings) -> tuple[str, ...]:
        """Name the functions that a stage with these settings has."""
        return tuple(name for name in self.functions if self._there(name, settings))

    def reads_stream(self, function: str) -> bool:
        """Tell whether Lambda reads a table's stream for the function, in its name."""
        return any(entry.decorator == STREAM for entry in self._entries[function])

    def calls(self, function: str, settings: Settings | None = None) -> tuple[Call, ...]:
        """Every call to AWS that a function's code can reach in a stage with these settings.

        Without settings, in any stage. Raises UnreadableCallError.
        """
        entries = [entry.name for entry in self._there(function, settings)]
        return tuple(sorted(set(_Walk(self, entries, settings).calls())))

    def names_in(self, part: Part, settings: Settings | None) -> list[ast.Name | ast.Attribute]:
        """Return what a part names in a stage with these settings, read once for all functions."""
        key = (id(part.nodes[0]), settings)
        if key not in self._names:
            nodes = (node for root in part.nodes for node in nodes_of(root, settings))
            self._names[key] = [
                each for each in nodes if isinstance(each, ast.Name | ast.Attribute)
            ]
        return self._names[key]

    def _there(self, function: str, settings: Settings | None) -> list[_Entry]:
        return [entry for entry in self._entries[function] if all_hold(entry.conditions, settings)]

    def _define(self, name: str) -> _Definitions:
        return self.definitions.setdefault(name, _Definitions())

    def _read(self, statements: list[ast.stmt], file: str, conditions: Conditions) -> None:
        for node in statements:
            if isinstance(node, ast.ClassDef):
                self._define(node.name).classes.append(_read_class(node, file))
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for name in node.names:
                    real = name.name.rpartition(".")[2]
                    self._define(name.asname or real).aliases.add(real)
            elif isinstance(node, ast.If | ast.Try | ast.With):
                for block, more in blocks_of(node):
                    self._read(block, file, (*conditions, *more))
            else:
                self._read_part(node, Part(file, (node,), conditions=conditions))

    def _read_part(self, node: ast.stmt, part: Part) -> None:
        names = targets_of(node)
        if isinstance(node, FunctionNode):
            names = [node.name]
            for decorator in node.decorator_list:
                self._note_entry(node.name, decorator, part)
        for name in names:
            self._define(name).parts.append(part)
        if not names:  # runs when the module is imported
            self.always.append(part)

    def _note_entry(self, name: str, decorator: ast.expr, part: Part) -> None:
        kind = member_of_app(decorator)
        if kind is None:
            return
        entry = _Entry(name, kind, part.conditions)
        if kind == "route":
            self._entries.setdefault(ROUTES_FUNCTION, []).append(entry)
        elif kind in {"middleware", "register_middleware"}:
            self.always.append(
                Part(part.file, (ast.Name(name, ast.Load()),), conditions=part.conditions)
            )
        elif kind in _FUNCTION_DECORATORS:
            self._entries.setdefault(given_name(decorator) or name, []).append(entry)
        else:
            raise UnreadableCallError(
                f"{part.file}:{decorator.lineno}: @app.{kind} is not known to ops/reach.py: add "
                "there which Lambda function it creates"
            )


class _Walk:
    """Follows names until nothing new is reached."""

    def __init__(self, code: Code, entries: list[str], settings: Settings | None) -> None:
        self._code = code
        self._names = set(entries)
        self._members: set[str] = set()
        self._settings = settings
        self._seen: set[int] = set()
        self._calls: list[Call] = []

    def calls(self) -> list[Call]:
        known = -1
        while known < (found := len(self._names) + len(self._members) + len(self._seen)):
            known = found
            for part in list(self._reached()):
                is_there = all_hold(part.conditions, self._settings)
                if is_there and id(part.nodes[0]) not in self._seen:
                    self._seen.add(id(part.nodes[0]))
                    self._follow(part)
        return self._calls

    def _reached(self) -> Iterator[Part]:
        yield from self._code.always
        for name in list(self._names):
            defined = self._code.definitions.get(name)
            if defined is None:
                continue
            self._names |= defined.aliases
            yield from defined.parts
            for each in defined.classes:
                yield each.body
                for method, node in each.methods:
                    is_named = method in self._names or method in self._members
                    if is_named or method.startswith("__"):
                        yield Part(each.body.file, (node,), each)

    def _follow(self, part: Part) -> None:
        for node in self._code.names_in(part, self._settings):
            if isinstance(node, ast.Name):
                self._names.add(node.id)
                continue
            self._members.add(node.attr)
            if self._is_of_module(node):
                self._names.add(node.attr)
            if isinstance(node.value, ast.Attribute) and node.value.attr == "_client":
                self._calls.append(_call(part, node))

    def _is_of_module(self, node: ast.Attribute) -> bool:
        """Tell whether a module may define it: it is a class, or a member of what is imported."""
        named = self._code.definitions.get(node.attr)
        if named is not None and named.classes:
            return True
        holder = node.value.id if isinstance(node.value, ast.Name) else ""
        held = self._code.definitions.get(holder)
        return held is not None and bool(held.aliases)


def _call(part: Part, node: ast.Attribute) -> Call:
    protocol = part.owner.protocol if part.owner else None
    where = f"{part.file}:{node.lineno}"
    if protocol not in SERVICES:
        raise UnreadableCallError(
            f"{where}: {node.attr} is called on a client of unknown service; give the "
            f"constructor's parameter one of the types {', '.join(SERVICES)}, or add its protocol "
            "to SERVICES in ops/reach.py"
        )
    service = SERVICES[protocol]
    operation = _operations(service).get(node.attr)
    if operation is None:
        raise UnreadableCallError(
            f"{where}: {node.attr} is not an operation of {service}: call operations directly, "
            "without paginators and waiters, so that the rights they need can be read"
        )
    return Call(f"{IAM_PREFIXES.get(service, service)}:{operation}", part.file, node.lineno)


def _read_class(node: ast.ClassDef, file: str) -> Class:
    methods = tuple((each.name, each) for each in node.body if isinstance(each, FunctionNode))
    rest = [each for each in node.body if not isinstance(each, FunctionNode)]
    # A node of its own as the first one, by which the body is known even if it is empty.
    body = Part(file, (ast.Pass(), *node.bases, *node.decorator_list, *rest))
    protocols = {
        argument.annotation.id
        for name, method in methods
        if name == "__init__"
        for argument in (*method.args.args, *method.args.kwonlyargs)
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id in SERVICES
    }
    if len(protocols) > 1:
        raise UnreadableCallError(
            f"{file}:{node.lineno}: {node.name} takes clients of several services; give each "
            "its own class, with the client as its _client"
        )
    return Class(node.name, body, methods, next(iter(protocols), None))


@cache
def _operations(service: str) -> dict[str, str]:
    model = _MODELS.load_service_model(service, "service-2")
    return {xform_name(operation): operation for operation in model["operations"]}


_MODELS: Final = Loader()  # and no session, which would read the user's AWS configuration
