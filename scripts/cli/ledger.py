"""FILE.lgp-ledger: what became of each row of an import, so that the same command sends only what
is not done.

Only added to, a line of JSON a row: before it is sent, and with its outcome and id. Each run begins
with a line that names origin and account; what runs of another account wrote does not count. Holds
digests and ids, no values.
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
    """The latest of a row. `digest`: of what was sent; `at`: when, epoch seconds.

    state: sent (no answer yet), unknown (an answer that does not say), unproved (created, and none
    of its batch read back yet: `note` is the endpoint), created, existing, rejected (`note`: why),
    open (certainly not stored).
    """

    digest: str
    state: str
    at: float = 0.0
    id: str = ""
    note: str = ""


def digest(value: Any) -> str:
    """A name for a JSON value that does not show it."""
    text = json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:32]


def account_of(client: Client) -> dict[str, Any]:
    """Whose leads a run makes: the origin, the company as far as it is known, and digests of the
    key and of those that it replaced."""
    keys = [client.keys.find("agent").value]
    if client.keys.saved("api_key"):
        keys += client.file.account().previous_api_keys
    company = client.settings.company_id or client.keys.saved("company_id")
    return {"origin": client.origin, "company": company, "keys": [digest(one) for one in keys]}


class Ledger:
    """The file at `path` as `account` sees it: `entries` by the digest of client and e-mail, and
    the endpoints `proved` to store what they say. LocalError for a file that is no ledger."""

    def __init__(self, path: Path, account: Mapping[str, Any]) -> None:
        self.path, self.account = path, dict(account)
        self.entries: dict[str, Entry] = {}
        self.proved: set[str] = set()
        self._whole = 0  # bytes up to the last line that was written whole
        self._file: BinaryIO | None = None

    def read(self) -> None:
        """Read what earlier runs wrote."""
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
            self._whole = raw.rfind(b"\n") + 1
            lines = [json.loads(line) for line in raw[: self._whole].splitlines()]
            heads = [place for place, line in enumerate(lines) if "origin" in line]
            for place in self._mine(lines, heads):
                self._take(lines[place])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{self.path} is damaged, and it alone knows which rows were sent."
            hint = (
                "Find out which leads exist before you remove it: a run without it sends every row."
            )
            raise LocalError(message, code="checkpoint", hint=hint) from error
        except OSError as error:
            raise files.local_error(self.path, error, "read") from error

    def _mine(self, lines: list[Any], heads: list[int]) -> Iterable[int]:
        """The places of this account's lines. Read backwards: a later run may know the company, or
        the key, by which an earlier one is known."""
        places: list[int] = []
        end, company, keys = len(lines), self.account["company"], set(self.account["keys"])
        for start in reversed(heads):
            head = lines[start]
            both = company and head["company"]
            same = head["company"] == company if both else keys & set(head["keys"])
            if head["origin"] == self.account["origin"] and same:
                company, keys = company or head["company"], keys | set(head["keys"])
                places = [*range(start + 1, end), *places]
            end = start
        return places

    def _take(self, line: dict[str, Any]) -> None:
        if "proved" in line:
            self.proved.add(line["proved"])
        else:
            key = line.pop("row")
            self.entries[key] = Entry(**line)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Read it and hold it: a second run on the same file is LocalError, code `locked`."""
        with files.locked(self.path, wait=0.0):
            if not self.path.exists():
                files.write_private(self.path, b"")
            self.read()
            with open(files.open_private(self.path, os.O_RDWR), "r+b") as self._file:  # noqa: PTH123
                self._file.truncate(self._whole)
                self._file.seek(self._whole)
                self._add([self.account])
                yield

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Add entries, on the disk when this returns."""
        self.entries |= entries
        self._add([{"row": key, **entry._asdict()} for key, entry in entries.items()])

    def prove(self, endpoint: str) -> None:
        """Note that what this endpoint says it stored could be read back."""
        self.proved.add(endpoint)
        self._add([{"proved": endpoint}])

    def _add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        assert self._file is not None
        try:
            self._file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise files.local_error(self.path, error, "written") from error
