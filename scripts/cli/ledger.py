"""FILE.lgp-ledger: what became of each row of an import, so that the same command sends only what
is not done.

It is only added to, a line of JSON a row: before it is sent, and with its outcome. Every run begins
with a line that names origin and account; what another account's runs wrote does not count. It
holds digests and ids, no values.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from leadgenius import files
from leadgenius.client import Client
from leadgenius.errors import LocalError


class Entry(NamedTuple):
    """The latest of a row. `digest`: of what was sent; `at`: when, epoch seconds; `note`: why it
    was rejected. state: sent (no answer yet), unknown (an answer that does not say), unproved (said
    to be created, none of its batch read back yet), created, existing, rejected, open (certainly
    not stored)."""

    digest: str
    state: str = "open"
    at: float = 0.0
    id: str = ""
    note: str = ""


def digest(value: Any) -> str:
    """A name for a JSON value that does not show it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def account_of(client: Client) -> dict[str, Any]:
    """Whose leads a run makes: the origin, the company as far as it is known, and digests of the
    key and of those that it replaced. CredentialError without a key."""
    keys = [client.keys.find("agent").value]
    if client.keys.saved("api_key"):
        keys += client.file.account().previous_api_keys
    company = client.settings.company_id or client.keys.saved("company_id")
    return {"origin": client.origin, "company": company, "keys": [digest(one) for one in keys]}


class Ledger:
    """The file at `path` as `account` sees it: `entries` by row. LocalError when it is damaged."""

    def __init__(self, path: Path, account: Mapping[str, Any]) -> None:
        self.path, self._account = path, account
        self.entries: dict[str, Entry] = {}
        self._file: BinaryIO | None = None

    def read(self) -> int:
        """Read what earlier runs wrote; its length, up to the last line that was written whole."""
        if not self.path.exists():
            return 0
        with open(files.open_private(self.path, os.O_RDONLY), "rb") as file:  # noqa: PTH123
            raw = file.read()
        whole = raw.rfind(b"\n") + 1
        try:
            for line in self._mine([json.loads(line) for line in raw[:whole].splitlines()]):
                key = line.pop("row")
                self.entries[key] = Entry(**line)
        except (ValueError, TypeError, LookupError) as error:
            message = f"{self.path} is damaged, and it alone knows which rows were sent."
            hint = "Find out which leads exist before you remove it: without it every row is sent."
            raise LocalError(message, code="checkpoint", hint=hint) from error
        return whole

    def _mine(self, lines: list[Any]) -> list[Any]:
        """The lines of this account's runs. Read backwards: a later run may know the company, or
        the key, by which an earlier one is known."""
        mine: list[Any] = []
        end, company, keys = len(lines), self._account["company"], set(self._account["keys"])
        for place in reversed([place for place, line in enumerate(lines) if "origin" in line]):
            head = lines[place]
            both = company and head["company"]
            same = company == head["company"] if both else keys & set(head["keys"])
            if same and head["origin"] == self._account["origin"]:
                company, keys = company or head["company"], keys | set(head["keys"])
                mine = lines[place + 1 : end] + mine
            end = place
        return mine

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Read it and hold it. LocalError, code `locked`, when another run holds it."""
        with files.locked(self.path, wait=0.0):
            if not self.path.exists():
                files.write_private(self.path, b"")
            whole = self.read()
            with open(files.open_private(self.path, os.O_RDWR), "r+b") as self._file:  # noqa: PTH123
                self._file.truncate(whole)
                self._file.seek(whole)
                self._add([self._account])
                yield

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add entries; they are on the disk when this returns."""
        self.entries |= entries
        self._add({"row": key, **entry._asdict()} for key, entry in entries.items())

    def _add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        assert self._file is not None
        self._file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
