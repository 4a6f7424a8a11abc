"""FILE.lgp-ledger: what became of each row of an import, so that the same command sends only what
is not done.

It is only added to, a line of JSON a row: before it is sent, and with its outcome. Every run begins
with a line that names the account; what another account's runs wrote does not count. It holds
digests and ids, no values.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from leadgenius import files
from leadgenius.client import Client
from leadgenius.errors import CredentialError, LocalError


class Entry(NamedTuple):
    """The latest of a row. `digest`: of what was sent; `at`: when, epoch seconds; `note`: why it
    was rejected. state: sent (no answer yet), unknown (an answer that does not say), unproved (said
    to be created, none of its batch read back yet), created, existing, rejected, not_sent."""

    digest: str = ""
    state: str = "not_sent"
    at: float = 0.0
    id: str = ""
    note: str = ""


def digest(value: Any) -> str:
    """A name for a JSON value that does not show it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


class Ledger:
    """The file at `path`, as far as it is about the leads that `client` makes: `entries` by row."""

    def __init__(self, path: Path, client: Client) -> None:
        self.path, self._client = path, client
        self.entries: dict[str, Entry] = {}
        self._file: BinaryIO | None = None

    def _account(self) -> list[str]:
        """The names of the account: digests of the company as far as it is known, of the key, and
        of the keys that it replaced, each with the origin."""
        client, saved = self._client, self._client.keys.saved
        names = [client.settings.company_id or saved("company_id")]
        with contextlib.suppress(CredentialError):  # a dry run needs none
            names.append(client.keys.find("agent").value)
        if saved("api_key"):
            names += client.file.account().previous_api_keys
        return [digest([client.origin, name]) for name in names if name]

    def read(self) -> int:
        """Read what earlier runs wrote; its length, up to the last line that was written whole.
        LocalError when it is damaged."""
        raw = files.read_private(self.path, 2**30)
        whole = raw.rfind(b"\n") + 1
        runs: list[tuple[list[str], dict[str, Entry]]] = []
        try:
            for line in map(json.loads, raw[:whole].splitlines()):
                if "account" in line:
                    runs.append((line["account"], {}))
                else:
                    row = line.pop("row")
                    runs[-1][1][row] = Entry(**line)
        except (ValueError, TypeError, LookupError) as error:
            message = f"{self.path} is damaged, and it alone knows which rows were sent."
            hint = "Find out which leads exist before you remove it: without it every row is sent."
            raise LocalError(message, code="checkpoint", hint=hint) from error
        names = {*self._account()}
        for account, entries in reversed(runs):  # a later run may know another name of an earlier
            if names & {*account}:
                names |= {*account}
                self.entries = entries | self.entries
        return whole

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Read it and hold it. LocalError, code `locked`, when another run holds it."""
        with files.locked(self.path, wait=0.0, suffix=""):
            whole = self.read()
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            with open(files.open_private(self.path, flags), "ab") as self._file:  # noqa: PTH123
                self._file.truncate(whole)
                self._add([{"account": self._account()}])
                yield

    def entry(self, row: str) -> Entry:
        return self.entries.get(row, Entry())

    def note(self, rows: Iterable[str], state: str, note: str = "") -> None:
        """The same state for some rows."""
        self.write({row: self.entry(row)._replace(state=state, note=note) for row in rows})

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add entries; they are on the disk when this returns."""
        self.entries |= entries
        self._add({"row": key, **entry._asdict()} for key, entry in entries.items())

    def _add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        assert self._file is not None
        self._file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())
