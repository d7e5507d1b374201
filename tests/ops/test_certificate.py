"""A certificate is of the key that was made here, and is kept with it whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ops.certificate import (
    KEY_BITS,
    CertificateError,
    Pair,
    names_in,
    names_under,
    obtain,
    read_certificate,
)
from ops.certificate_store import PairFiles, PairSecret
from tests.authority import AUTHORITY, LIFE, certify
from tests.world import REGION

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from tests.world import World

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = names_under("example.com")


@dataclass
class Issuer:
    """Certifies what it is asked to, but for what a test says it does otherwise."""

    names: Sequence[str] | None = None
    end: datetime = NOW + LIFE
    key: CertificatePublicKeyTypes | None = None
    text: str | None = None

    def issue(self, csr: str, names: Sequence[str], days: int) -> str:
        request = x509.load_pem_x509_csr(csr.encode())
        alternatives = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert request.is_signature_valid
        assert (alternatives.value.get_values_for_type(x509.DNSName), days) == ([*names], 90)
        wanted = names if self.names is None else self.names
        text = self.text or certify(self.key or request.public_key(), wanted, self.end)
        return f"\n{text}\n"


def test_the_certificate_is_of_a_key_of_its_own_for_every_desktop_and_the_domain() -> None:
    pair, other = obtain(Issuer(), NAMES, 90, NOW), obtain(Issuer(), NAMES, 90, NOW)
    key = load_pem_private_key(pair.key.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == KEY_BITS
    assert pair.certificate == pair.certificate.strip() + "\n"
    certificate = read_certificate(pair.certificate, "here")
    assert certificate.public_key() == key.public_key()
    assert names_in(certificate) == NAMES == ("*.example.com", "example.com")
    assert pair.key != other.key


@pytest.mark.parametrize(
    ("issuer", "said"),
    [
        (Issuer(text="certificate"), "answer holds no certificate"),
        (Issuer(key=AUTHORITY.public_key()), "for another key"),
        (Issuer(names=["example.com"]), r"is not for \*\.example\.com, so nothing was stored"),
        (Issuer(names=[]), r"is not for \*\.example\.com and example\.com"),
        (Issuer(end=NOW), "has expired on 2026-11-21"),
    ],
)
def test_what_would_be_of_no_use_is_not_taken(issuer: Issuer, said: str) -> None:
    with pytest.raises(CertificateError, match=said):
        obtain(issuer, NAMES, 90, NOW)


def test_the_key_is_not_shown_with_the_pair() -> None:
    assert repr(Pair("c", "private")) == "Pair(certificate='c')"


OLD, NEW = Pair("old certificate\n", "old key\n"), Pair("new certificate\n", "new key\n")
DCV = "elephant/prod/dcv"


def found(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def files_of(pair: Pair) -> dict[str, str]:
    return {"dcv.pem": pair.certificate, "dcv.key": pair.key}


@pytest.fixture
def files(tmp_path: Path) -> PairFiles:
    return PairFiles(tmp_path)


@pytest.mark.parametrize("there", ["dcv.pem", "dcv.key", "link to nowhere"])
def test_what_is_there_is_replaced_only_if_that_is_said(
    files: PairFiles, tmp_path: Path, there: str
) -> None:
    if "link" in there:  # which is not followed
        there = "dcv.key"
        (tmp_path / there).symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / there).write_text("old")
        (tmp_path / there).chmod(0o644)
    before = {path: path.exists() and path.read_text() for path in tmp_path.iterdir()}
    with pytest.raises(CertificateError, match=f"{there} is there already: replace with --force"):
        files.check(overwrite=False)
    with pytest.raises(FileExistsError):
        files.keep(NEW, overwrite=False)
    assert {path: path.exists() and path.read_text() for path in tmp_path.iterdir()} == before
    files.check(overwrite=True)
    files.keep(NEW, overwrite=True)
    assert found(tmp_path) == files_of(NEW)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("old", [None, OLD])
def test_if_one_file_cannot_be_written_everything_is_as_it_was(
    files: PairFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Pair | None
) -> None:
    if old:
        files.keep(old, overwrite=False)
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.keep(NEW, overwrite=True)
    assert found(tmp_path) == (files_of(old) if old else {})


def test_a_directory_that_may_not_be_written_to_is_found_out_beforehand(
    files: PairFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CertificateError, match="is not writable"):
        files.check(overwrite=False)


# In a secret


def secret(world: World) -> PairSecret:
    return PairSecret(world.app_secrets, DCV, REGION)


def held(world: World, **version: str) -> str:
    return str(world.secrets.get_secret_value(SecretId=DCV, **version)["SecretString"])


def test_a_pair_in_a_secret_is_replaced_only_if_that_is_said(world: World) -> None:
    secret(world).keep(OLD, overwrite=False)
    for attempt in (secret(world).check, lambda **how: secret(world).keep(NEW, **how)):
        with pytest.raises(CertificateError, match="holds a certificate already") as caught:
            attempt(overwrite=False)
        assert "old key" not in str(caught.value)
    assert json.loads(held(world)) == files_of(OLD)
    secret(world).keep(NEW, overwrite=True)
    assert json.loads(held(world)) == files_of(NEW)
    assert json.loads(held(world, VersionStage="AWSPREVIOUS")) == files_of(OLD)


@pytest.mark.parametrize("text", ["hunter2", '["hunter2"]', '{"CLOUDFLARE_TOKEN": "hunter2"}'])
def test_a_secret_of_something_else_is_never_replaced(world: World, text: str) -> None:
    world.secrets.create_secret(Name=DCV, SecretString=text)
    with pytest.raises(CertificateError, match="something other than a certificate") as caught:
        secret(world).keep(NEW, overwrite=True)
    assert "hunter2" not in str(caught.value)
    assert held(world) == text
