"""What to do next with a stage that was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.stages import Stage

_BY_HAND: Final = """\
Launch an instance; its name works seconds after it runs:
  aws ec2 run-instances --region {region} --image-id ami-… \\
    --subnet-id subnet-… --security-group-ids sg-… \\
    --associate-public-ip-address --tag-specifications \\
    'ResourceType=instance,Tags=[{{Key={key},Value={value}}}]'
Open https://INSTANCE-ID.{domain}{port}
See instances, records and drift: elephant status {name}"""
_MEETINGS: Final = """\
Book meetings in a browser:
  {url}
with a key, one for each person: elephant keys {name} add WHO
See what is booked: elephant meetings {name}"""


def after_deployment(stage: Stage, url: str | None, *, works: bool) -> Iterator[str]:
    """Return the lines; `url` is the address of its API, and `works` what doctor says."""
    if not works:
        yield "Do what is said above, deploy again if it says so, and check:"
        yield f"  elephant doctor {stage.name}"
        return
    yield "Next"
    settings = stage.settings
    if url:
        text = _MEETINGS.format(url=url, name=stage.name)
    else:
        key, value = settings.project_tag
        text = _BY_HAND.format(
            region=stage.region,
            key=key,
            value=value,
            domain=settings.domain_root,
            port=f":{settings.dcv_port}",
            name=stage.name,
        )
    yield from (f"  {line}" for line in text.splitlines())
