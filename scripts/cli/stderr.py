"""stderr: one JSON object a line for programs, readable lines for people. Never a secret, never a
lead's values."""

import contextlib
import os
import re
import select
import shlex
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from cli.text import Masker, compact, hidden, inert, listed, wrapped

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
        self._since = monotonic()  # the last line of progress; at first, the start
        self._standing = ""  # how far the work is, shown in a wait too
        self._live: Any = None  # the line that stands there, once there was one

    def __call__(self, level: str, message: str) -> None:
        """Print `message`; level is attempt, note, progress or warning. A note or warning is
        printed once."""
        message = spelled(message)
        if level == "progress":
            self.progress(message)
        elif level == "attempt":
            if self.verbose:
                self._print("note", message)
        elif message not in self._printed and (level == "warning" or not self.quiet):
            self._printed.add(message)
            self._print(level, message)

    def progress(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Where long work stands, not in its first second, or (without `done`) what it waits for:
        one live line on a terminal, a line each ten seconds elsewhere."""
        seconds = monotonic() - self._since
        if done is None:
            message = self._standing + message
        else:
            self._standing = f"{message} · "
        if self.quiet or (done is not None and seconds < 1):
            return
        if self.terminal and os.environ.get("TERM") != "dumb" and find_spec("rich"):
            from cli.terminal import live_line

            self._live = self._live or live_line(self.stream)
            with contextlib.suppress(OSError, ValueError):
                words = inert(self.masker.mask(message))
                self._live.update(0, description=words, completed=done, total=total, refresh=True)
                self._live.start()  # unless it stands there already
        elif seconds >= PROGRESS_SECONDS:
            self._since += seconds
            self._print("progress", message)

    def ask(self, question: str, seconds: float) -> bool:
        """Whether `y` is typed within `seconds`; silence is No."""
        self.write(question)
        with contextlib.suppress(OSError, ValueError):  # else the answer is read as it comes
            if not select.select([sys.stdin], [], [], seconds)[0]:
                self.write("\n")
                return False
        answer = sys.stdin.readline()
        self.write("" if answer else "\n")
        return answer.strip().lower() in ("y", "yes")

    def _print(self, level: str, message: str) -> None:
        words = "Warning: " * (level == "warning") + message
        self._say({"level": level, "message": message}, words)

    def error(self, error: dict[str, Any]) -> None:
        """The error object (errors.as_dict, the hint spelled): the last thing printed."""
        error = {**error, "hint": spelled(error["hint"])}
        for name in {"server_code", "server_message", "request_id"} & error.keys():
            # Masked before it is cut: half a secret would no longer be known for one.
            error[name] = self.masker.mask(str(error[name]))[:_LONGEST_WORDS]
        says, hint = error.get("server_message"), error["hint"]
        self._say(
            {"error": error},
            f"Error: {error['message']}",
            *[f"The server says: {says}"] * bool(says),
            *listed(error.get("details", [])),
            *[f"Next: {hint}"] * bool(hint),
        )

    def _say(self, facts: dict[str, Any], *lines: str) -> None:
        """Facts for a program, lines for a person: masked before they are wrapped."""
        people = wrapped(map(self.masker.mask, lines)) if self.terminal else ""
        self.write(people or compact(facts) + "\n")

    def write(self, text: str = "") -> None:
        """Write masked text as it is, the live line taken away before it."""
        with contextlib.suppress(OSError, ValueError):  # closed or full: nowhere left to say so
            if self._live:
                self._live.stop()
            if text:  # keys typed in a wrong place are no secrets that the masker knows
                self.stream.write(hidden(self.masker.mask(text)))
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
    called = Path(sys.argv[0])
    program = called.name  # a link to it on the path
    if called.suffix == ".py":
        program = "python3 " + shlex.quote(str(called.with_name("lgp.py")))
    return text.replace("{lgp}", program + options)
