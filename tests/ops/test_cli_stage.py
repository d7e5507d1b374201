"""`elephant stage`: what its options write, and what stays as it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from chalice.config import Config
from click.testing import CliRunner
from moto import mock_aws

from chalicelib.dns.provider import UnavailableError
from localcloud.cloudflare import DEFAULT_TOKEN, CloudflareStandIn, Zone
from ops import assemble, cli
from ops.features import SETTINGS
from ops.found import suggestion
from ops.iam_page import EXAMPLE
from ops.steps import INTERRUPTED
from tests.ops.projects import ROOT, account, code, edit_stages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

PLACE = ("--account=123456789012", "--region=us-west-2")
NEW = (*PLACE, "--domain-root=example.com", f"--zone-id={'0' * 32}")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the project's configuration as it was cloned; its code is read once."""
    monkeypatch.setattr("ops.cli_stage.Code", lambda _: code())
    path = tmp_path / ".chalice/config.json"
    path.parent.mkdir()
    path.write_text((ROOT / ".chalice/config.json").read_text())
    return path


def run(config: Path, *arguments: str, name: str = "prod") -> Result:
    place = f"--project={config.parent.parent}"
    return CliRunner().invoke(cli.main, ["stage", name, place, *arguments])


def written(config: Path, name: str = "prod") -> Any:  # noqa: ANN401 (JSON)
    return json.loads(config.read_text())["stages"][name]


def variables(config: Path, name: str = "prod") -> dict[str, str]:
    return dict(written(config, name)["environment_variables"])


def test_a_new_stage_has_an_owner_and_a_table_of_its_own(config: Path) -> None:
    assert run(config, *NEW).exit_code == 0
    assert variables(config)["OWNER"] == "elephant:prod/123456789012/us-west-2"
    assert variables(config)["TABLE_NAME"] == "elephant-prod-meetings"

    refused = run(config, *NEW, name="dev")
    assert refused.exit_code == 1
    assert "stage 'prod' gives instances with the tag Project=Elephant" in refused.output
    assert "--project-tag Project=Elephant-dev" in refused.output

    done = run(config, *NEW, "--domain-root=dev.example.com", name="dev")
    assert "warning: stage 'prod' gives instances with the tag" in done.output
    assert variables(config, "dev")["TABLE_NAME"] == "elephant-dev-meetings"


def test_a_new_stage_asks_cloudflare_where_the_token_is_from(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CloudflareStandIn(dns_port=None) as cloudflare:
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", cloudflare.url)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", DEFAULT_TOKEN)

        done = run(config, *NEW[:-1])

        assert done.exit_code == 0, done.output
        assert variables(config)["CLOUDFLARE_API_URL"] == cloudflare.url
        assert variables(config)["ZONE_ID"] == Zone().id

    # and what is written stays so, wherever it is looked at from
    monkeypatch.setenv("CLOUDFLARE_BASE_URL", "https://api.cloudflare.com/client/v4")
    assert "no change" in run(config).output


def test_the_zone_is_looked_up_at_a_valid_address_alone_and_asked_for_if_that_fails(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(*_: object) -> None:
        raise UnavailableError("could not reach Cloudflare")

    monkeypatch.setattr(assemble, "find_zone", find)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", DEFAULT_TOKEN)
    failed = run(config, *NEW[:-1])
    refused = run(config, *NEW[:-1], "--cloudflare-api-url=http://203.0.113.9/v4")

    assert (failed.exit_code, refused.exit_code) == (2, 1)
    assert "could not reach Cloudflare" in failed.output
    assert "--zone-id is missing" in failed.output
    assert "-api-url is 'http://203.0.113.9/v4'" in refused.output
    assert "could not reach" not in refused.output


def test_concurrency_and_processor_have_a_default_and_stay_as_they_are_said(config: Path) -> None:
    found = []
    for arguments in (
        NEW,
        ("--concurrency=5", "--architecture=arm64"),
        ("--concurrency=none", "--architecture=x86_64"),
    ):
        assert run(config, *arguments).exit_code == 0
        assert "no change" in run(config).output
        watchdog = written(config)["lambda_functions"]["dns_watchdog"]
        processor = written(config).get("lambda_architecture")
        found.append((watchdog["reserved_concurrency"], processor))

    assert found == [(20, None), (5, "arm64"), (None, "x86_64")]


def test_a_stage_of_an_earlier_release_keeps_its_owner_and_its_table(config: Path) -> None:
    run(config, *NEW)
    kept = {**variables(config), "OWNER": "elephant:prod"}
    del kept["TABLE_NAME"]
    edit_stages(config, lambda stages: stages["prod"].update(environment_variables=kept))

    assert run(config).exit_code == 0
    assert variables(config) == kept


def test_what_was_reserved_by_hand_for_all_functions_is_not_taken_back_for_one(
    config: Path,
) -> None:
    run(config, *NEW)
    edit_stages(config, lambda stages: stages["prod"].update(reserved_concurrency=8))

    refused = run(config, "--concurrency=none")

    assert refused.exit_code == 1
    assert "sets reserved_concurrency 8 for more than dns_watchdog" in refused.output


# On a terminal


@pytest.fixture
def answers(config: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command where somebody answers."""
    monkeypatch.setattr("ops.prompts.is_terminal", lambda: True)
    monkeypatch.setattr("ops.assemble.suggestion", lambda *asked: FOUND.get(asked[-1]))

    def give(*lines: str, options: tuple[str, ...] = PLACE) -> Result:
        arguments = ["stage", "prod", f"--project={config.parent.parent}", *options]
        return CliRunner().invoke(cli.main, arguments, input="".join(f"{each}\n" for each in lines))

    return give


FOUND = {"AMI_ID": "ami-0000000f"}
WITH_MEETINGS = (*PLACE, "--with=meetings")


def test_each_answer_is_checked_at_once_domain_and_zone_first(
    config: Path, answers: Callable[..., Result]
) -> None:
    lines = ("http://x", "example.com", "abc", "0" * 32, "", "sg-1", "sg-00000001")
    done = answers(*lines, options=WITH_MEETINGS)

    assert done.exit_code == 0, done.output
    asked = ("under which", "'http://x' does not do: it must be a domain", "The id of the zone")
    more = ("'abc' does not do", "desktops' image [ami-0000000f]", "security groups", "'sg-1'")
    places = [done.output.index(each) for each in (*asked, *more)]
    assert places == sorted(places)
    assert variables(config)["AMI_ID"] == "ami-0000000f"
    assert variables(config)["SECURITY_GROUP_IDS"] == "sg-00000001"
    assert not list(config.parent.glob("answers-*"))
    assert "  .chalice/policy-prod-sweep.json: new, " in done.output
    assert done.output.endswith(" files written.\nNext: elephant deploy prod\n")
    assert len(done.output.splitlines()) < 30


def test_answers_outlive_an_interruption_and_are_offered_again(
    config: Path, answers: Callable[..., Result]
) -> None:
    ended = answers("example.com")
    assert ended.exit_code == 1
    assert "Your answers are kept in .chalice/answers-prod.json; the same" in ended.output
    assert "prod" not in json.loads(config.read_text())["stages"]

    again = answers("", "0" * 32)
    assert "under which instances get their names [example.com]" in again.output
    assert variables(config)["DOMAIN_ROOT"] == "example.com"


def test_deploy_asks_for_a_stage_that_is_new(
    config: Path, answers: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.cli_deploy.is_terminal", lambda: True)
    assert answers("example.com").exit_code == 1
    monkeypatch.setattr("ops.assemble.Account", lambda _: account())

    with mock_aws():
        words = ["deploy", "prod", f"--project={config.parent.parent}"]
        ended = CliRunner().invoke(cli.main, words, input="\n")

    assert ended.exit_code == INTERRUPTED
    said = ("Stage prod does not exist yet", "names [example.com]", "Your answers are kept")
    assert [each for each in said if each not in ended.output] == []
    assert "Interrupted before the first step." in ended.output


@pytest.mark.parametrize("text", ["[]", "{"])
def test_answers_that_cannot_be_read_are_given_again(
    config: Path, answers: Callable[..., Result], text: str
) -> None:
    (config.parent / "answers-prod.json").write_text(text)
    assert answers("example.com", "0" * 32).exit_code == 0


def test_wrong_options_are_refused_before_anything_is_asked(
    answers: Callable[..., Result],
) -> None:
    options = (*WITH_MEETINGS, "--ami=example.com", "--security-groups=x")
    refused = answers(options=options)
    assert refused.exit_code == 1
    assert "--ami is 'example.com'; it must be" in refused.output
    assert "--security-groups is 'x'; it must be" in refused.output
    assert "domain" not in refused.output


def test_a_region_is_asked_for_if_none_is_set(
    answers: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    lines = ("us-west-22", "us-west-2", "example.com", "0" * 32)
    done = answers(*lines, options=PLACE[:1])
    assert "'us-west-22' does not do: AWS has no region" in done.output
    assert written(config)["elephant"]["region"] == "us-west-2"


def test_what_the_account_has_is_offered_for_desktops(monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        client = account().client("ec2")
        assert suggestion(account(), "prod", "AMI_ID") is None
        vpc = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        made = client.create_security_group(
            GroupName="elephant-prod-desktops", Description="x", VpcId=vpc
        )
        assert suggestion(account(), "prod", "SECURITY_GROUP_IDS") == made["GroupId"]
        images = [{"ImageId": f"ami-{n}", "CreationDate": f"2026-0{n}"} for n in (2, 3, 1)]
        monkeypatch.setattr(client, "describe_images", lambda **_: {"Images": images})
        assert suggestion(account(), "prod", "AMI_ID") == "ami-3"
        assert suggestion(account(), "prod", "MAIL_FROM") is None

        def deny(**_: object) -> None:
            raise ClientError({}, "DescribeImages")

        monkeypatch.setattr(client, "describe_images", deny)
        assert suggestion(account(), "prod", "AMI_ID") is None


# Features

MEETINGS = ("--with=meetings", "--ami=ami-00000000", "--security-groups=sg-00000000")
NOTIFICATIONS = ("--with=notifications", "--mail-from=a@example.com", "--mail-to=b@example.com")


def test_every_setting_has_its_option(config: Path) -> None:
    given = {name: EXAMPLE.variables.get(name, each.default) for name, each in SETTINGS.items()}
    options = [f"--{each.option}={given[name]}" for name, each in SETTINGS.items() if each.option]
    options += ["--tag=Team=a b", "--tag=CostCenter=42"]

    done = run(config, *PLACE, "--with=meetings", "--with=notifications", *options)

    assert done.exit_code == 0, done.output
    assert variables(config) == given | {"DESKTOP_TAGS": "CostCenter=42,Team=a b"}


def test_the_operators_tags_are_where_chalice_reads_them(config: Path) -> None:
    run(config, *NEW, "--tag=CostCenter=42", "--tag=Team=learning")
    everything = json.loads(config.read_text()) | {"tags": {"Company": "Example"}}
    config.write_text(json.dumps(everything))
    function = Config("prod", "sweep", config_from_disk=everything)
    assert function.tags.items() >= {"Company": "Example", "CostCenter": "42"}.items()
    assert "DESKTOP_TAGS" not in variables(config), "a stage without meetings has no desktops"

    changed = run(config, "--untag=Team", "--tag=CostCenter=43")

    assert changed.exit_code == 0, changed.output
    assert written(config)["tags"] == {"CostCenter": "43"}
    before = config.read_text()
    for option, said in {
        "--untag=Team": "the stage has no such tag",
        "--untag=Company": "all stages have it",
        "--tag=Team": "give a key and a value",
        "--tag=Project=Other": "Elephant sets it itself",
        "--tag=meetingid=1": "Elephant sets it itself",
        "--tag=AWS:x=1": "beginning with aws: or elephant: are reserved",
        "--tag=costcenter=1": "differ only in case",
        "--tag=Team=a,b": "a value has 1 to 256 letters",
        "--tag=Te,am=a": "a key has up to 128 letters",
    }.items():
        refused = run(config, option)
        assert (refused.exit_code != 0, said in refused.output) == (True, True), refused.output
    many = run(config, *(f"--tag=key{number}=x" for number in range(40)))
    assert "42 tags are too many" in many.output
    spaced = run(config, *MEETINGS, "--tag=Cost center=42")
    assert "whose keys desktops can read" in spaced.output
    assert config.read_text() == before


def test_the_help_says_what_each_option_means(config: Path) -> None:
    said = " ".join(run(config, "--help").output.split())

    assert "--dcv-port TEXT The port in the links; if proxied," in said
    assert "--join-keys [required|off] meetings: whether join links have keys; 'off'" in said
    assert "--volume-gb TEXT meetings: size of the root volume" in said
    assert "image's own. [default: 60]" in said


def test_features_come_and_go_each_by_itself_and_leave_nothing(config: Path) -> None:
    run(config, *NEW)
    before, files = written(config), {*config.parent.iterdir()}
    run(config, *MEETINGS)
    run(config, *NOTIFICATIONS)
    run(config, "--with=meetings", "--volume-gb=100")
    assert variables(config)["FEATURES"] == "meetings,notifications"
    assert variables(config)["AMI_ID"] == "ami-00000000"  # what is not given stays
    assert variables(config)["VOLUME_GB"] == "100"

    assert written(config)["api_gateway_stage"] == "prod"

    done = run(config, "--without=meetings")
    assert variables(config)["FEATURES"] == "notifications"
    # the files that are to go are the last
    functions = ("api_handler", "launch_ec2", "safety_net", "terminator", "invite", "note_bounce")
    gone = "\n".join(f"  .chalice/policy-prod-{each}.json: removed" for each in functions)
    assert '-        "AMI_ID": "ami-00000000",' in done.output
    assert f"{gone}\nStage prod: 9 files written.\nNext: elephant deploy prod\n" in done.output
    assert "no change" in run(config, "--without=meetings").output

    run(config, "--without=notifications")
    assert written(config) == before
    assert {*config.parent.iterdir()} == files


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--with=meetings",), "--ami is missing"),
        (("--ami=ami-00000000", "--key-name=x"), "--ami, --key-name: only for a stage with"),
        ((*MEETINGS, "--without=meetings"), "--with and --without meetings contradict"),
        ((*MEETINGS, "--table="), "the feature 'meetings' needs a table"),
        (("--with=notifications", "--mail-from=a@example.com"), "--mail-to is missing"),
        (("--grace-minutes=0",), "--grace-minutes is '0'; it must be 1 to 1440 minutes"),
        (("--concurrency=0",), "--concurrency is '0'; it must be a number from 1, or 'none'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_written(
    config: Path, options: tuple[str, ...], said: str
) -> None:
    before = config.read_text()

    done = run(config, *NEW, *options)

    assert done.exit_code != 0
    assert said in done.output
    assert config.read_text() == before
