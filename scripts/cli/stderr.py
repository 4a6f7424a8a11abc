"""stderr: one JSON object a line for programs, readable lines for people. Never a secret, never a
lead's values."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from cli.text import Masker, compact, inert, listed

PROGRESS_SECONDS = 10.0  # between two lines of progress where no live line can be drawn
_LONGEST_WORDS = 300  # characters of what a server says
monotonic = time.monotonic
# The keys that errors of the helper carry, and the command for each.
HINTS = {
    "get_key": "{lgp} generate-key --name NAME   (an agent key of the right company, lgp_…: stored,"
    " or in LGP_API_KEY; admin calls take one of a Master Admin)",
    "save_amplify_key": "{lgp} auth save-key --scope system   (the Amplify key of that company,"
    " da2-…: stored, or in LGP_AMPLIFY_API_KEY)",
    "log_in": "{lgp} auth --email YOU",
    "begin": "{lgp} auth --email YOU   (then generate-key; --sandbox needs no account)",
    "check_change": "{lgp} jobs list   (and changes.jsonl in the state directory)",
}
# The options that say which service is meant: a hint without them would go elsewhere. A value with
# other characters, such as a password in a URL, is not repeated.
_WHERE = r"(?<![^\0])(--sandbox|--(?:profile|base-url)[\0=][\w./:-]+)(?![^\0])"


class Notes:
    """Prints on `stream`: attempts (with `verbose`), notes and progress (not with `quiet`),
    warnings, the error."""

    def __init__(self, stream: IO[str], masker: Masker) -> None:
        self.stream, self.masker, self.terminal = stream, masker, stream.isatty()
        self.quiet = self.verbose = False
        self.last_outcome: str | None = None  # of a change that a signal interrupted
        self.go_on = ""  # the command that goes on with interrupted work
        self._printed: set[str] = set()
        self._last_progress = monotonic()
        self._live = False  # a line stands there that the next text replaces

    def __call__(self, level: str, message: str) -> None:
        """Print `message`; level is attempt, note, progress or warning. A note or warning is
        printed once."""
        message = spelled(message)
        if level == "progress":
            self.progress(message)
        elif level == "attempt":
            if self.verbose and not self.quiet:
                self._print("note", message)
        elif message not in self._printed and (level == "warning" or not self.quiet):
            self._printed.add(message)
            self._print(level, message)

    def progress(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Where long work stands: one live line on a terminal, a line each ten seconds elsewhere.

        `done` of `total` draws a bar; without a total the rate is shown.
        """
        now = monotonic()
        if self.quiet:
            return
        if self.screen and os.environ.get("TERM") != "dumb":
            self.write(self.screen.progress(now, message, done, total), live=True)
        elif now - self._last_progress >= PROGRESS_SECONDS:
            self._last_progress = now
            self._print("progress", message)

    def _print(self, level: str, message: str) -> None:
        if self.terminal:
            self._say("Warning: " * (level == "warning"), message)
        else:
            self.write(compact({"level": level, "message": message}) + "\n")

    def error(self, error: dict[str, Any]) -> None:
        """The error object (errors.as_dict, the hint spelled): the last thing printed."""
        error = {**error, "hint": spelled(error["hint"])}
        for name in {"server_code", "server_message", "request_id"} & error.keys():
            # Masked before it is cut: half a secret would no longer be known for one.
            error[name] = self.masker.mask(str(error[name]))[:_LONGEST_WORDS]
        if not self.terminal:
            self.write(compact({"error": error}) + "\n")
            return
        self._say("Error: ", error["message"])
        self._say("The server says: ", error.get("server_message", ""))
        for line in listed(error.get("details", [])):
            self._say("", line)
        self._say("Next: ", error["hint"])

    def _say(self, title: str, text: str) -> None:
        """Something for a person, if there is something: masked before it is wrapped."""
        text = inert(self.masker.mask(text))
        if text:
            self.write(self.screen.message(title, text) if self.screen else f"{title}{text}\n")

    @cached_property
    def screen(self) -> Any:
        """The Screen of a terminal; None elsewhere, and where rich is not installed."""
        with contextlib.suppress(ImportError):
            if self.terminal:
                from cli.terminal import Screen

                return Screen()
        return None

    def end_progress(self) -> None:
        """Take the live line away, before something else is printed."""
        self.write("")

    def write(self, text: str, live: bool = False) -> None:
        """Write masked text as it is, over a live line; `live`: as one."""
        start = "\r\x1b[2K" if self._live else ""
        self._live = live and bool(text)
        with contextlib.suppress(OSError, ValueError):  # closed or full: nowhere left to say so
            self.stream.write(start + self.masker.mask(text))
            self.stream.flush()


# ---- hints: one command to type next, with the program named as it was called


def for_error(code: str, path: str, hint: str) -> str:
    """The hint of an error: by its path for a refused key, an id that is not there, and a change
    that may have been applied."""
    absent, refused = code == "not_found", code in ("unauthorized", "forbidden")
    if "{" in hint or path.endswith("/epsimo-auth"):
        return hint
    if refused and path.endswith("/agent-api-keys"):
        return "log_in"
    if refused:
        return "get_key" if path.startswith(("/api/agent/", "/api/admin/")) else "save_amplify_key"
    if not absent and hint != "check_change":
        return hint
    from cli.commands import COMMANDS
    from contract.operations import operations

    for command in COMMANDS:
        operation = operations().get(command.id)
        if operation and operation.paging and path.startswith(operation.path + "/" * absent):
            which = " --email ADDRESS" if command.words == "leads list" else " --all" * absent
            return f"{{lgp}} {command.words}{which}"
    return hint


def spelled(text: str) -> str:
    """`text`, or the hint of that key, with `{lgp}` replaced by how one types it here.
    What is filled in is not looked at again: no text of a server can become a command."""
    text = HINTS.get(text, text)
    typed = re.findall(_WHERE, "\0".join(sys.argv[1:]))
    command = text.partition("   (")[0]
    where = [word for word in typed if re.split("[\0=]", word)[0] not in command]
    options = "".join(f" {word}" for word in where).replace("\0", " ")
    return text.replace("{lgp}", _program() + options)


def _program() -> str:
    called = Path(sys.argv[0])
    if called.name == "lgp":  # a link of that name on the path
        return "lgp"
    if called.name not in ("lgp.py", "api_call.py", "auth.py"):
        called = Path("scripts/lgp.py")
    return "python3 " + shlex.quote(str(called.with_name("lgp.py")))
