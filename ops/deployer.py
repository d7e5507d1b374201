"""The least rights with which a stage can be deployed, as an IAM policy.

`DEPLOY` is what `elephant deploy` calls itself, `STACK` what CloudFormation calls for it with the
same credentials (the handlers' permissions in the resource types' schemas:
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/), and `CHANGE` what only a
later deployment calls, which changes or removes something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ops.stack import STAGE_TAG
from ops.stages import APP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.stages import Stage

GITHUB: Final = "token.actions.githubusercontent.com"


@dataclass(frozen=True)
class Rights:
    """Actions of a service on resources, after the ARN's prefix; `{name}` is `elephant-NAME`.

    Resources of `*` alone are all: the actions know no others.
    """

    service: str
    resources: tuple[str, ...]
    deploy: str = ""
    stack: str = ""
    change: str = ""
    condition: tuple[str, str] = ("", "")
    """A key of IAM's conditions, and the value that it has to equal."""

    @property
    def actions(self) -> list[str]:
        """All of them, in order."""
        every = {*self.deploy.split(), *self.stack.split(), *self.change.split()}
        return [f"{self.service}:{each}" for each in sorted(every)]


_ALL: Final = ("*",)

RIGHTS: Final = (
    Rights("sts", _ALL, "GetCallerIdentity"),
    Rights(
        "ssm",
        ("parameter/elephant/{stage}/deploying",),
        "DeleteParameter GetParameter PutParameter",
    ),
    Rights(
        "lambda",
        _ALL,
        "CreateEventSourceMapping GetAccountSettings ListEventSourceMappings",
    ),
    Rights(
        "lambda",
        ("function:{name}", "function:{name}-*"),
        "AddPermission CreateFunction DeleteFunctionConcurrency GetFunction GetFunctionConcurrency "
        "GetFunctionConfiguration GetFunctionEventInvokeConfig GetPolicy ListTags "
        "PutFunctionConcurrency PutFunctionEventInvokeConfig UpdateFunctionConfiguration",
        change="DeleteFunction DeleteFunctionEventInvokeConfig RemovePermission TagResource "
        "UntagResource UpdateFunctionCode",
    ),
    Rights(  # whose id is made with it
        "lambda",
        ("event-source-mapping:*",),
        "GetEventSourceMapping UpdateEventSourceMapping",
        change="DeleteEventSourceMapping",
    ),
    Rights(
        "iam",
        ("role/{name}-*",),
        "CreateRole GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies ListRoleTags "
        "PutRolePolicy TagRole",
        stack="AttachRolePolicy DetachRolePolicy UpdateAssumeRolePolicy",
        change="DeleteRole DeleteRolePolicy UntagRole",
    ),
    Rights(
        "iam",
        ("instance-profile/{name}-*",),
        "GetInstanceProfile",
        stack="AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile "
        "RemoveRoleFromInstanceProfile TagInstanceProfile UntagInstanceProfile",
    ),
    Rights(
        "events",
        ("rule/{name}-*",),
        "DescribeRule ListTagsForResource ListTargetsByRule PutRule PutTargets TagResource",
        change="DeleteRule RemoveTargets UntagResource",
    ),
    Rights(
        "logs",
        ("log-group:/aws/lambda/{name}*",),
        "CreateLogGroup ListTagsForResource PutRetentionPolicy TagResource",
        change="DeleteLogGroup UntagResource",
    ),
    Rights(
        "logs",
        _ALL,
        "DescribeLogGroups",
        stack="DeleteQueryDefinition DescribeQueryDefinitions PutQueryDefinition",
    ),
    Rights(
        "cloudformation",
        ("stack/{name}-support/*",),
        "CreateStack DescribeStackEvents DescribeStacks GetTemplate",
        change="ContinueUpdateRollback DeleteStack ListStackResources TagResource UntagResource "
        "UpdateStack",
    ),
    Rights(
        "cloudwatch",
        ("alarm:{name}-*",),
        stack="DeleteAlarms ListTagsForResource PutMetricAlarm TagResource UntagResource",
    ),
    Rights("cloudwatch", ("alarm:*",), "DescribeAlarms"),
    Rights(
        "cloudwatch",
        ("cloudwatch::{account}:dashboard/{name}",),
        stack="DeleteDashboards GetDashboard PutDashboard",
    ),
    Rights(
        "dynamodb",
        ("table/{table}", "table/{table}/*", "table/{name}-*"),
        "DescribeContinuousBackups DescribeTable DescribeTimeToLive",
        stack="CreateTable DescribeContributorInsights DescribeKinesisStreamingDestination "
        "GetResourcePolicy ListTagsOfResource TagResource UntagResource UpdateContinuousBackups "
        "UpdateTable UpdateTimeToLive",
        change="DeleteTable",
    ),
    Rights(
        "sqs",
        ("{name}-failed-events",),
        "GetQueueAttributes",
        stack="CreateQueue DeleteQueue GetQueueUrl ListQueueTags SetQueueAttributes TagQueue "
        "UntagQueue",
    ),
    Rights(
        "sns",
        ("{name}-alarms", "{name}-alarms:*"),
        "ListSubscriptionsByTopic",
        stack="CreateTopic DeleteTopic GetTopicAttributes ListTagsForResource SetTopicAttributes "
        "Subscribe TagResource UntagResource",
    ),
    Rights("sns", _ALL, stack="GetSubscriptionAttributes SetSubscriptionAttributes Unsubscribe"),
    Rights(
        "scheduler",
        ("schedule-group/{name}",),
        "GetScheduleGroup",
        stack="CreateScheduleGroup DeleteScheduleGroup ListTagsForResource TagResource "
        "UntagResource",
    ),
    Rights("scheduler", _ALL, "ListSchedules"),
    Rights(
        "secretsmanager",
        ("secret:{secret}-??????", "secret:{name}-*", "secret:elephant/{stage}/*"),
        "DescribeSecret GetSecretValue TagResource",
        stack="CreateSecret DeleteSecret UntagResource UpdateSecret",
    ),
    Rights("secretsmanager", _ALL, stack="GetRandomPassword"),
    Rights(
        "apigateway",
        ("apigateway:{region}::/restapis", "apigateway:{region}::/restapis/*"),
        "GET PATCH POST PUT",
        change="DELETE",
    ),
    Rights("apigateway", ("apigateway:{region}::/tags/*",), "GET PUT", change="DELETE"),
    Rights(
        "ec2",
        _ALL,
        "DescribeImages DescribeInstanceTypes DescribeInstances DescribeRouteTables "
        "DescribeSecurityGroupRules DescribeSecurityGroups DescribeSubnets",
    ),
    Rights(
        "ec2",
        ("security-group/*",),
        change="AuthorizeSecurityGroupIngress CreateTags DeleteTags RevokeSecurityGroupIngress",
        condition=(f"aws:ResourceTag/{STAGE_TAG}", "{stage}"),
    ),
    Rights("servicequotas", _ALL, "GetServiceQuota"),
    Rights("ses", _ALL, "GetAccount", stack="CreateConfigurationSet"),
    Rights("ses", ("identity/*",), "GetEmailIdentity"),
    Rights(
        "ses",
        ("configuration-set/{name}-*",),
        "GetConfigurationSetEventDestinations",
        stack="CreateConfigurationSetEventDestination "
        "DeleteConfigurationSet DeleteConfigurationSetEventDestination GetConfigurationSet "
        "ListTagsForResource TagResource UntagResource UpdateConfigurationSetEventDestination",
    ),
    Rights("autoscaling", _ALL, change="DescribeAutoScalingGroups"),
    Rights("codedeploy", ("application:*",), change="GetApplication"),
)
"""In the order of the policy's statements."""

_PASSED_TO: Final = ("ec2.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com")


def deployer_policy(stage: Stage) -> dict[str, Any]:
    """Build the policy for who deploys a stage, without what only `destroy` needs."""
    settings = stage.settings
    names = {
        "name": f"{APP}-{stage.name}",
        "stage": stage.name,
        "table": settings.table_name or f"{APP}-{stage.name}",
        "secret": settings.secret_id.rpartition(":secret:")[2],
        "account": stage.account,
        "region": stage.region,
    }
    statements = [_statement(each, stage, names) for each in RIGHTS]
    passing = {
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": [f"arn:{stage.partition}:iam::{stage.account}:role/{names['name']}-*"],
        "Condition": {"StringEquals": {"iam:PassedToService": list(_PASSED_TO)}},
    }
    return {"Version": "2012-10-17", "Statement": [*statements, passing]}


def trust_policy(stage: Stage, repository: str) -> dict[str, Any]:
    """Build the trust for GitHub's workflows of a repository, in the environment NAME alone.

    https://docs.github.com/en/actions/reference/security/oidc
    """
    provider = f"arn:{stage.partition}:iam::{stage.account}:oidc-provider/{GITHUB}"
    claims = {
        f"{GITHUB}:aud": "sts.amazonaws.com",
        f"{GITHUB}:sub": f"repo:{repository}:environment:{stage.name}",
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": claims},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _statement(rights: Rights, stage: Stage, names: dict[str, str]) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": rights.actions,
        "Resource": list(_arns(rights, stage, names)),
    }
    key, value = rights.condition
    if key:
        statement["Condition"] = {"StringEquals": {key: value.format(**names)}}
    return statement


def _arns(rights: Rights, stage: Stage, names: dict[str, str]) -> Iterator[str]:
    for each in rights.resources:
        rest = each.format(**names)
        if rest == "*":
            yield rest
        elif rest.startswith(f"{rights.service}:"):
            yield f"arn:{stage.partition}:{rest}"
        elif rights.service == "iam":
            yield f"arn:{stage.partition}:iam::{stage.account}:{rest}"
        else:
            yield f"{stage.arn(rights.service)}:{rest}"
