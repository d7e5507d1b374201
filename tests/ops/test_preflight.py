"""Stages that would conflict, and records of others, are found before anything is done."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.dns.record import Record, ownership_comment
from chalicelib.meeting_row.meeting import Assignment
from chalicelib.settings.formats import CLOUDFLARE_API
from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Fault, FaultKind
from ops.cloudflare_zone import ZoneView
from ops.neighbours import PROJECT_TAG as DEFAULT_TAG
from ops.neighbours import (
    Neighbour,
    Over,
    conflicts,
    default_owner,
    default_table,
    refuse_new_conflicts,
)
from ops.preflight import check_neighbours, check_renamed_owner, check_zone, unknown_records
from ops.stages import ConfigError, ConfigFile, Stage
from tests.ops.projects import account, silent, variables_in
from tests.world import ACCOUNT, DOMAIN, OWNER, REGION, World

if TYPE_CHECKING:
    from pathlib import Path

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
    # in another region only the owner in the zone matters
    elsewhere = Neighbour("dev", (ACCOUNT, "eu-west-1", CLOUDFLARE_API), dev.variables)
    of_owner = [Over.OWNER] if Over.OWNER in over and "ZONE_ID" not in theirs else []
    assert [each.over for each in conflicts(config_file, elsewhere)] == of_owner


def test_what_stands_already_keeps_no_stage_from_being_changed(tmp_path: Path) -> None:
    both = {"TABLE_NAME": "one", "PROJECT_TAG": "A=b"}
    dev = made("dev", **both)
    config_file = config(tmp_path, dev=dev, prod=made("prod", **both))
    changed = Stage("dev", ACCOUNT, REGION, dev | {"TTL": "1"})

    found = refuse_new_conflicts(config_file, changed)

    assert [(each.over, each.is_fight) for each in found] == [(Over.TABLE, True), (Over.TAG, False)]


@pytest.mark.parametrize("name", ["prod", "a-stage-with-a-name-that-is-too-long"])
def test_the_default_owner_differs_in_every_place_and_leaves_room_in_a_records_comment(
    name: str,
) -> None:
    places = {(ACCOUNT, REGION), ("210987654321", REGION), (ACCOUNT, "ap-southeast-2")}
    owners = {default_owner(name, *place) for place in places}

    assert len(owners) == len(places)
    assert all(len(owner) <= 64 for owner in owners)
    meeting = Assignment("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "teacher")
    owner = default_owner("prod", ACCOUNT, "ap-southeast-2")
    assert "r=teacher" in ownership_comment(owner, meeting)


GONE = "i-0123456789abcdef0"


def stage(world: World, **variables: str) -> Stage:
    """Make a stage in the world."""
    return Stage("test", ACCOUNT, REGION, variables_in(world) | variables)


def view(world: World, zone_id: str = DEFAULT_ZONE_ID) -> ZoneView:
    return ZoneView(world.cloudflare.url, DEFAULT_TOKEN, zone_id, sleep=lambda _: None)


def record(name: str) -> Record:
    return Record.address(name, "203.0.113.7", proxied=True, ttl=1, comment=OWNER)


# The zone


@pytest.mark.parametrize(
    ("zone_id", "domain", "said"),
    [
        ("f" * 32, DOMAIN, f"fff cannot be read: .* was deployed; .*--zone-id {DEFAULT_ZONE_ID}"),
        (DEFAULT_ZONE_ID, "desktops.another.org", r"not in the zone example\.com .*--zone-id …"),
    ],
)
def test_a_wrong_zone_is_refused_with_the_right_ones_id(
    world: World, zone_id: str, domain: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check_zone(view(world, zone_id), stage(world, ZONE_ID=zone_id, DOMAIN_ROOT=domain), silent)


def test_a_cloudflare_that_does_not_answer_keeps_nobody_from_deploying(world: World) -> None:
    lines: list[str] = []
    world.cloudflare.faults.add(Fault(FaultKind.EDGE_ERROR, times=None))

    assert check_zone(view(world), stage(world), lines.append) == ()
    assert "the zone is not checked" in lines[0]


# Whose records they are


def test_records_of_unknown_instances_or_of_other_names_are_not_this_stages(world: World) -> None:
    known = world.launch()
    names = [f"{each}.{DOMAIN}" for each in (known, GONE, "www")] + [f"{known}.lab.example.com"]

    found = unknown_records(map(record, names), account(), stage(world))

    assert set(found) == set(names[1:])


# A change of owner


def test_an_owner_is_not_changed_while_something_bears_it(world: World) -> None:
    renamed, there = stage(world, OWNER="elephant:new"), account()
    desktop = world.desktop()
    with pytest.raises(ConfigError, match=f"the desktop {desktop} .*--owner {OWNER}"):
        check_renamed_owner(OWNER, None, there, renamed)

    world.terminate(desktop)
    world.put_own(GONE, "192.0.2.200")  # which another deployment made
    check_renamed_owner(OWNER, view(world), there, renamed)
    by_hand = world.launch()
    world.put_own(by_hand, "192.0.2.201")
    with pytest.raises(ConfigError, match=f"the record {by_hand}"):
        check_renamed_owner(OWNER, view(world), there, renamed)


@pytest.mark.parametrize("before", [None, OWNER])
def test_an_owner_that_stays_needs_no_look(world: World, before: str | None) -> None:
    check_renamed_owner(before, view(world), account(), stage(world))

    assert world.calls == ([], [])


# Neighbours


def test_a_new_stage_that_would_fight_is_not_deployed_and_an_old_one_is_with_a_word(
    world: World, tmp_path: Path
) -> None:
    mine, lines = stage(world, TABLE_NAME="one"), list[str]()
    config_file = config(tmp_path, other={**mine.variables, "OWNER": "elephant:other"})

    with pytest.raises(ConfigError, match="stage 'other' has the table"):
        check_neighbours(config_file, mine, lines.append, is_new=True)
    check_neighbours(config_file, mine, lines.append, is_new=False)

    assert [line.partition(":")[0] for line in lines] == ["warning", "warning"]
