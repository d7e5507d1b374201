"""The demo's last part: the stage proves itself, as `elephant selftest` has it do on AWS."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from localcloud.cloud import STAGE
from localcloud.narrator import Topic
from ops.account import Account
from ops.selftest.promises import Pace, Promises
from ops.selftest.run import SelfTest, Wish
from ops.stages import ConfigFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from localcloud.cloud import LocalCloud
    from localcloud.scene import Scene


def pace_of(cloud: LocalCloud) -> Pace:
    """Return the cloud's clock; what is waited for is skipped, and what is due meanwhile runs."""

    def sleep(seconds: float) -> None:
        cloud.pass_until(cloud.clock.now() + timedelta(seconds=seconds))

    return Pace(cloud.clock.monotonic, sleep)


def prove_stage(scene: Scene, project: Path) -> None:
    """Run the self-test without a meeting against the stage of the project in this directory."""
    scene.chapter(f"elephant selftest {STAGE}: the stage proves itself, as on AWS", Topic.FAULTS)
    with _environment(scene.cloud.exports):
        config_file = ConfigFile(project)
        stage = config_file.stage(STAGE)
        promises = Promises(pace_of(scene.cloud), lambda _: None, lambda _: None)
        test = SelfTest(config_file, stage, Account(stage.region), Wish(), promises)
        test.run()
    kept = sum(each.is_kept for each in promises.outcomes)
    scene.promise(
        f"{kept} of the self-test's {len(promises.outcomes)} promises were kept",
        test.is_whole and promises.all_kept,
    )


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Give this process these environment variables meanwhile, which lead to the local cloud."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
