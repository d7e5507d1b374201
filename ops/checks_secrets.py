"""Checks of a stage's secrets for meetings: scheduling keys, seed and certificate."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from chalicelib.meetings.stage_secrets import SHORTEST_SEED
from ops.account import error_code
from ops.check import NOT_FOUND, failure, ok, question
from ops.checks_aws import in_region, recreate_stack
from ops.listing import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ops.check import Context, Finding

SHORTEST_KEY: Final = 20
"""Minimum length of a key, so that it cannot be guessed."""

SEED: Final = "MeetingSeed"
"""The seed's secret within the supporting stack's template."""


@question("schedule key", needs=("stack",))
def schedule_key(context: Context) -> Iterator[Finding]:
    """Whether the secret for the scheduling key holds one."""
    if not context.stage.settings.meetings:
        return
    name = context.stage.place.schedule_secret
    client = context.client("secretsmanager")
    try:
        text = client.get_secret_value(SecretId=name).get("SecretString", "")
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        yield failure(f"secret {name} does not exist", recreate_stack(context))
        return
    keys = _keys(text)
    if keys and all(len(each) >= SHORTEST_KEY for each in keys):
        yield ok(
            f"{name} holds {counted(len(keys), 'key')}; `elephant keys {context.stage.name}` lists "
            "them"
        )
        return
    found = "a key that can be guessed" if keys else "no key"
    yield failure(
        f"{name} holds {found}, so " + ("anybody" if keys else "nobody") + " may schedule meetings",
        f"`aws secretsmanager put-secret-value --secret-id {name} --secret-string "
        f'"$(openssl rand -hex 32)"{in_region(context)}`, or a JSON object of names and keys',
    )


@question("meeting seed", needs=("stack",))
def meeting_seed(context: Context) -> Iterator[Finding]:
    """Whether the secret exists from which meetings with an idempotency key are derived."""
    if not context.stage.settings.meetings:
        return
    name = context.stage.place.seed_secret
    try:
        text = context.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        was_made = context.stack.has_resource(SEED)  # not by a version before it
        remedy = recreate_stack(context) if was_made else context.command("deploy")
        yield failure(f"secret {name} does not exist, so requests with such a key fail", remedy)
        return
    if len(text.strip()) >= SHORTEST_SEED:
        yield ok(name)
        return
    yield failure(
        f"{name} is too short, so that links can be guessed and requests with such a key fail",
        f"`aws secretsmanager put-secret-value --secret-id {name} --secret-string "
        f'"$(openssl rand -hex 32)"{in_region(context)}`, unless you have the former value',
    )


@question("certificate secret", needs=("credentials",))
def certificate_secret(context: Context) -> Iterator[Finding]:
    """Whether the secret with the desktops' certificate exists, if the stage names one."""
    meetings = context.stage.settings.meetings
    if not (meetings and meetings.certificate_secret):
        return
    name = meetings.certificate_secret
    try:
        context.client("secretsmanager").describe_secret(SecretId=name)
    except ClientError as error:
        if error_code(error) != NOT_FOUND:
            raise
        yield failure(
            f"secret {name} does not exist, so desktops never become healthy",
            context.command("certificate", f"--secret {name}"),
        )
        return
    yield ok(name)


def _keys(text: str) -> list[str]:
    """Read the keys as the application does: a text, or an object of names and their keys."""
    if not text.lstrip().startswith("{"):
        return [text.strip()] if text.strip() else []
    try:
        pairs = json.loads(text)
    except ValueError:  # which holds the keys, so nothing is raised within their reach
        return []
    lists = [keys if isinstance(keys, list) else [keys] for keys in pairs.values()]
    values: Iterable[object] = chain.from_iterable(lists)
    return [each for each in values if isinstance(each, str) and each]


QUESTIONS: Final = (schedule_key, meeting_seed, certificate_secret)
