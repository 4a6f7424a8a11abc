"""Numbered pages: `page` and `pageSize`, clamped silently at 100 (references/api_reference.md#paging)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox import checks
from sandbox.answers import Answer, said
from sandbox.checks import Bad
from sandbox.store import unpack

DEFAULT_SIZE, LARGEST_SIZE = 20, 100
LARGEST_PAGE = 10**12  # beyond it SQLite could not hold the offset


def count(value: str) -> int:
    """A positive whole number as query text."""
    if not re.fullmatch("[0-9]{1,18}", value) or int(value) < 1:
        raise Bad("must be a whole number, 1 or more")
    return int(value)


def page_number(value: str) -> int:
    if count(value) > LARGEST_PAGE:
        raise Bad(f"must be at most {LARGEST_PAGE}")
    return int(value)


@dataclass(frozen=True)
class Page:
    number: int
    size: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Page:
        """Raises Refusal INVALID_PARAMETER."""
        clean = checks.query_of(query, {"page": page_number, "pageSize": count})
        return cls(clean.get("page", 1), min(clean.get("pageSize", DEFAULT_SIZE), LARGEST_SIZE))

    def envelope(self, rows: Sequence[Any], total: int) -> Answer:
        """success, data, pagination {page, pageSize, totalItems, totalPages}."""
        pages = -(-total // self.size)
        facts = {"page": self.number, "pageSize": self.size, "totalItems": total, "totalPages": pages}
        return said(data=list(rows), pagination=facts)

    def cut(self, rows: Sequence[Any]) -> Answer:
        """The page of a list that is at hand as a whole."""
        start = (self.number - 1) * self.size
        return self.envelope(rows[start : start + self.size], len(rows))

    def select(self, db: sqlite3.Connection, source: str, order: str, values: Mapping[str, Any]) -> Answer:
        """The page of `FROM source ORDER BY order`, which must have a column `doc`."""
        return self.envelope(*self.read(db, source, order, values))

    def read(
        self,
        db: sqlite3.Connection,
        source: str,
        order: str,
        values: Mapping[str, Any],
        load: Callable[[Sequence[sqlite3.Row]], list[dict[str, Any]]] = unpack,
    ) -> tuple[list[dict[str, Any]], int]:
        """The rows of the page and the number of all rows. `source` and `order` are our own SQL, never a caller's."""
        (total,) = db.execute(f"SELECT count(*) FROM {source}", values).fetchone()  # noqa: S608
        query = f"SELECT * FROM {source} ORDER BY {order} LIMIT :size OFFSET :skip"  # noqa: S608
        cut = {"size": self.size, "skip": (self.number - 1) * self.size}
        return load(db.execute(query, {**values, **cut}).fetchall()), total


def list_records(
    db: sqlite3.Connection, kind: str, company: str, query: Mapping[str, str], **filters: Any
) -> tuple[Page, list[dict[str, Any]], int]:
    """The page of a company's records of a kind, newest first; `filters` are exact values of fields."""
    page = Page.of(query)
    values = {"kind": kind, "company": company}
    source = "records WHERE kind = :kind AND company_id = :company"
    for place, (name, value) in enumerate(filters.items()):
        source += f" AND json_extract(doc, '$.{name}') = :filter{place}"
        values[f"filter{place}"] = value
    return page, *page.read(db, source, "created_at DESC, seq DESC", values)
