"""A pair is kept whole or not at all, for its owner alone, and never over another unasked."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ops.certificate import CertificateError, Pair
from ops.certificate_store import PairFiles, PairSecret
from tests.world import REGION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.world import World

OLD, NEW = Pair("old certificate\n", "old key\n"), Pair("new certificate\n", "new key\n")
DCV = "elephant/prod/dcv"


def found(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in directory.iterdir()}


def are_private(directory: Path) -> bool:
    return {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}


def files_of(pair: Pair) -> dict[str, str]:
    return {"dcv.pem": pair.certificate, "dcv.key": pair.key}


@pytest.fixture
def files(tmp_path: Path) -> PairFiles:
    return PairFiles(tmp_path)


def test_both_files_are_written_for_their_owner_alone_in_a_directory_that_is_made(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "made" / "by it"
    before = os.umask(0)
    try:
        PairFiles(directory).check(overwrite=False)
        PairFiles(directory).keep(NEW, overwrite=False)
    finally:
        os.umask(before)
    assert found(directory) == files_of(NEW)
    assert are_private(directory)


@pytest.mark.parametrize("there", ["dcv.pem", "dcv.key"])
def test_what_is_there_is_replaced_only_if_that_is_said(
    files: PairFiles, tmp_path: Path, there: str
) -> None:
    (tmp_path / there).write_text("old")
    (tmp_path / there).chmod(0o644)
    before = found(tmp_path)
    with pytest.raises(CertificateError, match=f"{there} is there already: replace with --force"):
        files.check(overwrite=False)
    with pytest.raises(FileExistsError):
        files.keep(NEW, overwrite=False)
    assert found(tmp_path) == before
    files.check(overwrite=True)
    files.keep(NEW, overwrite=True)
    assert found(tmp_path) == files_of(NEW)
    assert are_private(tmp_path)


def test_a_link_is_replaced_and_not_followed(files: PairFiles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "dcv.key").symlink_to(elsewhere)
    with pytest.raises(CertificateError, match="there already"):
        files.check(overwrite=False)
    with pytest.raises(FileExistsError):
        files.keep(NEW, overwrite=False)
    files.keep(NEW, overwrite=True)
    assert not elsewhere.exists()
    assert found(tmp_path) == files_of(NEW)


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
