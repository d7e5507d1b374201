"""Stages that would fight are refused, and what they share is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.dns.record import ownership_comment
from chalicelib.meeting_row.meeting import Assignment
from chalicelib.settings.stage import CLOUDFLARE_API
from ops.neighbours import PROJECT_TAG as DEFAULT_TAG
from ops.neighbours import (
    Neighbour,
    Over,
    conflicts,
    default_owner,
    default_table,
    refuse_new_conflicts,
)
from ops.stages import ConfigError, ConfigFile, Stage

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT, REGION = "123456789012", "us-west-2"
MEETINGS, ONE = {"FEATURES": "meetings"}, {"TABLE_NAME": "one"}
SAME_NAMES = {"PROJECT_TAG": "A=b", "DOMAIN_ROOT": "example.com"}


def made(name: str, **variables: str) -> dict[str, str]:
    """Return the variables of a stage made with the defaults, under a domain of its own."""
    defaults = {
        "DOMAIN_ROOT": f"{name}.example.com",
        "ZONE_ID": "0" * 32,
        "SECRET_ARN": f"elephant/{name}/cloudflare",
        "OWNER": default_owner(name, ACCOUNT, REGION),
        "TABLE_NAME": default_table(name),
        "PROJECT_TAG": f"Project={name}",
    }
    return {key: text for key, text in (defaults | variables).items() if text != "-"}


def config(tmp_path: Path, **stages: dict[str, str]) -> ConfigFile:
    """Write a configuration; each stage lives in the same account and region."""
    own = {"account": ACCOUNT, "region": REGION}
    every: dict[str, Any] = {
        name: {"elephant": own, "environment_variables": variables}
        for name, variables in stages.items()
    }
    (tmp_path / ".chalice").mkdir(exist_ok=True)
    (tmp_path / ".chalice/config.json").write_text(json.dumps({"stages": every}))
    return ConfigFile(tmp_path)


@pytest.mark.parametrize(
    ("mine", "theirs", "over"),
    [
        ({}, {}, []),
        ({"OWNER": "elephant:x"}, {"OWNER": "elephant:x"}, [Over.OWNER]),
        ({"OWNER": "elephant:x"}, {"OWNER": "elephant:x", "ZONE_ID": "1" * 32}, [Over.OWNER]),
        # a table that is not named is the settings' default one
        (MEETINGS | {"TABLE_NAME": "-"}, {"TABLE_NAME": "elephant-meetings"}, [Over.TABLE]),
        (ONE, MEETINGS | ONE, [Over.TABLE]),
        (ONE, ONE, []),
        ({"TABLE_NAME": ""}, {"TABLE_NAME": ""}, []),
        (ONE | {"PROJECT_TAG": "-"}, ONE | {"PROJECT_TAG": DEFAULT_TAG}, [Over.TABLE, Over.TAG]),
        (SAME_NAMES, SAME_NAMES, [Over.NAMES]),
    ],
)
def test_what_two_stages_share_is_found(
    tmp_path: Path, mine: dict[str, str], theirs: dict[str, str], over: list[Over]
) -> None:
    dev = Neighbour("dev", (ACCOUNT, REGION, CLOUDFLARE_API), made("dev", **mine))
    config_file = config(tmp_path, dev=made("dev", **mine), prod=made("prod", **theirs))

    assert [each.over for each in conflicts(config_file, dev)] == over


def test_in_another_region_only_the_owner_in_the_zone_matters(tmp_path: Path) -> None:
    same = made("prod", **MEETINGS)
    elsewhere = Neighbour("dev", (ACCOUNT, "eu-west-1", CLOUDFLARE_API), same)

    (found,) = conflicts(config(tmp_path, prod=same), elsewhere)
    assert found.over is Over.OWNER
    assert conflicts(config(tmp_path, prod=same | {"ZONE_ID": "1" * 32}), elsewhere) == ()


def test_a_new_fight_is_refused_with_the_way_out_of_it(tmp_path: Path) -> None:
    dev = made("dev", TABLE_NAME="one", FEATURES="")
    config_file = config(tmp_path, prod=made("prod", TABLE_NAME="one", FEATURES="meetings"))

    with pytest.raises(ConfigError, match=r"'prod' has the table one .*--table elephant-dev-me"):
        refuse_new_conflicts(config_file, Stage("dev", ACCOUNT, REGION, dev))


def test_what_stands_already_keeps_no_stage_from_being_changed(tmp_path: Path) -> None:
    both = {"TABLE_NAME": "one", "PROJECT_TAG": "A=b"}
    dev = made("dev", **both)
    config_file = config(tmp_path, dev=dev, prod=made("prod", **both))
    changed = Stage("dev", ACCOUNT, REGION, dev | {"TTL": "1"})

    found = refuse_new_conflicts(config_file, changed)

    assert [(each.over, each.is_fight) for each in found] == [(Over.TABLE, True), (Over.TAG, False)]


@pytest.mark.parametrize("name", ["prod", "a-stage-with-a-name-that-is-too-long"])
def test_the_default_owner_is_different_in_every_place(name: str) -> None:
    places = {(ACCOUNT, REGION), ("210987654321", REGION), (ACCOUNT, "ap-southeast-2")}
    owners = {default_owner(name, *place) for place in places}

    assert len(owners) == len(places)
    assert all(len(owner) <= 64 for owner in owners)


def test_the_default_owner_leaves_room_for_the_meeting_in_a_records_comment() -> None:
    meeting = Assignment("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "teacher")
    owner = default_owner("prod", ACCOUNT, "ap-southeast-2")

    assert "r=teacher" in ownership_comment(owner, meeting)
