"""stderr: one JSON object a line for programs, readable lines for people. Never a secret, never a lead's values."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import IO, Any

from console.hints import called
from console.masking import Masker
from console.text import compact, inert, sentence

_COLOURS = {"warning": "33", "error": "31", "hint": "36"}
PROGRESS_SECONDS = 10.0
_LONGEST_WORDS = 300  # characters of what a server says


class Notes:
    """Tells on `stream`. Levels: attempt (with --verbose), note and progress (not with --quiet), warning (always)."""

    def __init__(
        self,
        stream: IO[str],
        *,
        quiet: bool = False,
        verbose: bool = False,
        masker: Masker | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream
        self.quiet, self.verbose = quiet, verbose
        self.masker = masker or Masker()
        self.terminal = stream.isatty()
        self._told: set[tuple[str, str]] = set()
        self._monotonic = monotonic
        self._last_progress = monotonic()
        self._line_open = False

    def __call__(self, level: str, message: str) -> None:
        """Tell `message`, unless the level is turned off. A warning is told once."""
        silent = self.quiet and level in ("note", "progress", "attempt")
        if silent or (level == "attempt" and not self.verbose):
            return
        if level == "warning" and (level, message) in self._told:
            return
        self._told.add((level, message))
        self._write(level, sentence(called(message)))

    def progress(self, message: str) -> None:
        """Where long work stands: redrawn on a terminal, a line each ten seconds elsewhere, nothing in the first."""
        now = self._monotonic()
        if self.quiet or now - self._last_progress < (1.0 if self.terminal else PROGRESS_SECONDS):
            return
        self._last_progress = now
        if self.terminal:
            self._out(f"\r\x1b[K{inert(message)}")
            self._line_open = True
        else:
            self._write("progress", message)

    def error(self, told: dict[str, Any]) -> None:
        """The error object, the last thing said: as JSON, or as message and hint."""
        told = self._shortened(told)
        if not self.terminal:
            self._line(compact({"error": told}))
            return
        self._line(self._coloured("error", "Error: ") + inert(told["message"]))
        if told.get("server_message"):
            self._line(f"  The server says: {inert(str(told['server_message']))}")
        for detail in _detail_lines(told.get("details")):
            self._line(f"  {inert(detail)}")
        if told["hint"]:
            self._line(self._coloured("hint", "Next: ") + inert(told["hint"]))

    def _shortened(self, told: dict[str, Any]) -> dict[str, Any]:
        """The server's words masked and then cut: half a secret, left by a cut, would no longer be known for one."""
        made = told | {name: self._short(told.get(name)) for name in ("server_code", "server_message", "request_id")}
        details = told.get("details")
        if isinstance(details, dict) and "location" in details:
            made["details"] = {**details, "location": self._short(details["location"])}
        return made

    def _short(self, words: Any) -> Any:
        return self.masker.mask(words)[:_LONGEST_WORDS] if isinstance(words, str) else words

    def _write(self, level: str, message: str) -> None:
        if self.terminal:
            mark = self._coloured("warning", "Warning: ") if level == "warning" else ""
            self._line(mark + inert(message))
        else:
            self._line(compact({"level": "note" if level == "attempt" else level, "message": message}))

    def _line(self, text: str) -> None:
        self._out(("\r\x1b[K" if self._line_open else "") + text + "\n")
        self._line_open = False

    def _out(self, text: str) -> None:
        try:
            self.stream.write(self.masker.mask(text))
            self.stream.flush()
        except (OSError, ValueError):
            pass  # stderr is closed or full; there is nowhere left to say so

    def _coloured(self, level: str, text: str) -> str:
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return text
        return f"\x1b[{_COLOURS[level]}m{text}\x1b[0m"


def _detail_lines(details: Any) -> list[str]:
    if isinstance(details, list):
        return [_detail(one) for one in details[:50]]
    return [f"{name}: {value}" for name, value in details.items()] if isinstance(details, dict) else []


def _detail(one: Any) -> str:
    if isinstance(one, dict) and "problem" in one:
        return f"{one.get('field') or one.get('path') or ''}: {one['problem']}"
    return compact(one)
