"""A project and an account to test commands on, which many tests can use."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.aws import DEFAULT_REGION  # which teaches moto all that the stack needs
from localcloud.cloudflare import DEFAULT_ZONE_ID
from ops.account import Account
from ops.configure import changes
from ops.reach import Code
from ops.stages import ConfigFile, Stage
from ops.written_files import write_files
from tests.world import DOMAIN, OWNER, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world import World

ROOT = Path(__file__).parent.parent.parent


@cache
def code() -> Code:
    """Return the project's code, read once."""
    return Code(ROOT)


def project_with(stage: Stage, directory: Path) -> ConfigFile:
    """Make a project with this stage: with the same code, but its own configuration."""
    (directory / ".chalice").mkdir(parents=True)
    for path in (ROOT / ".chalice").glob("*.json"):
        shutil.copy(path, directory / ".chalice")
    for name in ("app.py", "requirements.txt", "chalicelib"):
        (directory / name).symlink_to(ROOT / name)
    config_file = ConfigFile(directory)
    write_files({each.path: each.after for each in changes(config_file, code(), stage)})
    return config_file


def edit_stages(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit the stages of a config.json by hand."""
    config = json.loads(path.read_text())
    change(config["stages"])
    path.write_text(json.dumps(config, indent=2) + "\n")


class KeptAccount(Account):
    """An account whose clients are made once; in each test moto forgets the former one."""

    def client(self, service: str) -> Any:  # noqa: ANN401
        return _client(service)


@cache
def _client(service: str) -> Any:  # noqa: ANN401
    return Account(DEFAULT_REGION).client(service)


@cache
def account() -> KeptAccount:
    """Return the account, for use within `mock_aws`."""
    return KeptAccount(DEFAULT_REGION)


def variables_in(world: World) -> dict[str, str]:
    """Return the variables that a stage in the world needs."""
    own = {"DOMAIN_ROOT": DOMAIN, "ZONE_ID": DEFAULT_ZONE_ID, "SECRET_ARN": SECRET, "OWNER": OWNER}
    return own | {"CLOUDFLARE_API_URL": world.cloudflare.url}


def silent(_: object) -> None:
    """Say nothing."""
