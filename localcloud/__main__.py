"""`elephant-local`, also as `python -m localcloud`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say how to install what it needs beyond the operator's commands."""
    try:
        from localcloud.cli import main as command  # noqa: PLC0415 (it may not be installed)
    except ModuleNotFoundError as missing:
        sys.exit(f"The local cloud needs {missing.name}: run `make install-dev`")
    command(prog_name="elephant-local")


if __name__ == "__main__":
    main()
