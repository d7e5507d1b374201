"""Reading CodeDeploy's deployments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from chalicelib.notifications.revision import Revision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chalicelib.clients import CodeDeployClient

_NOT_FOUND: Final = "DeploymentDoesNotExistException"


@dataclass(frozen=True)
class Deployment:
    """A deployment as CodeDeploy described it."""

    revision: Revision | None
    began_at: datetime | None
    completed_at: datetime | None
    error_code: str
    error: str
    instances: Mapping[str, int]
    """The number of instances by status."""
    rollback: str

    @classmethod
    def parse(cls, described: Mapping[str, Any]) -> Deployment:
        """Parse a DeploymentInfo.

        https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentInfo.html
        """
        error = described.get("errorInformation", {})
        return cls(
            revision=Revision.parse(described.get("revision", {})),
            began_at=described.get("startTime") or described.get("createTime"),
            completed_at=described.get("completeTime"),
            error_code=error.get("code", ""),
            error=error.get("message", ""),
            instances=described.get("deploymentOverview", {}),
            rollback=described.get("rollbackInfo", {}).get("rollbackMessage", ""),
        )


class Deployments:
    """The deployments of one region of one account."""

    def __init__(self, client: CodeDeployClient) -> None:
        self._client = client

    def look_up_deployment(self, deployment_id: str) -> Deployment | None:
        """Describe a deployment; None if CodeDeploy no longer knows it."""
        try:
            answer = self._client.get_deployment(deploymentId=deployment_id)
        except ClientError as error:
            if error.response["Error"]["Code"] == _NOT_FOUND:
                return None
            raise
        return Deployment.parse(answer["deploymentInfo"])
