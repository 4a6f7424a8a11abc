"""The SQLite file behind the rate limiter: finding it safe, one transaction at a time, and what to do when it breaks.

What the rows mean is ratelimit.py's affair. A log that is locked costs this request (RateError), a damaged one is set
aside and begun anew, and one that cannot be used at all gives way to a log in memory: pacing never crashes a command.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from leadgenius.errors import LocalError, RateError
from leadgenius.files import take_lock

try:
    import fcntl
except ImportError:  # Windows: no lock while a damaged file is set aside; renaming one in use fails there anyhow
    fcntl = None  # type: ignore[assignment]

# A damaged file may show in values of another type, or in SQLite's own message quoting bytes that are no text
STRANGE = (ValueError, TypeError, OverflowError)
FAULTS = (sqlite3.DatabaseError, *STRANGE)
DAMAGED = ("malformed", "not a database", "no such table", "no such column", "has no column", "columns but")

T = TypeVar("T")

_inherited: list[sqlite3.Connection] = []  # a parent's connections must be neither used nor closed after a fork


class _MovedError(sqlite3.DatabaseError):
    """The file of the open connection no longer stands at its path: another process has set it aside."""


class RequestLog:
    """`run(work)` calls `work(db, now)` inside one transaction of the file at `path`, made by `schema` if new.

    `now` is read under the lock: a time read before waiting for it would be older than what others wrote meanwhile.
    `lost` is called once when the log gives way to memory. `owner` marks rows of this connection: after a file was
    rebuilt, or after a fork, a row's number alone might be somebody else's.
    """

    def __init__(
        self,
        path: Path | None,
        schema: tuple[str, ...],
        *,
        clock: Callable[[], float],
        lock_timeout: float,
        lost: Callable[[], None],
        notes: Callable[[str, str], None],
    ) -> None:
        self._path, self._schema, self._clock = path, schema, clock
        self._lock_timeout, self._lost, self._notes = lock_timeout, lost, notes
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # device and inode of the open file
        self._pid = 0
        self.owner = ""
        self._lone = False  # by ourselves, in memory

    def close(self) -> None:
        """Close the connection; the next `run` opens it again."""
        if self._db is not None and self._pid == os.getpid():
            self._db.close()
        elif self._db is not None:
            _inherited.append(self._db)
        self._db = None

    def run(self, work: Callable[..., T], *facts: Any) -> T:
        """What `work(db, now, *facts)` returns. Raises RateError (`limiter_busy`) when the file stays locked."""
        for _ in range(3):
            try:
                return self._once(work, facts)
            except FAULTS as error:
                self.close()
                self._recover(error)
        self._give_way("it fails again and again")
        return self._once(work, facts)

    def _once(self, work: Callable[..., T], facts: tuple[Any, ...]) -> T:
        db = self._connection()
        # IMMEDIATE takes the write lock now, waiting for it; a deferred one fails at its first write, without waiting
        db.execute("BEGIN IMMEDIATE")
        try:
            if self._moved():
                raise _MovedError
            done = work(db, self._clock(), *facts)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
            raise
        return done

    # ---- opening

    def _connection(self) -> sqlite3.Connection:
        if self._db is None or self._pid != os.getpid():
            self.close()
            self._pid, self.owner = os.getpid(), secrets.token_hex(8)
            self._db = self._opened()
        return self._db

    def _opened(self) -> sqlite3.Connection:
        if not self._lone:
            self._find()
        target = ":memory:" if self._path is None else str(self._path)
        db = sqlite3.connect(target, timeout=self._lock_timeout, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _find(self) -> None:
        if self._path is None:
            self._give_way("there is no state directory")
            return
        try:
            self._file = _checked(self._path)
        except OSError as error:
            self._give_way(error.strerror or type(error).__name__)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Rollback journal, SQLite's default: WAL is no faster here and breaks on network file systems."""
        db.execute("PRAGMA synchronous = OFF")  # a power cut may cost seconds of log, and nothing else
        db.execute("BEGIN IMMEDIATE")
        for statement in self._schema:
            db.execute(statement)
        db.execute("COMMIT")

    # ---- when it breaks

    def _recover(self, error: Exception) -> None:
        """Decided on SQLite's words: Python 3.10 does not tell its error codes."""
        if isinstance(error, _MovedError):
            return
        text = str(error)
        if "locked" in text or self._path is None:
            raise self._busy() if "locked" in text else error
        if isinstance(error, STRANGE) or any(word in text for word in DAMAGED):
            self._set_aside(self._path)
        else:
            self._give_way(text)

    def _busy(self) -> RateError:
        return RateError(
            f"the shared request log stayed locked for {self._lock_timeout:g} s",
            code="limiter_busy",
            hint="run the command again; if this goes on, look for a stopped process that uses LGP_STATE_DIR",
            retryable=True,
        )

    def _set_aside(self, path: Path) -> None:
        """Rename the damaged file, and its journal first, which would otherwise be played back into the new one."""
        kept = path.with_name(f"{path.name}.corrupt-{self._clock():.0f}")
        try:
            with _alone(path.parent, self._lock_timeout):
                if self._moved():
                    return  # another process met the same damage and was faster: its new file is good
                with contextlib.suppress(FileNotFoundError):
                    path.with_name(f"{path.name}-journal").replace(kept.with_name(f"{kept.name}-journal"))
                path.replace(kept)
        except LocalError as error:
            raise self._busy() from error
        except OSError as error:
            self._give_way(f"it is damaged, and cannot be renamed: {error.strerror}")
        else:
            self._notes("warning", f"the shared request log was damaged: kept as {kept.name}, and begun anew")

    def _moved(self) -> bool:
        if self._path is None:
            return False
        try:
            found = self._path.stat()
        except OSError:
            return True
        return (found.st_dev, found.st_ino) != self._file

    def _give_way(self, why: str) -> None:
        self._path, self._lone = None, True
        self._lost()
        self._notes(
            "warning",
            f"the shared request log cannot be used ({why}), so this process keeps to an eighth of the rate limit; "
            "set LGP_STATE_DIR to a directory of your own that can be written",
        )


def _checked(path: Path) -> tuple[int, int]:
    """Make the file (0600) in its directory (0700) where absent, and identify it. OSError: not safe, or impossible.

    Links are refused, so that nobody makes us write elsewhere; so are other people's directories. The mode of a
    directory that is already there is left alone: it may be anybody's, `/tmp` or a home.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not stat.S_ISDIR(path.parent.lstat().st_mode) or not _ours(path.parent.lstat()):
        raise PermissionError(0, "its directory is a link, or not ours")
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not _ours(found):
            raise PermissionError(0, "it is not a regular file, or not ours")
        if found.st_mode & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return found.st_dev, found.st_ino


def _ours(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


@contextlib.contextmanager
def _alone(directory: Path, wait: float) -> Iterator[None]:
    """Hold the directory's own lock; the system releases it when the process dies. LocalError after `wait` seconds."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        take_lock(descriptor, directory, wait)
        yield
    finally:
        os.close(descriptor)
