"""From argv to exit code, for all three scripts: the one place that turns an error into words and a
number."""

import gc
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from cli.stderr import Notes, for_error
from cli.text import Masker
from leadgenius import __version__
from leadgenius.errors import LeadGeniusError, LocalError

_INSTALL = (
    "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt, then"
    " .venv/bin/python scripts/lgp.py …   (or: uv run scripts/lgp.py …)"
)
_SECRETS = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_PASSWORD")


def run(*words: str) -> int:
    """One run of a script, whose command line begins with these words: print what went wrong,
    return the exit code."""
    _prepare_streams()
    notes = Notes(sys.stderr, Masker(os.environ.get(name, "") for name in _SECRETS))
    gc.freeze()  # what was imported stays; collecting starts with the work
    gc.set_threshold(50_000)  # pages of rows hold no cycles: looking for them takes a fifth longer
    gc.enable()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        _work([*words, *sys.argv[1:]], notes)
        notes.write()  # ends the live line
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        return 141
    except (Exception, KeyboardInterrupt) as found:
        error = _described(found, notes)
    error.hint = for_error(error.code, error.path or "", error.hint)
    error.facts.setdefault("outcome", notes.last_outcome)  # of a change before this machine failed
    notes.error(error.as_dict())
    return error.exit_code


def _described(error: BaseException, notes: Notes) -> LeadGeniusError:
    """Whatever ended a run, as an error of ours; the traceback of a bug is printed."""
    if isinstance(error, LeadGeniusError):
        return error
    if isinstance(error, KeyboardInterrupt):
        code = str(error) or "interrupted"
        words = f"Stopped ({code})"
        if notes.last_outcome:
            words += f"; the last change: {notes.last_outcome}"
        made = LeadGeniusError(f"{words}.", notes.go_on, code=code)
        made.exit_code = 143 if code == "terminated" else 130
        return made
    if isinstance(error, OSError):
        from leadgenius.files import local_error

        return local_error(Path(error.filename or "The output"), error)
    if isinstance(error, ImportError):
        return LocalError(f"The package {error.name} cannot be imported.", _INSTALL)
    import traceback

    notes.write("".join(traceback.format_exception(error)))
    words = f"A bug in this program: {type(error).__name__}."
    return LeadGeniusError(words, "Please report the traceback above; it holds no secrets.")


def _work(argv: list[str], notes: Notes) -> None:
    """The version, help, what a shell may complete, or one command, by the module and the function
    that its row names."""
    from cli import parser

    if "--version" in argv:
        sys.stdout.write(f"leadgenius-api {__version__}\n")
        return
    if argv[:2] == ["completion", "candidates"]:  # what a shell asks; argv[2] is --
        from cli import offline

        offline.print_candidates(argv[3:])
        return
    found, rest = parser.split(argv, os.environ)
    command, after = (None, rest) if found.help else parser.find(rest)
    if not command:
        from cli import offline

        offline.show_help(rest)
        return
    from cli.context import Context

    with Context(command, parser.parse(command, found, after), notes) as context:
        module, function = command.run.split(".")
        getattr(import_module(f"cli.{module}"), function)(context)


def _prepare_streams() -> None:
    """Data is UTF-8 whatever the locale. A stream closed by whoever started us is None, and its
    descriptor would go to the next file opened."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("r+"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def _terminate(*_: Any) -> None:
    """SIGTERM is an exception: what is open gets closed, temporary files are removed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the tidying up
    raise KeyboardInterrupt("terminated")
