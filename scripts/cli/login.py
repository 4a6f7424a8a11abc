"""Log in and out, store keys made elsewhere, and what is in use. Secrets come from a prompt,
standard input or the environment."""

from __future__ import annotations

import getpass
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli import inputs
from cli.context import Context
from cli.text import prefix
from contract.operations import Operation, operations
from leadgenius import answers
from leadgenius.errors import CredentialError, LeadGeniusError, LocalError, RefusedError
from leadgenius.keyfile import Account, KeyFile
from leadgenius.keys import VARIABLES, auth_path, clean, variable
from leadgenius.settings import iso


def login(context: Context) -> int:
    """Exchange e-mail and password for a token and store it."""
    email = _email(context)
    inputs.check_body(context, {"email": email, "password": "asked for below"})
    if context.options.dry_run:
        return context.preview(
            "POST", context.operation.path, body={"email": email, "password": "***"}
        )
    file = context.client.file
    file.check_account(context.client.origin, email)
    file.check_writable()
    expires_at = exchange(context, email, _password(context, email))
    if not file.account().api_key and not supplied(context):
        context.notes(
            "note",
            "Most commands need an API key too; make and store one: {lgp} generate-key --name NAME",
        )
    facts = {"logged_in": True, "email": email, "origin": context.client.origin}
    facts |= {"expires_at": expires_at or None, "stored_in": str(file.path)}
    facts |= context.mark()
    sentence = f"Logged in as {email} at {context.client.origin}."
    context.output.document(facts, context.client.requests, sentence)
    return 0


def exchange(context: Context, email: str, password: str) -> str:
    """Send the login and store its token. Returns when that ends, "" when nobody says."""
    context.masker.add(password)
    body = {"email": email, "password": password}
    found = context.client.call("POST", operations()["auth.login"].path, body=body).body
    token = answers.token(found)
    if token is None:
        raise RefusedError(
            "The login succeeded, but the answer holds no token.", hint="Check --base-url."
        )
    expires_at = _expiry(answers.dig(found, "expires_in", "data.expires_in"))
    context.client.file.login(context.client.origin, email, token, expires_at)
    return expires_at


def ensure(context: Context) -> None:
    """Log in by LGP_EMAIL and LGP_PASSWORD where a call needs a login and none is valid."""
    account = context.client.file.account()
    if _is_valid(account) or context.options.dry_run:
        return
    environ = _environ(context, account.email)
    email, password = (variable(environ, name) for name in ("LGP_EMAIL", "LGP_PASSWORD"))
    if email and password:
        exchange(context, email[0], password[0])
        context.notes("note", f"Logged in as {email[0]}, by {email[1]} and {password[1]}.")


def supplied(context: Context) -> str:
    """The variable that supplies an agent key, "" without one."""
    found = variable(_environ(context), *VARIABLES["agent"])
    return found[1] if found else ""


def _environ(context: Context, email: str = "") -> Mapping[str, str]:
    """The variables; in the sandbox, which reads none of them, what the demo data has for them."""
    if not context.options.sandbox:
        return context.environ
    from sandbox.demo import CREDENTIALS as demo

    known = {demo[f"{whose}email"]: demo[f"{whose}password"] for whose in ("", "user_", "other_")}
    email = email or demo["email"]
    return {"LGP_EMAIL": email, "LGP_PASSWORD": known.get(email, "")}


def _is_valid(account: Account) -> bool:
    return bool(account.token) and not ("" < account.expires_at <= iso(time.time()))


def _expiry(seconds: Any) -> str:
    """When a token ends that lives so many seconds; "" where the server does not say."""
    known = type(seconds) in (int, float) and 0 < seconds < 1e9
    return iso(time.time() + seconds) if known else ""


def _email(context: Context) -> str:
    found = context.typed("email") or (variable(_environ(context), "LGP_EMAIL") or ("",))[0]
    if not found and _is_person(context):
        context.notes.write("E-mail: ")
        found = context.stdin.readline().strip()
    if not found:
        raise inputs.invalid("Which account? There is no --email.", context.command.example)
    return str(found)


def _password(context: Context, email: str) -> str:
    """From --password, --password-stdin, LGP_PASSWORD or a hidden prompt, in that order."""
    if context.typed("password"):
        words = "--password can be read by every process on this machine; prefer --password-stdin."
        context.notes("warning", words)
        return str(context.typed("password"))
    if context.typed("password_stdin"):
        return _line(context, "password")
    found = variable(_environ(context, email), "LGP_PASSWORD")
    if found:
        return found[0]
    if not _is_person(context):
        raise inputs.invalid(
            "There is no password, and no terminal to ask for one. Nothing was sent.",
            "Set LGP_PASSWORD, or pipe it into: {lgp} auth --email YOU --password-stdin",
        )
    return getpass.getpass("Password: ", stream=sys.stderr)


def _is_person(context: Context) -> bool:
    return context.stdin.isatty() and context.notes.terminal


def _line(context: Context, what: str) -> str:
    text = context.stdin.readline(8192).strip("\r\n")
    if not text.strip():
        raise inputs.invalid(f"There is no {what} on standard input. Nothing was sent.")
    return text


def status(context: Context) -> int:
    """What there is to authenticate with, and where it comes from. Offline, unless --check."""
    client = context.client
    account = _account(context)
    path, login = client.file.path, None
    if account.token:
        login = {"valid": _is_valid(account), "expires_at": account.expires_at or None}
    mode = f"{path.stat().st_mode & 0o777:04o}" if path and path.exists() else None
    found: dict[str, Any] = {
        "profile": context.options.profile or "default",
        "origin": client.origin,
        "email": account.email or None,
        "company_id": client.settings.company_id or account.company_id or None,
        "agent": _described(context, "agent"),
        "system": _described(context, "amplify"),
        "login": login,
        "file": {"path": str(path), "mode": mode} if path else None,
    }
    if not (found["agent"] or found["system"] or _is_valid(account)):
        client.keys.find("agent")  # raises, with the way to get one
    failed = _check(context, found) if context.typed("check") else None
    context.output.document(found, client.requests)
    if failed:
        raise failed
    return 0


def _account(context: Context) -> Account:
    """What is stored for the origin of this run; a broken file does not matter beside a key in the
    environment."""
    try:
        account = context.client.file.account()
    except LocalError as error:
        if not supplied(context):
            raise
        context.notes("warning", f"{error.message} Going on with the key from the environment.")
        return Account({})
    return account if account.origin == context.client.origin else Account({})


def _described(context: Context, kind: str) -> dict[str, str] | None:
    try:
        found = context.client.keys.find(kind)
    except (CredentialError, LocalError):
        return None
    return {"prefix": prefix(found.value), "source": found.source}


def _check(context: Context, found: dict[str, Any]) -> LeadGeniusError | None:
    """Read one page of each list that the keys may read. `checks` says which scopes may, and
    `differences` names the fields that are not as in openapi.json. Returns the first refusal."""
    failed: LeadGeniusError | None = None
    checks, differences = found.setdefault("checks", {}), found.setdefault("differences", [])
    for operation in [one for one in operations().values() if one.paging]:
        scope = {"root": "login"}.get(operation.scope, operation.scope)
        if not found["agent" if scope == "admin" else scope] or checks.get(scope, "ok") != "ok":
            continue
        params = (
            {"companyId": context.client.company_id(), "limit": 20} if scope == "system" else None
        )
        try:
            body = context.client.call("GET", operation.path, params=params).body
        except (CredentialError, RefusedError) as error:
            checks[scope] = error.code
            if scope != "admin":  # most keys are no Master Admin's
                failed = failed or error
            continue
        checks[scope] = "ok"
        differences += _differences(operation, answers.items(body, operation.collection))
    return failed


def _differences(operation: Operation, rows: list[Any]) -> list[dict[str, Any]]:
    """Field names that the server's rows have beyond our schema, and that they lack; no values."""
    records = [row for row in rows if isinstance(row, dict)]
    if not records:
        return []
    names = set().union(*records)
    unknown, missing = (
        names - {*operation.columns()},
        {*operation.record().get("required", ())} - names,
    )
    if not unknown and not missing:
        return []
    return [{"operation": operation.id, "unknown": sorted(unknown), "missing": sorted(missing)}]


def logout(context: Context) -> int:
    """Drop the stored token, with --keys the keys too."""
    file = context.client.file
    removed = file.logout(keys=bool(context.typed("keys")))
    if supplied(context):
        context.notes("note", f"{supplied(context)} is still set in the environment.")
    if file.account().api_key:
        context.notes(
            "note", "The stored API key still works; to drop it too: {lgp} auth logout --keys"
        )
    facts = {"logged_out": True, "origin": context.client.origin, "removed": removed}
    context.output.document(facts, 0, f"Logged out; removed: {', '.join(removed) or 'nothing'}.")
    return 0


def save_key(context: Context) -> int:
    """Store a key made elsewhere; it comes on standard input or from a hidden prompt, never as an
    argument."""
    client, scope = context.client, str(context.typed("key_scope"))
    client.file.check_account(client.origin)
    client.file.check_writable()
    prompt = f"Key for {scope} calls: "
    given = (
        getpass.getpass(prompt, stream=sys.stderr) if _is_person(context) else _line(context, "key")
    )
    context.masker.add(given)
    key = clean(given, "the key")
    own, other = ("lgp_", "da2-") if scope == "agent" else ("da2-", "lgp_")
    if key.startswith(other):
        raise inputs.invalid(
            f"This is a key of the other scope (it starts with {other}). Nothing was stored."
        )
    if not key.startswith(own):
        context.notes("warning", f"This key does not start with {own}; it is stored as given.")
    client.file.store_key(client.origin, key, "agent" if scope == "agent" else "amplify")
    facts = {"saved": True, "scope": scope, "origin": client.origin, "prefix": prefix(key)}
    context.output.document(
        facts, 0, f"Key {prefix(key)}… saved for {scope} calls to {client.origin}."
    )
    return 0


def profiles(context: Context) -> int:
    """The stored accounts: a credential file each."""
    usual = auth_path({"HOME": context.environ.get("HOME", "")})
    found = sorted(usual.parent.glob(".leadgenius_auth*.json")) if usual else []
    rows = [row for row in map(_profile, found) if row]
    with context.output.open() as writer:
        writer.rows(rows)
        writer.end({})
    context.output.receipt(len(rows), 0, True)
    return 0


def _profile(path: Path) -> dict[str, Any] | None:
    name = re.fullmatch(r"\.leadgenius_auth(?:\.([a-z0-9-]{1,32}))?\.json", path.name)
    if not name:
        return None
    row: dict[str, Any] = {"profile": name[1] or "default"}
    try:
        account = KeyFile(path).account()
    except LeadGeniusError as error:
        return {**row, "problem": error.message}
    agent, system = (
        prefix(key) if key else None for key in (account.api_key, account.amplify_api_key)
    )
    row |= {
        "email": account.email or None,
        "origin": account.origin,
        "company_id": account.company_id or None,
    }
    return {**row, "agent": agent, "system": system, "logged_in": _is_valid(account)}
