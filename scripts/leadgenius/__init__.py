"""The shared helper: key storage, scope routing, retry and rate limits. No argparse, no printing.

    from leadgenius import connect
    with connect() as lg:
        campaigns = lg.get("/campaigns")["data"]

`ApiError` is the base of everything it raises. Nothing heavy is imported before `connect` is
called, and requests only when something is sent.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from leadgenius.errors import LeadGeniusError, LocalError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from leadgenius.client import Client
    from leadgenius.keyfile import KeyFile
    from leadgenius.settings import Settings

__all__ = ["ApiError", "Client", "LeadGeniusError", "connect"]
__version__ = "2.0.0"
ApiError = LeadGeniusError


def __getattr__(name: str) -> Any:
    if name == "Client":
        from leadgenius.client import Client

        return Client
    raise AttributeError(name)


def connect(
    profile: str | None = None,
    base_url: str | None = None,
    sandbox: bool = False,
    max_wait: float | None = None,
    timeout: float | None = None,
    on_note: Callable[[str, str], None] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    key: str | None = None,
    read_only: bool | None = None,
    dry_run: bool = False,
    max_time: float | None = None,
    started: float | None = None,
) -> Client:
    """A Client with the credentials, limits and switches of the command line; every LGP_ variable
    counts.

    `profile` names another credential file; `base_url` another origin; `sandbox` answers from a
    local service without account or network. `max_wait` (75) is the longest sleep for one request
    and `timeout` (60) the longest one may take, in seconds. `on_note(level, message)` is called for
    waits and retries: attempt, note, progress or warning. Raises the errors of leadgenius.errors.
    The others are the command line's own.
    """
    from leadgenius import settings
    from leadgenius.client import Client
    from leadgenius.keys import Keys

    environ = os.environ if environ is None else environ
    note = on_note or (lambda level, message: None)
    try:
        found, state = settings.read(environ), settings.state_dir(environ)
    except settings.UnsafeError as error:
        raise LocalError(str(error), code="permission") from None
    except ValueError as error:
        raise UsageError(str(error), code="invalid_input") from None
    typed: dict[str, Any] = {"max_wait": max_wait, "timeout": timeout, "max_time": max_time}
    found = found._replace(
        read_only=found.read_only or bool(read_only),
        **{name: value for name, value in typed.items() if value is not None},
    )
    if found.timeout <= 0:
        raise UsageError("The timeout must be longer than 0 s.", code="invalid_input")
    adapter, variables = None, environ
    if sandbox or found.sandbox:
        if base_url:
            raise UsageError("--sandbox and --base-url contradict each other.")
        origin, state, file, adapter = _sandbox(environ, state, profile or "", note, dry_run)
        variables = adapter.variables if adapter else {}
        found = found._replace(limiter="")
    else:
        origin, file = _account(environ, found, profile, base_url, note)
    if profile or variables is not environ:
        found = found._replace(company_id="", user_id="")
    keys = Keys(variables, file, origin, key, saved_only=bool(profile))
    name = "".join(char for char in found.agent_name if "!" <= char <= "~")[:64]
    return Client(
        keys,
        found,
        note,
        state,
        environ,
        agent=f"leadgenius-skill/{__version__}" + (f" ({name})" if name else ""),
        dry_run=dry_run,
        end=(started or time.monotonic())
        + (math.inf if found.max_time is None else found.max_time),
        adapter=adapter,
    )


def _account(
    environ: Mapping[str, str],
    found: Settings,
    profile: str | None,
    base_url: str | None,
    note: Callable[[str, str], None],
) -> tuple[str, KeyFile]:
    """The origin, and the credential file of the profile."""
    from leadgenius.keyfile import KeyFile
    from leadgenius.keys import KEY_VARIABLES, auth_path, variable
    from leadgenius.scopes import PRODUCTION, clean_origin

    supplied = None if profile else variable(environ, *KEY_VARIABLES)
    if found.profile and supplied:
        message = f"LGP_PROFILE and {supplied[1]} both say which account is meant."
        hint = f"Unset one of them, or choose with --profile {found.profile}."
        raise UsageError(message, hint=hint)
    name, given, saved = profile or found.profile, base_url or found.base_url, ""
    file = KeyFile(auth_path(environ, name), note)
    try:
        account = file.account()
        saved = account.origin if account.has_secret else ""
    except LocalError as error:
        if not supplied and not given:
            raise
        note("warning", error.message)
    origin = clean_origin(given) if given else saved or PRODUCTION
    if name and not base_url and saved not in ("", origin):
        raise UsageError(
            f"Profile {name} belongs to {saved}, and LGP_BASE_URL is {origin}.",
            hint="Unset LGP_BASE_URL, or leave out the profile.",
        )
    return origin, file


def _sandbox(
    environ: Mapping[str, str],
    state: Path | None,
    profile: str,
    note: Callable[[str, str], None],
    dry_run: bool,
) -> tuple[str, Path, KeyFile, Any]:
    """Origin, state folder, credential file and adapter of the embedded sandbox; it has an account
    of its own.
    """
    import sqlite3

    from leadgenius.keyfile import KeyFile
    from leadgenius.keys import auth_path
    from leadgenius.scopes import EMBEDDED

    hint = "Set LGP_STATE_DIR to a folder you can write to."
    if state is None:
        raise LocalError("The sandbox needs a folder for its data.", hint=hint)
    folder = state / "sandbox"
    file = KeyFile(auth_path({"HOME": str(folder)}, profile), note)
    if dry_run:
        return EMBEDDED, folder, file, None
    from sandbox.embedded import open_embedded

    try:
        embedded = open_embedded(environ, state)
    except (OSError, sqlite3.Error):
        raise LocalError("The sandbox's database cannot be made.", code="disk", hint=hint) from None
    if not profile and file.path and not file.path.exists():
        file.update(**embedded.account)
    return EMBEDDED, folder, file, embedded.adapter
