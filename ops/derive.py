"""Derives `ops/calls.json`: which calls to AWS each function of app.py can reach.

mypy resolves the names, and this follows what it found. From a function everything is followed that
its code refers to, called or not: functions, classes, and members of what an object is by its type,
on every class that is reached and fits that type. A member of what `chalicelib.aws.client` returns
is a call to AWS. What mypy cannot resolve is an error if it may be a call, or lead to one.

What stands under `if settings.FEATURE:` is there only in a stage with that feature, so every
combination of them is followed by itself. Only developers run this: operators read the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore import xform_name
from botocore.loaders import Loader
from mypy import nodes
from mypy.subtypes import is_subtype
from mypy.types import CallableType, LiteralType, get_proper_type
from mypy.typevars import fill_typevars_with_any

from ops.iam_page import iam_page
from ops.reach import (
    CALLS,
    ROUTES_FUNCTION,
    STREAM,
    Call,
    Code,
    UnreadableCallError,
    digest,
)
from ops.typed_code import Function, children, classes_of, is_any, may_be_any, read
from ops.worlds import QUESTIONS, WORLDS, condition, hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy.nodes import Node, TypeInfo
    from mypy.types import Type

    from ops.worlds import Conditions, World

IAM_PREFIXES: Final = {"sesv2": "ses"}
"""What IAM calls a service, where that is not botocore's name for it."""

_AWS: Final = "chalicelib.aws"
"""The only module that makes clients; the overloads of its `client` say of what type each is."""

_ENTRIES: Final = frozenset({"authorizer", "lambda_function", "on_cw_event", STREAM, "schedule"})
"""Chalice's decorators of functions that get a Lambda function of their own."""

_HIDING: Final = frozenset(
    {f"builtins.{each}" for each in ("eval", "exec", "getattr", "globals", "locals", "vars")}
    | {"importlib.import_module", "operator.attrgetter", "operator.methodcaller"}
)
"""Functions that reach others by names which mypy does not see."""

_FREE: Final = frozenset({"can_paginate", "close", "exceptions", "meta"})
"""Members of a client that need no right."""


@dataclass(frozen=True)
class _Member:
    """A member of an object of some class; with `above`, as `super()` finds it from there."""

    of: TypeInfo
    name: str
    above: bool = False


@dataclass(frozen=True)
class _Problem:
    """Something that cannot be followed, which is an error where it is reached."""

    message: str


_Target = str | nodes.TypeInfo | _Member | Call | _Problem
"""What code refers to; a function by its full name."""

_Use = tuple[frozenset[tuple[str, bool]], _Target]


class Tree:
    """app.py and chalicelib of a project, read once."""

    def __init__(self, directory: Path) -> None:
        result, files = read(directory)
        self.entries: dict[str, list[_Use]] = {}
        self.decorators: dict[str, str] = {}
        self._types = result.types
        self._clients = dict(_clients(result.files[_AWS].names["client"].node))
        self._functions: dict[str, list[tuple[Function, str]]] = {}
        self._classes: set[TypeInfo] = set()
        self._always: list[_Use] = []
        for name, file in files.items():
            self._collect(result.files[name], file)
        self._methods = {name.rpartition(".")[2] for name in self._functions}
        self._operations = {"get_paginator", "get_waiter"}
        self._operations.update(*map(_operations, self._clients))
        for name, file in files.items():
            self._always += self._uses(result.files[name], file)

    def worlds(self, function: str) -> list[World]:
        """Return the stages that have the function."""
        return [each for each in WORLDS if _in(each, self.entries[function])]

    def calls(self, function: str, world: World) -> set[Call]:
        """Return every call that the function can reach in such a stage.

        Raises UnreadableCallError if it reaches what cannot be followed.
        """
        pending = _in(world, self.entries[function] + self._always)
        seen: set[_Target] = set()
        classes: list[TypeInfo] = []
        members: list[_Member] = []
        while pending:
            target = pending.pop()
            if isinstance(target, _Problem):
                raise UnreadableCallError(target.message)
            if target in seen:
                continue
            seen.add(target)
            if isinstance(target, str):
                pending += _in(world, self._uses_of(target))
            elif isinstance(target, nodes.TypeInfo):
                classes.append(target)
                pending += self._run_by_others(target)
                pending += [at for each in members for at in self._found(target, each)]
            elif isinstance(target, _Member):
                members.append(target)
                pending += [at for each in classes for at in self._found(each, target)]
        return {each for each in seen if isinstance(each, Call)}

    def unreached(self, found: Iterable[Call]) -> list[str]:
        """Name the calls that none of those found is, and those that a protocol names in vain."""
        known, uses = set(found), [use for each in self._functions for use in self._uses_of(each)]
        actions = {None, *(each.action for each in known)}
        return [
            f"{each.file}:{each.line}: no function is found to reach this call"
            for _, each in uses
            if isinstance(each, Call) and each not in known
        ] + [
            f"{info.fullname} names {name}, which nothing calls"
            for info in self._classes
            for service in self._services(info)
            for name in info.names
            if _operations(service).get(name) not in actions
        ]

    def _collect(self, tree: nodes.MypyFile, file: str) -> None:
        """Note the functions, classes and entries of a module."""
        for node, conditions, _ in self._parts(tree):
            if isinstance(node, nodes.ClassDef):
                self._classes.add(node.info)
            elif isinstance(node, Function):
                self._functions.setdefault(node.fullname, []).append((node, file))
                if isinstance(node, nodes.Decorator):
                    for decorator in node.original_decorators:
                        self._note_entry(node, decorator, conditions, f"{file}:{decorator.line}")

    def _note_entry(
        self, node: nodes.Decorator, made_by: nodes.Expression, conditions: Conditions, where: str
    ) -> None:
        names: dict[str | None, nodes.Expression] = {}
        decorator = made_by
        if isinstance(made_by, nodes.CallExpr):
            names = dict(zip(made_by.arg_names, made_by.args, strict=True))
            decorator = made_by.callee
        holder = decorator.expr if isinstance(decorator, nodes.MemberExpr) else None
        if not isinstance(holder, nodes.NameExpr) or holder.fullname != "app.app":
            return
        given, kind = names.get("name"), str(getattr(decorator, "name", ""))
        name = given.value if isinstance(given, nodes.StrExpr) else node.func.name
        target: _Target = node.fullname
        if kind == "route":
            name = ROUTES_FUNCTION
        elif kind not in _ENTRIES:
            target = _Problem(f"{where}: add @app.{kind} to ops/derive.py")
        self.entries.setdefault(name, []).append((conditions, target))
        self.decorators[name] = kind

    @cache  # noqa: B019 (a tree is kept as long as the process)
    def _uses_of(self, function: str) -> list[_Use]:
        found = self._functions.get(function, [])
        return [use for node, file in found for use in self._uses(node, file)]

    def _uses(self, root: Node, file: str) -> Iterator[_Use]:
        for node, conditions, parent in self._parts(root):
            for target in self._targets(node, parent, file):
                yield conditions, target

    def _parts(self, root: Node) -> Iterator[tuple[Node, Conditions, Node]]:
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

    def _targets(self, node: Node, parent: Node, file: str) -> Iterator[_Target]:
        """Yield what a node by itself refers to."""
        if hiding := _hiding(node):
            yield _Problem(f"{file}:{node.line}: {hiding} what is reached")
        if isinstance(node, nodes.SuperExpr) and node.info:
            yield _Member(node.info, node.name, above=True)
        elif isinstance(node, nodes.RefExpr):
            if isinstance(node.node, nodes.TypeAlias):
                yield from classes_of(node.node.target)
            elif found := _followed(node.node):
                yield from found
            elif isinstance(node, nodes.MemberExpr):
                yield from self._members(node, parent, file)

    def _members(self, node: nodes.MemberExpr, parent: Node, file: str) -> Iterator[_Target]:
        found, name, where = self._types.get(node.expr), node.name, f"{file}:{node.line}"
        if isinstance(node.expr, nodes.RefExpr) and isinstance(node.expr.node, nodes.MypyFile):
            return
        if name == "create_client" and file != f"{_AWS.replace('.', '/')}.py":
            yield _Problem(f"{where}: only {_AWS} may create_client")
        is_unknown = name in self._methods and is_any(found)
        if is_unknown or (name in self._operations and may_be_any(found)):
            yield _Problem(f"{where}: annotate what has {name}: it may be or have a client")
        for info in classes_of(found):
            yield _Member(info, name)
            for service in () if name in _FREE else self._services(info):
                if action := _action(service, node, parent):
                    yield Call(action, file, node.line)
                else:
                    yield _Problem(f"{where}: {name} has to name an operation of {service}")

    @cache  # noqa: B019
    def _services(self, info: TypeInfo) -> list[str]:
        """Name the services whose clients may have such a type."""
        return [name for name, made in self._clients.items() if _fits(made, info)]

    def _run_by_others(self, info: TypeInfo) -> Iterator[_Target]:
        """Yield the methods of a class that Python or another library may call by itself."""
        others = {
            name for each in info.mro[:-1] if each not in self._classes for name in each.names
        }
        is_unknown = any(each.fallback_to_any for each in info.mro)
        for each in info.mro:
            for name, symbol in each.names.items():
                if name.startswith("__") or is_unknown or name in others:
                    yield from _followed(symbol.node)

    @cache  # noqa: B019
    def _found(self, info: TypeInfo, member: _Member) -> list[_Target]:
        """Return what a member is on objects of a class, if these may be meant."""
        order = info.mro
        if member.of in order:
            order = order[order.index(member.of) + 1 :] if member.above else order
        elif not _fits(fill_typevars_with_any(info), member.of):
            return []
        found = [each.names[member.name].node for each in order if member.name in each.names]
        return _followed(found[0]) if found else []


def _clients(factory: nodes.SymbolNode | None) -> Iterator[tuple[str, Type]]:
    """Yield each service that there are clients of, and their type."""
    for each in factory.items if isinstance(factory, nodes.OverloadedFuncDef) else ():
        made = each.func.type if isinstance(each, nodes.Decorator) else None
        if isinstance(made, CallableType):
            service = get_proper_type(made.arg_types[0])
            if isinstance(service, LiteralType):
                yield str(service.value), made.ret_type


def _fits(found: Type, protocol: TypeInfo) -> bool:
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


def _followed(node: nodes.SymbolNode | None) -> list[_Target]:
    if isinstance(node, nodes.TypeInfo):
        return [node]
    return [node.fullname] if isinstance(node, Function) else []


def _action(service: str, node: nodes.MemberExpr, parent: Node) -> str | None:
    """Return the IAM action of a client's member, or of what that is asked to call."""
    if node.name not in {"get_paginator", "get_waiter"}:
        return _operations(service).get(node.name)
    if not isinstance(parent, nodes.CallExpr) or parent.callee is not node:
        return None
    named = [each.value for each in parent.args if isinstance(each, nodes.StrExpr)]
    known = _operations(service, "waiters" if node.name == "get_waiter" else "operations")
    return known.get(named[0]) if named else None


@cache
def _operations(service: str, kind: str = "operations") -> dict[str, str]:
    """Return the IAM action behind each method, or each waiter, of a client."""
    file = "service-2" if kind == "operations" else "waiters-2"
    prefix = IAM_PREFIXES.get(service, service)
    return {
        xform_name(name): f"{prefix}:{each.get('operation', name)}"
        for name, each in _MODELS.load_service_model(service, file)[kind].items()
    }


_MODELS: Final = Loader()  # and no session, which would read the user's AWS configuration


def _in(world: World, uses: Iterable[_Use]) -> list[_Target]:
    return [target for conditions, target in uses if hold(conditions, world)]


def derive(directory: Path) -> str:
    """Write ops/calls.json. Raises UnreadableCallError for code that cannot be followed."""
    tree, functions, every = Tree(directory), {}, set()
    for function in sorted(tree.entries):
        worlds = tree.worlds(function)
        found = {each: tree.calls(function, each) for each in worlds}
        reached = set().union(*found.values())
        every |= reached
        functions[function] = {
            "by": tree.decorators[function],
            "if": condition(worlds),
            "calls": {
                f"{call.action} {call.file}:{call.line}": condition(
                    each for each in worlds if call in found[each]
                )
                for call in sorted(reached)
            },
        }
    if problems := tree.unreached(every):
        raise UnreadableCallError("\n".join(problems))
    files = sorted({"app.py", *(call.file for call in every)})
    digests = {file: digest(directory / file) for file in files}
    return json.dumps({"files": digests, "functions": functions}, indent=1) + "\n"


if __name__ == "__main__":
    project = Path(__file__).parent.parent
    CALLS.write_text(derive(project))
    (project / "docs/iam.md").write_text(iam_page(Code(project)))
