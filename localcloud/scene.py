"""What the demo's story is made of: its actors, what it looks at, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dns.message
import dns.query
import dns.rcode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from localcloud.aws import Delivery, Invocation
    from localcloud.cloud import LocalCloud
    from localcloud.narrator import Narrator

MEETING: Final = "demo-meeting"

_IMAGE = "ami-12c6146b"


class Scene:
    """A deployed stage on a local cloud, one meeting, and a narrator who says what happens."""

    def __init__(self, cloud: LocalCloud, narrator: Narrator) -> None:
        self.cloud = cloud
        self.settings = cloud.settings
        self.zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
        self.ec2 = cloud.client("ec2")
        self.names: dict[str, str] = {}
        self._dynamodb = cloud.client("dynamodb")
        self._narrator = narrator
        self.failures = 0
        """How many runs of functions have failed so far."""
        cloud.bridge.on_event(self._note_event)
        cloud.functions.on_finished(self._note_invocation)

    # What happens

    def run(self, what: str, **tags: str) -> str:
        """Start an instance; one with a role is a desktop of the meeting. Returns its id."""
        tagged = tags | ({"MeetingID": MEETING} if "Role" in tags else {})
        spec = {
            "ResourceType": "instance",
            "Tags": [{"Key": key, "Value": value} for key, value in tagged.items()],
        }
        answer = self.ec2.run_instances(
            ImageId=_IMAGE, MinCount=1, MaxCount=1, TagSpecifications=[spec]
        )
        instance_id = str(answer["Instances"][0]["InstanceId"])
        self.names[instance_id] = what
        self.note(f"{instance_id} is {what}")
        return instance_id

    def emit(self, instance_id: str, state: str) -> None:
        """Put an event on the bus by hand, and wait until it is handled."""
        self.cloud.bridge.emit(self.cloud.bridge.state_change(instance_id, state))
        self.cloud.settle()

    def sweep(self) -> None:
        """Let what is scheduled come due now, and wait until it has run."""
        self.cloud.schedules.fire()
        self.cloud.settle()

    def set_row(self, **attributes: str) -> None:
        """Set attributes of the meeting's row, which is made if there is none."""
        self._dynamodb.update_item(
            TableName=self.settings.table_name,
            Key={"id": {"S": MEETING}},
            UpdateExpression="SET " + ", ".join(f"#{key} = :{key}" for key in attributes),
            ExpressionAttributeNames={f"#{key}": key for key in attributes},
            ExpressionAttributeValues={f":{key}": {"S": attributes[key]} for key in attributes},
        )

    # What is

    def row(self) -> dict[str, str]:
        """Return the meeting's row without its id."""
        answer = self._dynamodb.get_item(
            TableName=self.settings.table_name, Key={"id": {"S": MEETING}}
        )
        return {key: value["S"] for key, value in answer["Item"].items() if key != "id"}

    def describe(self, instance_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return what EC2 says of instances."""
        answer = self.ec2.describe_instances(InstanceIds=list(instance_ids))
        return [found for held in answer["Reservations"] for found in held["Instances"]]

    def address(self, instance_id: str) -> str:
        """Return the public address of an instance that has one."""
        return str(self.describe([instance_id])[0]["PublicIpAddress"])

    def writes(self) -> list[str]:
        """Return the paths of Cloudflare's API that were written to so far."""
        return [call.path for call in self.cloud.cloudflare.calls if call.method != "GET"]

    def dig(self, name: str) -> list[str] | None:
        """Ask the zone's nameserver over UDP; None if there is no such name."""
        host, port = self.cloud.cloudflare.dns_address
        answer = dns.query.udp(dns.message.make_query(name, "A"), host, port=port, timeout=5)
        if answer.rcode() == dns.rcode.NXDOMAIN:
            return None
        return sorted(address.to_text() for held in answer.answer for address in held)

    # What is said

    def chapter(self, title: str) -> None:
        """Begin something new."""
        self._narrator.chapter(title)

    def note(self, text: str) -> None:
        """Say what happens."""
        self._narrator.note(text)

    def promise(self, text: str, holds: bool) -> None:  # noqa: FBT001 (the sentence's own end)
        """Say what was promised, and whether it holds."""
        self._narrator.promise(text, holds=holds)

    def promise_record(self, instance_id: str) -> None:
        """Promise that the instance's name leads to its address, through Cloudflare's edge."""
        name = self.settings.record_name(instance_id)
        origins = [record.fields.content for record in self.zone.named(name)]
        address = self.address(instance_id)
        self.promise(f"{name} has one record, at {address}", origins == [address])
        edge = self.dig(name) or []
        self.promise(
            f"it resolves, to Cloudflare's edge, which proxies to it: {', '.join(edge)}",
            bool(edge) and address not in edge,
        )

    def promise_no_name(self, instance_id: str) -> None:
        """Promise that the instance's name does not resolve any more."""
        name = self.settings.record_name(instance_id)
        self.promise(f"{name} no longer resolves", self.dig(name) is None)

    def _note_event(self, delivery: Delivery) -> None:
        if delivery.functions:
            detail = delivery.event["detail"]
            self.note(f"EventBridge: {detail['instance-id']} is {detail['state']}")

    def _note_invocation(self, invocation: Invocation) -> None:
        self.failures += invocation.failed
        self.note(line_of(invocation))


def line_of(invocation: Invocation) -> str:
    """Say in a line what a function did."""
    what = "Sweep: " if invocation.function.endswith("-sweep") else "Lambda:"
    if invocation.failed:
        said = f"failed, attempt {invocation.attempt}: {invocation.error}"
    else:
        said = f"{invocation.result['action']}: {invocation.result['reason']}"
    return f"{what}      {said} ({1000 * invocation.duration:.0f} ms)"
