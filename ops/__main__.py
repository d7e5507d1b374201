"""`elephant`, as `python -m ops`."""

from ops.cli import main

main(prog_name="elephant")
