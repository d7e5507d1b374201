"""`elephant certificate`: from a key made here to what a DCV server takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from localcloud.cloudflare import (
    DEFAULT_TOKEN,
    DEFAULT_ZONE_ID,
    Fault,
    FaultKind,
    Permission,
    Token,
)
from ops import cli_certificate
from ops.cli import main
from tests.ops.secrecy import Terminal
from tests.world import OTHER_TOKEN, REGION, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from tests.world import World

    Ops = Callable[..., Result]

DCV = "elephant/test/dcv"
NOTE = ".chalice/certificate-test.pem"
SSL_MODE = f"/zones/{DEFAULT_ZONE_ID}/settings/ssl"


@pytest.fixture
def ops(project: Path, monkeypatch: pytest.MonkeyPatch) -> Ops:
    """Run the command where its user is."""
    monkeypatch.chdir(project.parent)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)

    def run(*options: str, token: str = DEFAULT_TOKEN) -> Result:
        arguments = ["certificate", "test", "--project", str(project), *options]
        return CliRunner().invoke(main, arguments, input=f"{token}\n")

    return run


def token_for(world: World, permission: Permission) -> str:
    """Make a token with one right."""
    token = Token("one_right_" * 4, frozenset({permission}))
    world.cloudflare.api._authenticator._tokens[token.value] = token
    return token.value


def flat(result: Result) -> str:
    return " ".join(result.output.split())


def test_the_files_are_where_the_user_is_and_the_key_is_sent_and_printed_nowhere(
    world: World, ops: Ops, project: Path
) -> None:
    result = ops()

    certificate, key = project.parent / "dcv.pem", project.parent / "dcv.key"
    lines = key.read_text().splitlines()
    assert key.stat().st_mode & 0o777 == 0o600
    assert (project / NOTE).read_text() == certificate.read_text()  # for the doctor
    assert not any(line in result.output for line in (*lines, "PRIVATE", DEFAULT_TOKEN))
    for call in world.cloudflare.calls:
        assert not any(line.encode() in call.body for line in lines)
    assert world.dns_calls == [("POST", "/certificates"), ("GET", SSL_MODE)]
    for said in (
        "chown dcv dcv.pem dcv.key && chmod 600 dcv.pem dcv.key",
        r"C:\Windows\System32\config\systemprofile\AppData\Local\NICE\dcv",
        "delete them here",
    ):
        assert said in flat(result)


def test_what_is_there_stays_and_nothing_is_asked_for(
    world: World, ops: Ops, project: Path
) -> None:
    ops()
    key, calls = (project.parent / "dcv.key").read_text(), len(world.cloudflare.calls)
    assert "there already: replace with --force" in flat(ops())
    assert (project.parent / "dcv.key").read_text() == key
    assert len(world.cloudflare.calls) == calls
    assert ops("--force").exit_code == 0
    assert (project.parent / "dcv.key").read_text() != key
    assert ops("--to", "made/pair", "--days", "90").exit_code == 0
    assert b'"requested_validity": 90' in world.cloudflare.calls[-2].body
    assert (project / NOTE).read_text() == (project.parent / "made/pair/dcv.pem").read_text()


def test_both_go_into_a_secret_and_no_file_has_the_key(
    world: World, ops: Ops, project: Path
) -> None:
    result = ops("--secret", DCV)
    assert result.exit_code == 0, result.output
    held = json.loads(world.secrets.get_secret_value(SecretId=DCV)["SecretString"])
    assert set(held) == {"dcv.pem", "dcv.key"}
    assert held["dcv.pem"] == (project / NOTE).read_text()
    written = [each for each in project.parent.rglob("*") if each.is_file()]
    assert not any("PRIVATE" in each.read_text() for each in written)
    assert f"get-secret-value --secret-id {DCV} --region {REGION}" in flat(result)
    assert "PRIVATE" not in result.output


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--secret", SECRET, "--force"), 1, "holds the stage's Cloudflare token"),
        (("--secret", DCV, "--to", "pair"), 2, "--to"),
        (("--days", "100"), 2, "5475"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_asked_for(
    world: World, ops: Ops, options: tuple[str, ...], status: int, said: str
) -> None:
    result = ops(*options)
    assert (result.exit_code, world.cloudflare.calls) == (status, ())
    assert said in flat(result)


def test_a_token_for_dns_is_refused_with_the_right_that_it_lacks(
    world: World, ops: Ops, project: Path
) -> None:
    token = token_for(world, Permission.DNS_WRITE)
    result = ops(token=token)
    assert (result.exit_code, len(world.cloudflare.calls)) == (1, 1)
    assert "needs SSL and Certificates Edit (Zone > SSL and Certificates > Edit)" in flat(result)
    assert token not in result.output
    assert not (project.parent / "dcv.key").exists()
    assert not (project / NOTE).exists()


def test_a_person_is_asked_for_the_right_token_unless_it_is_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(cli_certificate, "read_token", lambda _, **__: DEFAULT_TOKEN)
    assert cli_certificate._token() == DEFAULT_TOKEN
    assert "Zone > SSL and Certificates > Edit" in capsys.readouterr().out

    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", OTHER_TOKEN)
    assert cli_certificate._token() == OTHER_TOKEN


def test_a_mode_in_which_cloudflare_does_not_look_at_it_is_warned_of(
    world: World, ops: Ops, project: Path
) -> None:
    zone = world.cloudflare.api.zone(DEFAULT_ZONE_ID).zone
    for mode, said in (
        ("strict", "Full (strict), as it should be"),
        ("full", "warning: it is 'full': Cloudflare accepts any certificate"),
    ):
        object.__setattr__(zone, "ssl", mode)
        assert said in flat(ops("--force"))
    unknown = "unknown; once desktops have the certificate, it should be Full (strict)"
    assert unknown in flat(ops("--force", token=token_for(world, Permission.SSL_WRITE)))
    world.cloudflare.faults.add(Fault(FaultKind.RATE_LIMITED, method="GET", path=SSL_MODE))
    again = ops("--force")
    assert (again.exit_code, unknown in flat(again)) == (0, True)

    # and browsers that meet it themselves do not trust it
    path = project / ".chalice/config.json"
    path.write_text(path.read_text().replace('"OWNER"', '"PROXIED": "false", "OWNER"'))
    assert "warning: the stage's records are not proxied" in flat(ops("--force"))
