"""Which calls to AWS the code of each function can reach, read from the code itself.

The code names its calls in one place: the `…Client` protocols of `chalicelib`, which mypy holds it
to (`aws.client` returns nothing else). From a function of `app.py` everything is followed that is
named in reached code: functions, classes and values of a module by their name, whatever module
they are in; methods by theirs, on every class reached. It may so follow too much; what it cannot
read, it refuses. A method called on `self._client` is a call to AWS, and nothing else is:
`tests/test_policies.py` holds the code to that.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import botocore.session
from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICES: Final = {
    "Ec2Client": "ec2",
    "DynamoDbClient": "dynamodb",
    "SecretsManagerClient": "secretsmanager",
}
"""The service behind each protocol, which is also the prefix of its IAM actions."""

ROUTES_FUNCTION: Final = "api_handler"
"""What Chalice calls the one function behind all routes."""

SWEEP: Final = "sweep"
"""The scheduled function, once the code has it."""

_FUNCTION_DECORATORS: Final = frozenset(
    {
        "authorizer",
        "lambda_function",
        "on_cw_event",
        "on_dynamodb_record",
        "on_kinesis_record",
        "on_s3_event",
        "on_sns_message",
        "on_sqs_message",
        "schedule",
    }
)
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class UnreadableCallError(Exception):
    """Code that may call AWS cannot be read. The message says where, and what to write instead."""


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


@dataclass(frozen=True)
class Class:
    """A class: its body without methods, its methods by name, the protocol of its `_client`."""

    name: str
    body: Part
    methods: tuple[tuple[str, _FunctionNode], ...]
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
        self._entries: dict[str, list[str]] = {}
        for path in (directory / "app.py", *sorted((directory / "chalicelib").rglob("*.py"))):
            file = path.relative_to(directory).as_posix()
            self._read(ast.parse(path.read_text(), file).body, file)

    @property
    def functions(self) -> tuple[str, ...]:
        """The Lambda functions, by Chalice's names for them."""
        return tuple(sorted(self._entries))

    def calls(self, function: str) -> tuple[Call, ...]:
        """Every call to AWS that a function's code can reach. Raises UnreadableCallError."""
        return tuple(sorted(set(_Walk(self, self._entries[function]).calls())))

    def _define(self, name: str) -> _Definitions:
        return self.definitions.setdefault(name, _Definitions())

    def _read(self, statements: list[ast.stmt], file: str) -> None:
        for node in statements:
            if isinstance(node, _FunctionNode):
                self._define(node.name).parts.append(Part(file, (node,)))
                for decorator in node.decorator_list:
                    self._note_entry(node.name, decorator, file)
            elif isinstance(node, ast.ClassDef):
                self._define(node.name).classes.append(_read_class(node, file))
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for name in node.names:
                    real = name.name.rpartition(".")[2]
                    self._define(name.asname or real).aliases.add(real)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and _targets(node):
                for target in _targets(node):
                    self._define(target).parts.append(Part(file, (node,)))
            elif isinstance(node, ast.If | ast.Try | ast.With):
                self._read(_blocks(node), file)
            else:  # runs when the module is imported
                self.always.append(Part(file, (node,)))

    def _note_entry(self, name: str, decorator: ast.expr, file: str) -> None:
        kind = _of_the_app(decorator)
        if kind is None:
            return
        if kind == "route":
            self._entries.setdefault(ROUTES_FUNCTION, []).append(name)
        elif kind in {"middleware", "register_middleware"}:
            self.always.append(Part(file, (ast.Name(name),)))
        elif kind in _FUNCTION_DECORATORS:
            self._entries.setdefault(_given_name(decorator) or name, []).append(name)
        else:
            raise UnreadableCallError(
                f"{file}:{decorator.lineno}: @app.{kind} is not known to ops/reach.py: say there "
                "what function of Lambda it makes"
            )


class _Walk:
    """Follows what is named, until nothing new is reached."""

    def __init__(self, code: Code, entries: list[str]) -> None:
        self._code = code
        self._names = set(entries)
        self._seen: set[int] = set()
        self._calls: list[Call] = []

    def calls(self) -> list[Call]:
        known = -1
        while known < len(self._names) + len(self._seen):
            known = len(self._names) + len(self._seen)
            for part in list(self._reached()):
                if id(part.nodes[0]) not in self._seen:
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
                    if method in self._names or method.startswith("__"):
                        yield Part(each.body.file, (node,), each)

    def _follow(self, part: Part) -> None:
        for node in (each for root in part.nodes for each in _code_of(root)):
            if isinstance(node, ast.Name):
                self._names.add(node.id)
            elif isinstance(node, ast.Attribute):
                self._names.add(node.attr)
                if isinstance(node.value, ast.Attribute) and node.value.attr == "_client":
                    self._calls.append(_call(part, node))


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
            f"{where}: {node.attr} is no operation of {service}: call operations themselves, "
            "without paginators and waiters, so that the rights they need can be read"
        )
    return Call(f"{service}:{operation}", part.file, node.lineno)


def _read_class(node: ast.ClassDef, file: str) -> Class:
    methods = tuple((each.name, each) for each in node.body if isinstance(each, _FunctionNode))
    rest = [each for each in node.body if not isinstance(each, _FunctionNode)]
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
            f"{file}:{node.lineno}: {node.name} takes clients of several services; give each a "
            "class of its own, with the client as its _client"
        )
    return Class(node.name, body, methods, next(iter(protocols), None))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _blocks(node: ast.If | ast.Try | ast.With) -> list[ast.stmt]:
    blocks = [*node.body, *getattr(node, "orelse", ()), *getattr(node, "finalbody", ())]
    for handler in getattr(node, "handlers", ()):
        blocks += handler.body
    return blocks


def _of_the_app(decorator: ast.expr) -> str | None:
    """Return X of a decorator `@app.X`."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
        return None
    return target.attr if target.value.id == "app" else None


def _given_name(decorator: ast.expr) -> str | None:
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None


def _code_of(root: ast.AST) -> Iterator[ast.AST]:
    """Walk code, and none of its annotations, which call nothing."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name not in {"annotation", "returns"}:
                children = value if isinstance(value, list) else [value]
                pending.extend(child for child in children if isinstance(child, ast.AST))


@cache
def _operations(service: str) -> dict[str, str]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(operation): operation for operation in model.operation_names}
