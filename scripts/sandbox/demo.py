"""The demo data: two companies with what a working account holds, the same on every machine.

Ids and texts come from a fixed seed, times are relative to the day of creation. All of it is made in well under a
second. `CREDENTIALS` are the keys and passwords that open it; they open nothing else.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import sqlite3
import string
import uuid
from pathlib import Path
from typing import Any

from sandbox import demo_leads, demo_records, keys, store
from sandbox.times import iso

SEED = "leadgenius sandbox 1"
DAY = 86400.0


def _letters(name: str, alphabet: str, length: int) -> str:
    return "".join(random.Random(f"{SEED} {name}").choices(alphabet, k=length))


def _agent_key(name: str) -> str:
    return "lgp_" + hashlib.sha256(f"{SEED} {name}".encode()).hexdigest()


def _amplify_key(name: str) -> str:
    return "da2-" + _letters(name, string.ascii_lowercase + string.digits, 26)


def _company(name: str, founded: int) -> str:
    return f"company-{founded}-{_letters(name, string.ascii_lowercase + string.digits, 7)}"


CREDENTIALS: dict[str, str] = {
    "email": "your@email.com",
    "password": "sandbox-" + _letters("password", string.hexdigits.lower()[:16], 12),
    "api_key": _agent_key("api key"),
    "amplify_api_key": _amplify_key("amplify key"),
    "company_id": _company("company", 1735689600000),
    "user_email": "member@fernhill.example",
    "user_password": "sandbox-" + _letters("user password", string.hexdigits.lower()[:16], 12),
    "user_api_key": _agent_key("user api key"),
    "other_email": "owner@kestrel.example",
    "other_password": "sandbox-" + _letters("other password", string.hexdigits.lower()[:16], 12),
    "other_api_key": _agent_key("other api key"),
    "other_amplify_api_key": _amplify_key("other amplify key"),
    "other_company_id": _company("other company", 1751328000000),
}


def make(database: Path, now: float, reset: bool = False) -> None:
    """The database with the demo data, unless it is there already; see `store.prepare`, also for what it raises."""
    store.prepare(database, lambda db: fill(db, now), reset)


def fill(db: sqlite3.Connection, now: float) -> None:
    """Fill an empty database. `now` is in epoch seconds; only its day counts."""
    today = now // DAY * DAY
    rng = random.Random(SEED)
    db.execute("INSERT INTO secrets(name, value) VALUES (?, ?)", (keys.JWT_SECRET, secrets.token_hex(32)))
    first, second = CREDENTIALS["company_id"], CREDENTIALS["other_company_id"]
    people = ("admin", "member", "invited", "other")
    ids = {name: str(uuid.UUID(int=rng.getrandbits(128), version=4)) for name in people}
    _companies(db, today, ids)
    _users(db, today, ids)
    _keys(db, today, ids)
    campaigns = demo_records.fill(db, rng, today, first, ids["admin"])
    demo_records.fill_small(db, rng, today, second, ids["other"])
    demo_leads.fill(db, rng, today, first, (ids["admin"], ids["member"]), campaigns)
    demo_leads.fill_small(db, rng, today, second, ids["other"])
    demo_records.follow_up(db, rng, today, first, ids["admin"])


def _companies(db: sqlite3.Connection, today: float, ids: dict[str, str]) -> None:
    rows = [
        (CREDENTIALS["company_id"], "Fernhill Demand Partners", ids["admin"], iso(today - 420 * DAY)),
        (CREDENTIALS["other_company_id"], "Kestrel Outreach", ids["other"], iso(today - 230 * DAY)),
    ]
    db.executemany("INSERT INTO companies(id, name, owner, created_at) VALUES (?, ?, ?, ?)", rows)


def _users(db: sqlite3.Connection, today: float, ids: dict[str, str]) -> None:
    known = CREDENTIALS
    first, second = known["company_id"], known["other_company_id"]
    rows: list[tuple[Any, ...]] = [
        (ids["admin"], known["email"], known["password"], keys.MASTER_ADMIN, first, "active", 420),
        (ids["member"], known["user_email"], known["user_password"], "user", first, "active", 300),
        (ids["invited"], "soon@fernhill.example", None, "user", first, "invited", 2),
        (ids["other"], known["other_email"], known["other_password"], "admin", second, "active", 230),
    ]
    query = "INSERT INTO users(id, email, password, role, company_id, status, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
    for user, email, password, *rest, age in rows:
        hashed = password and keys.hash_password(password, secrets.token_hex(8))
        db.execute(query, (user, email, hashed, *rest, iso(today - age * DAY)))


def _keys(db: sqlite3.Connection, today: float, ids: dict[str, str]) -> None:
    query = """INSERT INTO agent_keys(id, digest, user_id, name, description, prefix, created_at, active)
        VALUES (?, ?, ?, ?, ?, ?, ?, 1)"""
    for user, name in (("admin", "api_key"), ("member", "user_api_key"), ("other", "other_api_key")):
        key = CREDENTIALS[name]
        identity = str(uuid.UUID(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest(), version=4))
        told = ("Demo key", "Made with the demo data")
        db.execute(query, (identity, keys.digest(key), ids[user], *told, keys.prefix(key), iso(today - 100 * DAY)))
    pairs = [("amplify_api_key", "company_id"), ("other_amplify_api_key", "other_company_id")]
    rows = [(keys.digest(CREDENTIALS[key]), CREDENTIALS[company]) for key, company in pairs]
    db.executemany("INSERT INTO amplify_keys(digest, company_id) VALUES (?, ?)", rows)
