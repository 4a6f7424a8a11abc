"""Rows: their ids and fields; and --where and --count-by, which filter and count them here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from cli.text import cell, compact
from leadgenius.errors import UsageError

LARGEST_GROUPS = 100_000  # different values of --count-by
TOP = 100  # values printed
_ORDER = {">": gt, "<": lt, ">=": ge, "<=": le}
# Columns that repeat another one: left out of csv and tables unless asked for.
TWINS = {"lead_id": "id", "contactName": "fullName"}


def row_id(row: Any) -> str | None:
    """The id of a row of ours or of the API's."""
    if not isinstance(row, dict):
        return str(row) if isinstance(row, (str, int)) else None
    names = ("id", "leadId", "lead_id", "jobId", "key")
    return next((str(row[name]) for name in names if row.get(name)), None)


def pick(row: Any, fields: Sequence[str] | None) -> Any:
    """`row` with `fields` alone, in their order; `a.b` reads inside. Null where there is
    nothing."""
    if fields is None or not isinstance(row, dict):
        return row
    return {name: inside(row, name) for name in fields}


def inside(row: Any, name: str) -> Any:
    """The value of a dotted name; None where there is nothing."""
    if isinstance(row, dict) and name in row:
        return row[name]
    for word in name.split("."):
        row = row.get(word) if isinstance(row, dict) else None
    return row


class Condition(NamedTuple):
    """`field operator value`, as in `status=qualified`. Text compares without case; an empty value
    is null or absent."""

    field: str
    operator: str
    value: str

    def holds(self, row: Any) -> bool | None:
        """Whether the row fits; None when the two cannot be compared. A null is never more or less
        than anything."""
        found = inside(row, self.field)
        if self.operator in ("=", "!="):
            return self._equals(found) is (self.operator == "=")
        if found is None or found == "":
            return False
        if self.operator == "~":
            return self.value.casefold() in cell(found).casefold()
        for read in (_number, _time):
            left, right = read(found), read(self.value)
            if left is not None and right is not None:
                return bool(_ORDER[self.operator](left, right))
        return None

    def _equals(self, found: Any) -> bool:
        if self.value == "":
            return found is None or found == ""
        if isinstance(found, list):
            return any(self._equals(one) for one in found)
        number = _number(self.value)
        if number is not None and _number(found) is not None:
            return _number(found) == number
        return cell(found).casefold() == self.value.casefold()


def conditions(texts: Sequence[str]) -> list[Condition]:
    """The conditions typed as --where. UsageError for a text without a field and an operator."""
    made = []
    for text in texts:
        found = re.fullmatch(r"\s*([A-Za-z_][\w.-]*)\s*([!><]=|[=~><])\s*(.*?)\s*", text, re.DOTALL)
        if not found:
            words = "--where takes FIELD and one of = != ~ > < >= <= and a VALUE."
            hint = "Quote it, as in --where 'status=qualified' or --where 'intentScore>=80'."
            raise UsageError(words, hint=hint)
        made.append(Condition(*found.groups()))
    return made


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    return float(text) if re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]+)?", text, re.ASCII) else None


def _time(value: Any) -> float | None:
    """Seconds of an ISO time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


class Tally:
    """Counts rows, of each value of some fields too. Memory grows with the different values, not
    with the rows."""

    def __init__(self, fields: Sequence[str] = ()) -> None:
        self.fields, self.count = fields, 0
        self._groups: dict[str, int] = {}  # values as JSON → how many

    def add(self, row: Any) -> None:
        """Count one row. UsageError when there are more different values than can be kept."""
        self.count += 1
        if self.fields:
            key = compact([inside(row, name) for name in self.fields])
            self._groups[key] = self._groups.get(key, 0) + 1
        if len(self._groups) > LARGEST_GROUPS:
            names = ", ".join(self.fields)
            raise UsageError(f"--count-by {names}: more than {LARGEST_GROUPS:,} different values.")

    def result(self) -> dict[str, Any]:
        """`{"count"}`, with fields also `by` (the 100 largest) and `values_total`."""
        if not self.fields:
            return {"count": self.count}
        largest = sorted(self._groups.items(), key=lambda group: (-group[1], group[0]))[:TOP]
        names = [*self.fields, "n"]
        by = [dict(zip(names, [*json.loads(key), n], strict=True)) for key, n in largest]
        return {"count": self.count, "by": by, "values_total": len(self._groups)}
