"""What a command works with: its options and arguments, the client, the output; and the questions
it may ask."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cli.commands import Command
from cli.output import Output
from cli.stderr import Notes
from cli.text import compact, plain, plural
from contract.operations import operations
from leadgenius import connect
from leadgenius.errors import LocalError, UsageError
from leadgenius.files import open_private
from leadgenius.settings import iso

if TYPE_CHECKING:
    from leadgenius.client import Client

MANY = 25  # records that may be enrolled, enriched or imported without --yes
ASKING_SECONDS = 60.0


class Context:
    """One run of one command. The client is made on first use."""

    recorded = False  # whether a change is in changes.jsonl

    def __init__(self, command: Command, options: argparse.Namespace, notes: Notes) -> None:
        self.command, self.options = command, options
        self.notes, self.masker = notes, notes.masker
        notes.quiet, notes.verbose = options.quiet, options.verbose
        longest = math.inf if options.max_time is None else options.max_time
        self.end = time.monotonic() + longest
        self.masker.show = bool(self.typed("show"))
        self.operation: Any = operations().get(command.id)  # None without one
        if command.words == "dashboard":  # its page is no format, and .html no other's
            options.format = options.format or "json"
        self.output = Output(options, sys.stdout, notes)
        self.output.preferred = command.columns.split()
        self.output.facts = lambda: {"requests": self.client.requests, **self.mark()}
        if self.operation:
            self.output.columns = self.operation.columns()

    def __enter__(self) -> Context:
        return self

    def __exit__(self, _: object, error: object, traceback: object) -> None:
        """Wrong usage without a hint gets the command's example. What became of the last change is
        needed after an error, and belongs into the record of changes."""
        if isinstance(error, UsageError) and error.code in ("usage", "invalid_input"):
            error.hint = error.hint or self.command.example
        if "client" in self.__dict__:
            self.notes.last_outcome = outcome = self.client.last_outcome
            changing = not self.operation or self.operation.changing
            if changing and outcome in ("applied", "unknown") and not self.recorded:
                self.record_change(self.client.last_path, [], outcome)
            self.client.close()

    def typed(self, name: str) -> Any:
        """The value of one of the command's own arguments, None when it was not typed."""
        return getattr(self.options, name, None)

    @cached_property
    def client(self) -> Client:
        """The client of this run, made by the same `connect` as the library's."""
        options = self.options
        # Their variables are read there, and compared with what was typed.
        shared = {"profile", "base_url", "sandbox", "max_wait", "timeout", "read_only"}
        client = connect(
            **{name: getattr(options, name) for name in shared & options.typed},
            on_note=self.notes,
            key=self.typed("key"),
            dry_run=options.dry_run,
            end=self.end,
        )
        self.masker.source = client.keys.secrets
        return client

    def confirm(self, ids: Sequence[str]) -> None:
        """Go on only with --yes, or a `y` typed where somebody is there to type it; else UsageError
        naming count, target and first ids."""
        what = f"{self.command.words}: {plural(len(ids), 'record')} at {self.client.origin}"
        what += f", first {' '.join(map(plain, ids[:5]))}"
        unattended = {"CI", "LGP_AGENT_NAME"} & os.environ.keys() or self.options.quiet
        person = sys.stdin.isatty() and self.notes.terminal and not unattended
        question = f"{what}. Go on? [y/N] "
        if self.options.yes or (person and self.notes.ask(question, ASKING_SECONDS)):
            return
        hint = "Check the ids, then run the same command with --yes."
        raise UsageError(
            f"Not confirmed; nothing was sent: {what}.", hint, code="needs_yes", outcome="not_sent"
        )

    def preview(
        self,
        method: str,
        endpoint: str,
        params: Any = None,
        body: Any = None,
        scope: str = "auto",
        requests: int = 1,
        needs_yes: bool = False,
        **more: Any,
    ) -> None:
        """--dry-run: print on stdout the request as it would go out, with its effect; the first one
        of several, and the least time the limits allow for all of them."""
        plan, output = self.client.plan(method, endpoint, params, body, scope), self.output
        limits = self.client.settings.rate_limits
        if needs_yes:
            more["yes"] = "the real run needs --yes"
        shown = {
            "dry_run": True,
            **{name: getattr(plan, name) for name in ("method", "url", "headers", "body")},
            "effect": self.operation.effect if self.operation else "unknown",
            "requests": requests,
            "least_seconds": max(max(requests - 1, 0) // one.limit * one.seconds for one in limits),
            **more,
        }
        output.write(compact(shown, output.indent) + "\n")

    def mark(self) -> dict[str, Any]:
        """What results and receipts carry when an answer came from a sandbox."""
        return {"sandbox": True} if self.client.sandbox else {}

    def result(self, facts: dict[str, Any], sentence: str = "") -> None:
        """Print a result of this program; `sentence` is for a person, see Output.document."""
        shown = {**facts, **self.mark()}
        self.output.columns = list(shown)
        self.output.document(shown, sentence)

    def record_change(
        self, path: str | None, ids: Sequence[str], outcome: str = "applied", **counts: Any
    ) -> None:
        """Add a line to changes.jsonl: what an owner reads after an unattended day."""
        self.recorded = True
        facts = {"command": self.command.words, "profile": self.options.profile or "default"}
        self.append("changes.jsonl", **facts, path=path, ids=ids[:50], outcome=outcome, **counts)

    def append(self, name: str, **facts: Any) -> None:
        """Add a line of JSON to a private file of the state directory; a warning when that cannot
        be done."""
        line = json.dumps({"time": iso(time.time()), **facts, "origin": self.client.origin})
        path = self.client.state / name
        try:
            with open(path, "a", opener=open_private) as file:
                file.write(self.masker.mask(line) + "\n")
        except (LocalError, OSError) as error:
            self.notes("warning", f"{name} could not be written: {error}")
