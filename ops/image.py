"""The desktops' image: an EC2 Image Builder component and recipe, user data, and the commands.

The installer's files (`desktop/`) are in them as one archive, since Image Builder takes 16,000
characters of a component, and EC2 16 KB of user data.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import textwrap
import zipfile
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.stages import Stage

KIT: Final = Path(__file__).parent.parent / "desktop"
PLATFORMS: Final = {"linux": "Linux", "windows": "Windows"}
"""The names of platforms in Image Builder."""
FILES: Final = {
    "linux": (
        "install.sh",
        "elephant-desktop",
        "elephant-desktop.service",
        "metadata.nft",
        "start.d/10-room",
    ),
    "windows": ("Install.ps1", "Elephant-Desktop.ps1", "start.d/10-room.ps1"),
}
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Archives have no time in them: the same files make the same text."""


@dataclass(frozen=True)
class DesktopImage:
    """An image for the desktops of one stage."""

    stage: Stage
    platform: str
    parent: str
    """The id of the image with a DCV server that it is built from."""
    version: str
    certificate_secret: str
    sign_in: str
    idle_minutes: int

    @property
    def name(self) -> str:
        """The name of its component and recipe."""
        return f"elephant-{self.stage.name}-desktop-{self.platform}"

    def arn(self, kind: str, name: str, version: str = "") -> str:
        """Format the ARN of something in Image Builder."""
        place = f"{self.stage.arn('imagebuilder')}:{kind}/{name.lower().replace('_', '-')}"
        return f"{place}/{version}" if version else place

    def files(self) -> dict[str, str]:
        """Return the files of its build, by name."""
        return {
            "component.yaml": self._component(),
            "recipe.yaml": self._recipe(),
            "user-data.txt": self._user_data(),
            "commands.sh": self._commands(),
        }

    def _component(self) -> str:
        linux = self.platform == "linux"
        action = "ExecuteBash" if linux else "ExecutePowerShell"
        checks = _LINUX_CHECKS if linux else _WINDOWS_CHECKS
        steps = {"build": ("Install", self._install()), "validate": ("Check", checks)}
        phases = "".join(
            f"  - name: {phase}\n    steps:\n      - name: {step}\n        action: {action}\n"
            f"        inputs:\n          commands:\n            - |\n"
            f"{textwrap.indent(script, ' ' * 14)}"
            for phase, (step, script) in steps.items()
        )
        return (
            f"name: {self.name}\ndescription: Elephant's agent, with the values of stage "
            f"{self.stage.name}\nschemaVersion: 1.0\nphases:\n{phases}"
        )

    def _recipe(self) -> str:
        component = self.arn("component", self.name, self.version)
        return (
            f"name: {self.name}\nsemanticVersion: {self.version}\nparentImage: {self.parent}\n"
            f"components:\n  - componentArn: {component}\n"
        )

    def _user_data(self) -> str:
        if self.platform == "linux":
            start = "systemctl start elephant-desktop.service\n"
            return f"#!/usr/bin/env bash\n{self._install()}{start}"
        start = "Start-ScheduledTask -TaskName 'Elephant Desktop'\n"
        return f"<powershell>\n{self._install()}{start}</powershell>\n"

    def _install(self) -> str:
        values = {
            "CERTIFICATE_SECRET": self.certificate_secret,
            "SIGN_IN": self.sign_in,
            "DCV_PORT": self.stage.settings.dcv_port,
            "IDLE_MINUTES": self.idle_minutes,
        }
        if self.platform == "linux":
            given = " ".join(f"{name}='{value}'" for name, value in values.items())
            return _LINUX_INSTALL.format(archive=_lines(_tar()), values=given)
        given = " ".join(f"-{name} '{value}'" for name, value in values.items())
        return _WINDOWS_INSTALL.format(archive=_lines(_zip()), values=given)

    def _commands(self) -> str:
        meetings = self.stage.settings.meetings
        return _COMMANDS.format(
            stage=self.stage.name,
            account=self.stage.account,
            region=self.stage.region,
            partition=self.stage.partition,
            name=self.name,
            version=self.version,
            platform=PLATFORMS[self.platform],
            parent=self.parent,
            instance_type=meetings.instance_type if meetings else "t3.large",
            groups=" ".join(meetings.security_group_ids) if meetings else "sg-…",
            recipe=self.arn("image-recipe", self.name, self.version),
            infrastructure=self.arn("infrastructure-configuration", self.name),
            image=self.arn("image", self.name, f"{self.version}/1"),
        )


def _contents(platform: str) -> Iterator[tuple[str, Path]]:
    for name in FILES[platform]:
        yield name, KIT / platform / name


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in _contents("linux"):
            data = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if data.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in _contents("windows"):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return packed.getvalue()


def _lines(data: bytes) -> str:
    return "\n".join(textwrap.wrap(b64encode(data).decode(), 100))


_LINUX_INSTALL: Final = """\
set -euo pipefail
kit=$(mktemp -d)
base64 --decode <<'END' | tar --extract --gzip --no-same-owner --directory "$kit"
{archive}
END
{values} "$kit/install.sh"
rm -r "$kit"
"""
_LINUX_CHECKS: Final = """\
set -euo pipefail
command -v dcv
systemctl is-enabled dcvserver.service elephant-desktop.service
"""
_WINDOWS_INSTALL: Final = """\
$ErrorActionPreference = 'Stop'
$kit = "$env:TEMP\\elephant-kit"
[IO.File]::WriteAllBytes("$kit.zip", [Convert]::FromBase64String(@'
{archive}
'@))
Expand-Archive "$kit.zip" $kit -Force
Set-ExecutionPolicy -Scope Process Bypass -Force
& "$kit\\Install.ps1" {values}
Remove-Item $kit, "$kit.zip" -Recurse
"""
_WINDOWS_CHECKS: Final = """\
$ErrorActionPreference = 'Stop'
Get-Service dcvserver
Get-ScheduledTask 'Elephant Desktop'
"""
_COMMANDS: Final = """\
# The desktops' image of stage {stage}. Run these one by one where component.yaml is, with
# credentials of account {account}.
export AWS_DEFAULT_REGION={region}

# Once: what the machine that builds may do.
aws iam create-role --role-name elephant-image-build --assume-role-policy-document '{{
  "Version": "2012-10-17",
  "Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {{"Service": "ec2.amazonaws.com"}}}}]}}'
for policy in EC2InstanceProfileForImageBuilder AmazonSSMManagedInstanceCore; do
  aws iam attach-role-policy --role-name elephant-image-build \\
    --policy-arn arn:{partition}:iam::aws:policy/$policy
done
aws iam create-instance-profile --instance-profile-name elephant-image-build
aws iam add-role-to-instance-profile --instance-profile-name elephant-image-build \\
  --role-name elephant-image-build
aws imagebuilder create-infrastructure-configuration --name {name} \\
  --instance-profile-name elephant-image-build --instance-types {instance_type}

# For each --version: component, recipe and image, which takes half an hour. (AWS CLI 2)
aws imagebuilder create-component --name {name} --semantic-version {version} \\
  --platform {platform} --data file://component.yaml
aws imagebuilder create-image-recipe --cli-input-yaml file://recipe.yaml
aws imagebuilder create-image --image-recipe-arn {recipe} \\
  --infrastructure-configuration-arn {infrastructure}
aws imagebuilder get-image --image-build-version-arn {image} \\
  --query 'image.[state.status, outputResources.amis[0].image]'

# Or, without Image Builder: install it on one instance, and make an image of that.
aws ec2 run-instances --image-id {parent} --instance-type {instance_type} \\
  --security-group-ids {groups} --user-data file://user-data.txt
aws ec2 create-image --instance-id i-… --name {name}-{version}

# Either way, give the image to the stage.
elephant stage {stage} --ami ami-…
elephant deploy {stage}
"""
