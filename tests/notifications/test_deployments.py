"""A deployment is read as CodeDeploy describes it, and one that it does not know is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from chalicelib.notifications.deployments import Deployments
from tests.notifications.test_notices import COMMIT, FAILED, GITHUB, S3, at

if TYPE_CHECKING:
    from tests.notifications.office import Office


def test_a_deployment_is_described(office: Office) -> None:
    deployment_id = office.deploy(
        S3, **{key: value for key, value in FAILED.items() if key != "revision"}
    )

    found = Deployments(office.codedeploy).look_up_deployment(deployment_id)

    assert found
    assert found.revision
    assert found.revision.version == "1.4.2"
    assert (found.began_at, found.completed_at) == (at(15, 20), None)
    assert (found.error_code, found.error) == ("HEALTH_CONSTRAINTS", "Too few healthy instances.")
    assert found.instances["Failed"] == 2
    assert found.rollback == "Rolled back."


def test_a_deployment_that_just_began_has_neither_end_nor_error(office: Office) -> None:
    found = Deployments(office.codedeploy).look_up_deployment(office.deploy(GITHUB))

    assert found
    assert found.revision
    assert found.revision.name == f"acme/shop@{COMMIT}"
    assert found.began_at is not None
    assert (found.completed_at, found.error_code, found.rollback) == (None, "", "")


def test_a_deployment_that_is_not_known_is_none(office: Office) -> None:
    assert Deployments(office.codedeploy).look_up_deployment("d-A1B2C3D4E") is None


def test_another_refusal_is_raised(office: Office) -> None:
    client = office._faulty(office.codedeploy)
    office.faults.refused = {("get_deployment", "d-A1B2C3D4E")}

    with pytest.raises(ClientError, match="InternalError"):
        Deployments(client).look_up_deployment("d-A1B2C3D4E")
