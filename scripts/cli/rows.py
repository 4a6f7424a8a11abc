"""Rows: their ids and fields, the secrets in them, and --where, which filters them here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import cache
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from cli.text import cell
from leadgenius import answers
from leadgenius.errors import UsageError

_ORDER = {">": gt, "<": lt, ">=": ge, "<=": le}
# Columns that repeat another one: left out of csv and tables unless asked for.
TWINS = {"lead_id": "id", "contactName": "fullName"}
_SECRET = {"apiKey", "key", "plainTextKey", "token", "jwt_token", "access_token", "tokens"}


def row_id(row: Any) -> str | None:
    """The id of a row of ours or of the API's."""
    if isinstance(row, (str, int)):
        return str(row)
    return answers.text(row, "id", "leadId", "lead_id", "jobId", "key")


def pick(row: Any, fields: Sequence[str] | None) -> Any:
    """`row` with `fields` alone, in their order; `a.b` reads inside. Null where there is
    nothing."""
    if fields is None or not isinstance(row, dict):
        return row
    return {name: inside(row, name) for name in fields}


def inside(row: Any, name: str) -> Any:
    """The value of a dotted name; None where there is nothing."""
    return row[name] if isinstance(row, dict) and name in row else answers.dig(row, name)


def hidden(value: Any) -> Any:
    """`value` without the fields that hold a key or token, and keys in its texts cut to their
    prefix."""
    if isinstance(value, dict):
        return {name: hidden(one) for name, one in value.items() if name not in _SECRET}
    if isinstance(value, list):
        return [hidden(one) for one in value]
    if isinstance(value, str):
        return re.sub(r"\b((?:lgp_|da2-)\w{6})\w{10,}", r"\1", value)
    return value


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
            values = found if isinstance(found, list) else [found]
            equal = _wanted(self.value) in map(_comparable, values)
            return equal is (self.operator == "=")
        if found in (None, ""):
            return False
        if self.operator == "~":
            return self.value.casefold() in cell(found).casefold()
        for read in (_number, _time):
            left, right = read(found), read(self.value)
            if left is not None and right is not None:
                return bool(_ORDER[self.operator](left, right))
        return None


def conditions(texts: Sequence[str]) -> list[Condition]:
    """The conditions typed as --where. UsageError for a text without a field and an operator."""
    made = []
    for text in texts:
        found = re.fullmatch(r"\s*([A-Za-z_][\w.-]*)\s*([!><]=|[=~><])\s*(.*?)\s*", text, re.DOTALL)
        if not found:
            raise UsageError(
                "--where takes FIELD and one of = != ~ > < >= <= and a VALUE.",
                hint="Quote it, as in --where 'status=qualified' or --where 'intentScore>=80'.",
            )
        made.append(Condition(*found.groups()))
    return made


def _comparable(value: Any) -> float | str:
    """What is equal for equal values: a number, else the text without case; null is empty."""
    number = _number(value)
    return cell(value).casefold() if number is None else number


_wanted = cache(_comparable)  # the same for every row


def _number(value: Any) -> float | None:
    text = str(value).strip()
    known = re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]+)?(e[+-][0-9]{1,3})?", text, re.ASCII)
    return float(text) if known else None


def _time(value: Any) -> float | None:
    """Seconds of an ISO time; one without a zone is UTC."""
    try:
        moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
