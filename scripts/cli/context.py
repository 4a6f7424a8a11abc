"""What a command works with: its options and arguments, the client, the output; and the questions
it may ask."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cli.commands import Command
from cli.output import Output
from cli.parser import operation_of
from cli.stderr import Notes
from cli.text import Masker, plain, plural
from contract.operations import Operation
from leadgenius import connect
from leadgenius.errors import LocalError, UsageError
from leadgenius.files import open_private

if TYPE_CHECKING:
    from leadgenius.client import Client

MANY = 25  # records that may be enrolled, enriched or imported without --yes
ASKING_SECONDS = 60.0


class Context:
    """One run of one command. The client is made on first use."""

    def __init__(
        self,
        command: Command,
        options: argparse.Namespace,
        arguments: argparse.Namespace,
        *,
        environ: Mapping[str, str],
        stdin: IO[str],
        stdout: IO[str],
        notes: Notes,
        masker: Masker,
        raw: bool = False,
    ) -> None:
        self.command, self.options, self.arguments = command, options, arguments
        self.environ, self.stdin, self.notes, self.masker = environ, stdin, notes, masker
        self.started = time.monotonic()
        masker.show = bool(self.typed("show"))
        self.output = Output(options, stdout, notes, masker, raw=raw)
        self.output.preferred = command.columns.split()
        if self.known_operation:
            self.output.columns = self.known_operation.columns()

    @cached_property
    def known_operation(self) -> Operation | None:
        return operation_of(self.command)

    @property
    def operation(self) -> Operation:
        """The command's operation; only for commands that have one."""
        assert self.known_operation is not None
        return self.known_operation

    def typed(self, name: str) -> Any:
        """The value of one of the command's own arguments, None when it was not typed."""
        return getattr(self.arguments, name, None)

    @cached_property
    def client(self) -> Client:
        """The client of this run, made by the same `connect` as the library's."""
        options = self.options
        client = connect(
            profile=options.profile,
            base_url=options.base_url,
            sandbox=bool(options.sandbox),
            max_wait=options.max_wait,
            timeout=options.timeout,
            on_note=self.notes,
            environ=self.environ,
            key=self.typed("key"),
            read_only=options.read_only,
            dry_run=options.dry_run,
            max_time=options.max_time,
            started=self.started,
        )
        self.masker.sources.append(client.secrets)
        return client

    @property
    def end(self) -> float | None:
        """When --max-time is over, as a time of time.monotonic()."""
        most = self.options.max_time
        return None if most is None else self.started + float(most)

    def confirm(self, count: int, verb: str, ids: Sequence[str], target: str = "") -> None:
        """Go on only with --yes, or a `y` typed at a terminal; else UsageError naming count, target
        and first ids."""
        if self.options.yes or self.options.dry_run:
            return
        what = f"{verb} {plural(count, 'record')}{target}"
        if self._can_ask():
            from cli.terminal import ask

            question = f"This would {what}. Go on? [y/N] "
            if ask(self.notes.write, question, self.stdin, ASKING_SECONDS):
                return
        first = " ".join(plain(one) for one in ids[:5]) + (" …" if len(ids) > 5 else "")
        hint = "Check the ids, then run the same command with --yes."
        words = f"This would {what} ({first}), and was not confirmed. Nothing was sent."
        raise UsageError(words, code="needs_yes", hint=hint, outcome="not_sent")

    def _can_ask(self) -> bool:
        """Whether somebody is there: a terminal on both sides, and no sign of a program."""
        if self.environ.get("CI") or self.environ.get("LGP_AGENT_NAME") or self.options.quiet:
            return False
        return self.stdin.isatty() and self.notes.terminal and find_spec("rich") is not None

    def preview(
        self,
        method: str,
        endpoint: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        scope: str = "auto",
        **more: Any,
    ) -> int:
        """--dry-run: print the request as it would go out, with its effect; `more` is what many
        rows add."""
        plan = self.client.plan(method, endpoint, params=params, body=body, scope=scope)
        plan["effect"] = self.known_operation.effect if self.known_operation else "unknown"
        if more.pop("needs_yes", False):
            more["yes"] = "the real run needs --yes"
        self.options.out = self.output.fields = None  # these are about an answer
        self.output.format = "json"
        self.output.document({"dry_run": True, **plan, **more})
        return 0

    def mark(self) -> dict[str, Any]:
        """What results and receipts carry when an answer came from a sandbox."""
        return {"sandbox": True} if self.client.sandbox else {}

    def record_change(self, path: str, ids: Sequence[str], **counts: Any) -> None:
        """Add a line to changes.jsonl in the state directory: what an owner reads after an
        unattended day."""
        folder = self.client.state
        if folder is None:
            return
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "command": self.command.words,
            "profile": self.options.profile or "default",
            "origin": self.client.origin,
            "path": path,
            "ids": list(ids[:50]),
            **counts,
        }
        self.append(folder / "changes.jsonl", line)

    def append(self, path: Path, line: dict[str, Any]) -> None:
        """Add a line of JSON to a private file; a warning when that cannot be done."""
        try:
            with open(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a") as file:  # noqa: PTH123
                file.write(self.masker.mask(json.dumps(line)) + "\n")
        except (LocalError, OSError) as error:
            self.notes("warning", f"{path.name} could not be written: {error}")

    def close(self) -> None:
        """Close the connection and the request log, if they were opened."""
        if "client" in self.__dict__:
            self.client.close()
