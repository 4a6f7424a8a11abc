"""Log in and out, store keys made elsewhere, and what is in use. Secrets come from a prompt,
standard input or the environment."""

import getpass
import sys
import time
from typing import Any

from cli import inputs, request
from cli.context import Context
from cli.text import prefix
from contract.operations import operations
from contract.validate import problems, unknown_fields
from leadgenius import answers
from leadgenius.errors import CredentialError, LeadGeniusError
from leadgenius.keyfile import Account, KeyFile
from leadgenius.keys import clean, variable
from leadgenius.scopes import SCOPES
from leadgenius.settings import iso


def login(context: Context) -> None:
    """Exchange e-mail and password for a token and store it."""
    client, email = context.client, _read(context, "email")
    if context.options.dry_run:
        context.preview("POST", "/epsimo-auth", body={"email": email, "password": "***"})
        return
    _exchange(context, email)
    context.notes("note", "Most commands need an API key too: {lgp} generate-key --name NAME")
    context.result(
        {"logged_in": True, "email": email, "origin": client.origin},
        f"Logged in as {email} at {client.origin}.",
    )


def ensure(context: Context) -> None:
    """Log in by LGP_EMAIL and LGP_PASSWORD where a call needs a login and none is valid."""
    keys = context.client.keys
    needless = context.options.dry_run or _is_valid(keys.account)
    if not needless and variable(keys.environ, "LGP_PASSWORD"):
        _exchange(context, _read(context, "email"))


def _exchange(context: Context, email: str) -> None:
    """Send the login and store its token. UsageError, before a password is asked for, where a key
    of another account is stored."""
    client = context.client
    client.file.check_account(client.origin, email)
    if context.typed("password"):
        context.notes("warning", "Others can read --password here: prefer --password-stdin.")
    password = _read(context, "password", context.typed("password_stdin"))
    context.masker.add(password)
    found = client.post("/epsimo-auth", {"email": email, "password": password})
    token, seconds = answers.token(found) or "", answers.dig(found, "expires_in")
    ends = iso(time.time() + seconds) if isinstance(seconds, int) else ""
    client.file.store(client.origin, email=email, token=clean(token, "the token"), expires_at=ends)


def _read(context: Context, name: str, piped: bool | None = False) -> str:
    """What its option gives, its variable (not if `piped`), a person at a prompt, or a line of
    standard input if `piped`. The prompt shows what is typed of an e-mail alone."""
    found = None if piped else variable(context.client.keys.environ, f"LGP_{name.upper()}")
    text = context.typed(name) or (found[0] if found else "")
    prompt = f"{name.capitalize()}: " * (sys.stdin.isatty() and context.notes.terminal)
    if text:
        return text
    if prompt and name != "email":
        text = getpass.getpass(prompt, stream=sys.stderr)
    elif prompt or piped:
        context.notes.write(prompt)
        text = sys.stdin.readline().strip("\r\n")
    if not text:
        raise inputs.invalid(f"No {name} was given. Nothing was sent.")
    return text


def _is_valid(account: Account) -> bool:
    return bool(account.token) and not ("" < account.expires_at <= iso(time.time()))


def described(context: Context, kind: str) -> dict[str, str] | None:
    """Prefix and source of the credential in use, None without a usable one."""
    try:
        found = context.client.keys.find(kind)
    except CredentialError:
        return None
    return {"prefix": prefix(found.value), "source": found.source}


def status(context: Context) -> None:
    """What there is to authenticate with, and where it comes from. Offline, unless --check."""
    client, path = context.client, context.client.file.path
    account = client.keys.account
    valid = _is_valid(account)
    found: dict[str, Any] = {
        "profile": context.options.profile or "default",
        "origin": client.origin,
        "email": account.email or None,
        "company_id": client.settings.company_id or account.company_id or None,
        "agent": described(context, "agent"),
        "system": described(context, "amplify"),
        "login": {"valid": valid, "expires_at": account.expires_at or None},
        "file": {
            "path": str(path),
            "mode": f"{path.stat().st_mode & 0o777:04o}" if path.exists() else None,
        },
    }
    if not (found["agent"] or found["system"] or valid):
        client.keys.find("agent")  # raises, with the way to get one
    if context.typed("check"):
        _check(context, found)
    else:
        context.output.document(found)


def _check(context: Context, found: dict[str, Any]) -> None:
    """Read one page of each list that the keys may read. Print, beside what was found offline, what
    each scope may, and which fields are not as in openapi.json, without values."""
    checks, differences, errors = dict[str, str](), [], []
    for operation in operations().values():
        scope, record = operation.scope, operation.record()
        stored = operation.paging and described(context, SCOPES[scope].credential)
        expired = scope == "root" and not found["login"]["valid"]
        if expired or not stored or checks.get(scope, "ok") != "ok":
            continue
        try:
            rows, checks[scope] = next(context.client.pages(operation.path)).items, "ok"
        except LeadGeniusError as error:
            checks[scope] = error.code
            errors += [error] * (scope != "admin")  # most keys are no Master Admin's
            continue
        fields = {
            f"{one.path} {one.problem}"
            for row in rows
            for one in problems(row, record) + unknown_fields(row, record)
        }
        if fields:
            differences.append({"operation": operation.id, "fields": sorted(fields)})
    context.output.document({**found, "checks": checks, "differences": differences})
    request.conclude(errors)


def logout(context: Context) -> None:
    """Drop the stored token, with --keys the keys too."""
    removed = context.client.file.logout(context.typed("keys"))
    context.result({"logged_out": True, "removed": removed}, "Logged out.")


def save_key(context: Context) -> None:
    """Store a key made elsewhere; it comes on standard input or from a hidden prompt, never as an
    argument."""
    client, scope = context.client, context.typed("scope")
    key = clean(_read(context, "key", piped=True), "the key")
    context.masker.add(key)
    if key.startswith("da2-" if scope == "agent" else "lgp_"):
        raise inputs.invalid("This is a key of the other scope. Nothing was stored.")
    field = "api_key" if scope == "agent" else "amplify_api_key"
    client.file.store(client.origin, **{field: key})
    context.result(
        {"saved": True, "scope": scope, "origin": client.origin, "prefix": prefix(key)},
        f"Key {prefix(key)}… saved for {scope} calls to {client.origin}.",
    )


def profiles(context: Context) -> None:
    """The stored accounts: a credential file each."""
    rows = []
    for path in sorted(context.client.file.path.parent.glob(".leadgenius_auth*.json")):
        account = KeyFile(path).account
        rows.append(
            {
                "profile": path.stem.partition("_auth.")[2] or "default",
                "email": account.email,
                "origin": account.base_url,
                "logged_in": _is_valid(account),
                "agent": prefix(account.api_key),
                "system": prefix(account.amplify_api_key),
            }
        )
    context.output.listing(rows)
