"""Calls from the command line to a running local cloud."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, Final

import click

AWS_PORT: Final = 8051
CLOUDFLARE_PORT: Final = 8052
HOST: Final = "127.0.0.1"

aws_port_option = click.option(
    "--aws-port",
    type=click.IntRange(1, 65535),
    default=AWS_PORT,
    show_default=True,
    help="The port of AWS.",
)
cloudflare_port_option = click.option(
    "--cloudflare-port",
    type=click.IntRange(1, 65535),
    default=CLOUDFLARE_PORT,
    show_default=True,
    help="The port of the Cloudflare stand-in.",
)


def control(whose: str, port: int, method: str, what: str, body: object = None) -> Any:  # noqa: ANN401
    """Call a stand-in's control API. Raises ClickException, which says what to do."""
    url = f"http://{HOST}:{port}/__standin__/{what}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=600) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise click.ClickException(error.read().decode("utf-8", "replace")) from None
    except urllib.error.URLError as error:
        raise click.ClickException(
            f"no local {whose} at port {port} ({error.reason}): "
            f"start one with `elephant-local up`, or name its --{whose.lower()}-port"
        ) from None


def show(answer: Any) -> None:  # noqa: ANN401
    """Print the answer."""
    click.echo(json.dumps(answer, indent=2))
