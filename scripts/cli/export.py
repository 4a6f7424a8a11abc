"""Export of a bulk list that goes on where it was stopped: every row exactly once.

The rows stand in FILE.part, what is known of them in FILE.checkpoint; after each page both are
synced, the rows first. A run that finds both cuts the rows back to the length in the checkpoint and
goes on from its cursor. At the end the checkpoint goes and the rows become FILE.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cli.context import Context
from cli.text import plural
from leadgenius.errors import LeadGeniusError, LocalError
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
            checkpoint.unlink(missing_ok=True)
            part.replace(target)
    except OSError as error:
        raise local_error(target, error, "written") from error
    context.output.receipt(walk.matched, **summary)
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
    """The checkpoint to go on from; a new one, of no rows, where there is none or --restart."""
    options, output, listing = context.options, context.output, walk.listing
    query = {
        "origin": context.client.origin,
        "path": listing.path,
        "parameters": listing.params,
        "where": sorted(map(list, walk.kept)),
        "format": [output.format, bool(options.excel), bool(options.csv_raw)],
        "fields": output.fields,
    }
    fresh = {"query": query, "cursor": None, "counts": (0, 0, 0), "bytes": 0}
    content = read_private(path, _LARGEST)[0]
    if context.typed("restart") or not content:
        path.unlink(missing_ok=True)  # else it would count the first bytes of other rows
        return fresh
    try:
        known = json.loads(content)
        other = ", ".join(name for name in query if known["query"][name] != query[name])
        aged = clock() - known["time"] > OLDEST
        problem = f"it is of another query (other {other})" if other else ""
        problem = problem or ("its last page is older than a day" if aged else "")
        problem = problem or ("its rows are cut off" if size < known["bytes"] else "")
    except (ValueError, LookupError, TypeError):
        known, problem = fresh, "it is damaged"
    rows = plural(known["counts"][0], "row")
    if not problem:
        context.notes("note", f"Going on after {rows} of an earlier run.")
        return dict(known)
    message = f"An unfinished export lies beside this file, but {problem}. At stake: {rows}."
    hint = "Add --restart to begin anew and lose them, or choose another --out."
    raise LocalError(message, code="checkpoint", hint=hint)


def _write(
    context: Context, walk: Walk, pages: Pages, file: IO[bytes], checkpoint: Path,
    known: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Every page that is missing, then the end; what is said of the list as a whole."""
    output, notes, texts = context.output, context.notes, list[str]()
    walk.matched, walk.read, walk.not_comparable = known["counts"]
    file.truncate(known["bytes"])
    file.seek(known["bytes"])
    writer = output.writer(texts.append, started=known["bytes"] > 0)

    def store(rows: list[Any]) -> None:
        for at in range(0, len(rows), 500):  # the texts of a whole page would take much memory
            writer.rows(rows[at : at + 500])
            file.write(output.masked("".join(texts)).encode())
            texts.clear()
        file.flush()
        os.fsync(file.fileno())

    try:
        for page in pages(context, walk.listing, known["cursor"]):
            store(walk.keep(page.items))
            rows = plural(walk.matched, "row")
            notes.go_on = f"Run the same command again: it goes on after the {rows} that it kept."
            notes.progress(f"{rows}, {plural(context.client.requests, 'request')}", walk.matched)
            if page.cursor:
                counts = (walk.matched, walk.read, walk.not_comparable)
                known |= {"time": clock(), "cursor": page.cursor, "counts": counts}
                known["bytes"] = file.tell()
                write_private(checkpoint, json.dumps(known).encode())
            del page  # not two pages at once
    except LeadGeniusError as error:
        if error.exit_code in (4, 5, 6, 7) and notes.go_on:
            error.hint = f"{notes.go_on} (--restart begins anew.)"
        raise
    summary = walk.summary() | ({"rows_read": walk.read} if walk.kept else {})
    writer.end({"rows": walk.matched, **summary})
    file.write(output.masked("".join(texts)).encode())
    store([])
    return summary
