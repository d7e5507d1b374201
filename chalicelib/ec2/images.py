"""The desktops' image, and the volumes that it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chalicelib.ec2.launch_errors import NeverError, NotNowError

if TYPE_CHECKING:
    from collections.abc import Mapping

_AVAILABLE: Final = "available"
_COMING: Final = frozenset({"pending", "transient"})


def devices_of(image: Mapping[str, Any], volume_gb: int) -> tuple[Mapping[str, Any], ...]:
    """Build the mappings: all volumes are deleted with the desktop; the root has the asked size.

    It has the image's size if 0 is asked for or the image's is larger, as a volume cannot be
    smaller than its snapshot. Everything else, including encryption, is as in the image: what a
    mapping does not name is taken from there.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
    """
    state = image.get("State", _AVAILABLE)
    if state != _AVAILABLE:
        message = f"image {image['ImageId']} is {state}"
        raise NotNowError(message) if state in _COMING else NeverError(message)
    root = image.get("RootDeviceName")
    devices: dict[str, dict[str, object]] = {}
    for mapping in image.get("BlockDeviceMappings", ()):
        if "Ebs" in mapping:
            name = mapping["DeviceName"]
            devices[name] = {"DeleteOnTermination": True}
            if name == root and volume_gb:
                devices[name]["VolumeSize"] = max(volume_gb, mapping["Ebs"].get("VolumeSize", 0))
    if root not in devices:
        raise NeverError(f"image {image['ImageId']} has no EBS root device")
    return tuple({"DeviceName": name, "Ebs": ebs} for name, ebs in devices.items())
