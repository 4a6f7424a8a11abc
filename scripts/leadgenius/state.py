"""The state directory: the request log, the jobs started, the sandbox. Rules: README, Variables."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from leadgenius.errors import UsageError


def directory(environ: Mapping[str, str]) -> Path | None:
    """`LGP_STATE_DIR`, else `$XDG_STATE_HOME/leadgenius`, else `~/.local/state/leadgenius`, else a private directory
    under the temporary one. Made (0700) when absent; None when none of them can be written.

    A relative LGP_STATE_DIR is a UsageError: it would lie in the current directory, and change with it."""
    for candidate, above in _candidates(environ):
        if candidate.is_absolute() and _usable(candidate, above):
            return candidate
    return _private_temporary(environ)


def _candidates(environ: Mapping[str, str]) -> list[tuple[Path, Path]]:
    """(directory, the one above it that must be there): a home that does not exist is not made."""
    given = environ.get("LGP_STATE_DIR", "").strip()
    base, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if given.startswith("~/") and home:
        given = str(Path(home, given[2:]))
    if given and not Path(given).is_absolute():
        raise UsageError("LGP_STATE_DIR must be an absolute path.", hint="export LGP_STATE_DIR=/path/to/state")
    if given:
        return [(Path(given), Path("/"))]
    found = [(Path(base, "leadgenius"), Path("/"))] if base else []
    return [*found, (Path(home, ".local", "state", "leadgenius"), Path(home))] if home else found


def _usable(path: Path, above: Path) -> bool:
    try:
        if not above.is_dir():  # an OSError of its own when the name is too long
            return False
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.access(path, os.W_OK | os.X_OK)
    except OSError:
        return False


def _private_temporary(environ: Mapping[str, str]) -> Path | None:
    """`$TMPDIR/leadgenius-UID`, only if it is ours and 0700: anybody may have made it before us."""
    if environ.get("LGP_STATE_DIR", "").strip() or not hasattr(os, "getuid"):
        return None
    try:
        path = Path(environ.get("TMPDIR") or tempfile.gettempdir(), f"leadgenius-{os.getuid()}")
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
    return path if ours else None
