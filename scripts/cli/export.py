"""Export of a bulk list that goes on where it was stopped: every row exactly once.

The rows stand in FILE.part, what is known of them in FILE.checkpoint; after each page both are
synced, the rows first. A run that finds both cuts the rows back to the length in the checkpoint and
goes on from its cursor. At the end the checkpoint goes and the rows become FILE.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cli.context import Context
from cli.text import plural
from leadgenius.errors import LeadGeniusError, LocalError
from leadgenius.files import check_safe, locked, read_private, write_private

if TYPE_CHECKING:
    from cli.lists import Walk

OLDEST = 86_400.0  # seconds; a cursor of yesterday may belong to a list that has changed
_PIECE = 500  # rows; the text of a whole page would take much memory
clock = time.time


def run(context: Context, walk: Walk) -> None:
    """Write all pages of `walk` to --out. LocalError: `locked` for a second run on the same file,
    `checkpoint` for one that this command cannot go on from, `disk`, `permission`."""
    target = check_safe(context.options.out, "--out")
    part, checkpoint = Path(f"{target}.part"), Path(f"{target}.checkpoint")
    if target.exists() and not target.is_file():
        raise LocalError("An export needs an ordinary file: --out is none.", code="disk")
    with locked(part):
        try:
            with part.open("r+b") as file:
                known = _known(context, walk, checkpoint, file.seek(0, os.SEEK_END))
                summary = _write(context, walk, file, checkpoint, known)
        except BaseException as error:
            if not checkpoint.exists():  # nothing came that is worth keeping
                part.unlink()
            elif isinstance(error, LeadGeniusError):
                error.hint = context.notes.go_on or error.hint
            raise
        checkpoint.unlink(missing_ok=True)
        part.replace(target)
    context.output.receipt(walk.matched, **summary)


def _known(context: Context, walk: Walk, path: Path, size: int) -> dict[str, Any]:
    """The checkpoint to go on from; a new one, of no rows, where there is none or --restart."""
    options, output = context.options, context.output
    query = {
        "origin": context.client.origin,
        "path": walk.path,
        "parameters": walk.params,
        "where": sorted(map(list, walk.kept)),
        "format": [output.format, options.excel, options.csv_raw],
        "fields": output.fields,
    }
    fresh = {"query": query, "cursor": None, "counts": (0, 0, 0), "bytes": 0}
    content = read_private(path, limit=2**20)
    if context.typed("restart") or not content:
        path.unlink(missing_ok=True)  # else it would count the first bytes of other rows
        return fresh
    try:
        known: dict[str, Any] = json.loads(content)
        other = [name for name in query if known["query"][name] != query[name]]
        problem = ""
        if other:
            problem = f"it is of another query (other {', '.join(other)})"
        elif clock() - known["time"] > OLDEST:
            problem = "its last page is older than a day"
        elif size < known["bytes"]:
            problem = "its rows are cut off"
    except (ValueError, LookupError, TypeError):
        known, problem = fresh, "it is damaged"
    rows = plural(known["counts"][0], "row")
    if problem:
        raise LocalError(
            f"An unfinished export lies beside this file, but {problem}. At stake: {rows}.",
            code="checkpoint",
            hint="Add --restart to begin anew and lose them, or choose another --out.",
        )
    context.notes("note", f"Going on after {rows} of an earlier run.")
    return known


def _write(
    context: Context, walk: Walk, file: IO[bytes], checkpoint: Path, known: dict[str, Any]
) -> dict[str, Any]:
    """Every page that is missing, then the end; what is said of the list as a whole."""
    output, start = context.output, known["bytes"]
    walk.matched, walk.read, walk.not_comparable = known["counts"]
    file.truncate(start)
    file.seek(start)
    writer = output.writer(lambda text: file.write(output.masked(text).encode()))
    writer.started = start > 0

    def sync() -> None:
        file.flush()
        os.fsync(file.fileno())

    walk.query["nextToken"] = known["cursor"]
    for rows in walk.pages():
        for at in range(0, len(rows), _PIECE):
            writer.rows(rows[at : at + _PIECE])
        del rows  # not two pages at once
        sync()
        kept = f"it goes on after the {plural(walk.matched, 'row')} that it kept"
        context.notes.go_on = f"Run the same command again: {kept}. (--restart begins anew.)"
        if walk.cursor:
            known |= {"time": clock(), "cursor": walk.cursor, "bytes": file.tell()}
            known["counts"] = walk.matched, walk.read, walk.not_comparable
            write_private(checkpoint, json.dumps(known))
    summary = walk.summary()
    writer.end({"rows": walk.matched, **summary})
    sync()
    return summary
