"""What is looked at before a stage is deployed or removed: its zone, and whose its records are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from chalicelib.dns.record import Record
from localcloud.cloudflare import DEFAULT_TOKEN, DEFAULT_ZONE_ID, Fault, FaultKind
from ops.cloudflare_zone import ZoneView
from ops.preflight import (
    check_neighbours,
    check_new_owner,
    check_records_to_remove,
    check_renamed_owner,
    check_zone,
    unknown_records,
)
from ops.stages import ConfigError, ConfigFile, Stage
from tests.ops.projects import account
from tests.world import ACCOUNT, DOMAIN, OWNER, REGION, SECRET, World

if TYPE_CHECKING:
    from pathlib import Path

GONE = "i-0123456789abcdef0"


def stage(world: World, **variables: str) -> Stage:
    """Make a stage in the world."""
    required = {
        "DOMAIN_ROOT": DOMAIN,
        "ZONE_ID": DEFAULT_ZONE_ID,
        "SECRET_ARN": SECRET,
        "OWNER": OWNER,
        "CLOUDFLARE_API_URL": world.cloudflare.url,
    }
    return Stage("test", ACCOUNT, REGION, required | variables)


def view(world: World, zone_id: str = DEFAULT_ZONE_ID) -> ZoneView:
    return ZoneView(world.cloudflare.url, DEFAULT_TOKEN, zone_id, sleep=lambda _: None)


def record(name: str) -> Record:
    return Record.address(name, "203.0.113.7", proxied=True, ttl=1, comment=OWNER)


def said(_: str) -> None:
    """Take what is said."""


# The zone


def test_the_right_zone_gives_our_records(world: World) -> None:
    instance_id = world.launch()
    world.put_own(instance_id)

    (found,) = check_zone(view(world), stage(world), said)

    assert found.name == f"{instance_id}.{DOMAIN}"


def test_a_zone_that_cannot_be_read_is_refused_with_the_right_ones_id(world: World) -> None:
    with pytest.raises(ConfigError, match=f"Nothing was deployed; .*--zone-id {DEFAULT_ZONE_ID}"):
        check_zone(view(world, "f" * 32), stage(world, ZONE_ID="f" * 32), said)


def test_a_zone_that_the_domain_does_not_lie_in_is_refused(world: World) -> None:
    elsewhere = stage(world, DOMAIN_ROOT="desktops.another.org")

    with pytest.raises(ConfigError, match=r"is not in the zone example\.com .*--zone-id …"):
        check_zone(view(world), elsewhere, said)


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


def test_a_new_stage_does_not_take_the_owner_of_another_deployment(world: World) -> None:
    mine = f"{world.launch()}.{DOMAIN}"
    check_new_owner([record(mine)], account(), stage(world))

    theirs = [record(f"i-{number:017x}.{DOMAIN}") for number in range(5)]
    with pytest.raises(ConfigError, match=r"and 2 more in the zone have .*--owner elephant:ANOTHE"):
        check_new_owner(theirs, account(), stage(world))


def test_the_records_of_another_deployment_are_not_removed(world: World) -> None:
    check_records_to_remove([record(f"{world.launch()}.{DOMAIN}")], account(), stage(world))

    with pytest.raises(ConfigError, match="nothing was removed"):
        check_records_to_remove([record(f"{GONE}.{DOMAIN}")], account(), stage(world))


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
    world: World, project: Path
) -> None:
    mine = stage(world, TABLE_NAME="one")
    config_file = ConfigFile(project)
    config = config_file.load()
    other = {**mine.variables, "OWNER": "elephant:other"}
    config["stages"]["other"] = config["stages"]["test"] | {"environment_variables": other}
    config_file.path.write_text(json.dumps(config))
    lines: list[str] = []

    with pytest.raises(ConfigError, match="stage 'other' has the table"):
        check_neighbours(config_file, mine, lines.append, is_new=True)
    check_neighbours(config_file, mine, lines.append, is_new=False)

    assert [line.partition(":")[0] for line in lines] == ["warning", "warning"]
