"""The models that the functions carry are botocore's own, and hold all that is read of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import aws
from chalicelib.instance import Instances
from ops.models import CALLS, DIRECTORY, models
from ops.reach import Code
from tests.world import REGION, World

if TYPE_CHECKING:
    import pytest


def test_the_files_are_what_the_installed_botocore_says() -> None:
    """After an update of botocore: python -m ops.models."""
    kept = {
        path.relative_to(DIRECTORY): path.read_text()
        for path in DIRECTORY.rglob("*")
        if path.is_file()
    }
    assert kept == dict(models())


def test_every_call_that_the_code_can_reach_is_in_the_models() -> None:
    code = Code(DIRECTORY.parent.parent)
    reached = {call.action for function in code.functions for call in code.calls(function)}
    assert reached == {f"{service}:{name}" for service, calls in CALLS.items() for name in calls}


def test_an_instance_is_read_as_it_is_with_the_whole_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given an instance that has everything, as a running one and as one that has ended
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    aws._session.cache_clear()
    tag = ("Project", "Elephant")
    small, whole = Instances(aws.client("ec2"), tag), Instances(world.ec2, tag)
    aws._session.cache_clear()
    running, ended = world.desktop(), world.desktop()
    world.terminate(ended)

    # when it is described through the small model and through botocore's, then both say the same
    for instance_id in (running, ended):
        assert small.find(instance_id) == whole.find(instance_id)
    assert small.of_project() == whole.of_project()
    found: Any = small.find(running)
    assert (found.address, found.tags["Role"]) == (world.address(running), "teacher")
