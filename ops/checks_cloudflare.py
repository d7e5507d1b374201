"""Checks of Cloudflare: the token and its permissions, the zone, and the owners of its records."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ops.check import failure, ok, question, skipped, warning
from ops.cloudflare_zone import danger_of
from ops.listing import counted
from ops.preflight import lies_in, unknown_records

if TYPE_CHECKING:
    from ops.check import Context, Finding

FEW_RECORDS: Final = 50
FEW_OF_ALL: Final = 0.2
"""Fewer free records than this number, or this share of the quota, is a warning."""

YOUNG: Final = timedelta(minutes=3)
"""Long enough for an instance to be known to EC2.

Not much longer: of two deployments with the same owner, each removes the other's records when they
are older than the grace period, so they never become old.
"""

_SHOWN: Final = 3
_READ: Final = ("credentials", "secret", "token")


@question("token", needs=("secret",), remedy="`elephant token {stage}`")
def token(context: Context) -> Finding:
    """Whether Cloudflare accepts the token for this zone's records."""
    count = len(context.our_records)
    return ok(f"reads the zone's records; {count} {'is' if count == 1 else 'are'} ours")


@question("token's rights", needs=("token",), remedy="`elephant token {stage}`")
def rights(context: Context) -> Finding:
    """Whether the token may write, tested by writing: the only check that changes something."""
    if not context.prove:
        return skipped(
            "it can read; to test whether it can write, a record must be created and removed",
            context.command("doctor", "--prove"),
        )
    settings = context.stage.settings
    proof = context.zone.prove_write(
        settings.domain_root, settings.owner, proxied=settings.proxied, ttl=settings.ttl
    )
    return ok(f"{proof.name} was created, found and removed")


@question("zone", needs=("token",), remedy="`elephant stage {stage} --zone-id …`")
def zone(context: Context) -> Finding:
    """Whether Cloudflare serves the zone."""
    details = context.zone_details
    if details.paused:
        return failure(
            f"{details.name} is paused, so Cloudflare proxies nothing in it",
            f"Cloudflare's dashboard > {details.name} > Overview > Enable Cloudflare on Site",
        )
    if not details.is_active:
        return failure(
            f"{details.name} is {details.status}, so Cloudflare proxies nothing in it",
            f"set the name servers that Cloudflare's overview of {details.name} shows at the "
            "domain's registrar",
        )
    return ok(f"{details.name} is active")


@question("domain", needs=("token", "zone"))
def domain(context: Context) -> Finding:
    """Whether DOMAIN_ROOT is in the zone, and the zone's certificate covers the names."""
    settings, details = context.stage.settings, context.zone_details
    root = settings.domain_root
    if not lies_in(root, details.name):
        right = context.zone.zone_for(root)
        options = f"--zone-id {right}" if right else f"--zone-id … (the id of {root}'s zone)"
        return failure(
            f"{root} is not in the zone {details.name}",
            f"{context.command('stage', options)}, then {context.command('deploy')}",
        )
    if root != details.name and settings.proxied and details.is_full:
        # https://developers.cloudflare.com/ssl/edge-certificates/universal-ssl/limitations/
        return warning(
            f"Universal SSL covers {details.name} and *.{details.name}, but not *.{root}: without "
            "its own certificate no link works",
            f"order an advanced certificate for *.{root} (SSL/TLS > Edge Certificates), or "
            f"{context.command('stage', f'--domain-root {details.name}')}, then "
            f"{context.command('deploy')}",
        )
    covered = f", and its certificate covers *.{root}" if settings.proxied else ""
    return ok(f"{root} is in the zone {details.name}{covered}")


@question("SSL mode", needs=("token", "zone"))
def ssl_mode(context: Context) -> Finding:
    """Whether Cloudflare verifies that it connects to one of our desktops.

    https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
    """
    if not context.stage.settings.proxied:
        return ok("irrelevant: the records are not proxied")
    name = context.zone_details.name
    mode = context.zone.ssl_mode()
    if mode is None:
        return skipped(
            "the token may not read it, and does not need to",
            f"Cloudflare's dashboard > {name} > SSL/TLS > Overview should say Full (strict)",
        )
    danger = danger_of(mode)
    if danger is None:
        return ok("Full (strict)")
    return warning(
        f"it is {mode!r}: {danger}",
        "give desktops a certificate that Cloudflare trusts, such as that of "
        f"{context.command('certificate')}, then Cloudflare's dashboard > {name} > SSL/TLS > "
        "Overview > Full (strict)",
    )


@question("records left", needs=("token", "zone"))
def records_left(context: Context) -> Finding:
    """Whether the zone has room for more records."""
    usage = context.zone.usage()
    if usage.quota is None or usage.left is None:
        return ok(f"{usage.used} records; the quota is the account's, and is not known here")
    found = f"{usage.left} of {usage.quota}"
    remedy = "delete unused records, or order a larger plan"
    if not usage.left:
        return failure(f"{found}: new desktops get no record", remedy)
    if usage.left < FEW_RECORDS or usage.left < usage.quota * FEW_OF_ALL:
        return warning(found, remedy)
    return ok(found)


@question("owner in the zone", needs=_READ)
def owner_in_zone(context: Context) -> Finding:
    """Whether records with our owner seem to belong to another deployment."""
    owner = context.stage.settings.owner
    limit = context.now() - YOUNG
    known_for_sure = [
        each for each in context.our_records if each.modified_at is None or each.modified_at < limit
    ]
    others = unknown_records(known_for_sure, context.account, context.stage)
    if others:
        shown = ", ".join(others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
        return warning(
            f"{counted(len(others), 'record')} of {owner} without an instance in this account and "
            f"region, so another deployment may use this owner: {shown}",
            "if another deployment uses this owner, each removes the other's records: give one of "
            f"them another owner while none of its instances runs: "
            f"{context.command('stage', '--owner elephant:ANOTHER')}, then "
            f"{context.command('deploy')}; if none has, {context.command('sweep', '--force')}",
        )
    return ok(f"all records of {owner} are new, or of instances that EC2 knows")


QUESTIONS: Final = (token, rights, zone, domain, ssl_mode, records_left, owner_in_zone)
