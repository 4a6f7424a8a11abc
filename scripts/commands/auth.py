"""Logging in, seeing and dropping credentials. Secrets come from a prompt, stdin or the environment."""

from __future__ import annotations

import base64
import binascii
import getpass
import json
import sys
import time
from argparse import ArgumentParser
from typing import Any

from commands.runners import inputs, rehearsal
from commands.runners.rows import Call, Row
from console.masking import shown_prefix
from leadgenius import answers
from leadgenius.accounts import Account
from leadgenius.credentials import clean, environment_credential, variable
from leadgenius.errors import (
    CredentialError,
    LeadGeniusError,
    LocalError,
    RefusedError,
    UsageError,
)
from leadgenius.judgement import moment

_SCOPES = {"agent": "agent", "system": "amplify"}


def login(call: Call) -> int:
    """Exchange e-mail and password for a token and store it."""
    session = call.session
    email, password = _email(call), None
    inputs.check_body(call, {"email": email, "password": "given below"})
    if session.settings.dry_run:
        body = {"email": email, "password": ""}
        return rehearsal.show(session, call.operation, call.operation.path, body=body)
    session.file.check_writable()
    client = session.client
    password = _password(call, email)
    session.notes.masker.learn(password)
    body = client.call("POST", call.operation.path, body={"email": email, "password": password}).body
    token = answers.token(body)
    if token is None:
        raise RefusedError("The login succeeded, but the answer holds no token.", hint="Check --base-url.")
    session.notes.masker.learn(token)
    expires_at = _expiry(body, token)
    _tell_dropped(call, session.file.login(session.origin, email, token, expires_at))
    _tell_next(call)
    told = {"logged_in": True, "email": email, "origin": session.origin, "expires_at": expires_at}
    session.output.document({**told, "stored_in": str(session.file.path)}, requests=client.requests)
    return 0


def _email(call: Call) -> str:
    found = call.typed("body_email") or (variable(call.session.environ, "LGP_EMAIL") or ("",))[0].strip()
    if not found and call.session.settings.sandbox:
        from sandbox import demo

        return str(demo.CREDENTIALS["email"])
    if not found and _is_person(call):
        sys.stderr.write("E-mail: ")
        sys.stderr.flush()
        found = call.session.stdin.readline().strip()
    if not found:
        raise UsageError("Which account? There is no --email.", code="invalid_input", hint=call.row.example)
    return str(found)


def _password(call: Call, email: str) -> str:
    """From --password, --password-stdin, LGP_PASSWORD, the sandbox's own account, or a hidden prompt; in that order."""
    typed = call.typed("body_password")
    if typed:
        call.session.notes(
            "warning", "--password can be read by every process on this machine; prefer --password-stdin."
        )
        return str(typed)
    if call.typed("password_stdin"):
        return _from_stdin(call, "password")
    found = variable(call.session.environ, "LGP_PASSWORD")
    if found:
        return found[0].strip("\r\n")
    known = _sandbox_password(call, email)
    if known:
        return known
    if not _is_person(call):
        raise UsageError(
            "There is no password, and no terminal to ask for one. Nothing was sent.",
            code="invalid_input",
            hint="Set LGP_PASSWORD, or pipe it in: … auth --email YOU --password-stdin",
        )
    return getpass.getpass("Password: ", stream=sys.stderr)


def _sandbox_password(call: Call, email: str) -> str | None:
    """Embedded, the demo accounts need no typed password: the documented lines run as they stand."""
    if not call.session.settings.sandbox:
        return None
    from sandbox import demo

    pairs = (("email", "password"), ("user_email", "user_password"), ("other_email", "other_password"))
    known = {demo.CREDENTIALS[mail]: demo.CREDENTIALS[word] for mail, word in pairs}
    return known.get(email)


def _is_person(call: Call) -> bool:
    return call.session.stdin.isatty() and sys.stderr.isatty()


def _from_stdin(call: Call, what: str) -> str:
    text = call.session.stdin.readline(8192).strip("\r\n")
    if not text.strip():
        raise UsageError(f"There is no {what} on standard input. Nothing was sent.", code="invalid_input")
    return text


def _expiry(body: Any, token: str) -> str | None:
    """When the token ends: by `expires_in` of the answer, else by the token's own `exp`."""
    seconds = body.get("expires_in") if isinstance(body, dict) else None
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 < seconds < 1e9:
        return moment(time.time() + seconds)
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return moment(float(claims["exp"]))
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError, binascii.Error):
        return None  # the token is the server's, and works however odd its inside is


def _tell_dropped(call: Call, dropped: list[str]) -> None:
    if dropped:
        call.session.notes("warning", f"Dropped, because they belong to another e-mail: {', '.join(dropped)}.")


def _tell_next(call: Call) -> None:
    session = call.session
    account = session.file.account(session.origin)
    if not account.api_key and not environment_credential(session.environ, "agent"):
        session.notes("note", "Most commands need an API key too: generate-key --name NAME makes and stores one.")
    if session.file.saved_origin() != session.origin:
        session.notes(
            "note",
            f"Commands without --base-url still go to {session.file.saved_origin()}; add --base-url {session.origin}.",
        )


def status(call: Call) -> int:
    """What there is to authenticate with, and where it comes from. Offline, unless --check."""
    session = call.session
    account = _account(call)
    told: dict[str, Any] = {
        "origin": session.origin,
        "email": account.email,
        "company_id": session.company_id(),
        "agent": _described(call, "agent"),
        "system": _described(call, "amplify"),
        "login": _login_state(account),
        "file": _file_state(call),
    }
    usable = bool(told["agent"] or told["system"] or (told["login"] or {}).get("valid"))
    if not usable:
        session.keys.find("agent")  # raises, with both ways to get one
    refused = dict[str, LeadGeniusError]()
    if call.typed("check"):
        told["checks"] = _checks(call, told, refused)
    session.output.document(told)
    for error in refused.values():
        raise error
    return 0


def _account(call: Call) -> Account:
    try:
        return call.session.file.account(call.session.origin)
    except LocalError as error:
        if not environment_credential(call.session.environ, "agent"):
            raise
        call.session.notes("warning", f"{error.message}; going on with the key from the environment.")
        return Account()


def _described(call: Call, kind: str) -> dict[str, str] | None:
    try:
        found = call.session.keys.find(kind)
    except CredentialError:
        return None
    return {"source": found.source, "prefix": shown_prefix(found.value)}


def _login_state(account: Account) -> dict[str, Any] | None:
    if not account.token:
        return None
    valid = account.expires_at is None or account.expires_at > moment(time.time())
    return {"expires_at": account.expires_at, "valid": valid}


def _file_state(call: Call) -> dict[str, Any]:
    path = call.session.file.path
    if path is None or not path.exists():
        return {"path": str(path) if path else None, "mode": None}
    return {"path": str(path), "mode": f"{path.stat().st_mode & 0o777:04o}"}


def _checks(call: Call, told: dict[str, Any], refused: dict[str, LeadGeniusError]) -> dict[str, Any]:
    """One request for each stored scope: `ok`, or the code of what the server said, whose error goes into `refused`."""
    client, checks = call.session.client, dict[str, Any]()
    asked = {"agent": ("/api/agent/campaigns", {"pageSize": 1}), "login": ("/api/agent-api-keys", {"pageSize": 1})}
    if told["company_id"]:
        asked["system"] = ("/api/enrich-leads/list", {"companyId": told["company_id"], "limit": 1})
    for name, (path, params) in asked.items():
        if not told[name]:
            continue
        try:
            client.call("GET", path, params=params)
            checks[name] = "ok"
        except (CredentialError, RefusedError) as error:
            checks[name], refused[name] = error.code, error
    if told["system"] and not told["company_id"]:
        checks["system"] = "not asked: it needs LGP_COMPANY_ID"
    return checks


def logout(call: Call) -> int:
    """Drop the stored token, with --keys the keys too."""
    session = call.session
    removed = session.file.logout(session.origin, keys=bool(call.typed("keys")))
    supplied = environment_credential(session.environ, "agent")
    if supplied:
        session.notes("note", f"{supplied.source} is still set in the environment.")
    if session.file.account(session.origin).api_key:
        session.notes("note", "The stored API key still works; auth logout --keys drops it too.")
    session.output.document({"logged_out": True, "origin": session.origin, "removed": removed})
    return 0


def save_key(call: Call) -> int:
    """Store a key made elsewhere; it comes on stdin or from a hidden prompt, never as an argument."""
    session, scope = call.session, str(call.typed("scope"))
    session.file.check_writable()
    given = (
        getpass.getpass(f"Key for {scope} calls: ", stream=sys.stderr) if _is_person(call) else _from_stdin(call, "key")
    )
    key = clean(given, "the key")
    session.notes.masker.learn(key)
    _check_kind(call, scope, key)
    if scope == "agent":
        session.file.store_key(session.origin, key)
    else:
        session.file.update(session.origin, amplify_api_key=key)
    session.output.document({"saved": True, "scope": scope, "origin": session.origin, "prefix": shown_prefix(key)})
    return 0


def _check_kind(call: Call, scope: str, key: str) -> None:
    """UsageError for a key of the other scope; a warning for one that looks like neither."""
    own, other = {"agent": ("lgp_", "da2-"), "system": ("da2-", "lgp_")}[scope]
    if not key.startswith((own, other)):
        call.session.notes("warning", f"This does not look like a key (it does not start with {own}); stored as given.")
    if key.startswith(other):
        raise UsageError(
            f"This looks like a key of the other scope (it starts with {other}). Nothing was stored.",
            code="invalid_input",
        )


def _login_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true", default=None, help="read the password from standard input"
    )
    parser.add_argument("--save", action="store_true", default=None, help="accepted; a login is always stored")


def _status_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", default=None, help="ask the server once for each stored scope")


def _logout_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--keys", action="store_true", default=None, help="drop the stored keys too")


def _save_key_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--scope", choices=tuple(_SCOPES), required=True, help="agent (lgp_…) or system (da2-…)")


_STORED = frozenset({"always", "output", "sandbox", "origin"})


def _login_row(*words: str) -> Row:
    return Row(
        words,
        "auth.login",
        f"{{lgp}} {' '.join(words)} --email your@email.com",
        help="Log in with e-mail and password, and store the token",
        data=False,
        arguments=_login_arguments,
        run=login,
    )


ROWS = (
    _login_row("auth"),
    _login_row("auth", "login"),
    Row(
        ("auth", "status"),
        None,
        "{lgp} auth status --check",
        help="What there is to authenticate with, and where it comes from",
        groups=_STORED | {"network"},
        arguments=_status_arguments,
        run=status,
    ),
    Row(
        ("auth", "logout"),
        None,
        "{lgp} auth logout",
        help="Drop the stored token",
        groups=_STORED,
        arguments=_logout_arguments,
        run=logout,
    ),
    Row(
        ("auth", "save-key"),
        None,
        'printf %s "$KEY" | {lgp} auth save-key --scope agent',
        help="Store a key made elsewhere (from standard input or a hidden prompt)",
        groups=_STORED,
        arguments=_save_key_arguments,
        run=save_key,
    ),
)
