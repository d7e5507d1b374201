"""Names and ARNs of a stage's resources, derived from a function's ARN.

Chalice names the functions of a stage `elephant-STAGE-FUNCTION`, and the one behind all routes
`elephant-STAGE`; the supporting stack (ops/stack.yaml) names the rest in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FUNCTIONS: Final = (
    "launch_ec2",
    "safety_net",
    "terminator",
    "sweep",
    "notify_instance_termination",
    "notify_deployment",
    "invite",
    "note_bounce",
)
"""The functions that use this, besides the one behind the routes."""


@dataclass(frozen=True)
class StageNames:
    """A stage's place in AWS, from the ARN of any function that uses this."""

    partition: str
    region: str
    account: str
    prefix: str
    """The prefix of every name: `elephant-STAGE`."""

    @classmethod
    def of(cls, function_arn: str) -> StageNames:
        """Parse a function's own ARN. Raises ValueError if it is not one."""
        parts = function_arn.split(":")
        if parts[0] != "arn" or parts[2:3] != ["lambda"] or parts[5:6] != ["function"]:
            raise ValueError(f"{function_arn!r} is not the ARN of a Lambda function")
        name = parts[6]
        for function in FUNCTIONS:
            name = name.removesuffix(f"-{function}")
        return cls(parts[1], parts[3], parts[4], name)

    def function_arn(self, function: str) -> str:
        """Return the ARN of one of the stage's functions."""
        return self._arn("lambda", f"function:{self.prefix}-{function}")

    @property
    def failure_queue_arn(self) -> str:
        """The ARN of the queue of failed events."""
        return self._arn("sqs", f"{self.prefix}-failed-events")

    @property
    def schedule_group(self) -> str:
        """The name of the group of this stage's one-off schedules."""
        return self.prefix

    @property
    def scheduler_role_arn(self) -> str:
        """The ARN of the role with which EventBridge Scheduler starts the functions."""
        return f"arn:{self.partition}:iam::{self.account}:role/{self.prefix}-scheduler"

    @property
    def instance_profile(self) -> str:
        """The name of the desktops' instance profile, which is also that of its role."""
        return f"{self.prefix}-desktop"

    @property
    def schedule_secret(self) -> str:
        """The name of the secret with the keys for scheduling meetings."""
        return f"{self.prefix}-schedule-key"

    @property
    def seed_secret(self) -> str:
        """The name of the secret from which meetings with an idempotency key are derived."""
        return f"{self.prefix}-meeting-seed"

    @property
    def sent_table(self) -> str:
        """The name of the table of notices sent."""
        return f"{self.prefix}-sent"

    @property
    def mail_events(self) -> str:
        """The name of SES's configuration set that publishes what becomes of invitations."""
        return f"{self.prefix}-invitations"

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"
