"""Checks of values. A check takes a JSON value and returns it clean, or raises `Bad` with every problem it found."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sandbox.answers import Refusal

Check = Callable[[Any], Any]
LARGEST_NUMBER = 10**15  # of money and counts; arithmetic on it stays far from overflow
EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Bad(Exception):
    """Problems as (path, problem) pairs; the path is relative to the value checked and empty for the value itself."""

    def __init__(self, problem: str = "", found: Iterable[tuple[str, str]] = ()) -> None:
        self.found = list(found) or [("", problem)]
        super().__init__(problem)

    def under(self, name: str) -> list[tuple[str, str]]:
        """The same problems seen from the record that holds the value as `name`."""
        return [(name + ("." if path and not path.startswith("[") else "") + path, what) for path, what in self.found]

    def sentence(self) -> str:
        return "; ".join(f"{path} {what}".strip() for path, what in self.found)


def text(value: Any) -> str:
    """Text with something in it: the vendor's server fails on empty strings, so they are refused here."""
    if not isinstance(value, str):
        raise Bad("must be text")
    if not value:
        raise Bad("must not be empty")
    return value


def email(value: Any) -> str:
    if not EMAIL.fullmatch(text(value)) or len(value) > 254:
        raise Bad("must be an e-mail address")
    return str(value)


def one_of(*names: str, fold: bool = False) -> Check:
    """One of these words; with `fold` in any case, given back in lower case."""

    def check(value: Any) -> str:
        word = text(value).lower() if fold else text(value)
        if word not in names:
            raise Bad("must be one of " + ", ".join(names))
        return word

    return check


def day(value: Any) -> str:
    """A date that exists, as YYYY-MM-DD and nothing looser."""
    try:
        if DATE.fullmatch(text(value)):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise Bad("must be a date, YYYY-MM-DD")


def moment(value: Any) -> str:
    """A time such as 2026-02-08T09:30:00.000Z, given back as it came."""
    try:
        if MOMENT.fullmatch(text(value)):
            datetime.fromisoformat(value[:19])
            return str(value)
    except ValueError:
        pass
    raise Bad("must be a time, such as 2026-02-08T09:30:00.000Z")


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Bad("must be true or false")
    return value


def number(value: Any) -> int | float:
    """Zero or more, finite, at most 10^15 (this bound is the sandbox's own)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LARGEST_NUMBER:
        raise Bad("must be a number from 0 to 10^15")
    return value


def whole(low: int, high: int) -> Check:
    """An integer in a range; 80.0 is one, as it is for JSON Schema."""

    def check(value: Any) -> int:
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not numeric or not low <= value <= high or math.floor(value) != value:
            raise Bad(f"must be a whole number from {low} to {high}")
        return int(value)

    return check


def anything(value: Any) -> Any:
    return value


def mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Bad("must be an object")
    return value


def items(check: Check, least: int = 0) -> Check:
    """A list whose every member passes; problems are named `[2]`, `[2].day`."""

    def check_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Bad("must be a list")
        if len(value) < least:
            raise Bad("must not be empty")
        clean, found = [], []
        for place, member in enumerate(value):
            try:
                clean.append(check(member))
            except Bad as bad:
                found += bad.under(f"[{place}]")
        if found:
            raise Bad(found=found)
        return clean

    return check_list


def record(fields: Mapping[str, Check], required: Iterable[str] = (), partial: bool = False) -> Check:
    """An object. Unknown fields are ignored, null counts as absent.

    `partial` is for updates: nothing is required, and null clears an optional field (it comes back as None).
    """
    needed = set(required)

    def check(value: Any) -> dict[str, Any]:
        clean: dict[str, Any] = {}
        found: list[tuple[str, str]] = []
        for name, check_field in fields.items():
            if mapping(value).get(name) is None:
                if name in needed and (name in value or not partial):
                    found.append((name, "must not be null" if name in value else "is required"))
                elif name in value and partial:
                    clean[name] = None
                continue
            try:
                clean[name] = check_field(value[name])
            except Bad as bad:
                found += bad.under(name)
        if found:
            raise Bad(found=found)
        return clean

    return check


def body_of(check: Check, body: Any) -> Any:
    """The checked body. Raises Refusal VALIDATION_ERROR that names every offending field at once."""
    try:
        return check(body)
    except Bad as bad:
        found = [(path or "body", problem) for path, problem in bad.found]
        raise Refusal("VALIDATION_ERROR", "The body has fields that are missing or wrong", found) from None


def query_of(query: Mapping[str, str], checks: Mapping[str, Check]) -> dict[str, Any]:
    """The checked values of the parameters named in `checks`; others are ignored.

    Raises Refusal INVALID_PARAMETER that names every offending parameter at once.
    """
    clean, found = {}, []
    for name, check in checks.items():
        try:
            if name in query:
                clean[name] = check(query[name])
        except Bad as bad:
            found += bad.under(name)
    if found:
        raise Refusal("INVALID_PARAMETER", "Parameters of the query are missing or wrong", found)
    return clean


def batch(body: Any, name: str, most: int, member: Check = anything) -> list[Any]:
    """The list `name` of a batch body, 1 to `most` entries.

    Over it: BATCH_TOO_LARGE (references/api_reference.md#batch-ceilings).
    """
    rows = body.get(name) if isinstance(body, dict) else None
    if isinstance(rows, list) and len(rows) > most:
        problem = f"has {len(rows)} entries; at most {most} are allowed"
        raise Refusal("BATCH_TOO_LARGE", f"A batch takes at most {most} entries", [(name, problem)])
    return list(body_of(record({name: items(member, least=1)}, required=[name]), body)[name])
