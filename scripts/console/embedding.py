"""The sandbox inside this process: an adapter on the session, and credentials of its own beside its state."""

from __future__ import annotations

import io
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from leadgenius import answers
from leadgenius.credentials import CredentialFile
from leadgenius.errors import LocalError
from leadgenius.judgement import moment
from leadgenius.scopes import EMBEDDED
from leadgenius.transport import WAITING, Transport, current_flight
from sandbox import demo
from sandbox.app import Sandbox

# Names of credentials and of what belongs to an account: under --sandbox none of the user's is looked at.
_OWN = ("API_KEY", "AMPLIFY_API_KEY", "EMAIL", "PASSWORD", "COMPANY_ID", "USER_ID", "BASE_URL", "AUTH_FILE")


def environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """`environ` without the user's credentials, pointing to those of the sandbox in `folder`."""
    hidden = {f"LGP_{name}" for name in _OWN} | {f"LGP_{name}_FILE" for name in _OWN}
    hidden |= {"LEADGENIUS_API_KEY", "LEADGENIUS_API_KEY_FILE"}
    kept = {name: value for name, value in environ.items() if name not in hidden}
    return {**kept, "LGP_AUTH_FILE": str(folder / "credentials.json"), "LGP_COMPANY_ID": demo.CREDENTIALS["company_id"]}


def service(environ: Mapping[str, str], folder: Path) -> Sandbox:
    """The sandbox over its database in `folder`, made with demo data on first use. LocalError when it cannot be."""
    try:
        return Sandbox(folder / "sandbox.sqlite3", limits=environ.get("LGP_RATE_LIMITS") or None)
    except (OSError, sqlite3.Error) as error:
        raise LocalError(
            "The sandbox's database cannot be made.",
            code="disk",
            hint="Set LGP_STATE_DIR to a directory you can write.",
        ) from error


def provide_credentials(file: CredentialFile, transport: Transport) -> None:
    """On first use: the demo account's keys and a login, so that every command works at once.

    Later changes are the user's own: a logout stays one, and a token that has expired wants a new login.
    """
    if file.path is None or file.path.exists():
        return
    known = demo.CREDENTIALS
    body = {"email": known["email"], "password": known["password"]}
    answer = transport.send("POST", f"{EMBEDDED}/api/epsimo-auth", {}, body, timeout=60.0)
    token = answers.token(answer.body)
    file.update(EMBEDDED, **{name: known[name] for name in ("api_key", "amplify_api_key", "company_id")})
    if token:
        file.login(EMBEDDED, known["email"], token, moment(time.time() + answer.body["expires_in"]))


class Embedded(BaseAdapter):
    """Answers requests by a WSGI application, in the thread that asks."""

    def __init__(self, application: Sandbox) -> None:
        super().__init__()
        self._application = application

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """One request through the application; see requests.adapters.BaseAdapter."""
        current_flight().advance(WAITING)
        told: dict[str, Any] = {}
        body = b"".join(
            self._application(_environ(request), lambda status, headers: told.update(status=status, headers=headers))
        )
        response = requests.Response()
        response.status_code = int(told["status"].split()[0])
        response.raw = HTTPResponse(io.BytesIO(body), headers=told["headers"], preload_content=False)
        response.headers.update(dict(told["headers"]))
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """Nothing is held open between requests."""


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    target = str(request.path_url)
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "RAW_URI": target,
        "PATH_INFO": unquote_to_bytes(urlsplit(target).path).decode("latin-1"),
        "QUERY_STRING": urlsplit(target).query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    if request.method not in ("GET", "HEAD"):
        environ.setdefault("CONTENT_LENGTH", str(len(body)))
    return environ
