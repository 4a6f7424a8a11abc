"""The dashboard in a real browser, steered by JSON messages through its pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tools import LGP, environ, folder, run, show

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update --remote-debugging-pipe"""
PROBLEMS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
LOOKS = [(width, scheme) for width in (400, 1280) for scheme in ("light", "dark")]
# What is wider than the page or cut off, how light page and text are, and how much there is.
LOOK = """(() => {
  const all = [...document.querySelectorAll('body, body *')], root = document.documentElement
  const over = all.filter(one => { const box = one.getBoundingClientRect()
    return box.width && (box.right > root.clientWidth + 1 || box.left < -1)
      || getComputedStyle(one).overflowX != 'visible' && one.scrollWidth > one.clientWidth + 1 })
  const light = color => color.match(/[0-9]+/g).slice(0, 3).reduce((sum, one) => sum + +one, 0)
  const style = getComputedStyle(document.body)
  return {over: over.map(one => one.tagName + ' ' + one.textContent.slice(0, 30)),
    page: light(style.backgroundColor), ink: light(style.color),
    sections: document.querySelectorAll('section').length}})()"""


def prove() -> bool | None:
    """The dashboard has four sections at two widths, light and dark: no error, no overflow."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("  skipped: no chromium on the path")
        return None
    with folder() as home:
        page = home / "dashboard.html"
        run([*LGP, "dashboard", "--sandbox", "--out", str(page)], environ(home))
        browser = Browser(program, home)
        held = [look(browser, page, width, scheme) for width, scheme in LOOKS]
        browser.process.terminate()
        browser.process.wait()
    return all(held)


def look(browser: Browser, page: Path, width: int, scheme: str) -> bool:
    sizes = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.ask("Emulation.setDeviceMetricsOverride", **sizes)
    media = {"name": "prefers-color-scheme", "value": scheme}
    browser.ask("Emulation.setEmulatedMedia", features=[media])
    browser.ask("Page.navigate", url=page.as_uri())
    while browser.read().get("method") != "Page.loadEventFired":
        pass
    found = browser.ask("Runtime.evaluate", expression=LOOK, returnByValue=True)["result"]["value"]
    contrast = found["page"] - found["ink"]  # of 765
    held = not browser.problems and not found["over"] and found["sections"] == 4
    held = held and (contrast if scheme == "light" else -contrast) > 300
    facts = f"{found['sections']} sections", f"contrast {contrast}"
    return show(f"{width} px, {scheme}", *facts, *found["over"], *browser.problems, held=held)


class Browser:
    """A browser with a profile and one tab of its own. It reads 3 and writes 4."""

    def __init__(self, program: str, home: Path) -> None:
        ways = [home / "asked", home / "answered"]
        for way in ways:
            os.mkfifo(way)
        command = f'exec "$@" --user-data-dir={home / "profile"} 3<{ways[0]} 4>{ways[1]}'
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            ["sh", "-c", command, "sh", program, *FLAGS.split()],
            env=environ(home), stdout=quiet, stderr=quiet,
        )  # fmt: skip
        self.asked, self.answered = ways[0].open("wb", 0), ways[1].open("rb")
        self.number, self.left, self.problems = 0, b"", list[str]()
        self.tab: dict[str, str] = {}
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        tab = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.tab = {"sessionId": tab["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> Any:
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **self.tab}
        self.asked.write(json.dumps(message).encode() + b"\0")
        while (found := self.read()).get("id") != self.number:
            pass
        return found["result"]

    def read(self) -> dict[str, Any]:
        """The next message; what comes to the console is kept."""
        while b"\0" not in self.left:
            self.left += self.answered.read1(65536) or b'{"method": "ended"}\0'
        raw, _, self.left = self.left.partition(b"\0")
        found: dict[str, Any] = json.loads(raw)
        if found.get("method") == "ended":
            raise RuntimeError("the browser has ended")
        if found.get("method") in PROBLEMS:
            self.problems.append(raw.decode()[:200])
        return found
