"""What a stage finds when it is deployed, and what its desktops' image has."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.meeting_row.meeting import AGENDA, EXPIRES_AT, MEET_TIME
from chalicelib.settings.formats import PROXIED_HTTPS_PORTS
from localcloud.aws import make_image, make_security_group
from localcloud.certificate import issue_certificate
from localcloud.cloudflare import DEFAULT_TOKEN, IPV4
from ops.agenda import INDEX
from ops.selftest.instance import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.settings.stage import Settings
    from localcloud.cloudflare import Api
    from localcloud.desktop import Kit


def provide(settings: Settings, client: Callable[[str], Any], region: str) -> None:
    """Make images and groups, the sender, the secret with the token, and an empty table."""
    if settings.meetings:
        make_image(settings.meetings.ami_id, region)
        open_default_vpc(client("ec2"))
        for group_id in settings.meetings.security_group_ids:
            make_security_group(group_id, region)
            _admit_cloudflare(client("ec2"), group_id)
    make_image(newest_linux(client("ssm")), region)
    if settings.notifications:
        sender = settings.notifications.mail_domain
        client("sesv2").create_email_identity(EmailIdentity=sender)
    client("secretsmanager").create_secret(
        Name=settings.secret_id, SecretString=json.dumps({"CLOUDFLARE_TOKEN": DEFAULT_TOKEN})
    )
    if settings.table_name:
        _make_table(client("dynamodb"), settings.table_name)


def newest_linux(client: Any) -> str:  # noqa: ANN401 (of botocore)
    """Return the image that `elephant selftest` launches."""
    return str(client.get_parameter(Name=IMAGE.format(architecture="arm64"))["Parameter"]["Value"])


def provide_kit(kit: Kit, settings: Settings, api: Api, client: Any) -> Kit:  # noqa: ANN401 (of botocore)
    """Fill in the stage's values as `elephant image` does, and make the desktops' certificate.

    It is in the secret that the settings name, otherwise in the image.
    """
    if settings.meetings is None:
        return kit
    secret = settings.meetings.certificate_secret
    files = issue_certificate(api, settings.domain_root)
    if secret:
        client.create_secret(Name=secret, SecretString=json.dumps(files))
    in_image = {f"etc/dcv/{name}": text for name, text in files.items()}
    values = {
        "CERTIFICATE_SECRET": secret or "",
        "SIGN_IN": "dcv" if settings.meetings.signs_in else "none",
    }
    return replace(
        kit,
        values={**values, **kit.values},
        files={**({} if secret else in_image), **kit.files},
    )


def open_default_vpc(ec2: Any) -> None:  # noqa: ANN401 (of botocore)
    """Give the default VPC its way to the Internet, which moto's lacks."""
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    (table,) = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc["VpcId"])
    ec2.create_route(
        RouteTableId=table["RouteTableId"],
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway,
    )


def _admit_cloudflare(ec2: Any, group_id: str) -> None:  # noqa: ANN401 (of botocore)
    """Let Cloudflare in on every port that it proxies, since a stage may change its own."""
    first, last = min(PROXIED_HTTPS_PORTS), max(PROXIED_HTTPS_PORTS)
    permission = {"IpProtocol": "tcp", "FromPort": first, "ToPort": last}
    ranges = [{"CidrIp": each} for each in IPV4]
    ec2.authorize_security_group_ingress(
        GroupId=group_id, IpPermissions=[{**permission, "IpRanges": ranges}]
    )


def _make_table(client: Any, name: str) -> None:  # noqa: ANN401 (of botocore)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": each, "AttributeType": "S"} for each in ("id", AGENDA, MEET_TIME)
        ],
        GlobalSecondaryIndexes=[dict(INDEX)],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.update_time_to_live(
        TableName=name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT},
    )
    client.update_continuous_backups(
        TableName=name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
