"""The stage that the demo and `try` deploy: the project's local one, in a copy, with everything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.cloud import STAGE
from localcloud.project import ProjectError

if TYPE_CHECKING:
    from pathlib import Path

    from chalicelib.settings.stage import Settings
    from localcloud.cloud import LocalCloud
    from localcloud.project import Project


@dataclass(frozen=True)
class Deployed:
    """What `elephant deploy` made: how many functions, and what `elephant doctor` counted."""

    directory: Path
    functions: int
    doctor: str


def settings_of(project: Project, **variables: str) -> Settings:
    """Return the settings of the project's local stage with notifications and invitations.

    Raises ProjectError if the local stage has no meetings, and what `Project.settings` raises.
    """
    own = project.settings
    if own.meetings is None:
        raise ProjectError(
            f"stage {STAGE} has no meetings, which this needs: elephant stage {STAGE} --with "
            "meetings"
        )
    address = _address(own)
    return project.settings_with(
        FEATURES="meetings,notifications", MAIL_FROM=address, MAIL_TO=address, **variables
    )


def deploy(cloud: LocalCloud, project: Project, directory: Path, *options: str) -> Deployed:
    """Deploy it as an operator does, with these options of `elephant stage`; CommandError."""
    copy = project.copy(directory, cloud.cloudflare.url).directory
    address = _address(cloud.settings)
    mail = ("--with=notifications", f"--mail-from={address}", f"--mail-to={address}")
    cloud.change_stage(copy, *mail, *options)
    lines: list[str] = []
    cloud.deploy(copy, lines.append)
    made = cloud.client("lambda").list_functions(MaxItems=50)["Functions"]
    counts = [line.partition(";")[0].strip() for line in lines if re.search(r"\b\d+ ok\b", line)]
    return Deployed(copy, len(made), counts[-1] if counts else "")


def _address(settings: Settings) -> str:
    return f"elephant@{settings.domain_root}"
