"""From event to row in three round trips: what can go out at the same time does.

Each call of a round trip waits at a barrier for the others of the same one; made one after the
other, they would wait until it breaks.
"""

from __future__ import annotations

from threading import Barrier, Lock
from typing import TYPE_CHECKING, Any

from tests.transports import Noting
from tests.world import Context, World, make_event

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTEXT = Context()
START = [{"DescribeInstances", "GET"}, {"POST", "GetItem"}, {"UpdateItem"}]
END = [{"DescribeInstances", "GET"}, {"DELETE", "GetItem", "of_meeting"}, {"UpdateItem"}]
REPEAT = [{"DescribeInstances", "GET"}, {"GetItem"}]


class RoundTrips:
    """Lets calls pass only in the round trips that are expected, each as a whole."""

    def __init__(self, expected: Sequence[set[str]]) -> None:
        self._expected = list(expected)
        self._barriers = [Barrier(len(names), timeout=600) for names in expected]
        self._lock = Lock()
        self.passed: list[set[str]] = [set() for _ in expected]

    def arrive(self, name: str) -> None:
        with self._lock:
            trip = next(
                number
                for number, names in enumerate(self._expected)
                if name in names - self.passed[number]
            )
            self.passed[trip].add(name)
        self._barriers[trip].wait()


def handle(
    world: World, event: dict[str, Any], expected: list[set[str]]
) -> tuple[dict[str, Any], RoundTrips]:
    trips = RoundTrips(expected)

    def arrive(model: Any, params: dict[str, Any], **_: object) -> None:  # noqa: ANN401
        is_list = "Filter" in str(params["body"])
        trips.arrive("of_meeting" if is_list else model.name)

    transport = Noting([], lambda note: trips.arrive(note.partition(" ")[0]))
    watchdog = world.watchdog(transport=transport)
    watchdog._reconciler._zone._cloudflare._token.value()  # type: ignore[attr-defined]
    for client in (world.app_ec2, world.app_dynamodb):
        client.meta.events.register("before-call.*.*", arrive)
    try:
        return watchdog.handle(event, CONTEXT), trips
    finally:
        for client in (world.app_ec2, world.app_dynamodb):
            client.meta.events.unregister("before-call.*.*", arrive)


def test_a_start_an_end_and_a_repeated_event(world: World) -> None:
    instance_id = world.launched()

    started, trips = handle(world, make_event(instance_id), START)
    assert (started["action"], trips.passed) == ("created", START)

    repeated, trips = handle(world, make_event(instance_id), REPEAT)
    assert (repeated["action"], trips.passed) == ("unchanged", REPEAT)

    world.terminate(instance_id)
    ended, trips = handle(world, make_event(instance_id), END)
    assert (ended["action"], trips.passed) == ("deleted", END)
    assert world.row() == {"status": "TERMINATED"}
