"""Log in and out, store keys made elsewhere, and what is in use. Secrets come from a prompt,
standard input or the environment."""

from __future__ import annotations

import getpass
import sys
import time
from itertools import islice
from typing import Any

from cli import inputs
from cli.context import Context
from cli.text import prefix
from contract.operations import operations
from contract.validate import problems, unknown_fields
from leadgenius import answers
from leadgenius.errors import CredentialError, LeadGeniusError, RefusedError
from leadgenius.keyfile import Account, KeyFile
from leadgenius.keys import clean, variable
from leadgenius.scopes import SCOPES
from leadgenius.settings import iso


def login(context: Context) -> None:
    """Exchange e-mail and password for a token and store it."""
    client, email = context.client, context.typed("email") or _variable(context, "LGP_EMAIL")
    email = email or _read(context, "E-mail", hidden=False)
    if context.options.dry_run:
        context.preview("POST", "/epsimo-auth", body={"email": email, "password": "***"})
        return
    exchange(context, email)
    context.notes("note", "Most commands need an API key too: {lgp} generate-key --name NAME")
    facts = {"email": email, "origin": client.origin, "stored_in": str(client.file.path)}
    words = f"Logged in as {email} at {client.origin}."
    context.result({"logged_in": True, **facts}, words)


def exchange(context: Context, email: str) -> None:
    """Send the login and store its token. UsageError, before a password is asked for, where a key
    of another account is stored."""
    client = context.client
    client.file.check_account(client.origin, email)
    body = {"email": email, "password": _password(context)}
    context.masker.add(body["password"])
    found = client.post("/epsimo-auth", body)
    token = answers.token(found)
    if token is None:
        raise RefusedError("The login succeeded, but the answer holds no token.")
    seconds = answers.dig(found, "expires_in")
    ends = iso(time.time() + seconds) if isinstance(seconds, int) else ""
    client.file.login(client.origin, email, clean(token, "the token"), ends)


def ensure(context: Context) -> None:
    """Log in by LGP_EMAIL and LGP_PASSWORD where a call needs a login and none is valid."""
    email = _variable(context, "LGP_EMAIL")
    given = email and _variable(context, "LGP_PASSWORD") and not context.options.dry_run
    if given and not _is_valid(context.client.keys.account()):
        exchange(context, email)
        context.notes("note", f"Logged in as {email}, by LGP_EMAIL and LGP_PASSWORD.")


def _variable(context: Context, name: str) -> str:
    found = variable(context.client.keys.environ, name)
    return found[0] if found else ""


def described(context: Context, kind: str) -> dict[str, str] | None:
    """Prefix and source of the credential in use, None without a usable one."""
    try:
        found = context.client.keys.find(kind)
    except CredentialError:
        return None
    return {"prefix": prefix(found.value), "source": found.source}


def _is_valid(account: Account) -> bool:
    return bool(account.token) and not ("" < account.expires_at <= iso(time.time()))


def _password(context: Context) -> str:
    """From --password, --password-stdin, LGP_PASSWORD or a hidden prompt, in that order."""
    typed, piped = context.typed("password"), context.typed("password_stdin")
    if typed:
        words = "--password can be read by every process on this machine; prefer --password-stdin."
        context.notes("warning", words)
    elif not piped:
        typed = _variable(context, "LGP_PASSWORD")
    return typed or _read(context, "Password", piped)


def _read(context: Context, name: str, piped: bool = False, hidden: bool = True) -> str:
    """What a person types at a prompt; without one a line of standard input, if `piped`."""
    person, text = sys.stdin.isatty() and context.notes.terminal, ""
    if person and hidden:
        text = getpass.getpass(f"{name}: ", stream=sys.stderr)
    elif person or piped:
        context.notes.write(f"{name}: " * person)
        text = sys.stdin.readline(8192).strip("\r\n")
    if not text.strip():
        raise inputs.invalid(f"{name}: there is none. Nothing was sent.")
    return text


def status(context: Context) -> None:
    """What there is to authenticate with, and where it comes from. Offline, unless --check."""
    client, path = context.client, context.client.file.path
    account = client.keys.account()
    token = {"valid": _is_valid(account), "expires_at": account.expires_at or None}
    mode = f"{path.stat().st_mode & 0o777:04o}" if path.exists() else None
    found: dict[str, Any] = {
        "profile": context.options.profile or "default",
        "origin": client.origin,
        "email": account.email or None,
        "company_id": client.settings.company_id or account.company_id or None,
        "agent": described(context, "agent"),
        "system": described(context, "amplify"),
        "login": token if account.token else None,
        "file": {"path": str(path), "mode": mode},
    }
    if not (found["agent"] or found["system"] or token["valid"]):
        client.keys.find("agent")  # raises, with the way to get one
    checks, failed = _check(context) if context.typed("check") else ({}, None)
    context.output.document(found | checks)
    if failed:
        raise failed


def _check(context: Context) -> tuple[dict[str, Any], LeadGeniusError | None]:
    """Read one page of each list that the keys may read. Returns what each scope may, which fields
    are not as in openapi.json, without values, and the first failure."""
    checks, differences, failed = dict[str, str](), [], None
    for operation in operations().values():
        scope, record = operation.scope, operation.record()
        stored = operation.paging and described(context, SCOPES[scope].credential)
        if not stored or checks.get(scope, "ok") != "ok":
            continue
        try:
            rows, checks[scope] = list(islice(context.client.rows(operation.path), 20)), "ok"
        except LeadGeniusError as error:
            rows, checks[scope] = [], error.code
            if scope != "admin":  # most keys are no Master Admin's
                failed = failed or error
        wrong = [one for row in rows for one in problems(row, record) + unknown_fields(row, record)]
        if wrong:
            fields = sorted({f"{one.path} {one.problem}" for one in wrong})
            differences.append({"operation": operation.id, "fields": fields})
    return {"checks": checks, "differences": differences}, failed


def logout(context: Context) -> None:
    """Drop the stored token, with --keys the keys too."""
    removed = context.client.file.logout(keys=bool(context.typed("keys")))
    words = f"Logged out; removed: {', '.join(removed) or 'nothing'}."
    context.result({"logged_out": True, "removed": removed}, words)


def save_key(context: Context) -> None:
    """Store a key made elsewhere; it comes on standard input or from a hidden prompt, never as an
    argument."""
    client, scope = context.client, context.typed("scope")
    key = clean(_read(context, "Key", piped=True), "the key")
    context.masker.add(key)
    if key.startswith("da2-" if scope == "agent" else "lgp_"):
        raise inputs.invalid("This is a key of the other scope. Nothing was stored.")
    client.file.store_key(client.origin, key, scope)
    context.result(
        {"saved": True, "scope": scope, "origin": client.origin, "prefix": prefix(key)},
        f"Key {prefix(key)}… saved for {scope} calls to {client.origin}.",
    )


def profiles(context: Context) -> None:
    """The stored accounts: a credential file each."""
    rows, folder = [], context.client.file.path.parent
    for path in sorted(folder.glob(".leadgenius_auth*.json")):
        account = KeyFile(path).account()
        rows.append(
            {
                "profile": path.stem.removeprefix(".leadgenius_auth").strip(".") or "default",
                "email": account.email,
                "origin": account.base_url,
                "company_id": account.company_id,
                "logged_in": _is_valid(account),
                "agent": prefix(account.api_key),
                "system": prefix(account.amplify_api_key),
            }
        )
    context.output.listing(rows)
