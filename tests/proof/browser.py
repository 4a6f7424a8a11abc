"""The dashboard in a real browser, steered through its pipe: one JSON message after another, each ended by a zero."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools import LGP, environ, folder, run, show

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --remote-debugging-pipe"""
WIDTHS = (400, 1280)
# What is wider than the page, what is cut off, how the page looks, and how much it shows.
LOOK = """(() => {
  const wide = document.documentElement.clientWidth, all = [...document.querySelectorAll('body *')]
  const out = all.filter(one => { const box = one.getBoundingClientRect()
    return box.width && (box.right > wide + 1 || box.left < -1) })
  const cut = all.filter(one => getComputedStyle(one).overflowX != 'visible' && one.scrollWidth > one.clientWidth + 1)
  const style = getComputedStyle(document.body)
  return {out: [...out, ...cut].map(one => one.tagName + ' ' + one.textContent.slice(0, 30)),
    scroll: document.documentElement.scrollWidth - wide, page: style.backgroundColor, ink: style.color,
    sections: document.querySelectorAll('section').length, text: document.body.innerText.length}})()"""


def prove() -> bool | None:
    """The dashboard shows its four sections at two widths, light and dark: no error, nothing overflows."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print("  skipped: no chromium on the path")
        return None
    with folder() as home:
        page = home / "dashboard.html"
        made = run([*LGP, "dashboard", "--sandbox", "--out", str(page)], environ(home))
        if made.code:
            return show("dashboard", made.err[-300:], held=False)
        browser = Browser(program, home)
        try:
            return all([look(browser, page, width, scheme) for width in WIDTHS for scheme in ("light", "dark")])
        finally:
            browser.close()


def look(browser: Browser, page: Path, width: int, scheme: str) -> bool:
    ask = browser.open(page, width, scheme)
    found = ask("Runtime.evaluate", expression=LOOK, returnByValue=True)["result"]["value"]
    page_light, ink_light = (sum(map(int, found[one][4:-1].split(",")[:3])) for one in ("page", "ink"))
    held = not browser.problems and not found["out"] and found["scroll"] <= 0 and found["sections"] == 4
    held = held and found["text"] > 1_000 and (page_light > ink_light + 300) == (scheme == "light")
    held = held and abs(page_light - ink_light) > 300
    facts = f"{found['sections']} sections", f"{found['scroll']} px too wide", f"page {found['page']}"
    return show(f"{width} px, {scheme}", *facts, *found["out"][:3], *browser.problems[:3], held=held)


class Browser:
    """A browser with a profile of its own. It reads 3 and writes 4."""

    def __init__(self, program: str, home: Path) -> None:
        asking, answering = home / "asking", home / "answering"
        os.mkfifo(asking)
        os.mkfifo(answering)
        command = ["sh", "-c", f'exec "$@" 3<{asking} 4>{answering}', "sh", program, *FLAGS.split()]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [*command, f"--user-data-dir={home / 'profile'}"], env=environ(home), stdout=quiet, stderr=quiet
        )
        self.asking, self.answering = asking.open("wb", 0), answering.open("rb")
        self.number, self.left, self.problems = 0, b"", list[str]()

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        message |= {"sessionId": session} if session else {}
        self.asking.write(json.dumps(message).encode() + b"\0")
        while (found := self.read()).get("id") != self.number:
            pass
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        return dict(found["result"])

    def read(self) -> dict[str, Any]:
        """The next message; what is an error in the console is kept."""
        while b"\0" not in self.left:
            part = self.answering.read1(65536)
            if not part:
                raise RuntimeError("the browser has ended")
            self.left += part
        raw, _, self.left = self.left.partition(b"\0")
        found: dict[str, Any] = json.loads(raw)
        entry = found.get("params", {}).get("entry", {})
        logged = found.get("method") in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        if logged or entry.get("level") in ("error", "warning"):
            self.problems.append(entry.get("text") or found["method"])
        return found

    def open(self, page: Path, width: int, scheme: str) -> Callable[..., dict[str, Any]]:
        """Load the page in a tab of its own; the function that asks this tab."""
        self.problems.clear()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

        def ask(method: str, **parameters: Any) -> dict[str, Any]:
            return self.ask(method, session, **parameters)

        for domain in ("Page", "Runtime", "Log"):
            ask(f"{domain}.enable")
        sizes = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        ask("Emulation.setDeviceMetricsOverride", **sizes)
        ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        ask("Page.navigate", url=page.as_uri())
        while self.read().get("method") != "Page.loadEventFired":
            pass
        return ask

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.asking.close()
        self.answering.close()
