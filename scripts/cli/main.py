"""From argv to exit code, for all three scripts: the one place that turns an error into words and a
number."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from cli.hints import for_error
from cli.stderr import Notes
from cli.text import Masker
from leadgenius.errors import LeadGeniusError, LocalError, UsageError

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
INTERRUPTED, TERMINATED, PIPE_CLOSED = 130, 143, 141
_SECRETS = ("LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_PASSWORD")

Work = Callable[[Sequence[str], Mapping[str, str], Notes], int]


class Terminated(SystemExit):
    """SIGTERM, as an exception: what is open gets closed, temporary files are removed."""


def lgp(argv: Sequence[str] | None = None) -> int:
    """One run of lgp.py."""
    return run(_command, sys.argv[1:] if argv is None else argv)


def auth(argv: Sequence[str] | None = None) -> int:
    """One run of auth.py: `lgp.py auth …`."""
    return lgp(["auth", *(sys.argv[1:] if argv is None else argv)])


def api_call(argv: Sequence[str] | None = None) -> int:
    """One run of api_call.py."""

    def work(argv: Sequence[str], environ: Mapping[str, str], notes: Notes) -> int:
        from cli import parser, raw

        if ({"-h", "--help"} & set(argv)) or not argv:
            return raw.show_help()
        try:
            found, arguments = raw.parse(argv, environ)
            return dispatch(raw.COMMAND, found, arguments, environ, notes, raw=True)
        except UsageError as error:
            error.hint = error.hint or "{api_call} --help"
            raise

    return run(work, sys.argv[1:] if argv is None else argv)


def run(work: Work, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Do `work`, print what went wrong, return the exit code."""
    environ = os.environ if environ is None else environ
    _open_missing_streams()
    notes = Notes(
        sys.stderr,
        Masker([environ[name] for name in _SECRETS if environ.get(name)]),
        quiet="--quiet" in argv
        or environ.get("LGP_QUIET", "").strip().lower() in ("1", "true", "yes", "on"),
        verbose="--verbose" in argv,
    )
    gc.freeze()  # what was imported stays; collecting starts with the work
    gc.set_threshold(50_000)  # pages of rows hold no cycles: looking for them takes a fifth longer
    gc.enable()
    with _sigterm():
        try:
            code = _version() if "--version" in argv else work(list(argv), environ, notes)
            notes.end_progress()
            sys.stdout.flush()
            return code
        except LeadGeniusError as error:
            return _failed(error, notes)
        except KeyboardInterrupt:
            return _stopped(notes, "interrupted", INTERRUPTED)
        except Terminated:
            return _stopped(notes, "terminated", TERMINATED)
        except OSError as error:
            return _output_failed(error, notes)
        except ImportError as error:
            if (error.name or "").split(".")[0] in ("requests", "urllib3"):
                raise  # cli.start says what to type
            return _bug(error, notes)
        except Exception as error:
            return _bug(error, notes)


def _version() -> int:
    sys.stdout.write(f"leadgenius-api {VERSION}\n")
    return 0


def _command(argv: Sequence[str], environ: Mapping[str, str], notes: Notes) -> int:
    """Help, or one command."""
    from cli import options, parser

    if list(argv[:2]) == ["completion", "candidates"]:  # what a shell asks; argv[2] is --
        from cli import offline

        return offline.print_candidates(argv[3:])
    words = [word for word in argv if word not in ("-h", "--help", "help")]
    if len(words) < len(argv) or not [word for word in argv if not word.startswith("-")]:
        from cli import offline

        return offline.show_help(words, EXIT_CODES)
    found, rest = options.split(argv, environ)
    if parser.is_group(rest):
        from cli import offline

        return offline.show_help(rest, EXIT_CODES)
    command, rest = parser.find(rest)
    try:
        arguments = parser.parse(command, rest)
        options.check_served(found, parser.option_groups(command))
        return dispatch(command, found, arguments, environ, notes)
    except UsageError as error:
        error.hint = error.hint or f"{{lgp}} {command.words} --help"
        raise


def dispatch(
    command: Any,
    options: Any,
    arguments: Any,
    environ: Mapping[str, str],
    notes: Notes,
    **more: Any,
) -> int:
    """Run one command: its row names the module and the function."""
    from cli.context import Context

    module, function = command.run.split(".")
    context = Context(
        command, options, arguments, environ=environ, stdin=sys.stdin, stdout=sys.stdout,
        notes=notes, masker=notes.masker, **more,
    )  # fmt: skip
    with contextlib.closing(context):
        context.output.check()
        try:
            return int(getattr(import_module(f"cli.{module}"), function)(context))
        except LeadGeniusError as error:
            if "client" in context.__dict__ and context.client.sandbox:
                error.facts.setdefault("sandbox", True)
            raise
        except (KeyboardInterrupt, SystemExit):
            if "client" in context.__dict__:
                notes.last_outcome = context.client.last_outcome
            raise


def _open_missing_streams() -> None:
    """A stream closed by whoever started us is None, and its descriptor would go to the next file
    opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):  # data is UTF-8 whatever the locale
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


@contextlib.contextmanager
def _sigterm() -> Iterator[None]:
    """SIGTERM raises Terminated while the work runs."""

    def terminate(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the tidying up
        raise Terminated(TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread: somebody embeds us
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _failed(error: LeadGeniusError, notes: Notes) -> int:
    _flush(notes)
    error.hint = for_error(error.code, error.facts.get("path") or "", error.hint)
    notes.error(error.as_dict())
    return error.exit_code


def _stopped(notes: Notes, code: str, exit_code: int) -> int:
    outcomes = {
        "applied": " The change in flight was applied.",
        "rejected": " The change in flight was refused.",
        "unknown": " The change in flight may have been applied: check before sending it again.",
    }
    outcome = notes.last_outcome
    message = f"Stopped ({code}).{outcomes.get(outcome or '', '')}"
    _flush(notes)
    error = {
        "code": code,
        "message": message,
        "hint": notes.go_on,
        "exit_code": exit_code,
        "outcome": outcome,
    }
    notes.error({name: value for name, value in error.items() if value not in (None, "")})
    return exit_code


def _output_failed(error: OSError, notes: Notes) -> int:
    if isinstance(error, BrokenPipeError):
        _discard_stdout()
        return PIPE_CLOSED
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
        _discard_stdout()
        return _failed(
            LocalError(f"The output could not be written: {error.strerror}.", code="disk"), notes
        )
    return _bug(error, notes)


def _flush(notes: Notes) -> None:
    """What was written before an error goes out if it can; the error is what counts."""
    notes.end_progress()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    except (OSError, ValueError):
        _discard_stdout()
        notes("warning", "The output could not be written whole.")


def _discard_stdout() -> None:
    """Point stdout to nowhere, or the interpreter would complain once more when it flushes at
    exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bug(error: Exception, notes: Notes) -> int:
    import traceback

    notes.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    hint = "Please report the traceback above; it holds no secrets."
    return _failed(
        LeadGeniusError(f"A bug in this program: {type(error).__name__}.", hint=hint), notes
    )
