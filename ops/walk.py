"""A walk through code: the parts that a stage has, and the local names of functions."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from ops.conditions import all_hold, conditions_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chalicelib.settings.stage import Settings
    from ops.conditions import Conditions

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_Scope = FunctionNode | ast.Lambda | ast.ClassDef | _Comprehension
_NOT_FOLLOWED: Final = frozenset({"annotation", "returns"})
"""Annotations call nothing."""


def nodes_of(root: ast.AST, settings: Settings | None) -> Iterator[ast.AST]:
    """Yield the parts of the code that a stage with these settings has, without annotations.

    Names of variables and arguments of the functions around them are left out: they stand for
    nothing that a module defines.
    """
    pending: list[tuple[ast.AST, frozenset[str]]] = [(root, frozenset())]
    outside: set[int] = set()
    while pending:
        node, own = pending.pop()
        if isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in own):
            continue
        yield node
        around = _evaluated_outside(node)
        outside.update(map(id, around))
        inside = own | _bound_in(node)
        children = (
            child
            for name, value in ast.iter_fields(node)
            if name not in _NOT_FOLLOWED and _is_there(node, name, settings)
            for child in (value if isinstance(value, list) else [value])
        )
        pending.extend(
            (child, inside)
            for child in children
            if isinstance(child, ast.AST) and id(child) not in outside
        )
        pending.extend((each, own) for each in around)


def _evaluated_outside(node: ast.AST) -> list[ast.AST]:
    """Return those parts of a scope that are evaluated around it, where names may be others."""
    if isinstance(node, _Comprehension):
        return [node.generators[0].iter]
    if not isinstance(node, FunctionNode | ast.Lambda):
        return []
    defaults = (*node.args.defaults, *(each for each in node.args.kw_defaults if each))
    return [*getattr(node, "decorator_list", []), *defaults]


def _is_there(node: ast.AST, field: str, settings: Settings | None) -> bool:
    if field not in {"body", "orelse"} or not isinstance(node, ast.If | ast.IfExp):
        return True
    return all_hold(conditions_of(node.test, wanted=field == "body"), settings)


def _bound_in(node: ast.AST) -> frozenset[str]:
    """Return the names that are a function's or a comprehension's own."""
    if isinstance(node, _Comprehension):
        found = {name for each in node.generators for name in _stored(each.target)}
        return frozenset(found)
    if not isinstance(node, FunctionNode | ast.Lambda):
        return frozenset()
    arguments = node.args
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    more = (each for each in (arguments.vararg, arguments.kwarg) if each)
    found = {each.arg for each in (*named, *more)}
    if isinstance(node, ast.Lambda):
        return frozenset(found)
    given_up: set[str] = set()
    for statement in node.body:
        for each in _of_the_scope(statement):
            if isinstance(each, ast.Global | ast.Nonlocal):
                given_up.update(each.names)
            else:
                found |= _stored(each)
    return frozenset(found - given_up)


def _of_the_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Walk code without what has names of its own."""
    yield node
    if not isinstance(node, _Scope):
        for child in ast.iter_child_nodes(node):
            yield from _of_the_scope(child)


def _stored(node: ast.AST) -> set[str]:
    """Return the names that a target binds; one that is read is none of them."""
    names = ast.walk(node) if not isinstance(node, _Scope | ast.stmt) else [node]
    return {
        each.id for each in names if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def targets_of(node: ast.stmt) -> list[str]:
    """Return the names that an assignment gives a value; none for another statement."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    else:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def blocks_of(node: ast.If | ast.Try | ast.With) -> Iterator[tuple[list[ast.stmt], Conditions]]:
    """Yield the blocks of a statement, each with what must be so for a stage to have it."""
    if isinstance(node, ast.If):
        yield node.body, conditions_of(node.test, wanted=True)
        yield node.orelse, conditions_of(node.test, wanted=False)
        return
    yield node.body, ()
    yield getattr(node, "orelse", []), ()
    yield getattr(node, "finalbody", []), ()
    for handler in getattr(node, "handlers", []):
        yield handler.body, ()


def member_of_app(decorator: ast.expr) -> str | None:
    """Return X of a decorator `@app.X`."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not (isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)):
        return None
    return target.attr if target.value.id == "app" else None


def given_name(decorator: ast.expr) -> str | None:
    """Return what a decorator's argument `name` says, if it has one."""
    for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return None
