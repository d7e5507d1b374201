"""The command `package`: a stage as a template for CloudFormation."""

from __future__ import annotations

from pathlib import Path

import click

from ops.console import project_option, said_clearly, say, stage_argument, step
from ops.package import TEMPLATE, package
from ops.sam_template import STREAM
from ops.stages import ConfigFile


@click.command(name="package", short_help="Write a stage as a template for CloudFormation.")
@stage_argument
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--existing-table",
    is_flag=True,
    help=f"Use a table that exists; its stream is the parameter {STREAM}.",
)
@project_option
def package_stage(name: str, output: Path, directory: Path, *, existing_table: bool) -> None:
    """Write stage NAME into the directory OUTPUT: a template of AWS SAM, and its code.

    The template has the whole stage: functions with their names, roles, retries, queue and logs,
    the API with its limits, the table, the alarms and the dashboard. Nothing is asked of AWS.
    docs/ci.md says what to do with it, and what is left to do by hand.

    \b
    Example:
      elephant package prod build/
    """  # noqa: D301
    with said_clearly():
        config_file = ConfigFile(directory.resolve())
        stage = config_file.stage(name)
        step("chalice package")
        package(config_file, stage, output, say, create_table=not existing_table)
    stack = f"elephant-{name}-support"
    click.echo(
        f"{output / TEMPLATE} is written. To deploy it, with a bucket of yours:\n"
        f"  aws cloudformation package --template-file {output / TEMPLATE} \\\n"
        f"    --s3-bucket BUCKET --use-json --output-template-file {output / 'packaged.json'}\n"
        f"  aws cloudformation deploy --template-file {output / 'packaged.json'} \\\n"
        f"    --s3-bucket BUCKET --stack-name {stack} --capabilities CAPABILITY_NAMED_IAM\n"
        f"  elephant doctor {name}"
    )
