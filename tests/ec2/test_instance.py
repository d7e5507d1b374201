"""EC2 is asked exactly for what is needed, and its answer is read for what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from chalicelib.ec2.instances import OWNER_TAG, IncompleteAnswerError, Instance, Instances

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.session import Session

PROJECT = ("Project", "Elephant")
INSTANCE = "i-0123456789abcdef0"
LAUNCHED_AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


class Cloud:
    """EC2 in one region, and what the application asked of it."""

    def __init__(self, client: Any, application_client: Any) -> None:  # noqa: ANN401
        self.client = client
        self.application_client = application_client
        self.calls: list[str] = []
        application_client.meta.events.register("before-call.ec2.*", self._record)
        self.instances = Instances(application_client, PROJECT, None)

    def launch(self, **tags: str) -> str:
        """Launch an instance and return its id."""
        answer = self.client.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        return str(answer["Instances"][0]["InstanceId"])

    def found(self, instance_id: str) -> Instance:
        """Find an instance that is there."""
        instance = self.instances.find(instance_id)
        assert instance is not None
        return instance

    def ids_of_meeting(self, meeting_id: str) -> set[str]:
        return {instance.id for instance in self.instances.of_meeting(meeting_id)}

    def _record(self, model: Any, **_: object) -> None:  # noqa: ANN401
        self.calls.append(model.name)


@pytest.fixture(scope="module")
def session() -> Session:
    """Make the session of all clients here, which reads each service's model once."""
    return botocore.session.get_session()


@pytest.fixture
def cloud(session: Session) -> Iterator[Cloud]:
    """Make an EC2 without instances."""
    with mock_aws():
        yield Cloud(
            session.create_client("ec2", region_name="us-west-2"),
            session.create_client("ec2", region_name="us-west-2"),
        )


class Pages:
    """EC2 that answers with pages made up in a test, and keeps what was asked."""

    def __init__(self, *pages: Mapping[str, Any]) -> None:
        self._pages = list(pages)
        self.requests: list[dict[str, object]] = []

    def describe_instances(self, **request: object) -> Mapping[str, Any]:
        self.requests.append(dict(request))
        return self._pages.pop(0)


def described(instance_id: str = INSTANCE, **members: object) -> dict[str, Any]:
    """Make an element of an answer with the members that are always there."""
    return {
        "InstanceId": instance_id,
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": LAUNCHED_AT,
        **members,
    }


def page(*instances: dict[str, Any], **members: object) -> dict[str, Any]:
    """Make an answer, of a reservation for each instance."""
    return {"Reservations": [{"Instances": [instance]} for instance in instances], **members}


# One instance


def test_a_running_instance_is_found_with_address_and_tags_by_one_call(cloud: Cloud) -> None:
    # given an instance beside others
    cloud.launch(Project="Elephant", MeetingID="m2")
    instance_id = cloud.launch(Project="Elephant", MeetingID="m1", Role="teacher")
    raw = cloud.client.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"]

    # when it is looked for
    found = cloud.instances.find(instance_id)

    # then it is described, and nothing else was asked
    assert found == Instance(
        id=instance_id,
        state="running",
        address=raw[0]["PublicIpAddress"],
        tags={"Project": "Elephant", "MeetingID": "m1", "Role": "teacher"},
        launched_at=raw[0]["LaunchTime"],
    )
    assert cloud.calls == ["DescribeInstances"]


def test_a_stopped_instance_is_found_without_address(cloud: Cloud) -> None:
    instance_id = cloud.launch(Project="Elephant")
    cloud.client.stop_instances(InstanceIds=[instance_id])

    found = cloud.found(instance_id)

    assert (found.state, found.address, found.has_ended) == ("stopped", None, False)


def test_a_terminated_instance_is_found_as_ended(cloud: Cloud) -> None:
    instance_id = cloud.launch(Project="Elephant")
    cloud.client.terminate_instances(InstanceIds=[instance_id])

    found = cloud.found(instance_id)

    assert (found.state, found.has_ended) == ("terminated", True)


def test_an_id_that_ec2_does_not_know_is_none(cloud: Cloud) -> None:
    cloud.launch(Project="Elephant")

    assert cloud.instances.find(INSTANCE) is None
    assert cloud.calls == ["DescribeInstances"]


@pytest.mark.parametrize(
    "code",
    [
        "UnauthorizedOperation",
        "RequestLimitExceeded",
        "InvalidInstanceID.Malformed",
        "InternalError",
    ],
)
def test_any_other_refusal_is_raised_and_never_taken_for_none(cloud: Cloud, code: str) -> None:
    with Stubber(cloud.application_client) as stub:
        stub.add_client_error(
            "describe_instances", code, expected_params={"InstanceIds": [INSTANCE]}
        )
        with pytest.raises(ClientError, match=code):
            cloud.instances.find(INSTANCE)


def test_an_answer_about_another_instance_is_not_taken() -> None:
    other = described("i-0fedcba9876543210", PublicIpAddress="192.0.2.1")

    for answer in (page(other), page()):
        with pytest.raises(IncompleteAnswerError, match=INSTANCE):
            Instances(Pages(answer), PROJECT, None).find(INSTANCE)


def test_the_instance_is_found_among_others_in_the_answer() -> None:
    pages = Pages(page(described("i-0fedcba9876543210"), described(PublicIpAddress="192.0.2.1")))

    found = Instances(pages, PROJECT, None).find(INSTANCE)

    assert found == Instance(INSTANCE, "running", "192.0.2.1", {}, LAUNCHED_AT)
    assert pages.requests == [{"InstanceIds": [INSTANCE]}]


# What is read of an instance


def test_a_stopped_instance_may_keep_its_elastic_address() -> None:
    stopped = described(State={"Name": "stopped"}, PublicIpAddress="192.0.2.1")

    instance = Instance.parse(stopped)

    assert (instance.state, instance.address) == ("stopped", "192.0.2.1")


@pytest.mark.parametrize("members", [{}, {"PublicIpAddress": ""}, {"PublicIpAddress": None}])
def test_no_address_is_none(members: dict[str, Any]) -> None:
    assert Instance.parse(described(**members)).address is None


def test_a_tag_may_lack_a_value() -> None:
    tags = [{"Key": "Project"}, {"Key": "Role", "Value": "teacher"}]

    assert Instance.parse(described(Tags=tags)).tags == {"Project": "", "Role": "teacher"}


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        ("pending", False),
        ("running", False),
        ("stopping", False),
        ("stopped", False),
        ("shutting-down", True),
        ("terminated", True),
    ],
)
def test_only_ending_for_good_is_an_end(state: str, ended: bool) -> None:  # noqa: FBT001
    assert Instance.parse(described(State={"Name": state})).has_ended is ended


@pytest.mark.parametrize(
    ("tags", "has"),
    [
        ({"Project": "Elephant"}, True),
        ({"Role": "teacher", "Project": "Elephant"}, True),
        ({}, False),
        ({"Project": "elephant"}, False),
        ({"Project": "Elephant2"}, False),
        ({"Project": ""}, False),
        ({"project": "Elephant"}, False),
        ({"Role": "Elephant"}, False),
    ],
)
def test_a_tag_counts_with_exactly_its_value(
    tags: dict[str, str],
    has: bool,  # noqa: FBT001
) -> None:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]

    assert Instance.parse(described(Tags=listed)).has_tag(PROJECT) is has


@pytest.mark.parametrize(
    ("reason", "moment"),
    [
        ("User initiated (2026-11-20 07:59:58 GMT)", (2026, 11, 20, 7, 59, 58)),
        ("User initiated (2026-11-20 07:59:58 UTC)", (2026, 11, 20, 7, 59, 58)),
        ("Server.SpotInstanceTermination (2026-01-02 23:00:00 GMT) x", (2026, 1, 2, 23, 0, 0)),
        ("User initiated", None),
        ("User initiated shutdown (yesterday)", None),
        ("(2026-11-20 07:59:58 PST)", None),
        ("", None),
    ],
)
def test_when_it_was_stopped_is_read_if_ec2_says_so(
    reason: str, moment: tuple[int, int, int, int, int, int] | None
) -> None:
    """The text is for people: what is not understood is not known."""
    instance = Instance.parse(described(StateTransitionReason=reason))

    assert instance.stopped_at == (datetime(*moment, tzinfo=UTC) if moment else None)


def test_a_time_of_a_stop_that_is_none_is_not_known() -> None:
    reason = "User initiated (2026-13-40 25:61:61 GMT)"

    assert Instance.parse(described(StateTransitionReason=reason)).stopped_at is None


def test_an_instance_that_was_never_stopped_says_nothing_of_it() -> None:
    assert Instance.parse(described()).stopped_at is None


@pytest.mark.parametrize("stop", ["stop_instances", "terminate_instances"])
def test_when_an_instance_was_stopped_or_ended_is_known(cloud: Cloud, stop: str) -> None:
    instance_id = cloud.launch(Project="Elephant")
    getattr(cloud.client, stop)(InstanceIds=[instance_id])

    stopped_at = cloud.found(instance_id).stopped_at

    assert stopped_at is not None
    assert timedelta(0) <= datetime.now(UTC) - stopped_at < timedelta(minutes=1)


# A meeting's instances


def test_a_meeting_has_its_own_instances_of_the_project_only(cloud: Cloud) -> None:
    teacher = cloud.launch(Project="Elephant", MeetingID="m1", Role="teacher")
    student = cloud.launch(Project="Elephant", MeetingID="m1", Role="student")
    cloud.launch(Project="Elephant", MeetingID="m2")
    cloud.launch(Project="Elephant", MeetingID="m10")
    cloud.launch(Project="Giraffe", MeetingID="m1")
    cloud.launch(MeetingID="m1")
    cloud.launch(Project="Elephant")

    assert cloud.ids_of_meeting("m1") == {teacher, student}
    assert cloud.calls == ["DescribeInstances"]


def test_another_project_has_a_tag_of_its_own(cloud: Cloud) -> None:
    cloud.launch(Project="Elephant", MeetingID="m1")
    blue = cloud.launch(Team="Blue", MeetingID="m1")

    instances = Instances(cloud.application_client, ("Team", "Blue"), None)

    assert [instance.id for instance in instances.of_meeting("m1")] == [blue]


def test_a_meeting_still_has_its_stopped_instances_and_no_ended_ones(cloud: Cloud) -> None:
    running, stopped, ended = (cloud.launch(Project="Elephant", MeetingID="m1") for _ in range(3))
    cloud.client.stop_instances(InstanceIds=[stopped])
    cloud.client.terminate_instances(InstanceIds=[ended])

    assert cloud.ids_of_meeting("m1") == {running, stopped}


def test_a_meeting_without_instances_has_none(cloud: Cloud) -> None:
    assert cloud.instances.of_meeting("m1") == ()


def test_every_page_of_a_meetings_instances_is_read() -> None:
    """An instance on a page that was not read would let its meeting be taken for ended."""
    # given three pages, of which one is empty
    ids = ["i-00000001", "i-00000002", "i-00000003"]
    pages = Pages(
        page(described(ids[0]), described(ids[1]), NextToken="second"),
        page(NextToken="third"),
        page(described(ids[2]), NextToken=""),
    )

    # when the meeting's instances are described
    found = Instances(pages, PROJECT, None).of_meeting("m1")

    # then all are found, each page was asked for by its token, and the question stayed the same
    assert [instance.id for instance in found] == ids
    filters = [
        {"Name": "tag:Project", "Values": ["Elephant"]},
        {"Name": "tag:MeetingID", "Values": ["m1"]},
    ]
    assert pages.requests == [
        {"Filters": filters, "MaxResults": 1000},
        {"Filters": filters, "MaxResults": 1000, "NextToken": "second"},
        {"Filters": filters, "MaxResults": 1000, "NextToken": "third"},
    ]


@pytest.mark.parametrize(
    ("owner", "is_listed"),
    [("elephant:prod", True), (None, True), ("elephant:dev", False), ("", False)],
)
def test_what_another_stage_launched_is_not_listed(owner: str | None, *, is_listed: bool) -> None:
    marked = [] if owner is None else [{"Key": OWNER_TAG, "Value": owner}]
    tags = [{"Key": "Project", "Value": "Elephant"}, *marked]
    pages = Pages(*[page(described("i-00000001", Tags=tags))] * 3)

    instances = Instances(pages, PROJECT, "elephant:prod")

    assert bool(instances.of_meeting("m1")) is is_listed
    assert bool(instances.of_project()) is is_listed
    assert Instances(pages, PROJECT, None).of_project()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("*", "\\*"),
        ("m?", "m\\?"),
        ("a\\b", "a\\\\b"),
        ("\\*", "\\\\\\*"),
        ("**??", "\\*\\*\\?\\?"),
        ("m-1_x.y/z", "m-1_x.y/z"),
    ],
)
def test_wildcards_in_a_meetings_id_and_a_projects_tag_stand_for_themselves(
    text: str, escaped: str
) -> None:
    """A MeetingID of `*` would otherwise be every meeting's."""
    pages = Pages(page())

    Instances(pages, ("Project", text), None).of_meeting(text)

    (request,) = pages.requests
    assert request["Filters"] == [
        {"Name": "tag:Project", "Values": [escaped]},
        {"Name": "tag:MeetingID", "Values": [escaped]},
    ]


def test_a_refused_question_about_a_meeting_is_raised(cloud: Cloud) -> None:
    with Stubber(cloud.application_client) as stub:
        stub.add_client_error("describe_instances", "RequestLimitExceeded")
        with pytest.raises(ClientError, match="RequestLimitExceeded"):
            cloud.instances.of_meeting("m1")


class Asked:
    """EC2 that knows some instances, shows or withholds them, and names what it does not know."""

    def __init__(self, known: set[str], *, names: int = 1000, hides: bool = False) -> None:
        self._known = known
        self._names = names
        self._hides = hides
        self.questions: list[list[str]] = []

    def describe_instances(self, **request: Any) -> Mapping[str, Any]:  # noqa: ANN401
        ids = request["InstanceIds"]
        self.questions.append(ids)
        unknown = [each for each in ids if each not in self._known]
        if unknown and not self._hides:
            named = f"The instance IDs '{', '.join(unknown[: self._names])}' do not exist"
            code = "InvalidInstanceID.NotFound"
            raise ClientError({"Error": {"Code": code, "Message": named}}, "DescribeInstances")
        return page(*(described(each) for each in ids if each in self._known))


IDS = [f"i-{number:08x}" for number in range(6)]


@pytest.mark.parametrize(("names", "questions"), [(1000, 2), (1, 4), (0, 11)])
def test_asked_by_id_an_instance_is_shown_or_denied(names: int, questions: int) -> None:
    """EC2 may name every id that it does not know, or one, or none."""
    ec2 = Asked(set(IDS[::2]), names=names)

    found = Instances(ec2, PROJECT, None).look_up(IDS)

    assert {each: instance and instance.id for each, instance in found.items()} == {
        each: each if each in IDS[::2] else None for each in IDS
    }
    assert len(ec2.questions) == questions


def test_what_is_neither_shown_nor_denied_is_left_out() -> None:
    ec2 = Asked(set(IDS[::2]), hides=True)

    assert list(Instances(ec2, PROJECT, None).look_up(IDS)) == IDS[::2]


def test_many_are_asked_for_at_once_and_in_a_bounded_number_of_calls() -> None:
    many = [f"i-{number:08x}" for number in range(1, 251)]
    ec2, slow = Asked(set(many)), Asked(set(), names=1)

    assert len(Instances(ec2, PROJECT, None).look_up(many)) == 250
    assert sorted(map(len, ec2.questions)) == [50, 100, 100]
    assert len(Instances(slow, PROJECT, None).look_up(many)) == 100


def test_another_refusal_of_a_question_by_id_is_raised(cloud: Cloud) -> None:
    with Stubber(cloud.application_client) as stub:
        stub.add_client_error("describe_instances", "RequestLimitExceeded")
        with pytest.raises(ClientError, match="RequestLimitExceeded"):
            cloud.instances.look_up(IDS)
