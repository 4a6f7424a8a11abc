"""Files worth keeping: replaced whole or not at all, changed by one process at a time, and never
another user's.

The one rule about whom a file must belong to is `settings.unsafe`. Where `fcntl`, owners and modes
do not exist (Windows) everything works without them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from leadgenius.errors import LocalError
from leadgenius.settings import unsafe

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def local_error(path: Path, error: OSError, doing: str = "used") -> LocalError:
    """The exit 9 error of an OSError: "PATH cannot be DOING: reason"."""
    code = "permission" if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else "disk"
    return LocalError(
        f"{path} cannot be {doing}: {error.strerror or type(error).__name__}.", code=code
    )


def check_safe(path: Path, name: str = "The path") -> Path:
    """The file to write for `path`, links followed. LocalError for a folder, or for a link, file,
    pipe or device that does not belong to this user or root, or that others can write to. Nothing
    there is fine.
    """
    try:
        link = path.lstat()
        found = path.stat()
    except FileNotFoundError:
        return Path(os.path.realpath(path))
    except OSError as error:
        raise local_error(path, error, "written") from error
    if stat.S_ISDIR(found.st_mode):
        raise LocalError(
            f"{name} names a folder.", code="disk", hint="Give a file name, such as leads.jsonl."
        )
    problem = unsafe(link) or unsafe(found)
    if problem:
        raise LocalError(
            f"{path} is not written to: {problem}.",
            code="permission",
            hint="Write to another file.",
        )
    return Path(os.path.realpath(path))


def check_place(path: Path, name: str) -> None:
    """LocalError when a file at `path` could not be written: asked before anything is sent."""
    target = check_safe(path, name)
    if target.exists() and not target.is_file():
        return  # a device or a pipe
    if not os.access(target.parent, os.W_OK | os.X_OK):
        message = f"The folder of {name} does not exist or may not be written: {target.parent}."
        raise LocalError(message, code="permission", hint=f"Make it, or give another {name}.")


def open_private(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of a regular file that follows the rule and has no other name; never waits, as
    for a pipe.

    The opened file itself is checked, before anything of it changes: no O_TRUNC in `flags`.
    LocalError.
    """
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, mode)
    except OSError as error:
        raise local_error(path, error) from error
    found = os.fstat(descriptor)
    problem = unsafe(found)
    if not problem and (not stat.S_ISREG(found.st_mode) or found.st_nlink != 1):
        problem = "it is no regular file, or has another name too"
    if problem:
        os.close(descriptor)
        raise LocalError(f"{path} cannot be used: {problem}.", code="permission")
    return descriptor


def read_private(path: Path, limit: int) -> tuple[bytes, bool]:
    """(content, whether others can read it), through any links; empty when there is no such file.

    LocalError (code credential_file) unless it is a regular file of at most `limit` bytes that
    follows the rule.
    """
    try:
        file = open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")  # noqa: PTH123, SIM115
    except (FileNotFoundError, NotADirectoryError):  # HOME=/dev/null is usual for services
        return b"", False
    except OSError as error:
        raise local_error(path, error, "read") from error
    with file:
        found = os.fstat(file.fileno())
        regular = stat.S_ISREG(found.st_mode)
        problem = unsafe(found) if regular else "it is no regular file"
        content = b"" if problem else file.read(limit + 1)
        if len(content) > limit:
            problem = f"it is larger than {limit} bytes"
        if problem:
            hint = f"Look at what it holds, then: chmod 600 {path}" if found.st_mode & 0o022 else ""
            raise LocalError(
                f"{path} cannot be used: {problem}.", code="credential_file", hint=hint
            )
        return content, hasattr(os, "geteuid") and bool(found.st_mode & 0o077)


@contextlib.contextmanager
def replace_whole(path: Path, mode: int = 0o600) -> Iterator[TextIOWrapper]:
    """A UTF-8 file, written beside `path` and renamed to it when the block ends well. A device or
    pipe is written to as it is. LocalError (disk or permission), having left the old file as it was
    and no other one.
    """
    target = check_safe(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.{time.time_ns():x}.tmp")
    direct = target.exists() and not target.is_file()
    try:
        descriptor = (
            os.open(target, os.O_WRONLY)
            if direct
            else os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        )
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            yield file
            file.flush()
            if not direct:
                os.fsync(descriptor)
        if not direct:
            beside.replace(target)
            _sync(target.parent)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise local_error(target, error, "written") from error
    finally:
        beside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make the rename outlive a power cut. The file is in place already, so a refusal is no
    failure.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the content of `path`; see replace_whole."""
    with replace_whole(path, mode) as file:
        file.buffer.write(data)


@contextlib.contextmanager
def locked(path: Path, wait: float = 5.0) -> Iterator[None]:
    """Hold PATH.lock, which stays; the system releases it when the process dies. LocalError, code
    `locked`, when another process holds it for `wait` seconds. Without `fcntl` the later of two
    simultaneous changes wins.
    """
    if fcntl is None:
        yield
        return
    target = Path(os.path.realpath(path))
    descriptor = open_private(target.with_name(target.name + ".lock"), os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    message = f"Another process is working on {path}."
                    raise LocalError(
                        message, code="locked", hint="Run it again when that has ended."
                    ) from None
            except OSError as error:  # a file system without locks
                raise local_error(path, error, "locked") from error
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
