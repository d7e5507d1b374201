"""A survey looks at records, instances and rows, in this order and in few calls, or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.deadline import OutOfTimeError
from chalicelib.dns.change import Delete
from chalicelib.dns.provider import RateLimitedError, UnavailableError
from chalicelib.ec2.presence import Presence
from chalicelib.step import Steps
from chalicelib.watchdog.survey import Surveyor
from localcloud.cloudflare import Fault, FaultKind
from tests.transports import Noting
from tests.world import DOMAIN, OWNER, TABLE, World, link, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.watchdog.survey import Survey

UNKNOWN = "i-0123456789abcdef0"
SETTINGS = make_settings()


def surveyor(world: World, before: Callable[[str], None] = lambda _: None) -> Surveyor:
    """Make a surveyor whose calls are noted in the order of all, after the token was read."""
    zone = world.zone(transport=Noting(world.aws_calls, before))
    made = Surveyor(SETTINGS, world.instances(), zone, world.meetings(), world.clock)
    zone._cloudflare._token.value()
    world.forget_calls()
    return made


def survey(world: World) -> Survey:
    return surveyor(world).survey(world.steps())


# What is seen


def test_records_are_read_before_instances_and_instances_before_rows(world: World) -> None:
    world.put_own(world.desktop())
    world.put_row(status="HEALTHY")

    survey(world)

    assert world.aws_calls == ["GET dns_records", "DescribeInstances", "BatchGetItem"]


def test_an_instance_that_is_only_named_is_asked_for_by_its_id(world: World) -> None:
    """The listing may not show it yet; or it has lost its tag."""
    world.put_own(UNKNOWN)
    bare = world.launch(Project="")
    world.put_row(teacher_ec2_id=bare)

    found = survey(world)

    assert found.instances[UNKNOWN] is None
    instance = found.instances[bare]
    assert instance is not None
    assert instance.state == "running"
    assert world.aws_calls == [
        "GET dns_records",
        "DescribeInstances",
        "BatchGetItem",
        *["DescribeInstances"] * 2,  # EC2 refuses a question with an unknown id as a whole
    ]


def test_an_empty_world_is_two_calls(world: World) -> None:
    found = survey(world)

    assert (found.records, found.instances, found.meetings, found.plan.changes) == ((), {}, {}, ())
    assert world.aws_calls == ["GET dns_records", "DescribeInstances"]


def test_many_of_each_are_few_calls(world: World) -> None:
    for number, instance_id in enumerate(world.launch_many(250, Project="Giraffe")):
        world.put_own(instance_id, meeting=f"m{number}")
        world.put_row(f"m{number}", status="HEALTHY")

    found = survey(world)

    assert (len(found.records), len(found.instances), len(found.meetings)) == (250, 250, 250)
    assert world.aws_calls == [
        "GET dns_records",
        "DescribeInstances",
        *["BatchGetItem"] * 3,
        *["DescribeInstances"] * 3,
    ]


def test_only_address_records_of_ours_are_ours(world: World) -> None:
    ours = world.put_own(UNKNOWN)
    astray = world.put_record("www.example.com", comment=OWNER)
    world.put_record("txt.example.com", "text", comment=OWNER, kind="TXT")
    world.put_record(f"{UNKNOWN}.{DOMAIN}", "192.0.2.7", comment=f"{OWNER}1 m=m1 r=teacher")
    world.put_record(f"{UNKNOWN}.{DOMAIN}", "192.0.2.8")

    assert {record.id for record in survey(world).records} == {ours.id, astray.id}


def test_a_record_of_ours_under_an_older_domain_names_its_instance(world: World) -> None:
    world.put_record(f"{UNKNOWN}.old.example.com", comment=f"{OWNER} managed by Elephant")
    world.pass_time()

    found = survey(world)

    assert found.instances == {UNKNOWN: None}
    assert [type(each) for each in found.plan.findings[UNKNOWN].changes] == [Delete]


@pytest.mark.parametrize("name", [f"x.{UNKNOWN}.{DOMAIN}", f"i-1.{DOMAIN}", DOMAIN])
def test_a_record_of_ours_under_another_name_names_no_instance(world: World, name: str) -> None:
    world.put_record(name, comment=f"{OWNER} managed by Elephant")
    world.pass_time()

    found = survey(world)

    assert found.instances == {}
    assert list(found.plan.findings) == [name]
    assert world.aws_calls == ["GET dns_records", "DescribeInstances"]


def test_the_rows_are_those_that_tags_and_records_name(world: World) -> None:
    for meeting in ("tags", "record", "other"):
        world.put_row(meeting, status="HEALTHY")
    world.desktop(meeting="tags")
    world.desktop(meeting="no row")
    world.put_own(UNKNOWN, meeting="record")

    assert survey(world).meetings.keys() == {"tags", "record"}


def test_a_role_that_names_no_attribute_leads_to_no_row(world: World) -> None:
    world.put_row("m1", status="HEALTHY")
    world.desktop("co-host")

    assert survey(world).meetings == {}
    assert "BatchGetItem" not in world.aws_calls


def test_instances_that_rows_name_are_seen_as_well(world: World) -> None:
    world.desktop()
    bare = world.launch(Project="")
    world.put_row(teacher_ec2_link=link(UNKNOWN), student_ec2_id=bare)

    found = survey(world)

    assert found.instances[UNKNOWN] is None
    assert found.instances[bare]
    assert found.plan.findings[UNKNOWN].presence is Presence.UNCERTAIN
    assert found.plan.findings[bare].presence is Presence.FOREIGN


def test_a_stage_without_a_table_reads_no_row(world: World) -> None:
    world.desktop()
    world.put_row(teacher_ec2_id=UNKNOWN)
    surveyor = Surveyor(SETTINGS, world.instances(), world.zone(), None, world.clock)

    found = surveyor.survey(world.steps())

    assert found.meetings == {}
    assert UNKNOWN not in found.instances
    assert "BatchGetItem" not in world.aws_calls


def test_a_survey_is_dated_before_its_first_look(world: World) -> None:
    """So what was made meanwhile is younger than nothing at all."""
    before = world.clock()
    moments: list[float] = []

    def note(_: str) -> None:
        moments.append(world.clock())

    found = surveyor(world, note).survey(world.steps())

    assert before <= found.at.timestamp() <= moments[0]


# What happens meanwhile


def test_a_record_that_is_made_meanwhile_never_looks_orphaned(world: World) -> None:
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
    """A record that is seen has an instance that is asked for after it."""
    launched: list[str] = []

    def launch(_: str) -> None:
        launched.append(world.desktop())
        world.put_own(launched[0], world.address(launched[0]))

    made = surveyor(world, launch)
    world.pass_time()
    found = made.survey(world.steps())

    assert [record.name for record in found.records] == [f"{launched[0]}.{DOMAIN}"]
    assert found.plan.changes == ()


# What fails


@pytest.fixture
def busy(world: World) -> World:
    """Make a world in which a survey makes every kind of read."""
    world.put_own(UNKNOWN)
    world.desktop()
    world.put_row(status="HEALTHY", student_ec2_id=world.launch(Project=""))
    return world


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(FaultKind.EDGE_ERROR, times=3), UnavailableError),
        (Fault(FaultKind.DROP, times=3), UnavailableError),
        (Fault(FaultKind.UNSUCCESSFUL, times=3), UnavailableError),
        (Fault(FaultKind.RATE_LIMITED), RateLimitedError),
    ],
)
def test_a_list_of_records_that_fails_is_no_survey(
    busy: World, fault: Fault, error: type[Exception]
) -> None:
    busy.cloudflare.faults.add(fault)

    with pytest.raises(error):
        survey(busy)

    assert set(busy.aws_calls) == {"GET dns_records"}


def test_a_refusal_of_ec2_is_no_survey(busy: World) -> None:
    busy.fail("DescribeInstances", "UnauthorizedOperation")

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        survey(busy)


def test_a_refusal_of_the_second_question_to_ec2_is_no_survey(busy: World) -> None:
    busy.meanwhile("BatchGetItem", lambda: busy.fail("DescribeInstances", "RequestLimitExceeded"))

    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        survey(busy)

    assert busy.aws_calls[-1] == "DescribeInstances"
    assert busy.aws_calls.count("DescribeInstances") == 2


def test_rows_that_are_left_out_are_named(busy: World, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [{"id": {"S": "m1"}}]
    answer = {"Responses": {}, "UnprocessedKeys": {TABLE: {"Keys": keys}}}
    monkeypatch.setattr(busy.app_dynamodb, "batch_get_item", lambda **_: answer)

    found = survey(busy)

    assert (found.meetings, list(found.unread), found.errors) == ({}, ["m1"], ())


def test_past_the_deadline_there_is_no_survey(busy: World) -> None:
    made = surveyor(busy)

    with pytest.raises(OutOfTimeError):
        made.survey(Steps(busy.executor, busy.deadline(0.05)))

    assert busy.aws_calls == []
