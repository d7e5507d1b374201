"""The part of botocore's data that the functions need: service models and root certificates.

botocore reads the whole model of a service to create a client. EC2's has 800 calls; reading it
and turning them into methods is a third of a cold start. `python -m ops.models` writes
`chalicelib/models/`, and a test fails once they no longer match the installed botocore.

The functions run with the botocore of Lambda's runtime, which may be older or newer. So the files
keep to what every version reads in the same way: the calls and their shapes, in a protocol that all
of them speak. Where a call is sent and how it is signed is left to the running botocore's own rules
of endpoints. `endpoints.json` serves what botocore still asks it when a client is made: the
partition of a region, and whether a service has an endpoint of some kind at all.
Root certificates are there as well: `ops/roots.py`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.loaders import Loader

from ops.roots import roots

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

DIRECTORY: Final = Path(__file__).parent.parent / "chalicelib" / "models"

CALLS: Final[Mapping[str, Collection[str]]] = {
    "codedeploy": ("GetDeployment",),
    "dynamodb": ("GetItem", "BatchGetItem", "Query", "UpdateItem", "PutItem", "DeleteItem"),
    "ec2": (
        "DescribeInstances",
        "DescribeImages",
        "DescribeSubnets",
        "RunInstances",
        "TerminateInstances",
    ),
    "scheduler": ("CreateSchedule", "DeleteSchedule"),
    "secretsmanager": ("GetSecretValue",),
    "sesv2": ("SendEmail",),
}
USED: Final[Mapping[str, Collection[str]]] = {
    # answers
    "DescribeInstancesResult": ("NextToken", "Reservations"),
    "Reservation": ("Instances",),
    "Instance": (
        "InstanceId",
        "LaunchTime",
        "PublicIpAddress",
        "State",
        "StateReason",
        "StateTransitionReason",
        "Tags",
    ),
    "DescribeImagesResult": ("Images",),
    "Image": ("BlockDeviceMappings", "ImageId", "RootDeviceName", "State"),
    "DescribeSubnetsResult": ("NextToken", "Subnets"),
    "Subnet": (
        "AvailabilityZone",
        "AvailableIpAddressCount",
        "MapPublicIpOnLaunch",
        "OutpostArn",
        "SubnetId",
    ),
    "TerminateInstancesResult": (),
    "DeploymentInfo": (
        "applicationName",
        "completeTime",
        "createTime",
        "creator",
        "deploymentGroupName",
        "deploymentId",
        "deploymentOverview",
        "description",
        "errorInformation",
        "revision",
        "rollbackInfo",
        "startTime",
        "status",
    ),
    "RevisionLocation": ("gitHubLocation", "revisionType", "s3Location"),
    # requests
    "RunInstancesRequest": (
        "BlockDeviceMappings",
        "ClientToken",
        "IamInstanceProfile",
        "ImageId",
        "InstanceInitiatedShutdownBehavior",
        "InstanceType",
        "KeyName",
        "MaxCount",
        "MetadataOptions",
        "MinCount",
        "NetworkInterfaces",
        "TagSpecifications",
    ),
    "InstanceNetworkInterfaceSpecification": (
        "AssociatePublicIpAddress",
        "DeleteOnTermination",
        "DeviceIndex",
        "Groups",
        "SubnetId",
    ),
    "Target": ("Arn", "DeadLetterConfig", "Input", "RetryPolicy", "RoleArn"),
    "SendEmailRequest": (
        "Content",
        "ConfigurationSetName",
        "Destination",
        "EmailTags",
        "FromEmailAddress",
        "ReplyToAddresses",
    ),
    "EmailContent": ("Raw", "Simple"),
}
"""The used members of large shapes: parsing the rest is half of a large sweep's CPU."""


def models() -> Iterator[tuple[Path, str]]:
    """Yield each file of the models, below their directory, and its content."""
    loader = Loader()
    names = []
    for service, calls in CALLS.items():
        version = loader.determine_latest_version(service, "service-2")
        model = loader.load_service_model(service, "service-2", version)
        names.append(model["metadata"]["endpointPrefix"])
        yield Path(service) / version / "service-2.json", _text(_part(model, calls))
    endpoints = loader.load_data("endpoints")
    partitions = [
        {**each, "services": {name: it for name, it in each["services"].items() if name in names}}
        for each in endpoints["partitions"]  # botocore has a template for a service that one lacks
    ]
    yield Path("endpoints.json"), _text({**endpoints, "partitions": partitions})
    yield from roots()


def write() -> None:
    """Write the files; remove certificates that botocore no longer has."""
    shutil.rmtree(DIRECTORY / "roots", ignore_errors=True)
    for path, text in models():
        target = DIRECTORY / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _part(model: Mapping[str, Any], calls: Collection[str]) -> dict[str, Any]:
    """Take the calls out of a model, with the shapes that they need."""
    operations = {name: _bare(model["operations"][name]) for name in calls}
    shapes: dict[str, Any] = {}
    wanted = [
        operation[end]["shape"]
        for operation in operations.values()
        for end in ("input", "output")
        if end in operation
    ]
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = _shape(name, model["shapes"][name])
            parts = [shapes[name].get(key) for key in ("member", "key", "value")]
            parts += shapes[name].get("members", {}).values()
            wanted += [part["shape"] for part in parts if part]
    for operation in operations.values():
        # our code knows errors by their codes; botocore, by their shapes, which to try again
        names = [error["shape"] for error in operation.pop("errors", ())]
        retryable = [name for name in names if "retryable" in model["shapes"][name]]
        if retryable:
            operation["errors"] = [{"shape": name} for name in retryable]
            shapes |= {name: _bare({**model["shapes"][name], "members": {}}) for name in retryable}
    return {
        "version": model["version"],
        "metadata": _metadata(model["metadata"]),
        "operations": operations,
        "shapes": dict(sorted(shapes.items())),
    }


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Keep to JSON where a service speaks it: Lambda's botocore may not know what is newer."""
    spoken = metadata.get("protocols", ())
    return {**metadata} | ({"protocol": "json", "protocols": ["json"]} if "json" in spoken else {})


def _shape(name: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    bare = _bare(shape)
    bare.pop("enum", None)  # which values there are is for the service to check
    for key in ("member", "key", "value"):
        if key in bare:
            bare[key] = _bare(bare[key])
    if "members" in bare:
        kept = USED.get(name, bare["members"])
        bare["members"] = {key: _bare(bare["members"][key]) for key in kept}
    return bare


def _bare(described: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in described.items() if key != "documentation"}


def _text(content: object) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    write()
