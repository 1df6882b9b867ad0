"""Drives a headless Chromium over its debugging pipe, for tests of pages; needs no package.

Messages are JSON, each ended by a zero byte, on file descriptors 3 and 4 of the browser.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
_SECONDS = 120.0
_LAUNCH = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find() -> str | None:
    """Path of a Chromium or Chrome; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """A tab that shows one page, with what it wrote to the console and what it asked for.

    Attributes:
        complaints: Console errors and warnings, uncaught exceptions, security policy reports.
        requests: Addresses that it asked for.
    """

    def __init__(self, browser: _Pipe, session: str) -> None:
        self._browser = browser
        self._session = session
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the debugging protocol."""
        return self._browser.call(method, parameters, self._session, self._on_event)

    def evaluate(self, script: str) -> Any:
        """The JSON value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, address: str, *, ready: str) -> None:
        """Shows a page and waits until a JavaScript expression is true in it."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        end = time.monotonic() + _SECONDS
        while not self.evaluate(f"Boolean({ready})"):
            assert time.monotonic() < end, f"{address} is not ready: {self.complaints}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Presses and releases the left button in the middle of an element, scrolled into view."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            "return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Sends a mouse event at a place of the window."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def screenshot(self, file: Path) -> None:
        """Keeps a picture of the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def _on_event(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            if parameters["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded":
            if parameters["entry"]["level"] in ("error", "warning"):
                self.complaints.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])


@contextlib.contextmanager
def tab(folder: Path, *, width: int = 1400, height: int = 1000) -> Generator[Page]:
    """A new browser with one tab; gone after the block.

    Args:
        folder: Gets the browser's profile.
        width: Of the window, in pixels.
        height: Of the window.
    """
    executable = find()
    assert executable is not None
    to_browser, requests = os.pipe()
    answers, from_browser = os.pipe()
    # Out of the way of 3 and 4, which they become.
    ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser, from_browser)]
    os.close(to_browser)
    os.close(from_browser)
    command = [sys.executable, "-c", _LAUNCH, *map(str, ends), executable, "--headless"]
    command += ["--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command += [f"--window-size={width},{height}", f"--user-data-dir={folder}"]
    command += ["--remote-debugging-pipe", "about:blank"]
    process = subprocess.Popen(
        command, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for fd in ends:
        os.close(fd)
    try:
        pipe = _Pipe(requests, answers)
        target = pipe.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attach = {"targetId": target, "flatten": True}
        yield Page(pipe, pipe.call("Target.attachToTarget", attach)["sessionId"])
    finally:
        process.kill()
        process.wait()
        os.close(requests)
        os.close(answers)


class _Pipe:
    """The connection: one call at a time; events are handed over as they come."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests = requests
        self._answers = answers
        self._number = 0
        self._partial = bytearray()

    def call(
        self,
        method: str,
        parameters: dict[str, Any],
        session: str | None = None,
        on_event: Any = lambda method, parameters: None,
    ) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self._requests, text) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if "method" in answer:
                on_event(answer["method"], answer["params"])

    def _read(self) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            while b"\0" not in self._partial:
                assert selector.select(_SECONDS), "the browser says nothing"
                more = os.read(self._answers, 1 << 16)
                assert more, "the browser is gone"
                self._partial += more
        text, _, rest = bytes(self._partial).partition(b"\0")
        self._partial = bytearray(rest)
        return json.loads(text)
