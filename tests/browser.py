"""Chromium, driven over its own DevTools protocol through a pair of pipes: nothing to install.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Self, cast

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
KEPT_PAUSE: Final = 20_000
_PATIENCE: Final = 600.0
_BETWEEN_LOOKS: Final = 0.02

# The pages' pauses are noted, and pass a hundred times as fast. The longest, for which an answer
# is waited, stays: this machine may be slow.
_HURRY: Final = """
  window.pauses = [];
  const pause = window.setTimeout.bind(window);
  window.setTimeout = (done, milliseconds = 0) => {
    if (milliseconds === %d) return pause(done, milliseconds);
    window.pauses.push(milliseconds);
    return pause(done, milliseconds / 100);
  };
"""
_ELSEWHERE: Final = "<!doctype html><title>Desktop</title><p>The desktop itself."

CONTRASTS: Final = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data).map((each) => {
      const part = each / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    if (!element) return "rgb(255, 255, 255)";
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? ground(element.parentElement) : color;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (["SCRIPT", "NOSCRIPT"].includes(element.tagName)) continue;
    const pair = [light(getComputedStyle(element).color), light(ground(element))];
    found.push((Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05));
  }
  return found;
})()
"""
"""The contrast of every text with its background: https://www.w3.org/TR/WCAG22/#contrast-minimum"""


def find_chromium() -> str:
    """Return the browser's path.

    Where there is none the test is skipped, or fails if ELEPHANT_BROWSER=required.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        missing = "there is no Chromium here (Debian: apt-get install chromium)"
        if os.environ.get("ELEPHANT_BROWSER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    return program


class BrowserError(Exception):
    """The browser refused a command, or a page did not become as it should in time."""


@dataclass(frozen=True)
class Names:
    """Names that lead to an address of this machine, whose certificate has this key."""

    pattern: str
    address: tuple[str, int]
    key_hash: str

    @property
    def rule(self) -> str:
        """The rule for the browser's resolver."""
        host, port = self.address
        return f"MAP {self.pattern} {host}:{port}"


class Browser:
    """A headless browser without a network: pages of this machine, and one for all others.

    With `names` the pages behind them are real ones as well.
    """

    def __init__(self, program: str, profile: Path, names: Names | None = None) -> None:
        rules = ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"]
        trust = f"--ignore-certificate-errors-spki-list={names.key_hash}" if names else ""
        self.has_names = names is not None
        options = (
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-extensions",
            "--disable-gpu",
            "--disable-sync",
            "--hide-scrollbars",
            "--accept-lang=en-GB",
            f"--host-resolver-rules={', '.join([names.rule, *rules] if names else rules)}",
            *([trust] if names else ()),
            *(("--no-sandbox",) if os.geteuid() == 0 else ()),
        )
        # DevTools' pipes are descriptors 3 and 4.
        self._process = subprocess.Popen(  # noqa: S603 (a program of this machine)
            ["/bin/sh", "-c", 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null', program, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"TZ": "Europe/Berlin", "LANGUAGE": "en_GB"},
        )
        self._to = cast("IO[bytes]", self._process.stdin)
        self._from = cast("IO[bytes]", self._process.stdout)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrowserError, OSError):
            self.call("Browser.close")
        self._to.close()
        self._from.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def open(self) -> Tab:
        """Open a tab, in a profile of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        made = self.call("Target.createTarget", url="about:blank", browserContextId=context)
        session = self.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)
        return Tab(self, context, session["sessionId"])

    def call(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Have a command carried out. Raises BrowserError if it is refused."""
        number = self._send(method, session, parameters)
        while True:
            message = self._receive()
            if message.get("id") == number:
                break
            self._take(message)
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']['message']}")
        result: dict[str, Any] = message["result"]
        return result

    def _send(self, method: str, session: str | None, parameters: dict[str, object]) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._to.write(json.dumps(message | ({"sessionId": session} if session else {})).encode())
        self._to.write(b"\0")
        self._to.flush()
        return self._number

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._from.fileno(), 1 << 16)
            if not read:
                raise BrowserError("the browser has ended")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Fetch.requestPaused":
            answer = {
                "requestId": message["params"]["requestId"],
                "responseCode": 200,
                "responseHeaders": [{"name": "Content-Type", "value": "text/html"}],
                "body": base64.b64encode(_ELSEWHERE.encode()).decode(),
            }
            self._send("Fetch.fulfillRequest", message["sessionId"], answer)
        elif "method" in message:
            self.events.append(message)


class Tab:
    """A tab of the browser. Addresses elsewhere (https) lead to a page that says so."""

    def __init__(self, browser: Browser, context: str, session: str) -> None:
        self._browser = browser
        self._context = context
        self._session = session
        for domain in ("Page", "Log", "Network", "Runtime"):
            self.call(f"{domain}.enable")
        if not browser.has_names:
            self.call("Fetch.enable", patterns=[{"urlPattern": "https://*"}])
        self.call("Page.addScriptToEvaluateOnNewDocument", source=_HURRY % KEPT_PAUSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Have a command carried out in this tab."""
        return self._browser.call(method, self._session, **parameters)

    def show(self, width: int = 1024, height: int = 900, **features: str) -> None:
        """Set the size of the screen, and what the visitor prefers (`color_scheme="dark"`)."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        preferred = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        self.call("Emulation.setEmulatedMedia", features=preferred)

    def without_script(self) -> None:
        """Let pages run no script; what a test evaluates runs all the same."""
        self.call("Emulation.setScriptExecutionDisabled", value=True)

    def go(self, url: str) -> None:
        """Go to an address, and wait until the page is there."""
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def find(self, expression: str) -> Any:  # noqa: ANN401 (any value of JavaScript)
        """Evaluate JavaScript in the page. Raises BrowserError if that throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until it is true in the page, or in the one that it leads to."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with suppress(BrowserError):  # between two pages there is none to ask
                if self.find(expression):
                    return
            time.sleep(_BETWEEN_LOOKS)
        seen = self.find(
            "`${location.href} (${document.visibilityState}): ${document.body.innerText}`"
        )
        raise BrowserError(f"in {_PATIENCE} s this did not become true: {expression}; at {seen}")

    def press(self, key: str) -> None:
        """Press a key that has a name, and let it go."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
                **more,
            )

    def screenshot(self) -> bytes:
        """Take a picture (PNG) of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        return base64.b64decode(taken["data"])

    @property
    def complaints(self) -> list[str]:
        """What the browser's console says: violations of the CSP, errors, warnings."""
        self.find("0")
        found = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            if event["method"] == "Log.entryAdded":
                found.append(event["params"]["entry"]["text"])
            elif event["method"] in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled"}:
                found.append(str(event["params"]))
        return found
