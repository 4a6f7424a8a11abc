"""Configuration that the helper and the sandbox both read: variables, the state folder, rate
limits, times.

Imports the standard library alone and raises ValueError, so that a service can use it without the
client.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

Environ = Mapping[str, str]
Note = Callable[[str, str], None]  # what is called with a level and a message
DEFAULT_WINDOWS = "60/60,1000/3600,10000/86400"  # for each key, as the vendor states them
NO_HOME = Path(os.devnull, "HOME-is-not-set")
_ON, _OFF = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class Window(NamedTuple):
    """At most `limit` requests in any `seconds`."""

    limit: int
    seconds: float


def windows(text: str) -> tuple[Window, ...]:
    """The windows of `60/60,1000/3600`, requests/seconds: the grammar of LGP_RATE_LIMITS."""
    number = r"\s*0*[1-9][0-9]{0,8}\s*"
    if not re.fullmatch(f"{number}/{number}(,{number}/{number})*", text):
        raise ValueError("rate limits look like 60/60,1000/3600 (requests/seconds).")
    pairs = re.findall("([0-9]+)[^0-9]+([0-9]+)", text)
    return tuple(Window(int(limit), float(length)) for limit, length in pairs)


class Settings(NamedTuple):
    """The LGP_ variables. Times are in seconds; "" is unset."""

    base_url: str = ""
    profile: str = ""
    sandbox: bool = False
    read_only: bool = False
    max_wait: float = 75.0
    max_time: float = math.inf
    timeout: float = 60.0
    max_changes: int = 10**9
    company_id: str = ""
    user_id: str = ""
    agent_name: str = ""
    limiter: str = ""
    rate_limits: tuple[Window, ...] = ()

    def __repr__(self) -> str:
        return "Settings"  # `limiter` may hold a password


def read(environ: Environ) -> Settings:
    """Every setting of `environ`. ValueError naming the variable that cannot be understood."""
    readers: dict[type, Any] = {bool: switch, float: seconds, int: int, tuple: windows}
    found: dict[str, Any] = {"rate_limits": windows(DEFAULT_WINDOWS)}
    for field, usual in Settings._field_defaults.items():
        name = f"LGP_{field.upper()}"
        text = environ.get(name, "").strip()
        try:
            if text:
                found[field] = readers.get(type(usual), str)(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return Settings(**found)


def iso(moment: float) -> str:
    """ISO 8601, UTC, milliseconds rounded up: a time to come back at must not be too early."""
    from datetime import datetime, timezone  # a millisecond that most starts do not need

    at = datetime.fromtimestamp(math.ceil(moment * 1000) / 1000, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def switch(text: str) -> bool:
    """Whether a switch is on; empty is off. ValueError for anything unclear."""
    word = text.strip().lower()
    if word not in _ON + _OFF:
        raise ValueError("it must be 1, true, yes or on, or 0, false, no or off.")
    return word in _ON


def seconds(text: str) -> float:
    """Seconds in `90`, `90s`, `40m` or `2h`; six digits, so that the system can wait for them."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)", text.strip())
    if not found:
        raise ValueError("a time is written as 90, 90s, 40m or 2h.")
    return float(found[1]) * {"m": 60.0, "h": 3600.0}.get(found[2], 1.0)


def unsafe(found: os.stat_result, others: int = 0o022) -> str:
    """The one rule for whatever lies in a file system: why it cannot be relied on, "" when it can.

    It must belong to this user or root, and nobody else may be able to write to it; `others` are
    the bits of its mode that say so. Windows has no such owners and modes.
    """
    if not hasattr(os, "geteuid"):
        return ""
    if found.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    return "other users can write to it" if found.st_mode & others else ""


def path_in(environ: Environ, name: str, default: str) -> Path:
    """The path in the variable `name`, else `default`; `~/` is HOME. ValueError for a relative
    path. Without a HOME it is one where nothing can be stored.
    """
    path = Path(environ.get(name, "").strip() or default)
    if path.parts[:1] == ("~",):
        home = environ.get("HOME") or environ.get("USERPROFILE") or NO_HOME
        path = Path(home, *path.parts[1:])
    if not path.is_absolute():
        raise ValueError(f"{name} must be an absolute path.")
    return path


def state_dir(environ: Environ) -> Path:
    """The folder of the request log, jobs and sandbox: LGP_STATE_DIR, `$XDG_STATE_HOME/leadgenius`,
    else `~/.local/state/leadgenius`. Made (0700) when absent; where that fails, whoever writes to
    it finds out. Its group may write to it, as umask 002 makes folders.

    ValueError for a relative path, PermissionError when others can write to the folder.
    """
    usual = environ.get("XDG_STATE_HOME") or "~/.local/state"
    path, problem = path_in(environ, "LGP_STATE_DIR", f"{usual}/leadgenius"), ""
    with suppress(OSError):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = unsafe(path.stat(), 0o002)
    if problem:
        raise PermissionError(
            f"The state folder {path} cannot be used, {problem}: set LGP_STATE_DIR to another one."
        )
    return path
