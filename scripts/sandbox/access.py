"""Login and agent keys (root scope)."""

from __future__ import annotations

import math
import uuid

from sandbox import checks, keys
from sandbox.answers import Answer, Refusal, said
from sandbox.pages import Page
from sandbox.routes import Call, route
from sandbox.times import iso

FAILURES_ALLOWED = 5
FAILURE_SECONDS = 15 * 60
LOGIN = checks.record({"email": checks.text, "password": checks.text}, required=["email", "password"])
KEY = checks.record({"name": checks.text, "description": checks.text}, required=["name"])


@route("POST", "/api/epsimo-auth", "auth.login", needs="nothing")
def login(call: Call) -> Answer:
    """200 with `jwt_token` and `expires_in`; 401; 429 after more than 5 failures for one e-mail in 15 minutes."""
    body = checks.body_of(LOGIN, call.body)
    email = body["email"].casefold()
    _refuse_guessing(call, email)
    row = call.db.execute("SELECT * FROM users WHERE email = ? AND status = 'active'", (email,)).fetchone()
    if keys.password_matches(body["password"], row and row["password"]):
        call.db.execute("DELETE FROM failed_logins WHERE email = ?", (email,))
        return said(jwt_token=keys.make_token(call.db, row["id"], call.now), expires_in=keys.TOKEN_SECONDS)
    return _failed(call, email).answer()


def _failed(call: Call, email: str) -> Refusal:
    """Returned, not raised: a refusal that leaves the handler takes back what it wrote, and the count must stay."""
    call.db.execute("INSERT INTO failed_logins(email, at) VALUES (?, ?)", (email, call.now))
    try:
        _refuse_guessing(call, email)
    except Refusal as refusal:
        return refusal
    return Refusal("UNAUTHORIZED", "E-mail or password is wrong")


def _refuse_guessing(call: Call, email: str) -> None:
    call.db.execute("DELETE FROM failed_logins WHERE at <= ?", (call.now - FAILURE_SECONDS,))
    query = "SELECT at FROM failed_logins WHERE email = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
    row = call.db.execute(query, (email, FAILURES_ALLOWED)).fetchone()
    if row is not None:
        wait = max(1, math.ceil(row["at"] + FAILURE_SECONDS - call.now))
        sentence = "Too many failed logins for this e-mail; try again later"
        raise Refusal("RATE_LIMITED", sentence, headers=[("Retry-After", str(wait))])


@route("POST", "/api/agent-api-keys", "keys.create", needs="jwt")
def create(call: Call) -> Answer:
    """200 (clients accept nothing else) with `apiKey`, the only time it is shown, and `data`."""
    body = checks.body_of(KEY, call.body)
    key = keys.new_agent_key()
    row = (str(uuid.uuid4()), body["name"], body.get("description"), keys.prefix(key), iso(call.now))
    query = """INSERT INTO agent_keys(id, name, description, prefix, created_at, digest, user_id, active)
        VALUES (?, ?, ?, ?, ?, ?, ?, 1)"""
    call.db.execute(query, (*row, keys.digest(key), call.caller.user))
    return said(apiKey=key, data=dict(zip(("id", "name", "description", "keyPrefix", "createdAt"), row, strict=True)))


@route("GET", "/api/agent-api-keys", "keys.list", needs="jwt")
def list_keys(call: Call) -> Answer:
    """The user's active keys, newest first, without the keys themselves."""
    query = """SELECT id, name, description, prefix AS keyPrefix, created_at AS createdAt FROM agent_keys
        WHERE user_id = ? AND active ORDER BY created_at DESC, rowid DESC"""
    return Page.of(call.query).cut([dict(row) for row in call.db.execute(query, (call.caller.user,))])
