"""The local cloud as a whole."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from chalicelib.settings.stage import Settings
from localcloud.cloud import LocalCloud, Ports

VARIABLES = {
    "CLOUDFLARE_API_URL": "http://127.0.0.1:1/client/v4",
    "DOMAIN_ROOT": "elephant.example",
    "OWNER": "elephant:local",
    "SECRET_ARN": "prod/elephant/cloudflare",
    "ZONE_ID": "0123456789abcdef0123456789abcdef",
}
AMI, GROUP = "ami-0123456789abcdef0", "sg-0123456789abcdef0"
SETTINGS = Settings.parse(VARIABLES)
WITH_MEETINGS = Settings.parse(
    VARIABLES | {"FEATURES": "meetings", "AMI_ID": AMI, "SECURITY_GROUP_IDS": GROUP}
)


def timers() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"schedules", "one-offs"}


def test_schedules_are_fired_by_hand_unless_they_are_switched_on() -> None:
    with LocalCloud(SETTINGS, Ports()) as cloud:
        assert cloud.schedules.fire() == ()
        assert timers() == set()
        with pytest.raises(LookupError, match="nothing with an API is deployed"):
            _ = cloud.api_url
    with LocalCloud(SETTINGS, Ports(), schedules=True):
        assert timers() == {"schedules", "one-offs"}
    assert timers() == set()


def test_everything_has_the_clouds_time() -> None:
    with LocalCloud(WITH_MEETINGS, Ports()) as cloud:
        before = cloud.clock.now()
        cloud.pass_minutes(60)
        now = cloud.clock.now()
        assert now - before >= timedelta(hours=1)
        ec2 = cloud.client("ec2")
        launched = ec2.run_instances(ImageId=AMI, MinCount=1, MaxCount=1)["Instances"][0]
        assert now.replace(microsecond=0) <= launched["LaunchTime"] <= cloud.clock.now()
        event = cloud.bridge.state_change(launched["InstanceId"], "running")
        assert event["time"] >= now.strftime("%Y-%m-%dT%H:%M:%SZ")
        zone = cloud.cloudflare.api.zone(cloud.settings.zone_id)
        zone.create({"type": "A", "name": "a.elephant.example", "content": "192.0.2.1"})
        (record,) = zone.named("a.elephant.example")
        assert now.timestamp() <= record.created_on <= cloud.clock.time()
