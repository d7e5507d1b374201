"""What leads to the local AWS, and to no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.aws import aws_client, aws_environment, aws_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

ENDPOINT = "http://127.0.0.1:1"


def test_nothing_of_the_users_own_aws_is_left_in_the_environment() -> None:
    mine = {
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "PATH": "/bin",
    }
    environment = aws_environment(ENDPOINT, base=mine)
    assert environment["PATH"] == "/bin"
    ours = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    assert ours == aws_settings(ENDPOINT)
    assert "AKIAREAL" not in environment.values()


def test_a_client_ignores_the_users_profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile mine]\nregion = eu-central-1\nendpoint_url = http://mine\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    client = aws_client("sqs", ENDPOINT)
    assert client.meta.endpoint_url == ENDPOINT
    assert client.meta.region_name == "us-west-2"
