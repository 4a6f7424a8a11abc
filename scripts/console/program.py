"""From argv to exit code, for all three scripts: the one place that turns an error into words and a number."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from console.hints import called
from console.masking import Masker, secrets
from console.notes import Notes
from console.options import switch
from console.text import sentence
from leadgenius.errors import LeadGeniusError, LocalError, UsageError

EXIT_CODES = {
    0: "done",
    1: "a bug in this program",
    2: "wrong usage or input, or a refusal of ours; nothing was sent",
    3: "no credential, or the server refused it",
    4: "the API refused the request, or the job failed",
    5: "rate budget: come back at retry_at",
    6: "network: this request was not applied; run it again",
    7: "server failure on a read; run it again",
    8: "a change may or may not have been applied; check first",
    9: "this machine: set-up, disk, permission, credential file, certificate",
    10: "the job is still running; look again",
    130: "interrupted (143 terminated, 141 stdout closed)",
}
INTERRUPTED, TERMINATED, PIPE_CLOSED = 130, 143, 141

Work = Callable[[Sequence[str], Notes], int]


class Terminated(SystemExit):
    """SIGTERM, as an exception: what is open gets closed, temporary files are removed."""


def run(work: Work, argv: Sequence[str], *, environ: Mapping[str, str] = os.environ) -> int:
    """Do `work`, tell what went wrong, return the exit code. Raises nothing but what no program can catch."""
    _open_missing_streams()
    _speak_utf8(sys.stdout, sys.stderr)
    notes = _notes(argv, environ)
    with _signals():
        try:
            code = work(argv, notes)
            sys.stdout.flush()
            return code
        except LeadGeniusError as error:
            return _told(error, notes)
        except KeyboardInterrupt as stop:
            return _stopped(stop, notes, "interrupted", INTERRUPTED)
        except Terminated as stop:
            return _stopped(stop, notes, "terminated", TERMINATED)
        except SystemExit as stop:  # argparse's --help and --version
            return _flushed(stop.code if isinstance(stop.code, int) else 0)
        except OSError as error:
            return _output_failed(error, notes)
        except Exception as error:
            return _bug(error, notes)


def _notes(argv: Sequence[str], environ: Mapping[str, str]) -> Notes:
    """Made before anything is parsed, because the parsing itself may have to be told about."""
    masker = Masker()
    for secret in secrets(environ):
        masker.learn(secret)
    return Notes(
        sys.stderr,
        masker=masker,
        quiet="--quiet" in argv or _on(environ, "LGP_QUIET"),
        verbose="--verbose" in argv or _on(environ, "LGP_VERBOSE"),
    )


def _on(environ: Mapping[str, str], name: str) -> bool:
    try:
        return switch(environ.get(name, ""), name)
    except UsageError:
        return False  # told when the settings are read


def _open_missing_streams() -> None:
    """A stream closed by whoever started us (`>&-`) is None, and its descriptor would go to the next file opened."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  (stays open as long as the process)


def _speak_utf8(*streams: Any) -> None:
    """Data is UTF-8 whatever the locale; a character that cannot be written must not end the run."""
    for stream in streams:
        if hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM raises Terminated while the work runs."""

    def terminate(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the tidying up
        raise Terminated(TERMINATED)

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread: an author embeds us
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(error: LeadGeniusError, notes: Notes) -> int:
    _flush_or_abandon(notes)
    told = error.as_dict()
    told.update(message=sentence(error.message), hint=called(error.hint))
    notes.error(told)
    return error.exit_code


class _Stopped(LeadGeniusError):
    """Only to speak in the family's shape; the exit code is the signal's."""


def _stopped(stop: BaseException, notes: Notes, code: str, exit_code: int) -> int:
    outcome = getattr(stop, "outcome", None)
    words = {
        "applied": "The change in flight was applied.",
        "rejected": "The change in flight was refused.",
        "unknown": "The change in flight may or may not have been applied: check before you send it again.",
    }
    message = f"Stopped ({code}). {words.get(outcome or '', '')}".strip()
    error = _Stopped(message, code=code, outcome=outcome, hint=called(getattr(stop, "hint", "")))
    told = {**error.as_dict(), "exit_code": exit_code}
    _flush_or_abandon(notes)
    notes.error(told)
    return exit_code


def _output_failed(error: OSError, notes: Notes) -> int:
    if isinstance(error, BrokenPipeError):
        _abandon_stdout()
        return PIPE_CLOSED
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
        _abandon_stdout()
        reason = error.strerror or "unknown"
        return _told(LocalError(f"The output could not be written: {reason}.", code="disk"), notes)
    return _bug(error, notes)


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        return PIPE_CLOSED
    return code


def _flush_or_abandon(notes: Notes) -> None:
    """What was written before an error goes out if it can; the error is what counts."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
    except (OSError, ValueError):
        _abandon_stdout()
        notes("warning", "The output could not be written whole.")


def _abandon_stdout() -> None:
    """Point stdout to nowhere, or the interpreter would complain once more when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bug(error: Exception, notes: Notes) -> int:
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(notes.masker.mask(trace))
    told = LeadGeniusError(
        f"A bug in this program: {type(error).__name__}.",
        hint="Please report the traceback above; it holds no secrets.",
    )
    return _told(told, notes)


def stdout() -> IO[str]:
    return sys.stdout
