"""What `doctor` says of other stages: of this project, and of this account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from ops import checks_neighbours
from ops.account import Account
from ops.check import Context, Level, run
from ops.stages import ConfigFile
from tests.ops.projects import account as kept_account
from tests.world import ACCOUNT, REGION

if TYPE_CHECKING:
    from pathlib import Path

    from ops.check import Check
    from tests.world import World

MEETINGS = {
    "FEATURES": "meetings",
    "AMI_ID": "ami-00000000",
    "SECURITY_GROUP_IDS": "sg-00000000",
    "TABLE_NAME": "elephant-test-meetings",
}
NOTHING: dict[str, str] = {}


class StreamAccount(Account):
    """An account with a table, and functions that read its stream."""

    def __init__(self, *readers: str, code: str = "") -> None:
        super().__init__(REGION)
        self.readers, self.code = readers, code

    def client(self, service: str) -> Any:  # noqa: ANN401
        return self if service in {"dynamodb", "lambda"} else kept_account().client(service)

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803 (AWS's name)
        if self.code:
            raise ClientError({"Error": {"Code": self.code}}, "DescribeTable")
        return {"Table": {"LatestStreamArn": f"{TableName}/stream"}}

    def get_paginator(self, _: str) -> StreamAccount:
        return self

    def paginate(self, EventSourceArn: str) -> list[dict[str, Any]]:  # noqa: N803 (AWS's name)
        assert EventSourceArn == "elephant-test-meetings/stream"
        where = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
        return [
            {"EventSourceMappings": [{"FunctionArn": f"{where}:{each}"}]} for each in self.readers
        ]


def checks(
    project: Path,
    account: Account,
    mine: dict[str, str] = NOTHING,
    other: dict[str, str] = NOTHING,
) -> dict[str, Check]:
    """Examine the stage with these variables, beside another one if it has any."""
    config_file = ConfigFile(project)
    config = config_file.load()
    stage = config["stages"]["test"]
    required = stage["environment_variables"]
    stage["environment_variables"] = required | mine
    if other:
        config["stages"]["other"] = stage | {"environment_variables": required | other}
    config_file.path.write_text(json.dumps(config))
    context = Context(config_file, "test", account=lambda _: account)
    questions = (*checks_neighbours.OF_THE_PROJECT, *checks_neighbours.OF_THE_ACCOUNT)
    return {each.name: each for each in run(questions, context)}


def test_what_another_stage_of_the_project_shares_is_said(project: Path) -> None:
    other = MEETINGS | {"OWNER": "elephant:other", "DOMAIN_ROOT": "other.example.com"}

    found = checks(project, StreamAccount(), MEETINGS, other)

    assert found["other stages other table"].level is Level.FAILURE
    assert "--table elephant-test-meetings" in found["other stages other table"].remedy
    assert found["other stages other tag"].level is Level.WARNING


def test_desktops_of_other_owners_are_counted(world: World, project: Path) -> None:
    world.desktop()
    world.terminate(world.launch(owner="elephant:gone"))
    for _ in range(2):
        world.launch(owner="elephant:other")

    check = checks(project, StreamAccount())["other desktops"]

    assert check.level is Level.WARNING
    assert "as well: 2 of elephant:other." in check.found


@pytest.mark.parametrize(
    ("readers", "code", "level", "found"),
    [
        (("elephant-test-terminator", "elephant-o-terminator"), "", Level.FAILURE, "elephant-o"),
        (("elephant-test-terminator", "reports"), "", Level.OK, ""),
        ((), "AccessDenied", Level.FAILURE, "could not check other terminators"),
        ((), "ResourceNotFoundException", None, ""),  # which the table's own check says
    ],
)
def test_another_stages_terminator_on_the_tables_stream_is_a_failure(
    project: Path, readers: tuple[str, ...], code: str, level: Level | None, found: str
) -> None:
    check = checks(project, StreamAccount(*readers, code=code), MEETINGS).get("other terminators")

    assert (check and check.level) is level
    assert check is None or check.found.startswith(found)
