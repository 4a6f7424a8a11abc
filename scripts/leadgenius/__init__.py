"""The shared helper: key storage, scope routing, retry and rate limits. No argparse, no printing.

    from leadgenius import connect
    with connect() as lg:
        campaigns = lg.get("/campaigns")["data"]

Nothing heavy is imported before `connect` is called, and requests only when something is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from leadgenius.errors import LeadGeniusError, LocalError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from leadgenius.client import Client
    from leadgenius.keyfile import KeyFile
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.settings import Settings
    from leadgenius.transport import Transport

__all__ = ["Client", "LeadGeniusError", "connect"]
__version__ = "2.0.0"


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
    import os
    import time

    from leadgenius import settings
    from leadgenius.client import Client
    from leadgenius.keys import Keys

    environ = os.environ if environ is None else environ
    note = on_note or (lambda level, message: None)
    try:
        found = settings.read(environ)
        state = settings.state_dir(environ)
    except settings.UnsafeError as error:
        raise LocalError(str(error), code="permission") from None
    except ValueError as error:
        raise UsageError(str(error), code="invalid_input") from None
    if timeout is not None and timeout <= 0:
        raise UsageError("The timeout must be longer than 0 s.", code="invalid_input")
    adapter = None
    variables = environ
    if sandbox or found.sandbox:
        if base_url:
            raise UsageError("--sandbox and --base-url contradict each other.")
        origin, state, file, adapter = _sandbox(environ, state, profile or "", note, dry_run)
        variables = {}
        found = found._replace(company_id="", user_id="", limiter="")
    else:
        origin, file = _account(environ, found, profile, base_url, note)
    keys = Keys(variables, file, origin, key, saved_only=bool(profile))
    if profile:
        keys.note_ignored()
        found = found._replace(company_id="", user_id="")
    found = found._replace(
        read_only=found.read_only or bool(read_only),
        max_wait=found.max_wait if max_wait is None else max_wait,
        timeout=found.timeout if timeout is None else timeout,
        max_time=found.max_time if max_time is None else max_time,
    )

    def make_transport() -> Transport:
        from leadgenius.transport import (
            Transport,  # requests takes longer to import than everything else
        )

        return Transport(origin, adapter, environ=environ)

    def make_limiter() -> RateLimiter:
        from leadgenius.ratelimit import RateLimiter

        path = state / "requests-2.sqlite3" if state else None
        if not found.limiter:
            return RateLimiter(path, found.windows, note)
        from leadgenius.redis_log import RedisLog

        return RedisLog(found.limiter, path, found.windows, note)

    name = "".join(char for char in found.agent_name if "!" <= char <= "~")[:64]
    return Client(
        origin,
        keys,
        found,
        state,
        agent=f"leadgenius-skill/{__version__}" + (f" ({name})" if name else ""),
        dry_run=dry_run,
        end=None if found.max_time is None else (started or time.monotonic()) + found.max_time,
        on_note=note,
        make_transport=make_transport,
        make_limiter=make_limiter,
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
        hint = f"Unset one of them, or choose with --profile {found.profile}."
        raise UsageError(
            f"LGP_PROFILE and {supplied[1]} both say which account is meant.", hint=hint
        )
    file = KeyFile(auth_path(environ, profile or found.profile), note)
    given = base_url or found.base_url
    try:
        account = file.account()
    except LocalError as error:
        if not supplied and not given:
            raise
        note("warning", error.message)
        return clean_origin(given) if given else PRODUCTION, file
    saved = account.origin if account.has_secret else ""
    origin = clean_origin(given) if given else saved or PRODUCTION
    if (profile or found.profile) and not base_url and saved and saved != origin:
        raise UsageError(
            f"Profile {profile or found.profile} belongs to {saved}, and LGP_BASE_URL is {origin}.",
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
