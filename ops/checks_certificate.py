"""The check of the certificate obtained by `elephant certificate`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ops.certificate import CertificateError, names_in, names_under, note_path, read_certificate
from ops.check import failure, ok, question, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.check import Context, Finding

NOTICE: Final = timedelta(days=30)
"""How long before its expiry a certificate should be replaced …"""
NOTICE_OF_SHORT: Final = 3
"""… or when this fraction of its lifetime is left, if that is later."""


@question("origin certificate", needs=("configuration",))
def origin_certificate(context: Context) -> Iterator[Finding]:
    """Whether the last certificate, if any, is for this domain and valid for long enough."""
    note = note_path(context.config_file, context.name)
    shown = note.relative_to(context.config_file.directory)
    renewal = f"{context.command('certificate', '--force')}, then give desktops the new one"
    another = f"{renewal}; or delete {shown} if they have another"
    try:
        certificate = read_certificate(note.read_text(), str(shown))
    except FileNotFoundError:
        return
    except (CertificateError, UnicodeDecodeError):
        yield warning(f"{shown} holds no certificate, so its expiry is unknown", another)
        return
    wildcard, _ = names_under(context.stage.settings.domain_root)
    names = names_in(certificate)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = end - context.now()
    if wildcard not in names:
        yield failure(
            f"it is for {', '.join(names)}, but desktops are named {wildcard}: in the mode Full "
            "(strict) Cloudflare refuses them",
            another,
        )
    elif left <= timedelta(0):
        yield failure(
            f"it expired on {end:%Y-%m-%d}: in the mode Full (strict) Cloudflare refuses desktops",
            another,
        )
    elif left < min(NOTICE, (end - begin) / NOTICE_OF_SHORT):
        yield warning(f"it expires on {end:%Y-%m-%d}, in {left.days} days", another)
    else:
        yield ok(f"for {', '.join(names)}, until {end:%Y-%m-%d}")


QUESTIONS: Final = (origin_certificate,)
