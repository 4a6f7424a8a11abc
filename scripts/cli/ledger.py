"""FILE.lgp-ledger: what became of each row of an import, so that the same command sends only what
is not done.

It is only added to, a line of JSON a row: before it is sent, and with its outcome. Every run begins
with a line that names the account; what another account's runs wrote does not count. It holds
digests and ids, no values.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from cli.spreadsheet import Row, digest
from leadgenius import files
from leadgenius.client import Client
from leadgenius.errors import CredentialError, LocalError

KEPT = ("key", "was", "state", "at", "id", "note")  # fields of a row
# What the state of a row becomes when it has other values now than were sent.
CHANGED = {"created": "changed", "existing": "changed", "rejected": "not_sent"}


def account(client: Client) -> list[str]:
    """The names of the account: digests of the company as far as it is known, of the key, and of
    the keys that it replaced, each with the origin."""
    saved = client.keys.saved
    names = [client.settings.company_id or saved("company_id")]
    with contextlib.suppress(CredentialError):  # a dry run needs none
        found = client.keys.find("agent")
        names.append(found.value)
        if found.source == str(client.file.path):
            names += client.file.account.previous_api_keys
    return [digest([client.origin, name]) for name in names if name]


def read(path: Path, client: Client, rows: Iterable[Row]) -> int:
    """Put into rows what earlier runs of the account wrote of them. Returns the length, up to the
    last line that was written whole. LocalError when the file is damaged."""
    raw = files.read_private(path)
    whole = raw.rfind(b"\n") + 1
    names, latest, same_account = {*account(client)}, dict[str, Any](), None
    try:
        for line in map(json.loads, raw[:whole].splitlines()):
            if "account" in line:
                same_account = not names.isdisjoint(line["account"])
            elif same_account is None:
                raise ValueError
            elif same_account:
                latest[line["key"]] = line
    except (ValueError, TypeError, LookupError) as error:
        raise LocalError(
            f"{path} is damaged, and it alone knows which rows were sent.",
            code="checkpoint",
            hint="Find out which leads exist before you remove it: without it every row is sent.",
        ) from error
    for row in rows:
        vars(row).update(latest.get(row.key, {}))
        if row.was != row.digest:
            row.state = CHANGED.get(row.state, row.state)
    return whole


def begin(file: IO[str], client: Client, rows: Iterable[Row]) -> None:
    """Begin a run in its ledger, which is locked: read it again, and name the account."""
    file.truncate(read(Path(file.name), client, rows))
    file.write(json.dumps({"account": account(client)}) + "\n")
    file.flush()


def write(file: IO[str], rows: Iterable[Row]) -> None:
    """Add what is known of rows now; it is on the disk when this returns."""
    lines = ({name: getattr(row, name) for name in KEPT} for row in rows)
    file.writelines(json.dumps(line) + "\n" for line in lines)
    file.flush()
    os.fsync(file.fileno())
