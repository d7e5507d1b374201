"""The command `certificate`: an origin certificate for desktops."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from chalicelib.dns.provider import DnsError
from ops.account import Account, readable_errors
from ops.assemble import TOKEN_VARIABLE
from ops.certificate import (
    CertificateError,
    names_under,
    note_path,
    obtain,
    read_certificate,
)
from ops.certificate_store import CERTIFICATE_FILE, KEY_FILE, PairFiles, PairSecret
from ops.cloudflare_zone import ZoneView, danger_of
from ops.console import project_option, said_clearly, say, stage_argument, step
from ops.origin_ca import SSL_EDIT, VALIDITIES, OriginCa
from ops.stages import ConfigFile
from ops.token import checked_token, read_token
from ops.written_files import write_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.certificate_store import PairStore
    from ops.stages import Stage

_LINUX: Final = "/etc/dcv"
_WINDOWS: Final = r"C:\Windows\System32\config\systemprofile\AppData\Local\NICE\dcv"
"""https://docs.aws.amazon.com/dcv/latest/adminguide/manage-cert.html"""
_BOTH: Final = f"{CERTIFICATE_FILE} {KEY_FILE}"
_STRICT: Final = "Full (strict) in Cloudflare's dashboard > SSL/TLS > Overview"


@click.command(short_help="Get a Cloudflare certificate for the desktops.")
@stage_argument
@click.option(
    "--days",
    type=click.Choice([str(days) for days in VALIDITIES]),
    default=str(VALIDITIES[-1]),
    show_default=True,
    help="How long it is valid.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"The directory for {CERTIFICATE_FILE} and {KEY_FILE}.  [default: here]",
)
@click.option("--secret", "secret_id", help="Store both in this secret instead, as a JSON object.")
@click.option("--force", is_flag=True, help="Replace an existing certificate and key.")
@project_option
def certificate(  # noqa: PLR0913 (the options)
    name: str,
    directory: Path,
    days: str,
    target: Path | None,
    secret_id: str | None,
    *,
    force: bool,
) -> None:
    """Get a Cloudflare certificate for stage NAME's desktops, for the SSL mode Full (strict).

    Generates a key on this machine, and gets a certificate from Cloudflare's Origin CA for
    *.DOMAIN_ROOT and DOMAIN_ROOT. The key is stored only in dcv.key, or in the secret.

    It needs its own token, with Zone > SSL and Certificates > Edit on the zone. It asks for the
    token, or reads it from CLOUDFLARE_API_TOKEN or standard input, and keeps it nowhere.

    \b
    Examples:
      elephant certificate prod --to ~/prod-certificate
      elephant certificate prod --secret elephant/prod/dcv --days 365
      pass show cloudflare/ssl | elephant certificate prod --force
    """  # noqa: D301 (click's mark for text that keeps its lines)
    if target and secret_id:
        raise click.UsageError("give --to or --secret, not both")
    with said_clearly(), readable_errors("store the certificate"):
        config_file = ConfigFile(directory.resolve())
        stage = config_file.stage(name)
        store = _store(stage, target or Path(), secret_id)
        store.check(overwrite=force)
        token = _token()
        settings = stage.settings
        names = names_under(settings.domain_root)
        step(f"A certificate for {' and '.join(names)}, valid for {days} days")
        issuer = OriginCa(settings.cloudflare_api_url, token, settings.zone_id)
        pair = obtain(issuer, names, int(days), datetime.now(UTC))
        store.keep(pair, overwrite=force)
        issued = read_certificate(pair.certificate, CERTIFICATE_FILE)
        until = f"{issued.not_valid_after_utc:%Y-%m-%d}"
        say(f"Cloudflare issued {issued.serial_number}, valid until {until}")
        say(store.kept)
        note = note_path(config_file, name)
        write_files({note: pair.certificate})
        say(f"{note.relative_to(config_file.directory)} is the certificate alone, for `doctor`")
        step("What to do now")
        for line in _advice(stage, store):
            say(line)
        step("SSL mode")
        say(_ssl_mode(stage, token))


def _store(stage: Stage, target: Path, secret_id: str | None) -> PairStore:
    if secret_id is None:
        return PairFiles(target)
    if secret_id == stage.settings.secret_id:
        raise CertificateError(
            f"secret {secret_id!r} holds the stage's Cloudflare token: name another secret"
        )
    return PairSecret(Account(stage.region).client("secretsmanager"), secret_id, stage.region)


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE)
    if given:
        return checked_token(given, SSL_EDIT)
    if sys.stdin.isatty():
        step(f"A Cloudflare token with {SSL_EDIT}")
        say("used once; create and delete it at https://dash.cloudflare.com/profile/api-tokens")
    return read_token(sys.stdin, right=SSL_EDIT)


def _advice(stage: Stage, store: PairStore) -> Iterator[str]:
    """Say how to install the pair on a DCV server, and what to consider."""
    yield store.how_to_take
    yield f"Linux: put both into {_LINUX}/, then there `chown dcv {_BOTH} && chmod 600 {_BOTH}`"
    yield f"Windows: put both into {_WINDOWS}\\"
    yield "DCV 2022.0 and later loads them at once, an older server when it is restarted"
    if not stage.settings.proxied:
        yield (
            "warning: the stage's records are not proxied, so browsers get this certificate, and "
            "they do not trust Cloudflare's Origin CA; use one from a public CA instead"
        )


def _ssl_mode(stage: Stage, token: str) -> str:
    """Say whether Cloudflare verifies the certificate, or that this is not known."""
    settings = stage.settings
    try:
        mode = ZoneView(settings.cloudflare_api_url, token, settings.zone_id).ssl_mode()
    except DnsError:
        mode = None
    if mode is None:
        return "unknown; once desktops have the certificate, it should be " + _STRICT
    danger = danger_of(mode)
    if danger is None:
        return "Full (strict), as it should be: a desktop must present this certificate"
    return f"warning: it is {mode!r}: {danger}. Once they have the certificate, set {_STRICT}"
