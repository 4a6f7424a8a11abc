"""Credentials: who is calling. Keys are stored as SHA-256 digests, passwords as PBKDF2, JWTs are signed with HS256."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.answers import Refusal

TOKEN_SECONDS = 3600
MASTER_ADMIN = "master_admin"
JWT_SECRET = "jwt"  # noqa: S105 (the name of the row that holds it)
JWT_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True)
class Caller:
    """`kind` is agent, system or jwt; `credential` is what calls are counted under; a system key has no user."""

    kind: str
    credential: str
    company: str
    user: str = ""
    role: str = ""


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def hash_password(password: str, salt: str) -> str:
    made = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 20_000)
    return f"{salt}${made.hex()}"


def password_matches(password: str, stored: str | None) -> bool:
    """An unknown user costs as much time as a wrong password."""
    salt = (stored or "absent$").split("$")[0]
    return hmac.compare_digest(hash_password(password, salt), stored or "")


def new_agent_key() -> str:
    return "lgp_" + secrets.token_hex(32)


def prefix(key: str) -> str:
    return key[:10]


def make_token(db: sqlite3.Connection, user: str, now: float) -> str:
    """A JWT for the user, good for 3600 seconds."""
    claims = {"sub": user, "iat": int(now), "exp": int(now) + TOKEN_SECONDS}
    signed = f"{_base64(_json(JWT_HEADER))}.{_base64(_json(claims))}"
    return f"{signed}.{_signature(db, signed)}"


def identify(db: sqlite3.Connection, headers: Mapping[str, str], now: float) -> Caller:
    """The caller behind `x-api-key` and `authorization`.

    Both together are accepted when they are the same key, because the vendor's own scripts send both.
    Raises Refusal UNAUTHORIZED.
    """
    key, bearer = headers.get("x-api-key", "").strip(), _bearer(headers.get("authorization", "").strip())
    if key and bearer and not hmac.compare_digest(key.encode("utf-8", "replace"), bearer.encode("utf-8", "replace")):
        raise Refusal("UNAUTHORIZED", "Two different credentials were sent; send exactly one")
    if not key and not bearer:
        raise Refusal("UNAUTHORIZED", "No credential was sent")
    if (key or bearer).startswith("lgp_"):
        return _agent(db, key or bearer)
    return _system(db, key) if key else _user(db, bearer, now)


def _bearer(value: str) -> str:
    kind, _, token = value.partition(" ")
    if value and (kind.lower() != "bearer" or not token.strip()):
        raise Refusal("UNAUTHORIZED", "The Authorization header must be: Bearer, a space, and the credential")
    return token.strip()


def _agent(db: sqlite3.Connection, key: str) -> Caller:
    query = """SELECT users.* FROM agent_keys JOIN users ON users.id = user_id
        WHERE digest = ? AND active AND users.status = 'active'"""
    row = db.execute(query, (digest(key),)).fetchone()
    if row is None:
        raise Refusal("UNAUTHORIZED", "This agent key is not known")
    return Caller("agent", "key:" + digest(key), row["company_id"], row["id"], row["role"])


def _system(db: sqlite3.Connection, key: str) -> Caller:
    row = db.execute("SELECT company_id FROM amplify_keys WHERE digest = ?", (digest(key),)).fetchone()
    if row is None:
        raise Refusal("UNAUTHORIZED", "This API key is not known")
    return Caller("system", "amplify:" + digest(key), row["company_id"])


def _user(db: sqlite3.Connection, token: str, now: float) -> Caller:
    claims = _claims(db, token)
    if claims is None:
        raise Refusal("UNAUTHORIZED", "This token is not valid")
    if claims["exp"] <= now:
        raise Refusal("UNAUTHORIZED", "This token has expired; log in again")
    query = "SELECT * FROM users WHERE id = ? AND status = 'active'"
    row = db.execute(query, (claims["sub"],)).fetchone()
    if row is None:
        raise Refusal("UNAUTHORIZED", "The user of this token is not active")
    return Caller("jwt", "user:" + row["id"], row["company_id"], row["id"], row["role"])


def _claims(db: sqlite3.Connection, token: str) -> dict[str, Any] | None:
    """The claims of a token we signed, else None. Nothing is decoded before the signature holds."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(db, signed).encode(), signature.encode("utf-8", "replace")):
        return None
    payload = signed.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def _signature(db: sqlite3.Connection, signed: str) -> str:
    (secret,) = db.execute("SELECT value FROM secrets WHERE name = ?", (JWT_SECRET,)).fetchone()
    return _base64(hmac.new(secret.encode(), signed.encode("utf-8", "replace"), hashlib.sha256).digest())


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
