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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mypy import nodes
from mypy.typevars import fill_typevars_with_any

from ops.aws_operations import clients, operations
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
from ops.references import AWS, Member, Problem, References, Target, Use, fits, followed
from ops.typed_code import Function, read
from ops.worlds import WORLDS, condition, hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy.nodes import TypeInfo

    from ops.worlds import Conditions, World

_ENTRIES: Final = frozenset({"authorizer", "lambda_function", "on_cw_event", STREAM, "schedule"})
"""Chalice's decorators of functions that get a Lambda function of their own."""


class Tree:
    """app.py and chalicelib of a project, read once."""

    def __init__(self, directory: Path) -> None:
        result, files = read(directory)
        self.entries: dict[str, list[Use]] = {}
        self.decorators: dict[str, str] = {}
        methods: set[str] = set()
        made = dict(clients(result.files[AWS].names["client"].node))
        self._references = References(result.types, made, methods)
        self._functions: dict[str, list[tuple[Function, str]]] = {}
        self._classes: set[TypeInfo] = set()
        self._always: list[Use] = []
        for name, file in files.items():
            self._collect(result.files[name], file)
        methods.update(name.rpartition(".")[2] for name in self._functions)
        for name, file in files.items():
            self._always += self._references.uses(result.files[name], file)

    def worlds(self, function: str) -> list[World]:
        """Return the stages that have the function."""
        return [each for each in WORLDS if _in(each, self.entries[function])]

    def calls(self, function: str, world: World) -> set[Call]:
        """Return every call that the function can reach in such a stage.

        Raises UnreadableCallError if it reaches what cannot be followed.
        """
        pending = _in(world, self.entries[function] + self._always)
        seen: set[Target] = set()
        classes: list[TypeInfo] = []
        members: list[Member] = []
        while pending:
            target = pending.pop()
            if isinstance(target, Problem):
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
            elif isinstance(target, Member):
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
            for service in self._references.services(info)
            for name in info.names
            if operations(service).get(name) not in actions
        ]

    def _collect(self, tree: nodes.MypyFile, file: str) -> None:
        """Note the functions, classes and entries of a module."""
        for node, conditions, _ in self._references.parts(tree):
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
        target: Target = node.fullname
        if kind == "route":
            name = ROUTES_FUNCTION
        elif kind not in _ENTRIES:
            target = Problem(f"{where}: add @app.{kind} to ops/derive.py")
        self.entries.setdefault(name, []).append((conditions, target))
        self.decorators[name] = kind

    @cache  # noqa: B019 (a tree is kept as long as the process)
    def _uses_of(self, function: str) -> list[Use]:
        found = self._functions.get(function, [])
        return [use for node, file in found for use in self._references.uses(node, file)]

    def _run_by_others(self, info: TypeInfo) -> Iterator[Target]:
        """Yield the methods of a class that Python or another library may call by itself."""
        others = {
            name for each in info.mro[:-1] if each not in self._classes for name in each.names
        }
        is_unknown = any(each.fallback_to_any for each in info.mro)
        for each in info.mro:
            for name, symbol in each.names.items():
                if name.startswith("__") or is_unknown or name in others:
                    yield from followed(symbol.node)

    @cache  # noqa: B019
    def _found(self, info: TypeInfo, member: Member) -> list[Target]:
        """Return what a member is on objects of a class, if these may be meant."""
        order = info.mro
        if member.of in order:
            order = order[order.index(member.of) + 1 :] if member.above else order
        elif not fits(fill_typevars_with_any(info), member.of):
            return []
        found = [each.names[member.name].node for each in order if member.name in each.names]
        return followed(found[0]) if found else []


def _in(world: World, uses: Iterable[Use]) -> list[Target]:
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
