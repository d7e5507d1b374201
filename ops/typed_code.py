"""Python code whose names mypy has resolved. mypy is not installed for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mypy import nodes, types
from mypy.build import build
from mypy.modulefinder import BuildSource
from mypy.options import Options
from mypy.patterns import Pattern

from ops.reach import UnreadableCallError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mypy.build import BuildResult
    from mypy.nodes import Node, TypeInfo

_ELSEWHERE: Final = frozenset(
    {"expanded", "imports", "info", "node", "original_def", "unanalyzed_items"}
)
"""Attributes of mypy's nodes that refer to code elsewhere, instead of containing some."""


Function = nodes.FuncDef | nodes.Decorator | nodes.OverloadedFuncDef


def read(directory: Path) -> tuple[BuildResult, dict[str, str]]:
    """Read app.py and chalicelib; return what mypy found, and each module's file.

    Raises UnreadableCallError if mypy finds errors: then its types mean nothing.
    """
    paths = [directory / "app.py", *sorted((directory / "chalicelib").rglob("*.py"))]
    files = {_module(each.relative_to(directory)): each for each in paths}
    options = Options()
    options.python_version, options.platform = (3, 11), "linux"
    options.check_untyped_defs = options.warn_unreachable = True
    options.ignore_missing_imports = True
    options.export_types = options.preserve_asts = True
    options.incremental, options.cache_dir = False, "/dev/null"
    options.mypy_path = [str(directory)]
    result = build([BuildSource(str(path), name) for name, path in files.items()], options)
    if result.errors:
        raise UnreadableCallError("\n".join(["mypy finds errors:", *result.errors]))
    return result, {name: path.relative_to(directory).as_posix() for name, path in files.items()}


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def children(node: Node) -> Iterator[Node]:
    """Yield the parts of a node, without annotations, which run nothing."""
    names: tuple[str, ...] = vars(type(node))["__mypyc_attrs__"]  # mypy is compiled
    pending: list[Any] = [getattr(node, name, None) for name in names if name not in _ELSEWHERE]
    while pending:
        each = pending.pop()
        if isinstance(each, nodes.Statement | nodes.Expression | nodes.Argument | Pattern):
            yield each
        elif isinstance(each, dict):
            pending += each.values()
        elif isinstance(each, list | tuple):
            pending += each


def is_any(found: types.Type | None) -> bool:
    """Tell whether nothing is known of a type."""
    return found is None or isinstance(types.get_proper_type(found), types.AnyType)


def may_be_any(found: types.Type | None) -> bool:
    """Tell whether nothing is known of a type, or of one of its alternatives."""
    proper = types.get_proper_type(found)
    return is_any(proper) or (
        isinstance(proper, types.UnionType) and any(map(may_be_any, proper.items))
    )


def classes_of(found: types.Type | None) -> list[TypeInfo]:  # noqa: PLR0911 (one for each kind)
    """Return the classes whose members an object of a type has; of a class, the class itself."""
    match types.get_proper_type(found):
        case types.Instance() as each:
            return [each.type]
        case types.UnionType() as each:
            return [info for item in each.items for info in classes_of(item)]
        case types.TypeVarLikeType() as each:
            return classes_of(each.upper_bound)
        case types.TypeType() as each:
            return classes_of(each.item)
        case types.CallableType() as each if each.is_type_obj():
            return classes_of(each.ret_type)
        case types.Overloaded() as each:
            return classes_of(each.items[0])
        case types.TupleType() as each:
            return classes_of(each.partial_fallback)
        case types.CallableType() | types.TypedDictType() | types.LiteralType() as each:
            return classes_of(each.fallback)
        case _:
            return []
