"""The shared helper: key storage, scope routing, retry and rate limits. No argparse, no printing.

    from leadgenius import connect
    with connect() as client:
        client.call("GET", "/campaigns").body

`connect` reads the environment and the credential file as the command line does, and shares its request log, so a
program of yours and the command line together stay within one key's limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leadgenius.client import Client, Patience

__all__ = ["Client", "Patience", "connect"]
__version__ = "1.0.0"


def __getattr__(name: str) -> Any:
    # requests takes longer to import than everything else together, so only those who send pay for it.
    if name in ("Client", "Patience"):
        from leadgenius import client

        return getattr(client, name)
    raise AttributeError(name)


def connect(
    base_url: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    notes: Callable[[str, str], None] = lambda level, message: None,
) -> Client:
    """A Client for `base_url`, else LGP_BASE_URL, else the saved origin, else production.

    `notes(level, message)` hears of waits and retries. Raises the errors of `leadgenius.errors`.
    """
    from leadgenius import client, ratelimit, scopes, state, transport
    from leadgenius.credentials import CredentialFile, Credentials, auth_path, default_origin

    file = CredentialFile(auth_path(environ), notes=notes)
    given = base_url or environ.get("LGP_BASE_URL", "").strip()
    origin = scopes.clean_origin(given) if given else default_origin(environ, file)
    folder = state.directory(environ)
    limiter = ratelimit.RateLimiter(
        folder / "requests.sqlite3" if folder else None,
        ratelimit.Windows.parse(environ.get("LGP_RATE_LIMITS", "") or ratelimit.DEFAULT_WINDOWS),
        notes=notes,
    )
    return client.Client(
        transport.Transport(origin, environ=environ),
        Credentials(environ, file, origin=origin),
        limiter,
        notes=notes,
        read_only=environ.get("LGP_READ_ONLY", "").strip().lower() in ("1", "true", "yes", "on"),
    )
