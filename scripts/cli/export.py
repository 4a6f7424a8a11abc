"""Export of a bulk list that goes on where it was stopped: every row exactly once.

The rows stand in FILE.part, what is known of them in FILE.checkpoint; after each page both are
synced, the rows first. A run that finds both cuts the rows back to the length in the checkpoint and
goes on from its cursor. At the end the checkpoint goes and the rows become FILE.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.context import Context
from cli.text import plural
from leadgenius.errors import LocalError
from leadgenius.files import check_safe, locked, read_private, write_private

if TYPE_CHECKING:
    from cli.lists import Walk

clock = time.time


def run(context: Context, walk: Walk) -> None:
    """Write all pages of `walk` to --out. LocalError: `locked` for a second run on the same file,
    `checkpoint` for one that this command cannot go on from, `disk`, `permission`."""
    target = check_safe(context.options.out)
    part, checkpoint = Path(f"{target}.part"), Path(f"{target}.checkpoint")
    with locked(part):
        try:
            summary = _write(context, walk, part, checkpoint)
        except BaseException:
            if not checkpoint.exists():  # nothing came that is worth keeping
                part.unlink()
            raise
        checkpoint.unlink(missing_ok=True)
        part.replace(target)
    context.output.receipt(walk.matched, **summary)


def _known(context: Context, walk: Walk, path: Path, size: int) -> dict[str, Any]:
    """The checkpoint to go on from, beside `size` bytes of rows; a new one, of no rows, where there
    is none or --restart."""
    options, output = context.options, context.output
    query = {
        "origin": context.client.origin,
        "path": walk.path,
        "parameters": walk.params,
        "where": sorted(map(list, walk.kept)),
        "format": [output.format, options.excel, options.csv_raw],
        "fields": output.fields,
    }
    known: dict[str, Any] = {"query": query, "cursor": None, "counts": (0, 0, 0), "bytes": 0}
    content = read_private(path)
    if context.typed("restart") or not content:
        path.unlink(missing_ok=True)  # else it would count the first bytes of other rows
        return known
    rows, problems = "unknown", ["damaged"]
    with suppress(ValueError, LookupError, TypeError):
        known = json.loads(content)
        rows = plural(known["counts"][0], "row")
        other = [f"other {name}" for name in query if known["query"][name] != query[name]]
        if size >= known["bytes"]:  # a cursor of yesterday may belong to a list that has changed
            problems = other + ["older than a day"] * (clock() - known["time"] > 86_400)
    if problems:
        raise LocalError(
            f"An unfinished export lies beside this file, and this command cannot go on from it:"
            f" {', '.join(problems)}. At stake: {rows}.",
            "Add --restart to begin anew and lose them, or choose another --out.",
            code="checkpoint",
        )
    context.notes("note", f"Going on after {rows} of an earlier run.")
    return known


def _write(context: Context, walk: Walk, part: Path, checkpoint: Path) -> dict[str, Any]:
    """Every page that is missing, then the end; what is said of the list as a whole."""
    output = context.output
    with part.open("ab") as file:
        known = _known(context, walk, checkpoint, file.tell())
        walk.matched, walk.read, walk.not_comparable = known["counts"]
        file.truncate(known["bytes"])
        writer = output.writer(lambda text: file.write(output.masked(text).encode()))
        writer.started = known["bytes"] > 0
        walk.query["nextToken"] = known["cursor"]
        for rows in walk.pages():
            for at in range(0, len(rows), 500):  # the text of a whole page takes much memory
                writer.rows(rows[at : at + 500])
            del rows  # not two pages at once
            if walk.cursor:
                file.flush()
                os.fsync(file.fileno())
                known |= {
                    "time": clock(),
                    "cursor": walk.cursor,
                    "counts": (walk.matched, walk.read, walk.not_comparable),
                    "bytes": file.tell(),
                }
                context.notes.go_on = (
                    f"Run the same command again: it goes on after {plural(walk.matched, 'row')}."
                )
                write_private(checkpoint, json.dumps(known))
        summary = walk.summary()
        writer.end({"rows": walk.matched, **summary})
        file.flush()
        os.fsync(file.fileno())
    return summary
