"""Configuration that the helper and the sandbox both read: variables, the state folder, rate
limits, times.

Imports the standard library alone and raises ValueError, so that a service can use it without the
client.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_WINDOWS = "60/60,1000/3600,10000/86400"  # for each key, as the vendor states them
_SWITCHES = ("1", "true", "yes", "on", "", "0", "false", "no", "off")


class UnsafeError(ValueError):
    """Others can write to the state folder."""


class Window(NamedTuple):
    """At most `limit` requests in any `seconds`."""

    limit: int
    seconds: float


class Settings(NamedTuple):
    """The LGP_ variables. Times are in seconds; None or "" is unset."""

    base_url: str = ""
    profile: str = ""
    sandbox: bool = False
    read_only: bool = False
    max_wait: float = 75.0
    max_time: float | None = None
    timeout: float = 60.0
    max_changes: int | None = None
    company_id: str = ""
    user_id: str = ""
    agent_name: str = ""
    limiter: str = ""
    windows: tuple[Window, ...] = ()


def read(environ: Mapping[str, str]) -> Settings:
    """Every setting of `environ`. ValueError naming the variable that cannot be understood."""
    found: dict[str, Any] = {"windows": windows(DEFAULT_WINDOWS)}
    for field in Settings._fields:
        name = "LGP_RATE_LIMITS" if field == "windows" else f"LGP_{field.upper()}"
        text = environ.get(name, "").strip()
        try:
            if text:
                found[field] = _READERS.get(field, str)(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return Settings(**found)


def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text, re.ASCII):
        raise ValueError("it must be a whole number.")
    return int(text)


def iso(moment: float) -> str:
    """ISO 8601, UTC, milliseconds rounded up: a time to come back at must not be too early."""
    at = datetime.fromtimestamp(math.ceil(moment * 1000) / 1000, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def switch(text: str, name: str = "it") -> bool:
    """Whether a switch is on; empty is off. ValueError naming `name` for anything unclear."""
    word = text.strip().lower()
    if word not in _SWITCHES:
        raise ValueError(f"{name} must be 1, true, yes or on, or 0, false, no or off.")
    return _SWITCHES.index(word) < 4


def seconds(text: str) -> float:
    """Seconds in `90`, `90s`, `40m` or `2h`."""
    found = re.fullmatch(r"([0-9]{1,7}(?:\.[0-9]{1,3})?)([smh]?)", text.strip(), re.ASCII)
    if not found:
        raise ValueError("a time is written as 90, 90s, 40m or 2h.")
    return float(found[1]) * {"m": 60.0, "h": 3600.0}.get(found[2], 1.0)


def windows(text: str) -> tuple[Window, ...]:
    """The windows of `60/60,1000/3600`, requests/seconds: the grammar of LGP_RATE_LIMITS."""
    form = re.compile(r"\s*0*([1-9][0-9]{0,8})\s*/\s*0*([1-9][0-9]{0,8})\s*", re.ASCII)
    parts = [form.fullmatch(part) for part in text.split(",")]
    if not all(parts):
        raise ValueError("rate limits look like 60/60,1000/3600 (requests/seconds).")
    return tuple(Window(int(part[1]), float(part[2])) for part in parts if part)


_READERS: dict[str, Any] = {"max_changes": _count, "windows": windows}
_READERS |= dict.fromkeys(("sandbox", "read_only"), switch)
_READERS |= dict.fromkeys(("max_wait", "max_time", "timeout"), seconds)


def value(environ: Mapping[str, str], *names: str) -> tuple[str, str] | None:
    """(value, the variable that supplied it) of the first of `names` that is set; blank is unset.

    NAME_FILE names a file, or a pipe such as /dev/fd/63, whose first line is the value. ValueError
    when that has no text, OSError when it cannot be read, PermissionError when it is not safe.
    """
    for name in names:
        if environ.get(name, "").strip():
            return environ[name].strip(), name
        path = environ.get(f"{name}_FILE", "").strip()
        if not path:
            continue
        with open(path, "rb") as file:  # noqa: PTH123
            problem = unsafe(os.fstat(file.fileno()))
            if problem:
                raise PermissionError(1, problem, path)
            line = file.readline(65_536).decode("utf-8-sig", errors="replace").strip()
        if not line or "\ufffd" in line:
            raise ValueError(f"{name}_FILE: the first line of {path} is no text.")
        return line, f"{name}_FILE"
    return None


def unsafe(found: os.stat_result, modes: bool = True) -> str:
    """The one rule for whatever lies in a file system: why it cannot be relied on, "" when it can.

    It must belong to this user or root. Nobody else may be able to write to a file; a folder may be
    its group's, and a sticky one, as /tmp is, everybody's: what this user puts there stays.
    Without `modes` the owner alone counts. Windows has no such owners and modes.
    """
    if not hasattr(os, "geteuid"):
        return ""
    if found.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    mode, folder = found.st_mode, stat.S_ISDIR(found.st_mode) and not found.st_mode & stat.S_ISVTX
    if modes and ((stat.S_ISREG(mode) and mode & 0o022) or (folder and mode & 0o002)):
        return "other users can write to it"
    return ""


def state_dir(environ: Mapping[str, str]) -> Path | None:
    """The folder of the request log, jobs and sandbox: LGP_STATE_DIR, `$XDG_STATE_HOME/leadgenius`,
    else `~/.local/state/leadgenius`. Made (0700) when absent; None when it cannot be made or
    written.

    ValueError when LGP_STATE_DIR is relative, UnsafeError when others can write to the folder.
    """
    given = environ.get("LGP_STATE_DIR", "").strip()
    home, base = Path(environ.get("HOME", "")), Path(environ.get("XDG_STATE_HOME", ""))
    if given:
        path = home / given[2:] if given.startswith("~/") else Path(given)
        if not path.is_absolute():
            raise ValueError("LGP_STATE_DIR must be an absolute path.")
    elif base.is_absolute():
        path = base / "leadgenius"
    elif home.is_absolute() and home.is_dir():  # a home that does not exist is not made
        path = home / ".local/state/leadgenius"
    else:
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = unsafe(path.stat())
    except OSError:
        return None
    if problem:
        raise UnsafeError(
            f"The state folder {path} cannot be used: {problem}. Set LGP_STATE_DIR to another one."
        )
    return path if os.access(path, os.W_OK | os.X_OK) else None
