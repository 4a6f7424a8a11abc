"""From argv to exit code, for all three scripts: the one place that turns an error into words and a
number."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.hints import for_error
from cli.stderr import Notes
from cli.text import Masker
from leadgenius.errors import LeadGeniusError, LocalError, UsageError

if TYPE_CHECKING:
    import argparse

    from cli.commands import Command

VERSION = "2.0.0"
EXIT_CODES = {
    0: "done",
    1: "a bug in this program",
    2: "wrong usage or input, or a refusal of ours; nothing was sent",
    3: "no credential, or the server refused it",
    4: "the API refused some or all of it, or a job failed",
    5: "rate budget or --max-time: come back at retry_at",
    6: "network: this request was not applied; run it again",
    7: "server failure on a read; run it again",
    8: "a change may or may not have been applied; check first",
    9: "this machine: set-up, disk, permission, credential file, certificate",
    10: "the job is still running; look again",
    130: "interrupted (143 terminated, 141 stdout closed)",
}
STOPPED = {"interrupted": 130, "terminated": 143}
_OUTCOMES = {
    "applied": " The change in flight was applied.",
    "rejected": " The change in flight was refused.",
    "unknown": " The change in flight may have been applied: check before sending it again.",
}
_SECRETS = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_PASSWORD")

Environ = Mapping[str, str]
Work = Callable[[list[str], Environ, Notes], int]


class Terminated(SystemExit):
    """SIGTERM, as an exception: what is open gets closed, temporary files are removed."""


def lgp() -> int:
    """One run of lgp.py."""
    return run(_command, sys.argv[1:])


def auth() -> int:
    """One run of auth.py: `lgp.py auth …`."""
    return run(_command, ["auth", *sys.argv[1:]])


def api_call() -> int:
    """One run of api_call.py."""
    return run(_api_call, sys.argv[1:])


def run(work: Work, argv: list[str]) -> int:
    """Do `work`, print what went wrong, return the exit code."""
    _prepare_streams()
    notes = Notes(sys.stderr, Masker(os.environ.get(name, "") for name in _SECRETS))
    gc.freeze()  # what was imported stays; collecting starts with the work
    gc.set_threshold(50_000)  # pages of rows hold no cycles: looking for them takes a fifth longer
    gc.enable()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = (_version if "--version" in argv else work)(argv, os.environ, notes)
        notes.end_progress()
        sys.stdout.flush()
        return code
    except LeadGeniusError as error:
        return _failed(error, notes)
    except KeyboardInterrupt:
        return _stopped(notes, "interrupted")
    except Terminated:
        return _stopped(notes, "terminated")
    except BrokenPipeError:
        _discard_stdout()
        return 141
    except OSError as error:
        words = f"The output could not be written: {error.strerror}."
        return _failed(LocalError(words, code="disk"), notes)
    except Exception as error:
        if isinstance(error, ImportError) and error.name in ("requests", "urllib3"):
            raise  # cli.start says what to type
        import traceback

        notes.write("".join(traceback.format_exception(error)))
        hint = "Please report the traceback above; it holds no secrets."
        words = f"A bug in this program: {type(error).__name__}."
        return _failed(LeadGeniusError(words, hint=hint), notes)


def _version(*_: Any) -> int:
    sys.stdout.write(f"leadgenius-api {VERSION}\n")
    return 0


def _command(argv: list[str], environ: Environ, notes: Notes) -> int:
    """Help, or one command of lgp.py."""
    from cli import options, parser

    if argv[:2] == ["completion", "candidates"]:  # what a shell asks; argv[2] is --
        from cli import offline

        return offline.print_candidates(argv[3:])
    found, rest = options.split(argv, environ)
    if rest[:1] in ([], ["help"]) or {"-h", "--help"} & set(rest) or parser.is_group(rest):
        from cli import offline

        words = [word for word in rest if word not in ("help", "-h", "--help")]
        return offline.show_help(words, EXIT_CODES)
    command, rest = parser.find(rest)
    try:
        arguments = parser.parse(command, rest)
        options.check_served(found, parser.option_groups(command))
        return dispatch(command, found, arguments, environ, notes)
    except UsageError as error:
        error.hint = error.hint or f"{{lgp}} {command.words} --help"
        raise


def _api_call(argv: list[str], environ: Environ, notes: Notes) -> int:
    from cli import raw

    if not argv or {"-h", "--help"} & set(argv):
        return raw.show_help()
    try:
        found, arguments = raw.parse(argv, environ)
        found.format = found.format or "json"  # also on a terminal
        return dispatch(raw.COMMAND, found, arguments, environ, notes)
    except UsageError as error:
        error.hint = error.hint or "{api_call} --help"
        raise


def dispatch(
    command: Command, options: argparse.Namespace, arguments: argparse.Namespace,
    environ: Environ, notes: Notes,
) -> int:  # fmt: skip
    """Run one command: its row names the module and the function."""
    from cli.context import Context

    notes.quiet, notes.verbose = bool(options.quiet), bool(options.verbose)
    module, function = command.run.split(".")
    context = Context(command, options, arguments, environ, notes)
    with contextlib.closing(context):
        try:
            return int(getattr(import_module(f"cli.{module}"), function)(context))
        except (KeyboardInterrupt, SystemExit):
            if "client" in context.__dict__:  # else nothing was sent
                notes.last_outcome = context.client.last_outcome
            raise


def _prepare_streams() -> None:
    """Data is UTF-8 whatever the locale. A stream closed by whoever started us is None, and its
    descriptor would go to the next file opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def _terminate(number: int, frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the tidying up
    raise Terminated(STOPPED["terminated"])


def _failed(error: LeadGeniusError, notes: Notes) -> int:
    """Print an error behind what was written before it; its exit code."""
    notes.end_progress()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        _discard_stdout()
    error.hint = for_error(error.code, error.path or "", error.hint)
    notes.error(error.as_dict())
    return error.exit_code


def _stopped(notes: Notes, code: str) -> int:
    outcome = notes.last_outcome
    if notes.terminal:
        notes.write("\n")  # a question may stand there
    words = f"Stopped ({code}).{_OUTCOMES.get(outcome or '', '')}"
    error = LeadGeniusError(words, code=code, hint=notes.go_on, outcome=outcome)
    error.exit_code = STOPPED[code]
    return _failed(error, notes)


def _discard_stdout() -> None:
    """Point stdout to nowhere, or the interpreter would complain once more when it flushes at
    exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
