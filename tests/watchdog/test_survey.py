"""A survey reads records, instances and rows, in this order and in few calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.ec2.presence import Presence
from chalicelib.watchdog.survey import Surveyor
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, UNKNOWN, World, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.watchdog.survey import Survey

SETTINGS = make_settings()
READ = ["GET dns_records", "DescribeInstances"]


def surveyor(world: World, before: Callable[[str], None] = lambda _: None) -> Surveyor:
    """Make a surveyor whose calls are noted in the order of all, after the token was read."""
    zone = world.zone(transport=Noting(world.aws_calls, before))
    made = Surveyor(SETTINGS, world.instances(), zone, world.meetings(), world.clock)
    zone._cloudflare._token.value()
    world.forget_calls()
    return made


def survey(world: World) -> Survey:
    return surveyor(world).survey(world.steps())


def test_an_instance_that_is_only_named_is_looked_up_by_its_id(world: World) -> None:
    """The listing may not show it yet; or it has lost its tag."""
    world.put_own(UNKNOWN)
    bare = world.launch(Project="")
    world.put_row(teacher_ec2_id=bare, student_ec2_link=link(UNKNOWN))

    found = survey(world)

    assert found.instances[UNKNOWN] is None
    instance = found.instances[bare]
    assert instance is not None
    assert instance.state == "running"
    assert found.plan.findings[UNKNOWN].presence is Presence.UNCERTAIN
    assert found.plan.findings[bare].presence is Presence.FOREIGN
    # EC2 refuses a question with an unknown id as a whole
    assert world.aws_calls == [*READ, "BatchGetItem", *["DescribeInstances"] * 2]


def test_an_instance_that_ec2_neither_shows_nor_denies_keeps_its_record(world: World) -> None:
    """Without an error it may be the answer of another region."""
    world.put_own(UNKNOWN)
    world.pass_time()
    world.app_ec2.describe_instances = lambda **_: {"Reservations": []}

    found = survey(world)

    assert (found.instances, found.plan.changes) == ({}, ())
    assert found.plan.findings[UNKNOWN].waits


def test_only_address_records_of_ours_are_ours(world: World) -> None:
    ours = world.put_own(UNKNOWN)
    astray = world.put_record("www.example.com", comment=OWNER)
    world.put_record("txt.example.com", "text", comment=OWNER, kind="TXT")
    world.put_record(f"{UNKNOWN}.{DOMAIN}", "192.0.2.7", comment=f"{OWNER}1 m=m1 r=teacher")
    world.put_record(f"{UNKNOWN}.{DOMAIN}", "192.0.2.8")

    assert {record.id for record in survey(world).records} == {ours.id, astray.id}


def test_the_rows_are_those_that_valid_tags_and_records_name(world: World) -> None:
    for meeting in ("tags", "record", "no role", "other"):
        world.put_row(meeting, status="HEALTHY")
    world.desktop(meeting="tags")
    world.desktop(meeting="no row")
    world.desktop("co-host", "no role")
    world.put_own(UNKNOWN, meeting="record")

    assert survey(world).meetings.keys() == {"tags", "record"}


# What happens meanwhile


def test_a_survey_is_dated_before_its_first_read(world: World) -> None:
    """So what is created meanwhile is younger than nothing at all."""
    before = world.clock()

    found = surveyor(world, lambda _: world.pass_time(1)).survey(world.steps())

    assert abs(found.at.timestamp() - before) < 0.001


def test_a_record_that_is_created_meanwhile_never_looks_orphaned(world: World) -> None:
    """Its instance was launched after the listing, or the record after it was listed."""

    def launch() -> None:
        world.put_own(world.desktop())
        world.put_own(UNKNOWN)

    world.meanwhile("DescribeInstances", launch)
    world.pass_time()
    found = survey(world)

    assert found.records == ()
    assert [str(change).partition(" ")[0] for change in found.plan.changes] == ["create"]


def test_an_instance_that_is_launched_meanwhile_is_not_taken_for_gone(world: World) -> None:
    """A record that is seen has an instance that is looked up after it."""
    launched: list[str] = []
    made = surveyor(world, lambda _: launched.append(world.serving()))
    world.pass_time()

    found = made.survey(world.steps())

    assert [record.name for record in found.records] == [f"{launched[0]}.{DOMAIN}"]
    assert found.plan.changes == ()
