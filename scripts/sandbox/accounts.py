"""Credentials: who is calling, login, agent keys, and the administration's lists.

Keys, tokens and passwords are stored as SHA-256 digests: they are random or belong to the demo
data.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import sqlite3
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from leadgenius.settings import iso
from sandbox.answers import Answer, Refusal, reply
from sandbox.routes import HANDLERS, Call, Caller, handles

TOKEN_SECONDS = 3600
FAILURES_ALLOWED = 5
FAILURE_SECONDS = 15 * 60
CREDENTIAL = {  # the owner of a credential of each scope, by its digest
    "agent": """SELECT company_id, user_id, role, 9e99 AS expires FROM agent_keys
        JOIN users ON users.id = user_id WHERE digest = ?""",
    "system": """SELECT company_id, '' AS user_id, '' AS role, 9e99 AS expires
        FROM amplify_keys WHERE digest = ?""",
    "root": """SELECT company_id, user_id, role, expires FROM tokens
        JOIN users ON users.id = user_id WHERE digest = ?""",
}


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def identify(db: sqlite3.Connection, environ: Mapping[str, Any], now: float) -> Caller:
    """The caller behind `X-API-Key` and `Authorization`. Raises Refusal UNAUTHORIZED.

    Both together are accepted when they are the same key, because the vendor's own scripts send
    both.
    """
    key, bearer = (
        environ.get("HTTP_X_API_KEY", "").strip(),
        _bearer(environ.get("HTTP_AUTHORIZATION", "").strip()),
    )
    given = key or bearer
    if not given:
        raise Refusal("UNAUTHORIZED", "No credential was sent")
    if key and bearer and key != bearer:
        raise Refusal("UNAUTHORIZED", "Two different credentials were sent; send exactly one")
    kind = "agent" if given.startswith("lgp_") else "system" if key else "root"
    row = db.execute(CREDENTIAL[kind], (digest(given),)).fetchone()
    if row is None:
        raise Refusal("UNAUTHORIZED", "This credential is not known")
    if row["expires"] <= now:
        raise Refusal("UNAUTHORIZED", "This token has expired; log in again")
    # A new token is the same user, whose calls are counted together.
    counted = row["user_id"] if kind == "root" else digest(given)
    return Caller(kind, counted, row["company_id"], row["user_id"], row["role"])


def _bearer(value: str) -> str:
    kind, _, token = value.partition(" ")
    if value and not (kind.lower() == "bearer" and token.strip()):
        raise Refusal(
            "UNAUTHORIZED", "The Authorization header must be: Bearer, a space, and the credential"
        )
    return token.strip()


def new_token(db: sqlite3.Connection, user: str, now: float, seconds: float = TOKEN_SECONDS) -> str:
    """A random token that opens the user's keys until it expires; expired ones are cleared away."""
    token = secrets.token_urlsafe(48)
    db.execute("DELETE FROM tokens WHERE expires <= ?", (now,))
    db.execute(
        "INSERT INTO tokens(digest, user_id, expires) VALUES (?, ?, ?)",
        (digest(token), user, now + seconds),
    )
    return token


@handles("auth.login")
def login(call: Call) -> Answer:
    """200 with `jwt_token` and `expires_in`.

    401; 429 after more than 5 failures for one e-mail in 15 minutes.
    """
    email = call.body["email"].casefold()
    if (wait := _locked_for(call, email)) == 0:
        row = call.db.execute("SELECT id, password FROM users WHERE email = ?", (email,)).fetchone()
        if row and row["password"] == digest(call.body["password"]):
            call.db.execute("DELETE FROM failed_logins WHERE email = ?", (email,))
            return reply(
                jwt_token=new_token(call.db, row["id"], call.now), expires_in=TOKEN_SECONDS
            )
        call.db.execute("INSERT INTO failed_logins(email, at) VALUES (?, ?)", (email, call.now))
        wait = _locked_for(call, email)
    # Answered, not raised: a refusal that leaves the handler takes back what it wrote, and the
    # count must stay.
    if wait:
        headers = [("Retry-After", str(wait))]
        return Refusal(
            "RATE_LIMITED", "Too many failed logins for this e-mail; wait", headers=headers
        ).answer()
    return Refusal("UNAUTHORIZED", "E-mail or password is wrong").answer()


def _locked_for(call: Call, email: str) -> int:
    """Seconds until this e-mail may log in; 0 is now."""
    call.db.execute("DELETE FROM failed_logins WHERE at <= ?", (call.now - FAILURE_SECONDS,))
    query = "SELECT at FROM failed_logins WHERE email = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
    row = call.db.execute(query, (email, FAILURES_ALLOWED)).fetchone()
    return max(1, math.ceil(row["at"] + FAILURE_SECONDS - call.now)) if row else 0


@handles("keys.create")
def create_key(call: Call) -> Answer:
    """200 (clients accept nothing else) with `apiKey`, the only time it is shown, and `data`."""
    key = "lgp_" + secrets.token_hex(32)
    given = {"name": call.body["name"], "description": call.body.get("description")}
    shown = {"id": str(uuid.uuid4()), **given, "keyPrefix": key[:10], "createdAt": iso(call.now)}
    store_key(call.db, key, call.caller.user, shown)
    return reply(apiKey=key, data=shown)


def store_key(db: sqlite3.Connection, key: str, user: str, shown: Mapping[str, str | None]) -> None:
    """Store an agent key's digest, with what lists show.

    Id, name, description, keyPrefix, createdAt.
    """
    query = """INSERT INTO agent_keys(id, name, description, prefix, created_at, digest, user_id)
        VALUES (:id, :name, :description, :keyPrefix, :createdAt, :digest, :user)"""
    db.execute(query, {**shown, "digest": digest(key), "user": user})


# Newest first. Keys are the caller's own, without the keys themselves.
LISTS = {
    "keys.list": """SELECT id, name, description, prefix AS keyPrefix, created_at AS createdAt
        FROM agent_keys WHERE user_id = :user ORDER BY created_at DESC, rowid DESC""",
    "admin.companies": """SELECT id, name, owner,
        (SELECT count(*) FROM users WHERE users.company_id = companies.id) AS memberCount,
        (SELECT count(*) FROM leads WHERE leads.company_id = companies.id) AS leadCount,
        created_at AS createdAt FROM companies ORDER BY created_at DESC, id""",
    "admin.users": """SELECT id, email, role, company_id, status, created_at AS createdAt
        FROM users ORDER BY created_at DESC, id""",
}


def _listed(query: str, call: Call) -> Answer:
    rows = [dict(row) for row in call.db.execute(query, {"user": call.caller.user})]
    return call.page.answer(call.page.cut(rows), len(rows))


HANDLERS.update({name: partial(_listed, query) for name, query in LISTS.items()})
