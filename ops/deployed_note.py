"""Chalice's record of what it deployed, `.chalice/deployed/STAGE.json`.

Chalice finds functions, roles and rules again by their names, but APIs and mappings of streams
only through this file: without it, it would create a second API.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ops.account import readable_errors
from ops.api import api_stage, apis_of, url_of
from ops.stages import ConfigError
from ops.stream import READERS, mappings
from ops.written_files import to_text, write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from ops.account import Account
    from ops.stages import ConfigFile, Stage

API: Final = "rest_api"
MAPPINGS: Final = {reader: f"{reader}-dynamodb-event-source" for reader in READERS}
"""Chalice's names for them within the file."""


def note_path(config_file: ConfigFile, stage: Stage) -> Path:
    """Return the path of Chalice's record."""
    return config_file.path.parent / "deployed" / f"{stage.name}.json"


@contextmanager
def kept_readable(path: Path) -> Iterator[None]:
    """Put the record back as it was if Chalice is ended while it writes it.

    An outdated record is completed by the next deployment, an unreadable one would stop it.
    """
    before = path.read_text() if path.exists() else None
    try:
        yield
    except BaseException:
        if path.exists() and not _is_json(path.read_text()):
            write_files({path: before})
        raise


def complete_note(
    config_file: ConfigFile,
    stage: Stage,
    account: Account,
    stream_arn: str | None,
    say: Callable[[str], None],
) -> None:
    """Update the record with the stage's existing API and its mappings of this stream.

    Without a stream any mapping is recorded, so that Chalice removes it. One of another stream
    is dropped, since Chalice would keep it. Raises ConfigError if there are several APIs, of which
    the operator has to choose one; AwsError.
    """
    path = note_path(config_file, stage)
    resources = _resources(path)
    noted = {each.get("name"): each for each in resources}
    with readable_errors("look for the stage's API and mapping"):
        apis = apis_of(account.client("apigateway"), stage)
        read = {each: mappings(account.client("lambda"), stage, each) for each in READERS}
    right: dict[str, dict[str, Any] | None] = {}
    if apis and noted.get(API, {}).get("rest_api_id") not in apis:
        url = url_of(_only(apis), stage, api_stage(config_file.load(), stage))
        right[API] = {"resource_type": "rest_api", "rest_api_id": apis[0], "rest_api_url": url}
    for reader, name in MAPPINGS.items():
        there = [each for each in read[reader] if stream_arn in {None, each["EventSourceArn"]}]
        known = {each["UUID"] for each in there}
        if noted.get(name, {}).get("event_uuid") not in known:
            right[name] = _mapping(there[0]) if there else None
    changed = {name: each for name, each in right.items() if each or name in noted}
    if not changed:
        return
    kept = [each for each in resources if each.get("name") not in changed]
    found = [{"name": name, **each} for name, each in changed.items() if each]
    document = {"resources": [*kept, *found], "schema_version": "2.0", "backend": "api"}
    write_files({path: to_text(document)})
    for each in found:
        thing = each.get("rest_api_id") or each["event_uuid"]
        say(f"{path.name} did not know the existing {each['name']} {thing}: recorded")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _mapping(there: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resource_type": "dynamodb_event",
        "stream_arn": there["EventSourceArn"],
        "event_uuid": there["UUID"],
        "lambda_arn": there["FunctionArn"],
    }


def _only(apis: list[str]) -> str:
    if len(apis) > 1:
        raise ConfigError(
            f"the stage has several APIs ({', '.join(apis)}), and no record says which of them "
            "people use: remove the others with `aws apigateway delete-rest-api --rest-api-id …`, "
            "then run the same command again"
        )
    return apis[0]


def _resources(path: Path) -> list[dict[str, Any]]:
    try:
        noted = json.loads(path.read_text())
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ConfigError(
            f"{path} is not valid JSON: {error}; remove it, and run this again"
        ) from error
    return list(noted.get("resources", []))
