"""The permissions of roles with which the local cloud itself acts.

moto accepts every call from everybody. EventBridge Scheduler checks its role first, and so does who
answers an instance, so that a missing permission fails here as it does on AWS. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html

Emulated are Allow and Deny, wildcards, and the conditions in `_OPERATORS`, with `IfExists` and
`ForAllValues:`, of inline and attached policies. A statement with anything else allows nothing.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from moto.iam.models import iam_backends

from .account import ACCOUNT_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from moto.iam.models import ManagedPolicy, Role

    Context = Mapping[str, str | Sequence[str]]


def _is_like(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))


_OPERATORS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "StringEquals": str.__eq__,
    "ArnLike": _is_like,
}


def role_may(role_arn: str, action: str, resource: str, context: Context | None = None) -> bool:
    """Return whether the policies of the role allow an action on a resource."""
    role = _role(role_arn)
    if role is None:
        return False
    documents = [*role.policies.values(), *(_document(each) for each in _attached(role))]
    return _decide(_statements(documents), _asks_for(action, resource), context or {})


def role_trusts(role_arn: str, service: str, context: Context | None = None) -> bool:
    """Return whether there is such a role and a service may act with it."""
    role = _role(role_arn)
    if role is None:
        return False

    def fits(statement: Mapping[str, Any], _: Context) -> bool:
        principal = statement.get("Principal") or {}
        named = _listed(principal.get("Service")) if isinstance(principal, dict) else [principal]
        wanted = any(_is_like("sts:AssumeRole", each) for each in _listed(statement["Action"]))
        return wanted and bool({service, "*"} & set(named))

    return _decide(_statements([role.assume_role_policy_document]), fits, context or {})


def _role(arn: str) -> Role | None:
    roles = list(iam_backends[ACCOUNT_ID]["aws"].roles.values())
    return next((role for role in roles if role.arn == arn), None)


def _attached(role: Role) -> list[ManagedPolicy]:
    return list(role.managed_policies.values())


def _document(policy: ManagedPolicy) -> str:
    return next(str(each.document) for each in policy.versions if each.is_default)


def _statements(documents: Iterable[str | Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    parsed = [json.loads(each) if isinstance(each, str) else each for each in documents]
    return [statement for each in parsed for statement in _listed(each.get("Statement"))]


def _decide(
    statements: Iterable[Mapping[str, Any]],
    fits: Callable[[Mapping[str, Any], Context], bool],
    context: Context,
) -> bool:
    """Allow what a statement allows and none denies."""
    effects = {
        statement["Effect"]
        for statement in statements
        if fits(statement, context) and _holds(statement, context)
    }
    return effects == {"Allow"}


def _asks_for(action: str, resource: str) -> Callable[[Mapping[str, Any], Context], bool]:
    def fits(statement: Mapping[str, Any], _: Context) -> bool:
        actions = [str(each).lower() for each in _listed(statement.get("Action"))]
        resources = [str(each) for each in _listed(statement.get("Resource"))]
        return any(_is_like(action.lower(), each) for each in actions) and any(
            _is_like(resource, each) for each in resources
        )

    return fits


def _holds(statement: Mapping[str, Any], context: Context) -> bool:
    """Return whether all conditions of a statement hold. What is unknown denies."""
    denies = statement["Effect"] == "Deny"
    for operator, conditions in (statement.get("Condition") or {}).items():
        for key, wanted in conditions.items():
            answer = _compare(operator, key, [str(each) for each in _listed(wanted)], context)
            if not (denies if answer is None else answer):
                return False
    return True


def _compare(operator: str, key: str, wanted: list[str], context: Context) -> bool | None:
    """Compare one key; None if the operator is not known here."""
    name = operator.removeprefix("ForAllValues:")
    for_all = name != operator
    optional = name.endswith("IfExists")
    compare = _OPERATORS.get(name.removesuffix("IfExists"))
    if compare is None:
        return None
    values = _listed(context.get(key))
    if not values:
        return for_all or optional
    met = [any(compare(str(value), each) for each in wanted) for value in values]
    return all(met) if for_all else any(met)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 (policies hold one or several of a thing)
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
