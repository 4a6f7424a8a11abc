"""Files that hold something worth keeping: replaced whole or not at all, changed by one process at a time.

Nothing here knows what is inside a file. Everything imports and works where `fcntl`, owners and modes do not exist
(Windows); what is lost there is said at the place.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import select
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from leadgenius.errors import LocalError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Notes = Callable[[str, str], None]  # (level, message); level is "note" or "warning"

_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_POLL_SECONDS = 0.01


def quiet(level: str, message: str) -> None:
    """The `notes` callback of a caller who wants none."""


def local_error(path: Path, what: str, error: OSError) -> LocalError:
    """The exit 9 error for `error`: "PATH cannot be WHAT: reason", code `permission` or `disk`."""
    code = "permission" if error.errno in _FORBIDDEN else "disk"
    return LocalError(f"{path} cannot be {what}: {error.strerror or type(error).__name__}", code=code)


def resolved(path: Path) -> Path:
    """`path` with every symbolic link followed, whether or not its end exists."""
    return Path(os.path.realpath(path))


def destination(path: Path, option: str = "--out") -> tuple[Path, os.stat_result | None]:
    """Where a file that the user names for writing lies, its links followed, and what lies there now.

    A link that somebody else left in a shared directory is refused: it would have us replace a file of ours that it
    leads to. One of root's is trusted, as /dev/stdout is. LocalError for that, a directory or an impossible name.
    """
    is_link, found = False, None
    try:
        link = path.lstat()
        is_link = stat.S_ISLNK(link.st_mode)
        if is_link and link.st_uid != 0 and not _is_ours(link):
            raise LocalError(
                f"{path} is a symbolic link that belongs to another user.",
                code="permission",
                hint="Look at where it leads, or write to another file.",
            )
        found = path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise local_error(path, f"written ({option})", error) from error
    if found and stat.S_ISDIR(found.st_mode):
        raise LocalError(f"{option} names a directory.", code="disk", hint="Give a file name, such as leads.jsonl.")
    # Only what was seen as a link is followed: one planted since is replaced itself.
    return (resolved(path) if is_link else resolved(path.parent) / path.name), found


def is_regular(found: os.stat_result | None) -> bool:
    """Whether a file can be put in the place of what was found there; a device or pipe must be written to instead."""
    return found is None or stat.S_ISREG(found.st_mode)


def new_mode(found: os.stat_result | None) -> int:
    """The mode of the file that takes the place of `found`: never one wider. For a new file the umask decides, as for
    every other program: what the user wants private he keeps so there."""
    return stat.S_IMODE(found.st_mode) & 0o777 if found else 0o666


def keep_mode(descriptor: int, found: os.stat_result | None) -> None:
    """Give the open file the mode of the one it is to replace, bits included that the umask took."""
    if found and hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(descriptor).st_mode) != new_mode(found):
        os.fchmod(descriptor, new_mode(found))


def open_own(path: Path, flags: int, mode: int = 0o600) -> int:
    """A descriptor of `path`, which is a regular file of ours that has no other name; never waits, as for a pipe.

    In a shared directory somebody else may have put a link under a name that we are going to use, or a file that
    he can still write to. The opened file itself is judged, before anything of it changes: no O_TRUNC in `flags`.
    PermissionError says what lies there.
    """
    try:
        descriptor = os.open(path, flags | known_flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"), mode)
    except OSError as error:
        lies = {errno.ELOOP: "a symbolic link", errno.ENXIO: "a pipe or device", errno.EISDIR: "a directory"}
        if error.errno not in lies:
            raise
        raise PermissionError(errno.EPERM, f"{lies[error.errno]} lies there") from error
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and _is_ours(found) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    lies_there = "a file with another name too" if _is_ours(found) else "a file of another user"
    lies_there = lies_there if stat.S_ISREG(found.st_mode) else "no regular file"
    raise PermissionError(errno.EPERM, f"{lies_there} lies there")


def _is_ours(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or found.st_uid == os.geteuid()


def write_atomic(path: Path, data: bytes, *, follow: bool = True) -> None:
    """Replace the content of `path` by `data`, mode 0600: afterwards the file is the old one or the new one.

    A symbolic link stays and its target is replaced, unless `follow` is off: then the link is. The directory must
    exist. Raises LocalError (code `permission` or `disk`), having left the old file as it was and no temporary file.
    To read, change and write, hold `locked`.
    """
    target = resolved(path) if follow else path
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            _fill(descriptor, data)
            Path(name).replace(target)
        except BaseException:  # Ctrl-C too: what is left behind would hold the new secret
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise local_error(target, "written", error) from error
    _sync_directory(target.parent)


def read_input(path: Path, *, limit: int, wait: float) -> bytes:
    """What a user's file or pipe holds, `limit` + 1 bytes at most: one too many says that there is more.

    A device is refused, for some never end. A pipe, as of a process substitution (/dev/fd/63), is waited for `wait`
    seconds in all: one that nobody closes must not hang us. Raises OSError, IsADirectoryError and TimeoutError too.
    """
    flags = os.O_RDONLY | known_flags("O_NONBLOCK", "O_CLOEXEC", "O_BINARY", "O_NOCTTY")
    descriptor = os.open(path, flags)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise OSError(errno.ENODEV, "it is neither a file nor a pipe")
        return _drained(descriptor, limit + 1, time.monotonic() + wait)
    finally:
        os.close(descriptor)


def _drained(descriptor: int, most: int, deadline: float) -> bytes:
    content = bytearray()
    while len(content) < most:
        try:
            piece = os.read(descriptor, min(most - len(content), 1 << 20))
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(errno.ETIMEDOUT, "its other end was not closed in time") from None
            select.select([descriptor], [], [], left)
            continue
        if not piece:
            break
        content += piece
    return bytes(content)


def known_flags(*names: str) -> int:
    """The flags of os.open that this system knows; a missing one costs its guard."""
    found = 0
    for name in names:
        found |= getattr(os, name, 0)
    return found


def check_replaceable(path: Path, spare: bytes) -> None:
    """Prove that `write_atomic` works on `path`, or raise its LocalError; the content stays what it was.

    An existing file is replaced by itself, because only that finds a file mounted by itself or made immutable.
    For an absent one `spare` is written beside it and removed. Hold `locked` meanwhile.
    """
    target = resolved(path)
    try:
        content = target.read_bytes() if target.exists() else None
    except OSError as error:
        raise local_error(target, "read", error) from error
    if content is not None:
        return write_atomic(target, content)
    probe = target.with_name(f".{target.name}.probe")
    write_atomic(probe, spare)
    return probe.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path, *, wait: float = 5.0) -> Iterator[None]:
    """Hold the lock of `path`, a file PATH.lock beside it that stays; released by the system when a process dies.

    Waits at most `wait` seconds. Raises LocalError: `locked` when another process keeps it, else `permission` or
    `disk`. Without `fcntl` there is no lock: files stay whole, but the later of two simultaneous changes wins.
    """
    target = resolved(path)
    lock = target.with_name(target.name + ".lock")
    if fcntl is None:
        yield
        return
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise local_error(lock, "written", error) from error
    try:
        take_lock(descriptor, lock, wait)
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(path: Path, *, follow: bool = True) -> None:
    """Delete the temporary files of writers of `path` that were killed. Only while no other writer can be at work."""
    target = resolved(path) if follow else path
    if fcntl is None:  # nobody is locked out, so one may be in use
        return
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()


def read_private(path: Path, *, limit: int, notes: Notes = quiet) -> bytes | None:
    """The content of a file that holds secrets, through any links; None when there is no such file.

    It must be a regular file of at most `limit` bytes, belong to us or root, and be writable by its owner alone:
    else LocalError (code `credential_file`). One that others can read is set to mode 0600, or warned of where that
    cannot be done (a read-only mount). Raises LocalError (`permission`, `disk`) when it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a fifo must not hang us
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):  # HOME=/dev/null is usual for services
        return None
    except OSError as error:
        raise local_error(path, "read", error) from error
    try:
        _check_private(path, descriptor, notes)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise local_error(path, "read", error) from error
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise LocalError(f"{path} is larger than {limit} bytes", code="credential_file")
    return content


def _check_private(path: Path, descriptor: int, notes: Notes) -> None:
    """Judge the opened file itself: a look at the name could be answered by another file than the one read."""
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise LocalError(f"{path} is not a regular file", code="credential_file")
    if not hasattr(os, "getuid"):  # Windows: owner and mode say nothing there
        return
    if facts.st_uid not in (0, os.getuid()):
        raise LocalError(f"{path} belongs to another user", code="credential_file")
    if facts.st_mode & 0o022:
        hint = f"look at what it holds, then: chmod 600 {path}"
        raise LocalError(f"{path} can be changed by other users", code="credential_file", hint=hint)
    if facts.st_mode & 0o077:
        _tighten(path, descriptor, notes)


def _tighten(path: Path, descriptor: int, notes: Notes) -> None:
    try:
        os.fchmod(descriptor, 0o600)
    except OSError:
        notes("warning", f"{path} can be read by other users, and its mode cannot be changed from here")
    else:
        notes("note", f"{path} could be read by other users: its mode is now 0600")


def _fill(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Make the rename itself outlive a power cut. The new file is in place already, so a refusal is no failure."""
    if os.name == "nt":  # a directory cannot be opened there
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def take_lock(descriptor: int, lock: Path, wait: float) -> None:
    """Ask again and again rather than block: a stopped process could hold the lock for ever."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                break
        except OSError as error:
            raise local_error(lock, "locked", error) from error
        time.sleep(_POLL_SECONDS)
    raise LocalError(f"another process holds {lock}", code="locked", hint="try again when it has ended")
