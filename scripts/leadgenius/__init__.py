"""The shared helper: key storage, scope routing, retry and rate limits. No argparse, no printing.

    from leadgenius import connect
    with connect() as lg:
        campaigns = lg.get("/campaigns")["data"]

`ApiError` is the base of everything it raises. Nothing heavy is imported before `connect` is
called, and requests only when something is sent or the sandbox is opened.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leadgenius.errors import LeadGeniusError, LocalError, UsageError

if TYPE_CHECKING:
    from leadgenius.client import Client
    from leadgenius.settings import Environ, Note

__all__ = ["ApiError", "LeadGeniusError", "connect"]
__version__ = "2.0.0"
ApiError = LeadGeniusError


def connect(
    profile: str | None = None,
    base_url: str | None = None,
    sandbox: bool = False,
    max_wait: float | None = None,
    timeout: float | None = None,
    on_note: Note | None = None,
    *,
    environ: Environ | None = None,
    key: str | None = None,
    read_only: bool = False,
    dry_run: bool = False,
    end: float | None = None,
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
    from leadgenius.scopes import EMBEDDED

    environ = environ or os.environ
    note = on_note or (lambda level, message: None)
    try:
        found, state = settings.read(environ), settings.state_dir(environ)
        found = found._replace(
            max_wait=found.max_wait if max_wait is None else max_wait,
            timeout=found.timeout if timeout is None else timeout,
            read_only=found.read_only or read_only,  # what a variable forbids stays forbidden
        )
        if found.timeout <= 0:
            raise ValueError("The timeout must be longer than 0 s.")
        variables, adapter = environ, None
        if profile or sandbox or found.sandbox:
            found = found._replace(company_id="", user_id="")
        if sandbox or found.sandbox:
            if base_url:
                raise ValueError("--sandbox and --base-url contradict each other.")
            adapter = _sandbox(environ, state)
            state /= "sandbox"
            variables = {"HOME": str(state), **adapter.variables}
            found = found._replace(base_url=EMBEDDED, profile="", limiter="")
        keys = Keys(variables, found, note, profile, base_url, key)
    except PermissionError as error:
        raise LocalError(str(error), code="permission") from None
    except ValueError as error:
        raise UsageError(str(error), code="invalid_input") from None
    name = re.sub("[^!-~]", "", found.agent_name)[:64]
    return Client(
        keys,
        found,
        note,
        state,
        agent=f"leadgenius-skill/{__version__} {name}".strip(),
        dry_run=dry_run,
        end=end or time.monotonic() + found.max_time,
        adapter=adapter,
    )


def _sandbox(environ: Environ, state: Path) -> Any:
    """What answers for the embedded sandbox, made with an account of its own on first use. Its
    `variables` take the place of the user's.
    """
    import sqlite3

    from leadgenius.keyfile import KeyFile
    from sandbox.embedded import open_embedded

    try:
        embedded = open_embedded(environ, state)
    except (OSError, sqlite3.Error):
        raise LocalError(
            "The sandbox's database cannot be made.",
            "Set LGP_STATE_DIR to a folder you can write to.",
            code="disk",
        ) from None
    file = KeyFile(state / "sandbox" / ".leadgenius_auth.json")
    if not file.account:
        file.update(**embedded.account)
    return embedded.adapter
