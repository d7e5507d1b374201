"""A whole stage as one template for AWS SAM: what Chalice packages, completed, and the stack.

Everything that `elephant deploy` sets itself is set here from the same functions, under the same
names, so that `elephant doctor` finds the stage as it expects it.
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ops.api import GATEWAY_ANSWERS, THROTTLES, gateway_answer, origin_of_answers
from ops.lambda_settings import LOG_DAYS, failures_of, log_group
from ops.reach import ROUTES_FUNCTION
from ops.stages import APP
from ops.stream import READERS, limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ops.stack_parameters import StackParameters
    from ops.stages import Stage

STREAM: Final = "TableStreamArn"
"""The parameter for the stream of a table that is not the stack's own."""

_FUNCTION: Final = "AWS::Serverless::Function"
_API: Final = "AWS::Serverless::Api"
_ROLE: Final = "AWS::IAM::Role"
_QUEUE: Final = {"Fn::GetAtt": ["FailedEvents", "Arn"]}
_ANSWERS: Final = "x-amazon-apigateway-gateway-responses"


def sam_template(
    packaged: Mapping[str, Any],
    support: Mapping[str, Any],
    stage: Stage,
    parameters: StackParameters,
) -> dict[str, Any]:
    """Build the template from Chalice's and the supporting stack's, both with long intrinsics."""
    resources = packaged["Resources"]
    stream: object = {"Fn::GetAtt": ["MeetingsTable", "StreamArn"]}
    declared = dict(_parameters(support["Parameters"], stage, parameters))
    if stage.settings.meetings and not parameters.create_table:
        declared[STREAM] = {"Type": "String", "Description": "The ARN of the table's stream."}
        stream = {"Ref": STREAM}
    made: dict[str, Any] = dict(support["Resources"])
    if parameters.create_table:  # so that others may depend on it
        made["MeetingsTable"] = {**made["MeetingsTable"]}
        del made["MeetingsTable"]["Condition"]
    for name, resource in resources.items():
        made[name] = {**resource, "Properties": dict(resource["Properties"])}
        properties = made[name]["Properties"]
        if resource["Type"] == _FUNCTION:
            function = _function_of(properties)
            made[f"{name}Logs"] = _logs(stage.function_name(function), stage)
            _complete_function(properties, function, stage, stream)
            properties["LoggingConfig"] = {"LogFormat": "JSON", "LogGroup": {"Ref": f"{name}Logs"}}
            role = properties["Role"]["Fn::GetAtt"][0]
            made[role]["Properties"]["RoleName"] = stage.role_name(function)
            made[role]["Properties"].update(_tags(stage))
        elif resource["Type"] == _API:
            _complete_api(properties, stage)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"Stage {stage.name} of Elephant, written by `elephant package`.",
        "Parameters": declared,
        "Conditions": support["Conditions"],
        "Resources": made,
        "Outputs": {**support.get("Outputs", {}), **packaged.get("Outputs", {})},
    }


def _parameters(
    declared: Mapping[str, Any], stage: Stage, parameters: StackParameters
) -> Iterator[tuple[str, Any]]:
    """Yield the stack's parameters, with the stage's values as their defaults."""
    values = {each["ParameterKey"]: each["ParameterValue"] for each in parameters.of(stage.name)}
    for name, each in declared.items():
        yield name, {**each, "Default": values[name]}


def _function_of(properties: Mapping[str, Any]) -> str:
    """Return the function that Chalice's handler names, such as `app.sweep`."""
    handler = str(properties["Handler"]).partition(".")[2]
    return ROUTES_FUNCTION if handler == "app" else handler


def _complete_function(
    properties: dict[str, Any], function: str, stage: Stage, stream: object
) -> None:
    properties["FunctionName"] = stage.function_name(function)
    if failures := failures_of(function, ""):
        settings: dict[str, Any] = {
            "MaximumRetryAttempts": failures.retries,
            "MaximumEventAgeInSeconds": failures.oldest,
        }
        if failures.is_kept:
            destination = {"Type": "SQS", "Destination": _QUEUE}
            settings["DestinationConfig"] = {"OnFailure": destination}
        properties["EventInvokeConfig"] = settings
    for event in properties.get("Events", {}).values():
        details = event["Properties"] = dict(event["Properties"])
        if event["Type"] == "CloudWatchEvent":
            event["Type"] = "EventBridgeRule"
            details["RuleName"] = stage.rule_name(function)
        elif event["Type"] == "Schedule":
            details["Name"] = stage.rule_name(function)
        elif function in READERS:
            wanted = limits("", function)
            wanted["DestinationConfig"] = {"OnFailure": {"Type": "SQS", "Destination": _QUEUE}}
            details |= {"Stream": stream} | wanted


def _complete_api(properties: dict[str, Any], stage: Stage) -> None:
    properties["Name"] = APP
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-apigateway-stage-methodsetting.html
    properties["MethodSettings"] = [
        {
            "ResourcePath": f"/{path}",
            "HttpMethod": method,
            "ThrottlingRateLimit": throttle.rate,
            "ThrottlingBurstLimit": throttle.burst,
        }
        for where, throttle in THROTTLES.items()
        for path, _, method in (where.rpartition("/"),)
    ]
    origin = origin_of_answers(stage)
    answers = {kind: {"responseParameters": gateway_answer(origin)} for kind in GATEWAY_ANSWERS}
    properties["DefinitionBody"] = {**properties["DefinitionBody"], _ANSWERS: answers}


def _logs(function: str, stage: Stage) -> dict[str, Any]:
    properties = {"LogGroupName": log_group(function), "RetentionInDays": LOG_DAYS}
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties | _tags(stage)}


def _tags(stage: Stage) -> dict[str, Any]:
    """Return the property for the operator's tags, if there are any."""
    tags = [{"Key": key, "Value": value} for key, value in stage.tags.items()]
    return {"Tags": tags} if tags else {}
