"""stderr: one JSON object a line for programs, readable lines for people. Never a secret, never a
lead's values."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, Any

from cli.hints import spelled
from cli.text import Masker, compact, inert

PROGRESS_SECONDS = 10.0  # between two lines of progress off a terminal
_LONGEST_WORDS = 300  # characters of what a server says


class Notes:
    """Prints on `stream`: attempts (with --verbose), notes and progress (not with --quiet),
    warnings, the error.

    On a terminal everything is written by `cli.terminal`, where rich is installed.
    """

    def __init__(
        self,
        stream: IO[str],
        masker: Masker,
        *,
        quiet: bool = False,
        verbose: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream, self.masker, self.quiet, self.verbose = stream, masker, quiet, verbose
        self.terminal = stream.isatty()
        self._printed: set[str] = set()
        self._monotonic = monotonic
        self._last_progress = monotonic()
        self._screen: Any = None
        self.last_outcome: str | None = None  # of a change that a signal interrupted
        self.go_on = ""  # the command that goes on with interrupted work

    def __call__(self, level: str, message: str) -> None:
        """Print `message`; level is attempt, note, progress or warning. A note or warning is
        printed once."""
        if level == "progress":
            return self.progress(message)
        if (self.quiet and level != "warning") or (level == "attempt" and not self.verbose):
            return None
        message = self.masker.mask(spelled(message))
        if level != "attempt" and message in self._printed:
            return None
        self._printed.add(message)
        level = "note" if level == "attempt" else level
        if self.terminal:
            self.screen.message(level, message)
            return None
        return self._line(compact({"level": level, "message": message}))

    def progress(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Where long work stands: one live line on a terminal, a line each ten seconds elsewhere.

        `done` of `total` draws a bar; without a total the rate is shown.
        """
        if self.quiet:
            return
        if self.terminal:
            self.screen.progress(message, done, total)
        elif self._monotonic() - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = self._monotonic()
            facts = {"done": done, "total": total}
            known = {name: value for name, value in facts.items() if value is not None}
            self._line(compact({"level": "progress", "message": message, **known}))

    def error(self, error: dict[str, Any]) -> None:
        """The error object (errors.as_dict, the hint spelled): the last thing printed."""
        error = self._shortened({**error, "hint": spelled(error.get("hint", ""))})
        if self.terminal:
            self.screen.error(error)
        else:
            self._line(compact({"error": error}))

    def end_progress(self) -> None:
        """Take the live line away, before something else is printed."""
        if self._screen is not None:
            self._screen.end_progress()

    @property
    def screen(self) -> Any:
        if self._screen is None:
            try:
                from cli.terminal import Screen
            except ImportError:  # rich is not installed
                self._screen = Plain(self.write)
            else:
                self._screen = Screen(self.write)
        return self._screen

    def write(self, text: str) -> None:
        """Write masked text as it is."""
        try:
            self.stream.write(self.masker.mask(text))
            self.stream.flush()
        except (OSError, ValueError):
            pass  # stderr is closed or full; there is nowhere left to say so

    def _line(self, text: str) -> None:
        self.write(text + "\n")

    def _shortened(self, error: dict[str, Any]) -> dict[str, Any]:
        """The server's words masked and then cut: half a secret, left by a cut, would no longer be
        known for one."""
        for name in ("server_code", "server_message", "request_id"):
            if isinstance(error.get(name), str):
                error[name] = self.masker.mask(error[name])[:_LONGEST_WORDS]
        details = error.get("details")
        if isinstance(details, dict) and isinstance(details.get("location"), str):
            error["details"] = {
                **details,
                "location": self.masker.mask(details["location"])[:_LONGEST_WORDS],
            }
        return error


class Plain:
    """What `cli.terminal.Screen` does, without rich: a line each, and no live line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def message(self, level: str, text: str) -> None:
        self._write(f"{'Warning: ' if level == 'warning' else ''}{inert(text)}\n")

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Nothing: a line cannot be drawn again."""

    def end_progress(self) -> None:
        """Nothing to take away."""

    def error(self, error: dict[str, Any]) -> None:
        named = {"Error": "message", "The server says": "server_message", "Next": "hint"}
        for title, name in named.items():
            if error.get(name):
                self._write(f"{title}: {inert(str(error[name]))}\n")
        if error.get("details"):
            self._write(compact(error["details"], 2) + "\n")
