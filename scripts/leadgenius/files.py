"""Files worth keeping: replaced whole or not at all, changed by one process at a time, and never
another user's.

The one rule about whom a file must belong to is `settings.unsafe`. Where `fcntl`, owners and modes
do not exist (Windows) everything works without them.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from leadgenius.errors import LocalError
from leadgenius.settings import unsafe

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def local_error(path: Path, error: OSError) -> LocalError:
    """The exit 9 error of an OSError."""
    return LocalError(
        f"{path} cannot be used: {error.strerror}.",
        "Name a file that you can write to: --out, LGP_STATE_DIR and LGP_AUTH_FILE say where.",
        code="permission" if isinstance(error, PermissionError) else "disk",
    )


def check_safe(path: Path) -> Path:
    """The file to write for `path`, links followed; asked before anything is sent, too. LocalError
    for a folder or device, for one that cannot be made, and for a link or file of another user.
    Modes do not matter: a file is replaced by a new one.
    """
    target, problem = Path(os.path.realpath(path)), ""
    if not os.access(target.parent, os.W_OK) or (target.exists() and not target.is_file()):
        problem = "it is no ordinary file, or its folder does not exist or may not be written"
    with suppress(OSError):  # there is none yet
        problem = problem or unsafe(path.lstat(), 0) or unsafe(path.stat(), 0)
    if problem:
        raise LocalError(
            f"{path} is not written to: {problem}.",
            "Make that folder, or name another file, such as leads.jsonl.",
            code="disk",
        )
    return target


def open_private(path: str | Path, flags: int) -> int:
    """A descriptor of a regular file that nobody else could have written, 0600 when made; no link
    is followed, no pipe waited for. One with another name too is not written to: in a folder such
    as /tmp another user could have given that name to a file of this one's. An `opener` for open().
    LocalError.
    """
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise local_error(Path(path), error) from error
    found = os.fstat(descriptor)
    problem = unsafe(found) if stat.S_ISREG(found.st_mode) else "it is no regular file"
    if found.st_nlink > 1 and flags & os.O_CREAT:
        problem = "it has another name too"
    if problem:
        os.close(descriptor)
        raise LocalError(
            f"{path} cannot be used: {problem}.",
            f"Look at what it holds, then: chmod 600 {path}",
            code="permission",
        )
    return descriptor


def read_private(path: Path, limit: int = -1) -> bytes:
    """The content, or its first `limit` bytes, through any links; empty when there is no such file.
    LocalError unless it is a regular file that follows the rule.
    """
    if not os.access(path, os.F_OK):  # nothing there, or HOME is not this user's, as for services
        return b""
    with open(os.path.realpath(path), "rb", opener=open_private) as file:
        return file.read(limit)


@contextmanager
def replace_whole(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 file, written beside `path` and renamed to it when the block ends well. LocalError
    (disk or permission), having left the old file as it was and no other one.
    """
    target = check_safe(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.{time.time_ns():x}.tmp")
    private = partial(os.open, mode=0o600)
    try:
        with open(beside, "x", encoding="utf-8", newline="", opener=private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
        with suppress(OSError):  # the rename should outlive a power cut
            folder = os.open(target.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    except OSError as error:
        raise local_error(target, error) from error
    finally:
        beside.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace the content of `path`; see replace_whole."""
    with replace_whole(path) as file:
        file.write(text)


@contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the file at `path`, which is made; the system releases it when the process dies.
    LocalError, code `locked`, when that fails for `wait` seconds: another process holds it, or has
    renamed or removed it meanwhile. Without `fcntl` the later of two simultaneous changes wins.
    """
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + wait
    try:
        while fcntl:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(descriptor), path.lstat()):
                    break
            if time.monotonic() >= deadline:
                raise LocalError(
                    f"{path} cannot be locked: another process may be working on it.",
                    "Run it again later.",
                    code="locked",
                )
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
