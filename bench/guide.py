"""What the guide describes, in plain code: describe, read the secret, list, write, update the row.

It runs as a Lambda function of its own, and stands here to be measured against. It is written as
the guide's reader would write it, clients made when the module is imported, and without a handicap:
connections are kept, and what fails raises, so that Lambda tries again.
"""

import json
import os
from typing import Any

import boto3  # type: ignore[import-untyped]
import urllib3

REGION = os.environ["AWS_REGION"]
API = os.environ.get("CLOUDFLARE_API_URL", "https://api.cloudflare.com/client/v4")
DOMAIN_ROOT = os.environ["DOMAIN_ROOT"]
ZONE_ID = os.environ["ZONE_ID"]
SECRET_ARN = os.environ["SECRET_ARN"]
TABLE_NAME = os.environ.get("TABLE_NAME", "elephant-meetings")
PORT = os.environ.get("DCV_PORT", "8443")

ec2 = boto3.client("ec2")
secrets = boto3.client("secretsmanager")
dynamodb = boto3.resource("dynamodb", region_name=REGION)
table = dynamodb.Table(TABLE_NAME)
http = urllib3.PoolManager()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    """Give a running instance its record, take it away from one that ends, and update the row."""
    instance_id = event["detail"]["instance-id"]
    state = event["detail"]["state"]
    instance = describe(instance_id)
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
    if tags.get("Project") != "Elephant":
        return {"statusCode": 200, "body": "not ours"}
    token = read_token()
    name = f"{instance_id}.{DOMAIN_ROOT}"
    existing = find_record(token, name)
    meeting_id, role = tags.get("MeetingID"), tags.get("Role")
    if state == "running":
        write_record(token, name, instance["PublicIpAddress"], existing)
        if meeting_id and role:
            write_running(meeting_id, role, f"https://{name}:{PORT}")
    elif state == "shutting-down":
        if existing:
            call(token, "DELETE", f"/{existing['id']}")
        if meeting_id:
            write_ended(meeting_id)
    return {"statusCode": 200, "body": state}


def describe(instance_id: str) -> dict[str, Any]:
    """Ask EC2 for the instance."""
    answer = ec2.describe_instances(InstanceIds=[instance_id])
    instance: dict[str, Any] = answer["Reservations"][0]["Instances"][0]
    return instance


def read_token() -> str:
    """Read the token from Secrets Manager."""
    answer = secrets.get_secret_value(SecretId=SECRET_ARN)
    return str(json.loads(answer["SecretString"])["CLOUDFLARE_TOKEN"])


def find_record(token: str, name: str) -> dict[str, Any] | None:
    """Look for the instance's record."""
    found: list[dict[str, Any]] = call(token, "GET", f"?type=A&name={name}")
    return found[0] if found else None


def write_record(token: str, name: str, address: str, existing: dict[str, Any] | None) -> None:
    """Make the record, or overwrite the one that is there."""
    record = {"type": "A", "name": name, "content": address, "ttl": 1, "proxied": True}
    if existing:
        call(token, "PUT", f"/{existing['id']}", record)
    else:
        call(token, "POST", "", record)


def call(token: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
    """Call Cloudflare and return the result."""
    answer = http.request(
        method,
        f"{API}/zones/{ZONE_ID}/dns_records{path}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        body=json.dumps(body) if body else None,
    )
    content = json.loads(answer.data)
    if not content["success"]:
        raise RuntimeError(f"{method} {path}: HTTP {answer.status}, {content['errors']}")
    return content["result"]


def write_running(meeting_id: str, role: str, link: str) -> None:
    """Write the link and the status into the meeting's row."""
    table.update_item(
        Key={"id": meeting_id},
        UpdateExpression=f"SET {role}_ec2_link = :link, #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":link": link, ":status": "DNS_WRITTEN"},
    )


def write_ended(meeting_id: str) -> None:
    """Write into the meeting's row that it has ended."""
    table.update_item(
        Key={"id": meeting_id},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": "TERMINATED"},
    )
