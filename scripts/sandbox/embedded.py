"""The sandbox inside this process: an adapter for a requests session, and the demo account's
credentials.

Nothing of the user's is read: of the variables LGP_RATE_LIMITS counts alone, and the credentials
are the demo data's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from leadgenius.settings import iso
from sandbox import accounts, store
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS

ORIGIN = "https://sandbox.invalid"
TOKEN_SECONDS = (
    365 * 86400.0
)  # the account is logged in from the first run on, and there is nobody to log in again
_VARIABLES = ("LGP_EMAIL", "LGP_PASSWORD")


class Embedded:
    """`adapter` answers a session's requests for ORIGIN."""

    def __init__(self, app: Sandbox) -> None:
        self.adapter = Adapter(app)
        self._app = app

    @property
    def account(self) -> dict[str, str]:
        """The demo account as a credential file holds it, with a new login each time it is read."""
        now = self._app.clock()
        names = ("email", "api_key", "amplify_api_key", "company_id")
        with closing(store.connect(self._app.database)) as db, store.transaction(db):
            query = "SELECT id FROM users WHERE email = ?"
            (user,) = db.execute(query, (CREDENTIALS["email"],)).fetchone()
            token = accounts.new_token(db, user, now, TOKEN_SECONDS)
        login = {"base_url": ORIGIN, "token": token, "expires_at": iso(now + TOKEN_SECONDS)}
        return {**login, **{name: CREDENTIALS[name] for name in names}}


def open_embedded(environ: Mapping[str, str], state: Path) -> Embedded:
    """The sandbox over `sandbox/sandbox.sqlite3` in the state directory, made with demo data on
    first use.

    Raises OSError and sqlite3.Error when it cannot be made, ValueError for a malformed
    LGP_RATE_LIMITS.
    """
    return Embedded(
        Sandbox(state / "sandbox" / "sandbox.sqlite3", limits=environ.get("LGP_RATE_LIMITS"))
    )


class Adapter(BaseAdapter):
    """Answers requests by the application, in the thread that asks. `variables` take the place of
    the user's: nobody types a demo password, which is the same for all demo accounts."""

    def __init__(self, app: Sandbox) -> None:
        super().__init__()
        self._app = app
        self.variables = {name: CREDENTIALS[name[4:].lower()] for name in _VARIABLES}

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """One request through the application; see requests.adapters.BaseAdapter."""
        answer = self._app.answer(_environ(request))
        content, headers = io.BytesIO(answer.body), dict(answer.headers)
        response = requests.Response()
        response.status_code = answer.status
        response.raw = HTTPResponse(content, headers=headers, preload_content=False)
        response.headers.update(headers)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """Nothing is held open between requests."""


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    body = request.body or b""
    content = body.encode() if isinstance(body, str) else body
    environ = {"REQUEST_METHOD": request.method, "RAW_URI": request.path_url}
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    kind, length = environ.get("HTTP_CONTENT_TYPE", ""), str(len(content))
    return {
        **environ,
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": length,
        "wsgi.input": io.BytesIO(content),
    }
