"""What members of boto3's clients need in IAM, by mypy's types of the clients."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from botocore import xform_name
from botocore.loaders import Loader
from mypy import nodes
from mypy.types import CallableType, LiteralType, get_proper_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy.nodes import Node
    from mypy.types import Type

IAM_PREFIXES: Final = {"sesv2": "ses"}
"""What IAM calls a service, where that is not botocore's name for it."""


def clients(factory: nodes.SymbolNode | None) -> Iterator[tuple[str, Type]]:
    """Yield each service that there are clients of, and their type, by a function's overloads."""
    for each in factory.items if isinstance(factory, nodes.OverloadedFuncDef) else ():
        made = each.func.type if isinstance(each, nodes.Decorator) else None
        if isinstance(made, CallableType):
            service = get_proper_type(made.arg_types[0])
            if isinstance(service, LiteralType):
                yield str(service.value), made.ret_type


def action(service: str, node: nodes.MemberExpr, parent: Node) -> str | None:
    """Return the IAM action of a client's member, or of what that is asked to call."""
    if node.name not in {"get_paginator", "get_waiter"}:
        return operations(service).get(node.name)
    if not isinstance(parent, nodes.CallExpr) or parent.callee is not node:
        return None
    named = [each.value for each in parent.args if isinstance(each, nodes.StrExpr)]
    known = operations(service, "waiters" if node.name == "get_waiter" else "operations")
    return known.get(named[0]) if named else None


@cache
def operations(service: str, kind: str = "operations") -> dict[str, str]:
    """Return the IAM action behind each method, or each waiter, of a client."""
    file = "service-2" if kind == "operations" else "waiters-2"
    prefix = IAM_PREFIXES.get(service, service)
    return {
        xform_name(name): f"{prefix}:{each.get('operation', name)}"
        for name, each in _MODELS.load_service_model(service, file)[kind].items()
    }


_MODELS: Final = Loader()  # and no session, which would read the user's AWS configuration
