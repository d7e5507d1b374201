"""Packages a stage for teams that deploy with CloudFormation."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chalice.package import YAMLTemplateSerializer

from ops.bytecode import compile_project
from ops.chalice import environment_of, forget_build, run_chalice
from ops.checkout_lock import checkout_lock
from ops.policies import functions_of
from ops.reach import Code
from ops.sam_template import sam_template
from ops.stack import template
from ops.stack_parameters import parameters_of
from ops.zones import pack_zones

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.stages import ConfigFile, Stage

TEMPLATE: Final = "template.json"
CODE: Final = "deployment.zip"
_PACKAGED: Final = "sam.json"
_LATER: Final = "arn:aws:dynamodb:us-east-1:000000000000:table/later/stream/later"
"""Stands in for the stream's ARN, which the template takes from the table or a parameter."""


def package(
    config_file: ConfigFile,
    stage: Stage,
    directory: Path,
    say: Callable[[str], None],
    *,
    create_table: bool,
) -> None:
    """Write the stage's template and code into a directory; nothing is asked of AWS.

    Raises CommandError if Chalice fails, ConfigError if the checkout is in use.
    """
    project = config_file.directory
    with checkout_lock(config_file.path.parent, f"package {stage.name}"):
        forget_build(project)
        compile_project(project)
        pack_zones(project, are_wanted=stage.settings.invites)
        with tempfile.TemporaryDirectory() as made:
            arguments = ("package", "--stage", stage.name, made)
            run_chalice(arguments, project, environment_of(stage, _LATER), on_line=say)
            packaged: dict[str, Any] = json.loads((Path(made) / _PACKAGED).read_text())
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(made) / CODE, directory / CODE)
        forget_build(project)
    support: dict[str, Any] = YAMLTemplateSerializer().load_template(template())
    parameters = parameters_of(stage, functions_of(Code(project), stage), create_table=create_table)
    whole = sam_template(packaged, support, stage, parameters)
    (directory / TEMPLATE).write_text(json.dumps(whole, indent=1) + "\n")
