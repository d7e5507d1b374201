"""EC2: features of starting instances that moto lacks.

| in moto | here |
|---|---|
| a ClientToken has no effect | the same request again, in the same zone, is answered with the instance that it started; another request is refused, and so is one whose instance has ended |
| `client-token` is no filter | it is |
| any image, key pair, size of volume and group of an interface is taken | those that there are not, and volumes smaller than their snapshots, are refused |
| an instance profile that is not there is IAM's error | it is EC2's |
| there is always capacity | refusals can be switched on, see `refusals.py` |
| instances start at this machine's time | at the local cloud's |

Not checked, as in moto: types of instance, quotas, and who may call.
"""  # noqa: E501 (a row of a table is a line)

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidKeyPairNameError,
    InvalidSecurityGroupNotFoundError,
)
from moto.ec2.models import EC2Backend, instances
from moto.ec2.responses import instances as responses
from moto.ec2.utils import filter_dict_attribute_mapping, filter_iam_instance_profiles
from moto.iam.exceptions import NotFoundException

from .fixtures import ANY_IMAGE, make_image_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from moto.ec2.models.instances import Reservation

    from .clock import Clock
    from .refusals import Refusals

_NO_TOKEN: Final = "ABCDE"  # noqa: S105 (what moto takes for one where there is none)

# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
_MISMATCH: Final = "IdempotentParameterMismatch"
_ENDED: Final = "IdempotentInstanceTerminated"


@contextmanager
def ec2_patches(clock: Callable[[], Clock], refusals: Refusals) -> Iterator[None]:
    """Make instances start as on AWS while the context lasts."""
    tokens = _Tokens()
    starting = threading.Lock()
    original_run = EC2Backend.run_instances
    original_associate = EC2Backend.associate_iam_instance_profile
    original_filter = filter_iam_instance_profiles

    def now() -> datetime:
        return clock().now().replace(tzinfo=None)

    def run_instances(self: EC2Backend, *positional: Any, **named: Any) -> Reservation:  # noqa: ANN401 - moto's
        zone = _zone(self, named)
        with starting:
            repeated = tokens.find(self, zone, positional, named)
            if repeated is not None:
                return repeated
            refusals.refuse(zone)
            _check(self, positional[0], named)
            # moto changes its arguments
            request = (positional, dict(named))
            reservation = original_run(self, *positional, **named)
            tokens.note(self, zone, request, reservation)
        return reservation

    def associate(self: EC2Backend, instance_id: str, **named: Any) -> Any:  # noqa: ANN401 - moto's
        known = self.iam_instance_profile_associations.get(instance_id)
        if known is not None and known.instance.client_token != _NO_TOKEN:
            return known  # the answer to a repeated request
        return original_associate(self, instance_id, **named)

    def find_profile(*positional: Any, **named: Any) -> Any:  # noqa: ANN401 - moto's
        try:
            return original_filter(*positional, **named)
        except NotFoundException as error:
            name = named["iam_instance_profile_name"] or named["iam_instance_profile_arn"]
            raise EC2ClientError(
                "InvalidParameterValue",
                f"Value ({name}) for parameter iamInstanceProfile.name is invalid. "
                "Invalid IAM Instance Profile name",
            ) from error

    with (
        mock.patch.object(EC2Backend, "run_instances", run_instances),
        mock.patch.object(EC2Backend, "associate_iam_instance_profile", associate),
        mock.patch.object(responses, "filter_iam_instance_profiles", find_profile),
        mock.patch.object(instances, "utcnow", now),
        mock.patch.dict(filter_dict_attribute_mapping, {"client-token": "client_token"}),
    ):
        yield


class _Tokens:
    """What was asked for with each token, and what that started."""

    def __init__(self) -> None:
        self._used: dict[tuple[int, str, str], tuple[str, Reservation]] = {}

    def find(
        self, backend: EC2Backend, zone: str, positional: tuple[Any, ...], named: dict[str, Any]
    ) -> Reservation | None:
        """Return what the same request started. EC2ClientError for another request."""
        token = str(named.get("client_token") or _NO_TOKEN)
        known = self._used.get((id(backend), zone, token))
        if known is None:
            return None
        request, reservation = known
        if request != _canonical(positional, named):
            raise EC2ClientError(
                _MISMATCH,
                "Arguments on this idempotent request are inconsistent with arguments used in "
                "previous request(s).",
            )
        if all(instance.state == "terminated" for instance in reservation.instances):
            raise EC2ClientError(_ENDED, "The instances of this idempotent request have ended.")
        return reservation

    def note(
        self,
        backend: EC2Backend,
        zone: str,
        request: tuple[tuple[Any, ...], dict[str, Any]],
        reservation: Reservation,
    ) -> None:
        token = str(request[1].get("client_token") or _NO_TOKEN)
        if token != _NO_TOKEN:
            self._used[id(backend), zone, token] = (_canonical(*request), reservation)


def _canonical(positional: tuple[Any, ...], named: dict[str, Any]) -> str:
    return repr((positional, sorted(named.items())))


def _zone(backend: EC2Backend, named: dict[str, Any]) -> str:
    """Return the zone that a request is for."""
    interfaces = named.get("nics") or []
    subnets = [named.get("subnet_id"), *(each.get("SubnetId") for each in interfaces)]
    for subnet_id in filter(None, subnets):
        return str(backend.get_subnet(subnet_id).availability_zone)
    return str(named.get("placement") or f"{backend.region_name}a")


def _check(backend: EC2Backend, image_id: str | None, named: dict[str, Any]) -> None:
    """Refuse what there is not."""
    if image_id == ANY_IMAGE:
        make_image_in(backend, image_id)
    (image,) = backend.describe_images(ami_ids=[image_id]) if image_id else (None,)
    key_name = named.get("key_name")
    if key_name and key_name not in backend.key_pairs:
        raise InvalidKeyPairNameError(key_name)
    groups = [group for each in named.get("nics") or [] for group in each.get("Groups") or []]
    for group in groups:
        if backend.get_security_group_from_id(group) is None:
            raise InvalidSecurityGroupNotFoundError(group)
    for device in named.get("block_device_mappings") or []:
        size = (device.get("Ebs") or {}).get("VolumeSize")
        if image is None or size is None or device["DeviceName"] != image.root_device_name:
            continue
        least = image.ebs_snapshot.volume.size
        if int(size) < least:
            raise EC2ClientError(
                "InvalidBlockDeviceMapping",
                f"Volume of size {size}GB is smaller than snapshot '{image.ebs_snapshot.id}', "
                f"expect size >= {least}GB",
            )
