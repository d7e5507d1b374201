"""What a piece of code refers to, under which conditions, as mypy resolved its names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from mypy import nodes
from mypy.subtypes import is_subtype
from mypy.typevars import fill_typevars_with_any

from ops.aws_operations import action, operations
from ops.reach import Call
from ops.typed_code import Function, children, classes_of, is_any, may_be_any
from ops.worlds import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from mypy.nodes import Node, TypeInfo
    from mypy.types import Type

    from ops.worlds import Conditions

AWS: Final = "chalicelib.aws"
"""The only module that makes clients; the overloads of its `client` say of what type each is."""

_HIDING: Final = frozenset(
    {f"builtins.{each}" for each in ("eval", "exec", "getattr", "globals", "locals", "vars")}
    | {"importlib.import_module", "operator.attrgetter", "operator.methodcaller"}
)
"""Functions that reach others by names which mypy does not see."""

_FREE: Final = frozenset({"can_paginate", "close", "exceptions", "meta"})
"""Members of a client that need no right."""


@dataclass(frozen=True)
class Member:
    """A member of an object of some class; with `above`, as `super()` finds it from there."""

    of: TypeInfo
    name: str
    above: bool = False


@dataclass(frozen=True)
class Problem:
    """Something that cannot be followed, which is an error where it is reached."""

    message: str


Target = str | nodes.TypeInfo | Member | Call | Problem
"""What code refers to; a function by its full name."""

Use = tuple[frozenset[tuple[str, bool]], Target]


class References:
    """Finds what code refers to, in a program of these types and clients of AWS.

    `methods` are the names of all its functions: what may be one of them has to have a type.
    """

    def __init__(
        self,
        types: Mapping[nodes.Expression, Type],
        clients: Mapping[str, Type],
        methods: Container[str],
    ) -> None:
        self._types = types
        self._clients = clients
        self._methods = methods
        self._operations = {"get_paginator", "get_waiter"}
        self._operations.update(*map(operations, clients))

    def uses(self, root: Node, file: str) -> Iterator[Use]:
        """Yield all that some code refers to, each with what must be so for a stage to do so."""
        for node, conditions, parent in self.parts(root):
            for target in self._targets(node, parent, file):
                yield conditions, target

    def parts(self, root: Node) -> Iterator[tuple[Node, Conditions, Node]]:
        """Yield the nodes of some code, what must be so for a stage to have each, and its parent.

        Of the functions of a module or a class, which run later, only the first node is among them.
        """
        pending: list[tuple[Node, Conditions, Node]] = [(root, frozenset(), root)]
        while pending:
            node, conditions, parent = pending.pop()
            yield node, conditions, parent
            if not isinstance(node, Function) or isinstance(root, Function):
                more = dict(self._branches(node))
                pending += [
                    (each, conditions | more.get(each, frozenset()), node)
                    for each in children(node)
                ]

    def _branches(self, node: Node) -> Iterator[tuple[Node, Conditions]]:
        """Yield the branches of an `if`, each with what must be so to get there."""
        if isinstance(node, nodes.IfStmt):
            (test,), (body,) = node.expr, node.body
            yield body, self._conditions(test, wanted=True)
            if node.else_body:
                yield node.else_body, self._conditions(test, wanted=False)
        elif isinstance(node, nodes.ConditionalExpr):
            yield node.if_expr, self._conditions(node.cond, wanted=True)
            yield node.else_expr, self._conditions(node.cond, wanted=False)

    def _conditions(self, test: nodes.Expression, *, wanted: bool) -> Conditions:
        """Return what must be so for a test to come out as wanted, as far as it is known."""
        if isinstance(test, nodes.UnaryExpr) and test.op == "not":
            return self._conditions(test.expr, wanted=not wanted)
        if isinstance(test, nodes.MemberExpr) and test.name in QUESTIONS:
            holders = {each.name for each in classes_of(self._types.get(test.expr))}
            return frozenset({(test.name, wanted)} if holders == {"Settings"} else ())
        return frozenset()

    def _targets(self, node: Node, parent: Node, file: str) -> Iterator[Target]:
        """Yield what a node by itself refers to."""
        if hiding := _hiding(node):
            yield Problem(f"{file}:{node.line}: {hiding} what is reached")
        if isinstance(node, nodes.SuperExpr) and node.info:
            yield Member(node.info, node.name, above=True)
        elif isinstance(node, nodes.RefExpr):
            if isinstance(node.node, nodes.TypeAlias):
                yield from classes_of(node.node.target)
            elif found := followed(node.node):
                yield from found
            elif isinstance(node, nodes.MemberExpr):
                yield from self._members(node, parent, file)

    def _members(self, node: nodes.MemberExpr, parent: Node, file: str) -> Iterator[Target]:
        found, name, where = self._types.get(node.expr), node.name, f"{file}:{node.line}"
        if isinstance(node.expr, nodes.RefExpr) and isinstance(node.expr.node, nodes.MypyFile):
            return
        if name == "create_client" and file != f"{AWS.replace('.', '/')}.py":
            yield Problem(f"{where}: only {AWS} may create_client")
        is_unknown = name in self._methods and is_any(found)
        if is_unknown or (name in self._operations and may_be_any(found)):
            yield Problem(f"{where}: annotate what has {name}: it may be or have a client")
        for info in classes_of(found):
            yield Member(info, name)
            for service in () if name in _FREE else self.services(info):
                if needed := action(service, node, parent):
                    yield Call(needed, file, node.line)
                else:
                    yield Problem(f"{where}: {name} has to name an operation of {service}")

    @cache  # noqa: B019
    def services(self, info: TypeInfo) -> list[str]:
        """Name the services whose clients may have such a type."""
        return [name for name, made in self._clients.items() if fits(made, info)]


def fits(found: Type, protocol: TypeInfo) -> bool:
    """Tell whether an object of a type may be meant by a protocol."""
    return protocol.is_protocol and is_subtype(found, fill_typevars_with_any(protocol))


def _hiding(node: Node) -> str | None:
    """Say why a node may reach what mypy does not see, if it may."""
    imported: list[str] = []
    if isinstance(node, nodes.ImportFrom | nodes.ImportAll):
        imported = [node.id]
    elif isinstance(node, nodes.Import):
        imported = [name for name, _ in node.ids]
    if any(each.partition(".")[0] == "boto3" for each in imported):
        return "boto3 hides"
    if isinstance(node, nodes.Block) and node.is_unreachable and node.body:
        return "a block that mypy does not read hides"
    if isinstance(node, nodes.RefExpr) and node.fullname in _HIDING:
        return f"{node.fullname} hides"
    return None


def followed(node: nodes.SymbolNode | None) -> list[Target]:
    """Return the class or function that a name stands for, if it is one."""
    if isinstance(node, nodes.TypeInfo):
        return [node]
    return [node.fullname] if isinstance(node, Function) else []
