"""A command is a row of facts over openapi.json; a call is a row with what was typed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from console import catalog, options
from console.catalog import Operation
from console.session import Session

Ids = Literal["", "one", "many", "flag"]


@dataclass(frozen=True)
class Row:
    """One command. Method, path, scope, fields, enums, limits and effect come from the operation.

    `ids`: how the record that the path names is given: `one` or `many` as positional words, or by `flag` (--ids).
    `flags`: API field → its flags, where the kebab-case name is not enough. `defaults`: fields sent when neither a
    flag nor --data gives a body. `data`: whether --data is taken. `table`: the columns a terminal shows first.
    `waits`: it starts or follows a job. `arguments` and `run` belong to the rows that need hands of their own.
    """

    words: tuple[str, ...]
    operation: str | None
    example: str
    help: str = ""
    ids: Ids = ""
    flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    data: bool = True
    table: tuple[str, ...] = ()
    waits: bool = False
    groups: frozenset[str] | None = None
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    run: Callable[[Call], int] | None = None

    @property
    def name(self) -> str:
        return " ".join(self.words)

    @property
    def spec(self) -> Operation:
        assert self.operation is not None
        return catalog.operations()[self.operation]

    @property
    def summary(self) -> str:
        return self.help or self.spec.summary

    def option_groups(self) -> frozenset[str]:
        """Which global options do something here."""
        if self.groups is not None:
            return self.groups
        found = set(options.SENDING)
        if self.spec.paging:
            found |= {"list", self.spec.paging}
        if self.waits:
            found.add("wait")
        if self.spec.effect in ("deletes", "contacts-people"):
            found.add("yes")
        return frozenset(found)


@dataclass(frozen=True)
class Call:
    """A row, what was typed for it, and the session to run it in. `of` is the operation of a call without a row's."""

    row: Row
    arguments: argparse.Namespace
    session: Session
    of: Operation | None = None

    @property
    def operation(self) -> Operation:
        return self.of or self.row.spec

    def typed(self, name: str) -> Any:
        """The value of a command's own option, None when it was not typed."""
        return getattr(self.arguments, name, None)

    def run(self) -> int:
        """The exit code. A row without hands of its own is run by what its operation is."""
        if self.row.run:
            return self.row.run(self)
        from commands.runners import listing, many, single

        if self.operation.paging:
            return listing.run(self)
        if self.row.ids in ("many", "flag") or self.operation.id_field():
            return many.run(self)
        return single.run(self)
