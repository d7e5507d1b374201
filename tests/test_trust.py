"""AWS is trusted by Amazon's own root certificates, and by all others if these do not suffice."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import SSLError

from chalicelib import aws, trust
from tests.servers import QuietHandler, QuietServer, certificate_for, serve_tls, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("new_environment")


class Handler(QuietHandler):
    """Secrets Manager with one secret."""

    def take(self, body: bytes) -> None:
        assert body
        self.answer(body=b'{"SecretString": "token"}')


@contextmanager
def secrets_manager(directory: Path) -> Iterator[tuple[str, Path]]:
    """Serve over TLS; yield the URL and the certificate by which it is trusted."""
    server = QuietServer(Handler)
    certificate = serve_tls(server, directory)
    with serving(server):
        yield f"https://localhost:{server.server_port}", certificate


def read(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    client = aws.client("secretsmanager")
    return str(client.get_secret_value(SecretId="s")["SecretString"])


def test_amazons_roots_suffice_for_what_they_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secrets_manager(tmp_path) as (url, certificate):
        monkeypatch.setattr(trust, "AMAZON", certificate)
        monkeypatch.setattr(trust, "where", lambda: pytest.fail("the whole bundle was read"))

        assert read(url, monkeypatch) == "token"


def test_for_what_another_root_signed_all_are_used_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with secrets_manager(tmp_path) as (url, certificate):
        monkeypatch.setattr(trust, "where", lambda: str(certificate))
        monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("pause") if seconds else None)

        assert read(url, monkeypatch) == "token"

    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_whoever_no_root_signed_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with secrets_manager(tmp_path) as (url, _), pytest.raises(SSLError):
        read(url, monkeypatch)


def test_a_bundle_of_the_users_own_is_used_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with secrets_manager(tmp_path) as (url, certificate):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        assert read(url, monkeypatch) == "token"

        aws._session.cache_clear()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate_for("other", tmp_path)))
        monkeypatch.setattr(trust, "where", lambda: pytest.fail("another bundle was used"))
        with pytest.raises(SSLError):
            read(url, monkeypatch)
