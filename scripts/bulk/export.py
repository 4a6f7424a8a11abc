"""Export of a bulk list that goes on where it was killed: every row exactly once.

The rows stand in TARGET.part, what is known of them in TARGET.checkpoint; after each page both are synced, the rows
first. A run that finds both cuts the rows back to the length the checkpoint vouches for and goes on from its cursor.
At the end the rows become TARGET and the checkpoint goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from leadgenius.errors import LocalError
from leadgenius.files import (
    destination,
    is_regular,
    keep_mode,
    local_error,
    new_mode,
    open_own,
    remove_leftovers,
    write_atomic,
)

if TYPE_CHECKING:
    from leadgenius.client import Page

try:
    import fcntl
except ImportError:  # Windows: two runs on one file are not told apart there
    fcntl = None  # type: ignore[assignment]

OLDEST_CHECKPOINT = 86_400.0  # seconds; a cursor of yesterday may show a list that has moved on
_LARGEST_CHECKPOINT = 16 * 1024 * 1024  # bytes; no honest one comes near


@dataclass
class Checkpoint:
    """What the rows in the part file are worth. `query` names origin, path, parameters and form, hashed."""

    query: str
    started: float
    cursor: str | None = None
    rows: int = 0
    bytes: int = 0
    pages: int = 0
    clients: dict[str, int] = field(default_factory=dict)
    finished: bool = False

    def is_sound(self) -> bool:
        """Whether an export can have left this: after at least one page that came to bytes on disk."""
        counts = (self.rows, self.bytes, self.pages, *self.clients.values())
        texts = (self.query, self.cursor if self.cursor is not None else "", *self.clients)
        return (
            all(type(one) is int and one >= 0 for one in counts)
            and all(type(one) is str for one in texts)
            and type(self.started) in (int, float)
            and 0 <= self.started < float("inf")
            and self.finished is (self.cursor is None)
            and self.pages > 0
            and 0 < self.bytes >= self.rows >= sum(self.clients.values())
        )


def query_of(origin: str, path: str, params: Mapping[str, Any], form: str, columns: list[str] | None) -> str:
    """The digest that tells one export from another."""
    told = json.dumps([origin, path, dict(params), form, columns], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


@contextlib.contextmanager
def exporting(
    target: Path,
    query: str,
    *,
    restart: bool = False,
    continue_old: bool = False,
    clock: Callable[[], float] = time.time,
) -> Iterator[Export]:
    """An Export onto `target`, alone: a second run on the same target is refused.

    Raises LocalError: `locked` for the second run, `checkpoint` when one of another query or older than a day lies
    there and neither `restart` nor (for age) `continue_old` was said, `disk`, or `permission` when one of the three
    files is not ours alone.
    """
    path, old = destination(target)
    if not is_regular(old):
        raise LocalError(
            "--out names a device or a pipe; an export needs a file that it can go on with.",
            code="disk",
            hint="Give the name of a file, or none to have stdout.",
        )
    try:
        with _alone(_part_path(path), new_mode(old)) as part:
            keep_mode(part.fileno(), old)
            remove_leftovers(_checkpoint_path(path), follow=False)
            export = Export(path, part, _found(path, part, query, restart, continue_old, clock()))
            try:
                yield export
            except BaseException:
                if not export.resumed:  # nothing came: leave nothing behind
                    _part_path(path).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise local_error(target, "written", error) from error


def _found(path: Path, part: IO[bytes], query: str, restart: bool, continue_old: bool, now: float) -> Checkpoint:
    stored = None if restart else _read(_checkpoint_path(path))
    if stored is None or os.fstat(part.fileno()).st_size < stored.bytes:
        return Checkpoint(query, now)
    if stored.query != query:
        raise LocalError(
            "A checkpoint of another export lies beside this file.",
            code="checkpoint",
            hint="Run it with --restart to begin anew, or choose another --out.",
        )
    if now - stored.started > OLDEST_CHECKPOINT and not continue_old:
        raise LocalError(
            "The checkpoint beside this file is older than a day.",
            code="checkpoint",
            hint="--restart begins anew; --continue-old goes on from it, and may miss what has changed since.",
        )
    return stored


def _read(path: Path) -> Checkpoint | None:
    """The stored checkpoint; None when there is none or it cannot be used, which only costs time."""
    try:
        with os.fdopen(open_own(path, os.O_RDONLY), "rb") as file:
            found = Checkpoint(**json.loads(file.read(_LARGEST_CHECKPOINT)))
        return found if found.is_sound() else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise local_error(path, "read", error) from error
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


class Export:
    """The rows on disk and what is known of them. `add` each page, then `finish`."""

    def __init__(self, path: Path, part: IO[bytes], checkpoint: Checkpoint) -> None:
        self.checkpoint, self._path, self._file = checkpoint, path, part
        if not self.resumed:  # an old one would vouch for rows that are about to change
            _checkpoint_path(path).unlink(missing_ok=True)
        # A page that was half written is cut off and asked for again.
        part.truncate(checkpoint.bytes)
        part.seek(checkpoint.bytes)

    @property
    def resumed(self) -> bool:
        return self.checkpoint.pages > 0

    def add(self, text: str, page: Page) -> None:
        """Write `text`, which is a page's rows, sync it, then vouch for it."""
        self._file.write(text.encode("utf-8"))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._vouch(page)

    def _vouch(self, page: Page) -> None:
        known = self.checkpoint
        known.rows += len(page.items)
        known.pages += 1
        known.bytes = self._file.tell()
        known.cursor, known.finished = page.cursor, page.cursor is None
        for row in page.items:
            if isinstance(row, dict) and "client_id" in row:
                known.clients[str(row["client_id"])] = known.clients.get(str(row["client_id"]), 0) + 1
        write_atomic(_checkpoint_path(self._path), json.dumps(asdict(known)).encode(), follow=False)

    def finish(self, last: str = "") -> None:
        """The part becomes the target; `last` closes forms that need it."""
        self._file.write(last.encode())
        self._file.flush()
        os.fsync(self._file.fileno())
        _part_path(self._path).replace(self._path)
        _checkpoint_path(self._path).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """The part file, locked for this run. LocalError `locked` when another run has it, or has just finished it."""
    try:
        descriptor = open_own(path, os.O_RDWR | os.O_CREAT, mode)
    except OSError as error:
        raise local_error(path, "written", error) from error
    with os.fdopen(descriptor, "r+b") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                ours = os.path.samestat(os.fstat(file.fileno()), path.lstat())
            except OSError:
                ours = False
            if not ours:  # locked, or renamed by its owner between our opening and our locking
                raise LocalError(
                    "Another run is writing this file.", code="locked", hint="Wait for it, or choose another --out."
                )
        yield file


def _part_path(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _checkpoint_path(path: Path) -> Path:
    return path.with_name(path.name + ".checkpoint")
