"""Log in and out, store keys made elsewhere, and what is in use. Secrets come from a prompt,
standard input or the environment."""

from __future__ import annotations

import getpass
import sys
import time
from typing import Any

from cli import inputs
from cli.context import Context
from cli.text import prefix
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import CredentialError, LeadGeniusError, RefusedError
from leadgenius.keyfile import Account, KeyFile
from leadgenius.keys import clean, variable
from leadgenius.settings import iso

# What a scope takes, by its place in `auth status`.
_TAKES = {"agent": "agent", "admin": "agent", "system": "system", "root": "login"}


def login(context: Context) -> int:
    """Exchange e-mail and password for a token and store it."""
    email, client = _email(context), context.client
    if context.options.dry_run:
        body = {"email": email, "password": "***"}
        return context.preview("POST", context.operation.path, body=body)
    client.file.check_account(client.origin, email)
    expires_at = exchange(context, email, _password(context))
    if not described(context, "agent"):
        words = "Most commands need an API key too; make and store one:"
        context.notes("note", f"{words} {{lgp}} generate-key --name NAME")
    facts = {"logged_in": True, "email": email, "origin": client.origin, "expires_at": expires_at}
    facts |= {"stored_in": str(client.file.path), **context.mark()}
    sentence = f"Logged in as {email} at {client.origin}."
    context.output.document(facts, client.requests, sentence)
    return 0


def exchange(context: Context, email: str, password: str) -> str | None:
    """Send the login and store its token. Returns when that ends, None when the server does not
    say."""
    context.masker.add(password)
    body = {"email": email, "password": password}
    found = context.client.post(operations()["auth.login"].path, body)
    token = answers.token(found)
    if token is None:
        raise RefusedError("The login succeeded, but the answer holds no token.")
    seconds = answers.dig(found, "expires_in", "data.expires_in")
    known = isinstance(seconds, int) and 0 < seconds < 1e9
    expires_at = iso(time.time() + seconds) if known else ""
    context.client.file.login(context.client.origin, email, token, expires_at)
    return expires_at or None


def ensure(context: Context) -> None:
    """Log in by LGP_EMAIL and LGP_PASSWORD where a call needs a login and none is valid."""
    account = context.client.file.account()
    if _is_valid(account) or context.options.dry_run:
        return
    email, password = _variable(context, "LGP_EMAIL"), _variable(context, "LGP_PASSWORD")
    if email and password and account.email in ("", email):
        exchange(context, email, password)
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


def _email(context: Context) -> str:
    email = context.typed("email") or _variable(context, "LGP_EMAIL")
    if not email and _is_person(context):
        context.notes.write("E-mail: ")
        email = context.stdin.readline().strip()
    if not email:
        raise inputs.invalid("Which account? There is no --email.", context.command.example)
    return str(email)


def _password(context: Context) -> str:
    """From --password, --password-stdin, LGP_PASSWORD or a hidden prompt, in that order."""
    if context.typed("password"):
        words = "--password can be read by every process on this machine; prefer --password-stdin."
        context.notes("warning", words)
        return str(context.typed("password"))
    piped = bool(context.typed("password_stdin"))
    found = "" if piped else _variable(context, "LGP_PASSWORD")
    return found or _secret(context, "Password", piped)


def _is_person(context: Context) -> bool:
    return context.stdin.isatty() and context.notes.terminal


def _secret(context: Context, name: str, piped: bool) -> str:
    """A line of standard input, or what is typed at a hidden prompt."""
    if _is_person(context) and not piped:
        return getpass.getpass(f"{name}: ", stream=sys.stderr)
    text = context.stdin.readline(8192).strip("\r\n") if piped else ""
    if not text.strip():
        hint = "Set LGP_PASSWORD, or pipe it into: {lgp} auth --email YOU --password-stdin"
        raise inputs.invalid(f"{name}: there is none. Nothing was sent or stored.", hint)
    return text


def status(context: Context) -> int:
    """What there is to authenticate with, and where it comes from. Offline, unless --check."""
    client, path = context.client, context.client.file.path
    account = client.file.account()
    if account.origin != client.origin:
        account = Account({})
    login = {"valid": _is_valid(account), "expires_at": account.expires_at or None}
    mode = f"{path.stat().st_mode & 0o777:04o}" if path and path.exists() else None
    found: dict[str, Any] = {
        "profile": context.options.profile or "default",
        "origin": client.origin,
        "email": account.email or None,
        "company_id": client.settings.company_id or account.company_id or None,
        "agent": described(context, "agent"),
        "system": described(context, "amplify"),
        "login": login if account.token else None,
        "file": {"path": str(path), "mode": mode},
    }
    if not (found["agent"] or found["system"] or _is_valid(account)):
        client.keys.find("agent")  # raises, with the way to get one
    failed = _check(context, found) if context.typed("check") else None
    context.output.document(found, client.requests)
    if failed:
        raise failed
    return 0


def _check(context: Context, found: dict[str, Any]) -> LeadGeniusError | None:
    """Read one page of each list that the keys may read. `checks` says what each scope may, and
    `differences` names the fields that are not as in openapi.json, without values. Returns the
    first refusal."""
    failed: LeadGeniusError | None = None
    checks, differences = found.setdefault("checks", {}), found.setdefault("differences", [])
    for operation in [one for one in operations().values() if one.paging]:
        scope = operation.scope
        if not found[_TAKES[scope]] or checks.get(scope, "ok") != "ok":
            continue
        try:
            bulk = scope == "system"
            params = {"companyId": context.client.company_id(), "limit": 20} if bulk else None
            body = context.client.get(operation.path, params)
        except (CredentialError, RefusedError) as error:
            checks[scope] = error.code
            if scope != "admin":  # most keys are no Master Admin's
                failed = failed or error
            continue
        checks[scope] = "ok"
        rows = answers.items(body, operation.collection)
        names = {name for row in rows if isinstance(row, dict) for name in row}
        unknown = sorted(names - {*operation.columns()})
        missing = sorted({*operation.record().get("required", ())} - names)
        if names and (unknown or missing):
            facts = {"operation": operation.id, "unknown": unknown, "missing": missing}
            differences.append(facts)
    return failed


def logout(context: Context) -> int:
    """Drop the stored token, with --keys the keys too."""
    removed = context.client.file.logout(keys=bool(context.typed("keys")))
    facts = {"logged_out": True, "removed": removed}
    context.output.document(facts, 0, f"Logged out; removed: {', '.join(removed) or 'nothing'}.")
    return 0


def save_key(context: Context) -> int:
    """Store a key made elsewhere; it comes on standard input or from a hidden prompt, never as an
    argument."""
    client, scope = context.client, str(context.typed("scope"))
    key = clean(_secret(context, "Key", not _is_person(context)), "the key")
    context.masker.add(key)
    if key.startswith("da2-" if scope == "agent" else "lgp_"):
        raise inputs.invalid("This is a key of the other scope. Nothing was stored.")
    client.file.store_key(client.origin, key, "agent" if scope == "agent" else "amplify")
    facts = {"saved": True, "scope": scope, "origin": client.origin, "prefix": prefix(key)}
    sentence = f"Key {prefix(key)}… saved for {scope} calls to {client.origin}."
    context.output.document(facts, 0, sentence)
    return 0


def profiles(context: Context) -> int:
    """The stored accounts: a credential file each."""
    path, rows = context.client.file.path, []
    for one in sorted(path.parent.glob(".leadgenius_auth*.json")) if path else ():
        account = KeyFile(one).account()
        name = one.name.removeprefix(".leadgenius_auth").removesuffix("json").strip(".")
        row: dict[str, Any] = {
            "profile": name or "default",
            "email": account.email,
            "origin": account.origin,
        }
        row |= {"company_id": account.company_id, "logged_in": _is_valid(account)}
        for kind, key in (("agent", account.api_key), ("system", account.amplify_api_key)):
            row[kind] = prefix(key) if key else ""
        rows.append(row)
    context.output.listing(rows)
    return 0
