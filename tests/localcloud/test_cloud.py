"""The local cloud as a whole."""

from __future__ import annotations

import threading

from chalicelib.settings import Settings
from localcloud.cloud import LocalCloud, Ports

SETTINGS = Settings.parse(
    {
        "CLOUDFLARE_API_URL": "http://127.0.0.1:1/client/v4",
        "DOMAIN_ROOT": "elephant.example",
        "OWNER": "elephant:local",
        "SECRET_ARN": "prod/elephant/cloudflare",
        "ZONE_ID": "0123456789abcdef0123456789abcdef",
    }
)


def timers() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"schedules"}


def test_schedules_are_fired_by_hand_unless_they_are_switched_on() -> None:
    with LocalCloud(SETTINGS, Ports()) as cloud:
        assert cloud.schedules.fire() == ()
        assert timers() == set()
    with LocalCloud(SETTINGS, Ports(), schedules=True):
        assert timers() == {"schedules"}
    assert timers() == set()
