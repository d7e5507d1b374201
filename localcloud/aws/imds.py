"""The metadata that an instance asks for at 169.254.169.254, which moto does not have.

`PREFIX/INSTANCE-ID` of this server is that address, for each instance. The instance's metadata
options say whether it answers, wants a token (IMDSv2), and tells the instance's tags. The role's
credentials are issued by moto's STS for a session that is named after the instance, so that
`signatures.py` knows them. They expire by this machine's time.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models import ec2_backends
from moto.sts.models import sts_backends
from werkzeug.wrappers import Request, Response

from .account import ACCOUNT_ID
from .permissions import role_trusts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from moto.ec2.models.instances import Instance
    from moto.iam.models import Role
    from moto.sts.models import AssumedRole

PREFIX: Final = "/_aws/imds"

_TTL: Final = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN: Final = "X-aws-ec2-metadata-token"  # noqa: S105 (the name of a header)
_MAX_TTL: Final = 21_600
_LIFETIME: Final = 6 * 3600
_EARLIER: Final = timedelta(minutes=15)
"""How long before credentials expire there are new ones; on AWS at least five minutes."""


class Metadata:
    """A WSGI application: requests below PREFIX are instances', all others go to `otherwise`."""

    def __init__(self, otherwise: Callable[..., Iterable[bytes]], region: str) -> None:
        self._otherwise = otherwise
        self._region = region
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._sessions: dict[tuple[str, str], AssumedRole] = {}

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI wants it."""
        if not environ.get("PATH_INFO", "").startswith(f"{PREFIX}/"):
            return self._otherwise(environ, start_response)
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        instance_id, _, path = request.path.removeprefix(f"{PREFIX}/").partition("/")
        instance = self._running(instance_id)
        if instance is None:
            return _say(404)
        if instance.metadata_options.http_endpoint != "enabled":
            return _say(403)
        if request.method == "PUT" and path == "latest/api/token":
            return self._issue_token(request, instance_id)
        if not self._may_read(request, instance):
            return _say(401)
        if request.method != "GET":
            return _say(405)
        return _read(self._tree(instance), path.rstrip("/"))

    def _running(self, instance_id: str) -> Instance | None:
        try:
            instance = ec2_backends[ACCOUNT_ID][self._region].get_instance(instance_id)
        except InvalidInstanceIdError:
            return None
        return instance if instance.state == "running" else None

    def _issue_token(self, request: Request, instance_id: str) -> Response:
        if "X-Forwarded-For" in request.headers:
            return _say(403)
        seconds = request.headers.get(_TTL, "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= _MAX_TTL:
            return _say(400)
        token = secrets.token_urlsafe(40)
        with self._lock:
            self._tokens[token] = (instance_id, time.monotonic() + int(seconds))
        return Response(token, headers={_TTL: seconds}, mimetype="text/plain")

    def _may_read(self, request: Request, instance: Instance) -> bool:
        token = request.headers.get(_TOKEN)
        if token is None:
            return bool(instance.metadata_options.http_tokens == "optional")
        with self._lock:
            of_instance, until = self._tokens.get(token, ("", 0.0))
        return of_instance == instance.id and time.monotonic() < until

    def _tree(self, instance: Instance) -> dict[str, str]:
        """Return everything that the instance may know, by path."""
        found = {
            "ami-id": instance.image_id,
            "instance-id": instance.id,
            "instance-type": instance.instance_type,
            "local-ipv4": instance.private_ip,
            "placement/availability-zone": instance.availability_zone,
            "placement/region": self._region,
            "public-ipv4": instance.public_ip,
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
        }
        if instance.metadata_options.instance_metadata_tags == "enabled":
            found |= {f"tags/instance/{tag['key']}": tag["value"] for tag in instance.get_tags()}
        role = _role(instance)
        if role is not None:
            path = f"iam/security-credentials/{role.name}"
            found[path] = json.dumps(self._credentials(instance, role), indent=2)
        tree = {f"latest/meta-data/{path}": str(text) for path, text in found.items() if text}
        document = json.dumps(self._document(instance), indent=2)
        return tree | {"latest/dynamic/instance-identity/document": document}

    def _credentials(self, instance: Instance, role: Role) -> dict[str, str]:
        now = datetime.now(UTC).replace(tzinfo=None)
        if not role_trusts(role.arn, "ec2.amazonaws.com"):
            # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshoot-iam-roles.html
            return {"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": _time(now)}
        with self._lock:
            session = self._sessions.get((instance.id, role.arn))
            if session is None or session.expiration - now < _EARLIER:
                session = sts_backends[ACCOUNT_ID]["aws"].assume_role(
                    region_name=self._region,
                    role_session_name=instance.id,
                    role_arn=role.arn,
                    policy="",
                    duration=_LIFETIME,
                    external_id="",
                )
                self._sessions[instance.id, role.arn] = session
        return {
            "Code": "Success",
            "LastUpdated": _time(session.expiration - timedelta(seconds=_LIFETIME)),
            "Type": "AWS-HMAC",
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token,
            "Expiration": _time(session.expiration),
        }

    def _document(self, instance: Instance) -> dict[str, str | None]:
        return {
            "accountId": ACCOUNT_ID,
            "architecture": instance.architecture,
            "availabilityZone": instance.availability_zone,
            "imageId": instance.image_id,
            "instanceId": instance.id,
            "instanceType": instance.instance_type,
            "pendingTime": _time(instance.launch_time),
            "privateIp": instance.private_ip,
            "region": self._region,
            "version": "2017-09-30",
        }


def _role(instance: Instance) -> Role | None:
    """Return the role of the instance's profile."""
    backend = ec2_backends[ACCOUNT_ID][instance.region_name]
    held = backend.iam_instance_profile_associations.get(instance.id)
    return next(iter(held.iam_instance_profile.roles), None) if held else None


def _read(tree: dict[str, str], path: str) -> Response:
    """Answer with a value, or the list of what is below."""
    if path in tree:
        return Response(tree[path], mimetype="text/plain")
    below = [each.removeprefix(f"{path}/") for each in tree if each.startswith(f"{path}/")]
    if not below:
        return _say(404)
    names = {first + "/" * bool(rest) for first, _, rest in (each.partition("/") for each in below)}
    return Response("\n".join(sorted(names)), mimetype="text/plain")


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _say(status: int) -> Response:
    return Response(status=status, mimetype="text/html")
