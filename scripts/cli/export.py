"""Export of a bulk list that goes on where it was stopped: every row exactly once.

The rows stand in FILE.part, what is known of them in FILE.checkpoint; after each page both are
synced, the rows first. A run that finds both cuts the rows back to the length in the checkpoint and
goes on from its cursor. At the end the rows become FILE and the checkpoint goes.
"""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cli.context import Context
from cli.text import plural
from leadgenius.errors import LeadGeniusError, LocalError, RefusedError
from leadgenius.files import check_safe, local_error, open_private, read_private, write_private

if TYPE_CHECKING:
    from cli.lists import Listing, Walk
    from leadgenius.client import Page

try:
    import fcntl
except ImportError:  # Windows: a second run on the same file is not noticed there
    fcntl = None  # type: ignore[assignment]

OLDEST = 86_400.0  # seconds; a cursor of yesterday may belong to a list that has changed
_LARGEST = 1024 * 1024  # bytes of a checkpoint
COUNTS = ("rows", "read", "not_comparable", "bytes")  # of a checkpoint
clock = time.time

Pages = Callable[[Context, "Listing", "str | None"], "Iterator[Page]"]


def run(context: Context, walk: Walk, pages: Pages) -> int:
    """Write all pages of `walk.listing` to --out. LocalError: `locked` for a second run on the same
    file, `checkpoint` for one that this command cannot go on from, `disk`, `permission`."""
    target = check_safe(context.options.out, "--out")
    part, checkpoint = (target.with_name(target.name + end) for end in (".part", ".checkpoint"))
    if target.exists() and not target.is_file():
        raise LocalError("An export needs an ordinary file: --out is none.", code="disk")
    try:
        with _alone(part) as file:
            known = _known(context, walk, checkpoint, os.fstat(file.fileno()).st_size)
            try:
                summary = _write(context, walk, pages, file, checkpoint, known)
            except BaseException:
                if not checkpoint.exists():  # nothing came that is worth keeping
                    part.unlink()
                raise
            part.replace(target)
            checkpoint.unlink()
    except OSError as error:
        raise local_error(target, error, "written") from error
    facts = {"rows_read", "not_comparable", "sandbox"} & summary.keys()
    more = {name: summary[name] for name in sorted(facts)}
    context.output.receipt(walk.matched, summary["requests"], summary["complete"], **more)
    return 0


def _alone(path: Path) -> IO[bytes]:
    """The part file, locked for this run."""
    file = open(open_private(path, os.O_RDWR | os.O_CREAT), "r+b")  # noqa: PTH123, SIM115
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except OSError:
        same = False
    if not same:  # locked, or finished by another run between opening and locking
        file.close()
        hint = "Wait for it, or choose another --out."
        raise LocalError("Another run is writing this file.", code="locked", hint=hint)
    return file


def _known(context: Context, walk: Walk, path: Path, size: int) -> dict[str, Any]:
    """The checkpoint to go on from; a new one, without a time, where there is none or --restart."""
    options, output, listing = context.options, context.output, walk.listing
    query = {
        "origin": context.client.origin,
        "path": listing.path,
        "parameters": listing.params,
        "where": sorted(map(list, walk.kept)),
        "format": [output.format, bool(options.excel), bool(options.csv_raw)],
        "fields": output.fields,
    }
    fresh = {"query": query, "time": 0.0, "cursor": None} | dict.fromkeys(COUNTS, 0)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):  # of a killed run
        left.unlink(missing_ok=True)
    known = None if context.typed("restart") else _read(path, fresh)
    if known is None or (known and known["cursor"] is None and not size):  # none, or it has ended
        path.unlink(missing_ok=True)  # else it would count the first bytes of other rows
        return fresh
    problem = "it is damaged" if not known or size < known["bytes"] else ""
    if known and known["query"] != query:
        other = ", ".join(name for name in query if known["query"].get(name) != query[name])
        problem = f"it is of another query (other {other})"
    elif known and not clock() - known["time"] <= OLDEST:
        problem = "its last page is older than a day"
    if problem:
        stake = plural(known["rows"], "row") if known else f"{plural(size, 'byte')} of rows"
        raise LocalError(
            f"An unfinished export lies beside this file, but {problem}. At stake: {stake}.",
            code="checkpoint",
            hint="Add --restart to begin anew and lose them, or choose another --out.",
        )
    context.notes("note", f"Going on after {plural(known['rows'], 'row')} of an earlier run.")
    return known


def _read(path: Path, fresh: dict[str, Any]) -> dict[str, Any] | None:
    """The stored checkpoint; empty when no export can have left it, None when there is none."""
    content = read_private(path, _LARGEST)[0]
    if not content:
        return None
    try:
        known = json.loads(content)
        usual = {**fresh, "cursor": None if known["cursor"] is None else ""}
        types = [(name, type(known[name])) for name in known]
        right = types == [(name, type(usual[name])) for name in usual] and known["time"] > 0
        least = min(known[name] for name in COUNTS)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return {}
    return known if right and least >= 0 and known["rows"] <= known["bytes"] else {}


def _write(
    context: Context,
    walk: Walk,
    pages: Pages,
    file: IO[bytes],
    checkpoint: Path,
    known: dict[str, Any],
) -> dict[str, Any]:
    """Every page that is missing, then the end; what is said of the list as a whole."""
    output, notes, texts = context.output, context.notes, list[str]()
    walk.matched, walk.read, walk.not_comparable, length = (known[name] for name in COUNTS)
    file.truncate(length)
    file.seek(length)
    writer = output.writer(texts.append, started=length > 0)

    def sync() -> None:
        file.write(output.masked("".join(texts)).encode())
        file.flush()
        os.fsync(file.fileno())
        texts.clear()
        rows = plural(walk.matched, "row")
        notes.go_on = f"Run the same command again: it goes on after the {rows} that it kept."

    done = known["time"] and known["cursor"] is None
    try:
        for page in () if done else pages(context, walk.listing, known["cursor"]):
            rows = walk.keep(page.items)
            writer.rows(rows)
            sync()
            counts = (walk.matched, walk.read, walk.not_comparable, file.tell())
            known |= zip(COUNTS, counts, strict=True)
            known |= {"time": clock(), "cursor": page.cursor}
            write_private(checkpoint, json.dumps(known).encode())
            words = f"{plural(walk.matched, 'row')}, {plural(context.client.requests, 'request')}"
            notes.progress(words, walk.matched)
    except LeadGeniusError as error:
        if error.exit_code in (5, 6, 7):
            error.hint = notes.go_on or error.hint
        elif isinstance(error, RefusedError) and length:
            error.hint = "If the server no longer takes the cursor, --restart begins anew."
        raise
    summary = walk.summary()
    if walk.kept:
        summary["rows_read"] = walk.read
    writer.end({"rows": walk.matched, **summary})
    sync()
    return summary
