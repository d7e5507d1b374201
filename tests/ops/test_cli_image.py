"""`elephant image`: what a build of the desktops' image needs."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode
from io import BytesIO
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
import yaml  # type: ignore[import-untyped]
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from click.testing import CliRunner

from ops.cli import main
from ops.image import FILES, KIT
from tests.world import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ops = Callable[..., Result]

PARENT = "ami-0123456789abcdef0"


@pytest.fixture
def ops(project: Path) -> Ops:
    """Run the command for a stage with meetings."""
    path = project / ".chalice/config.json"
    config = json.loads(path.read_text())
    config["stages"]["test"]["environment_variables"] |= {
        "FEATURES": "meetings",
        "AMI_ID": PARENT,
        "SECURITY_GROUP_IDS": "sg-0123456789abcdef0",
        "DCV_PORT": "2053",
    }
    path.write_text(json.dumps(config))

    def run(*options: str) -> Result:
        arguments = ["image", "test", "--project", str(project), *options]
        return CliRunner().invoke(main, arguments)

    return run


@pytest.fixture
def written(ops: Ops, tmp_path: Path) -> Callable[..., Path]:
    def write(*options: str) -> Path:
        result = ops("--parent", PARENT, "--out", str(tmp_path / "out"), *options)
        assert result.exit_code == 0, result.output
        return tmp_path / "out"

    return write


def accepted(operation: str, request: dict[str, Any]) -> None:
    """Check a request as botocore does before it sends one."""
    model = ServiceModel(Loader().load_service_model("imagebuilder", "service-2"))
    shape: Any = model.operation_model(operation).input_shape
    report = ParamValidator().validate(request | {"clientToken": "a-token"}, shape)
    assert not report.has_errors(), report.generate_report()


def commands_of(component: dict[str, Any], phase: str) -> tuple[str, str]:
    """Return the action and the script of the one step of a phase."""
    (found,) = [each for each in component["phases"] if each["name"] == phase]
    (step,) = found["steps"]
    (script,) = step["inputs"]["commands"]
    return step["action"], script


@pytest.mark.parametrize("platform", ["linux", "windows"])
def test_image_builder_and_ec2_accept_what_is_written(
    written: Callable[..., Path], platform: str
) -> None:
    out = written("--platform", platform)
    component = (out / "component.yaml").read_text()
    name = f"elephant-test-desktop-{platform}"
    request = {"name": name, "semanticVersion": "1.0.0", "platform": platform.capitalize()}
    accepted("CreateComponent", request | {"data": component})
    assert len(component) <= 16_000
    assert len((out / "user-data.txt").read_bytes()) <= 16 * 1024

    recipe = yaml.safe_load((out / "recipe.yaml").read_text())
    accepted("CreateImageRecipe", recipe)
    arn = f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}"
    assert recipe["parentImage"] == PARENT
    assert recipe["components"] == [{"componentArn": f"{arn}:component/{name}/1.0.0"}]
    commands = (out / "commands.sh").read_text()
    assert f"{arn}:image-recipe/{name}/1.0.0" in commands
    assert f"export AWS_DEFAULT_REGION={REGION}" in commands
    assert yaml.safe_load(component)["schemaVersion"] == 1.0


@pytest.mark.parametrize("file", ["component.yaml", "user-data.txt"])
def test_on_linux_the_installer_runs_with_the_stages_values(
    written: Callable[..., Path], tmp_path: Path, file: str
) -> None:
    out = written("--idle-minutes", "15")
    script = (out / file).read_text()
    if file == "component.yaml":
        component = yaml.safe_load(script)
        action, script = commands_of(component, "build")
        assert (action, commands_of(component, "validate")[0]) == ("ExecuteBash", "ExecuteBash")
    given = "CERTIFICATE_SECRET='elephant/test/dcv' SIGN_IN='dcv' DCV_PORT='2053' IDLE_MINUTES='15'"
    assert f'{given} "$kit/install.sh"\n' in script

    kept = script.split(given)[0].replace("$(mktemp -d)", str(tmp_path))
    subprocess.run(["bash", "-c", kept], check=True)  # noqa: S603, S607 (what was just written)
    for name in FILES["linux"]:
        there = tmp_path / name
        assert there.read_bytes() == (KIT / "linux" / name).read_bytes()
        assert bool(there.stat().st_mode & 0o100) == there.read_bytes().startswith(b"#!")


def test_on_windows_the_same_is_in_powershell(written: Callable[..., Path]) -> None:
    out = written("--platform", "windows", "--certificate-secret", "")
    action, script = commands_of(yaml.safe_load((out / "component.yaml").read_text()), "build")
    assert action == "ExecutePowerShell"
    values = "-CERTIFICATE_SECRET '' -SIGN_IN 'dcv' -DCV_PORT '2053' -IDLE_MINUTES '0'"
    assert f'& "$kit\\Install.ps1" {values}\n' in script
    packed = ZipFile(BytesIO(b64decode(script.split("@'\n")[1].split("\n'@")[0])))
    assert {name: packed.read(name) for name in packed.namelist()} == {
        name: (KIT / "windows" / name).read_bytes() for name in FILES["windows"]
    }
    data = (out / "user-data.txt").read_text()
    assert data.startswith("<powershell>\n")
    assert data.endswith("</powershell>\n")


def test_it_is_printed_unless_a_directory_is_named(ops: Ops) -> None:
    result = ops()
    assert result.exit_code == 0
    for file in ("component.yaml", "recipe.yaml", "user-data.txt", "commands.sh"):
        assert f"# ----- {file}\n" in result.output


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--parent", "dcv"), 2, "'dcv' is no id of an image"),
        (("--certificate-secret", "a'; rm -r /"), 2, "is no name or ARN of a secret"),
        (("--version", "1"), 2, "'1' is no version such as 1.0.0"),
        (("--platform", "macos"), 2, "macos"),
    ],
)
def test_a_value_of_another_form_is_refused(
    ops: Ops, options: tuple[str, ...], status: int, said: str
) -> None:
    result = ops(*options)
    assert (result.exit_code, said in " ".join(result.output.split())) == (status, True)


def test_a_stage_without_meetings_has_no_desktops(project: Path) -> None:
    result = CliRunner().invoke(main, ["image", "test", "--project", str(project)])
    assert result.exit_code == 1
    assert "launches no desktops" in result.output
