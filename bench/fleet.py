"""As many instances as one likes, as EC2 describes them, and their meetings' rows.

moto takes minutes for 10,000 instances. So its description of one is taken, and answered for all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from bench.servers import Servers

ROLES: Final = ("teacher", "student")
_BATCH: Final = 25
_RESERVATIONS = re.compile(rb"(?s)^(.*<reservationSet>)(.*)(</reservationSet>)(.*)$")


class Fleet:
    """So many desktops, two a meeting, all of them running until they are `ended`.

    The zone begins without records, and EC2 shows no others while this is in the context.
    """

    def __init__(self, servers: Servers, count: int, *, with_rows: bool = True) -> None:
        self.count = count
        self.ended = False
        self._servers = servers
        self._head, self._item, self._tail = _template(servers)
        servers.clear_zone()
        if with_rows:
            self._put_rows()

    def __enter__(self) -> None:
        self._servers.aws.answers["DescribeInstances"] = self._answer

    def __exit__(self, *exception: object) -> None:
        del self._servers.aws.answers["DescribeInstances"]

    def instance_id(self, number: int) -> str:
        """Name an instance."""
        return f"i-{number:017x}"

    def meeting(self, number: int) -> str:
        """Name an instance's meeting."""
        return f"fleet-{self.count}-{number // 2}"

    def record(self, number: int) -> tuple[str, str]:
        """Return the name, within the zone, and the address that an instance's record has."""
        return self.instance_id(number), _address(number)

    def _answer(self, body: bytes) -> bytes:
        asked = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        if asked.get("Filter.1.Name") != "tag:Project" or "Filter.2.Name" in asked:
            raise NotImplementedError(f"the fleet knows no such question: {asked}")
        first = int(asked.get("NextToken", 0))
        last = min(first + int(asked["MaxResults"]), self.count)
        items = [self._describe(number) for number in range(first, last)]
        more = b"<nextToken>%d</nextToken>" % last if last < self.count else b""
        return b"".join([self._head, *items, b"</reservationSet>", more, self._tail])

    def _describe(self, number: int) -> bytes:
        values = {
            b"INSTANCE": self.instance_id(number).encode(),
            b"ADDRESS": _address(number).encode(),
            b"MEETING": self.meeting(number).encode(),
            b"ROLE": ROLES[number % 2].encode(),
        }
        item = self._item
        for name, value in values.items():
            item = item.replace(b"{%s}" % name, value)
        if self.ended:
            item = item.replace(b"<name>running</name>", b"<name>terminated</name>", 1)
        return item

    def _put_rows(self) -> None:
        table = self._servers.settings.table_name
        client = self._servers.client("dynamodb")
        rows: dict[str, dict[str, str]] = {}
        for number in range(self.count):
            row = rows.setdefault(self.meeting(number), {"status": "LAUNCHED"})
            row[f"{ROLES[number % 2]}_ec2_id"] = self.instance_id(number)
        items = [{"id": key} | row for key, row in rows.items()]
        for start in range(0, len(items), _BATCH):
            puts: list[Any] = [
                {"PutRequest": {"Item": {key: {"S": value} for key, value in item.items()}}}
                for item in items[start : start + _BATCH]
            ]
            client.batch_write_item(RequestItems={table: puts})


def _template(servers: Servers) -> tuple[bytes, bytes, bytes]:
    """Take moto's answer apart: what stands before the instance, the instance, and after it."""
    raw: list[bytes] = []
    instance_id = servers.desktop("MEETING", "ROLE")
    client = servers.client("ec2")
    client.meta.events.register(
        "before-parse.ec2.DescribeInstances",
        lambda response_dict, **_: raw.append(response_dict["body"]),
    )
    answer = client.describe_instances(InstanceIds=[instance_id])
    servers.terminate(instance_id)
    address = answer["Reservations"][0]["Instances"][0]["PublicIpAddress"]
    found = _RESERVATIONS.match(raw[0])
    if not found:
        raise ValueError(f"moto describes instances in another way now: {raw[0][:200]!r}")
    item = found[2]
    for text, name in (
        (instance_id, "INSTANCE"),
        (address, "ADDRESS"),
        (address.replace(".", "-"), "ADDRESS"),
        ("<value>MEETING<", "<value>{MEETING}<"),
        ("<value>ROLE<", "<value>{ROLE}<"),
    ):
        marked = name if "{" in name else f"{{{name}}}"
        item = item.replace(text.encode(), marked.encode())
    return found[1], item, found[4]


def _address(number: int) -> str:
    return f"52.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
