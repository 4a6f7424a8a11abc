"""The store: one SQLite file, its schema, and the records every company keeps.

A connection lives as long as one request, so any number of threads and processes may use the file.
The rollback journal survives a killed process; `synchronous=OFF` gives up only what a power cut
would take.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 2

# An index of SQLite ends with the row number, so one over (company_id, created_at) is in the order
# of created_at and seq: lists of any size are read from its end without sorting.
SCHEMA = """
CREATE TABLE companies(id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL,
    created_at TEXT NOT NULL);
CREATE TABLE users(id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, password TEXT NOT NULL,
    role TEXT NOT NULL, company_id TEXT NOT NULL REFERENCES companies(id), status TEXT NOT NULL,
    created_at TEXT NOT NULL);
CREATE TABLE agent_keys(id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users(id), name TEXT NOT NULL, description TEXT,
    prefix TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE amplify_keys(digest TEXT PRIMARY KEY,
    company_id TEXT NOT NULL REFERENCES companies(id));
CREATE TABLE tokens(digest TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id),
    expires REAL NOT NULL);
CREATE TABLE failed_logins(email TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE calls(credential TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX calls_by_credential ON calls(credential, at);
CREATE TABLE leads(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, company_id TEXT,
    owner TEXT, client_id TEXT, campaign_id TEXT, status TEXT NOT NULL, email TEXT NOT NULL,
    company_name TEXT, created_at TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX leads_by_company ON leads(company_id, created_at);
CREATE INDEX leads_by_owner ON leads(owner, created_at, seq, company_id);
CREATE INDEX leads_by_email ON leads(company_id, email);
CREATE INDEX leads_by_campaign ON leads(campaign_id);
CREATE INDEX leads_in_order ON leads(company_id);
CREATE INDEX leads_by_client ON leads(company_id, client_id);
CREATE TABLE status_changes(lead INTEGER NOT NULL REFERENCES leads(seq) ON DELETE CASCADE,
    status TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX status_changes_by_lead ON status_changes(lead);
CREATE TABLE source_leads(seq INTEGER PRIMARY KEY AUTOINCREMENT, company_id TEXT NOT NULL,
    client_id TEXT, created_at TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX source_leads_in_order ON source_leads(company_id);
CREATE INDEX source_leads_by_client ON source_leads(company_id, client_id);
CREATE TABLE records(seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,
    company_id TEXT NOT NULL, created_at TEXT NOT NULL, doc TEXT NOT NULL, UNIQUE(kind, id));
CREATE INDEX records_in_order ON records(kind, company_id, created_at);
CREATE TABLE enrolments(sequence_id TEXT NOT NULL,
    lead INTEGER NOT NULL REFERENCES leads(seq) ON DELETE CASCADE, at TEXT NOT NULL,
    PRIMARY KEY(sequence_id, lead));
CREATE INDEX enrolments_by_lead ON enrolments(lead);
CREATE TABLE jobs(id TEXT PRIMARY KEY, company_id TEXT NOT NULL, due REAL, doc TEXT NOT NULL,
    work TEXT NOT NULL);
CREATE INDEX jobs_due ON jobs(due) WHERE due IS NOT NULL;
"""

Record = dict[str, Any]


def connect(database: Path) -> sqlite3.Connection:
    """An autocommitting connection; transactions are begun by name. Raises sqlite3.Error."""
    db = sqlite3.connect(database, timeout=30.0, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        db.executescript("PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        db.close()
        raise
    return db


@contextmanager
def transaction(
    db: sqlite3.Connection, mode: str = "IMMEDIATE", keep: bool = True
) -> Iterator[None]:
    """All or nothing; without `keep` nothing, in any case.

    Writers begin IMMEDIATE: a deferred one that turns writer fails at once when another writes.
    """
    db.execute(f"BEGIN {mode}")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT" if keep else "ROLLBACK")


def prepare(
    database: Path, fill: Callable[[sqlite3.Connection], None], reset: bool = False
) -> bool:
    """Make the file (0600, in a folder of 0700) and fill it, unless that is done.

    Returns whether it was made now. All of it is one transaction: of two first runs the second
    waits and finds the work done, and a run killed in between leaves an empty file. `reset` throws
    the old content away. Raises OSError, sqlite3.Error.
    """
    if reset and database.is_file():
        with database.open("rb") as file:
            is_database = file.read(16) == b"SQLite format 3\x00"
        if not is_database:
            database.unlink()  # it cannot be emptied, only replaced
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(connect(database)) as db:
        if not reset and _is_current(db):
            return False
        db.execute("PRAGMA foreign_keys=OFF")  # the old tables go in any order
        with transaction(db):
            if not reset and _is_current(db):
                return False
            _build(db, fill)
    return True


def _is_current(db: sqlite3.Connection) -> bool:
    return bool(db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION)


def _build(db: sqlite3.Connection, fill: Callable[[sqlite3.Connection], None]) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (name,) in db.execute(query).fetchall():
        db.execute(f'DROP TABLE "{name}"')
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)
    fill(db)
    db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def pack(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def unpack(rows: Iterable[sqlite3.Row]) -> list[Record]:
    return [json.loads(row["doc"]) for row in rows]


def add_records(db: sqlite3.Connection, kind: str, records: Iterable[Record]) -> None:
    """Store records of a kind (campaign, account, sequence, …).

    Each has id, company_id and createdAt.
    """
    rows = [(kind, one["id"], one["company_id"], one["createdAt"], pack(one)) for one in records]
    db.executemany(
        "INSERT INTO records(kind, id, company_id, created_at, doc) VALUES (?, ?, ?, ?, ?)", rows
    )


def get_record(db: sqlite3.Connection, kind: str, company: str, record: str) -> Record | None:
    """The company's record, or None: also when the id is another company's."""
    query = "SELECT doc FROM records WHERE kind = ? AND id = ? AND company_id = ?"
    found = unpack(db.execute(query, (kind, record, company)))
    return found[0] if found else None


def set_record(db: sqlite3.Connection, kind: str, record: Record) -> None:
    query = "UPDATE records SET doc = ? WHERE kind = ? AND id = ?"
    db.execute(query, (pack(record), kind, record["id"]))
