"""stderr: one JSON object a line for programs, readable lines for people. Never a secret, never a
lead's values."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import cached_property
from typing import IO, Any

from cli.hints import spelled
from cli.text import Masker, compact, inert

PROGRESS_SECONDS = 10.0  # between two lines of progress off a terminal
_LONGEST_WORDS = 300  # characters of what a server says


class Notes:
    """Prints on `stream`: attempts (with `verbose`), notes and progress (not with `quiet`),
    warnings, the error.

    On a terminal everything is written by `cli.terminal`, where rich is installed.
    """

    def __init__(
        self, stream: IO[str], masker: Masker, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.stream, self.masker, self.terminal = stream, masker, stream.isatty()
        self.quiet = self.verbose = False
        self.last_outcome: str | None = None  # of a change that a signal interrupted
        self.go_on = ""  # the command that goes on with interrupted work
        self._printed: set[str] = set()
        self._monotonic, self._last_progress = monotonic, monotonic()

    def __call__(self, level: str, message: str) -> None:
        """Print `message`; level is attempt, note, progress or warning. A note or warning is
        printed once."""
        if level == "progress":
            return self.progress(message)
        if (self.quiet and level != "warning") or (level == "attempt" and not self.verbose):
            return None
        message = self.masker.mask(spelled(message))
        if level == "attempt":
            level = "note"
        elif message in self._printed:
            return None
        self._printed.add(message)
        if self.terminal:
            self.screen.message(level, message)
        else:
            self._line({"level": level, "message": message})
        return None

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
            facts = {"level": "progress", "message": message, "done": done, "total": total}
            self._line({name: value for name, value in facts.items() if value is not None})

    def error(self, error: dict[str, Any]) -> None:
        """The error object (errors.as_dict, the hint spelled): the last thing printed."""
        error = {**error, "hint": spelled(error.get("hint", ""))}
        for facts in (error, error.get("details")):
            for name in ("server_code", "server_message", "request_id", "location"):
                if isinstance(facts, dict) and isinstance(facts.get(name), str):
                    # Masked before it is cut: half a secret would no longer be known for one.
                    facts[name] = self.masker.mask(facts[name])[:_LONGEST_WORDS]
        if self.terminal:
            self.screen.error(error)
        else:
            self._line({"error": error})

    def end_progress(self) -> None:
        """Take the live line away, before something else is printed."""
        if "screen" in self.__dict__:
            self.screen.end_progress()

    @cached_property
    def screen(self) -> Any:
        try:
            from cli.terminal import Screen
        except ImportError:  # rich is not installed
            return Plain(self.write)
        return Screen(self.write)

    def write(self, text: str) -> None:
        """Write masked text as it is."""
        with contextlib.suppress(OSError, ValueError):  # closed or full: nowhere left to say so
            self.stream.write(self.masker.mask(text))
            self.stream.flush()

    def _line(self, facts: dict[str, Any]) -> None:
        self.write(compact(facts) + "\n")


class Plain:
    """What `cli.terminal.Screen` does, without rich: a line each, and no live line."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def message(self, level: str, text: str) -> None:
        self._write(f"{level.capitalize()}: {inert(text)}\n")

    def progress(self, *_: Any) -> None:
        """Nothing: a line cannot be drawn again."""

    def end_progress(self) -> None:
        """Nothing to take away."""

    def error(self, error: dict[str, Any]) -> None:
        named = {"Error": "message", "The server says": "server_message", "Next": "hint"}
        for title, name in named.items():
            if error.get(name):
                self._write(f"{title}: {inert(str(error[name]))}\n")
