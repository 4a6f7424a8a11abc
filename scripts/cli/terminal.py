"""What only rich can do for a person at a terminal: tables, records, the live line.

The only module that imports rich. Server text is made inert and goes in as rich Text, never as
markup; nothing is wider than the terminal.
"""

import io
import os
import re
from collections.abc import Callable
from itertools import chain
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cli.text import inert, inside, shown

_IDS = ("id", "leadId", "jobId", "lead_id")
_WIDEST, _LEAST = 60, 8  # columns of a cell: at most, and when it is cut
_LONGEST = 1000  # characters of one value: a report is never printed whole
_COLOURS = {"active": "green", "qualified": "green", "failed": "red", "error": "red"}


def _console(output: Any) -> Console:
    """As wide as the terminal, elsewhere 100 columns; no escape codes with NO_COLOR or TERM=dumb.
    What it prints is captured."""
    plain = not output.terminal or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return Console(
        file=io.StringIO(),
        width=None if output.terminal else 100,
        color_system=None if plain else "standard",
    )


def _texts(rows: list[Any], output: Any) -> dict[str, list[str]]:
    """The fields to show with the texts of all rows, those a person wants first and the ids last:
    none that is empty."""
    known = dict.fromkeys([*output.preferred, *output.columns, *chain.from_iterable(rows)])
    names = output.fields or sorted(known, key=lambda name: name in _IDS)
    made = {name: [shown(name, inside(row, name)) for row in rows] for name in names}
    return {name: texts for name, texts in made.items() if output.fields or any(texts)}


def print_table(write: Callable[[str], Any], output: Any, rows: list[Any]) -> str:
    """Print the columns that fit. Returns how to see the others.

    Those that a person wants share the room: the widest are cut first, and only then the last are
    left out. The id follows where all before it stand whole, so a wider terminal never shows less.
    """
    console, known = _console(output), _texts(rows, output)
    wanted = [one for one in known if one in (output.fields or output.preferred)] or [*known]
    ids = [one for one in known if one in _IDS and one not in wanted][:1]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    cells, whole_width, least_width = list[list[Text]](), 0, 0
    for name in wanted + ids:
        # Masked before it is cut: half a secret is not recognised.
        head, texts = inert(name), [output.masked(text) for text in known[name]]
        digits = re.fullmatch(r"[-0-9.,%: ]*", "".join(texts))
        whole = digits or re.search(r"(^id|_id|Id|share)$", name)
        width = max(map(cell_len, [head, *texts]))
        width = width if whole else min(width, _WIDEST)
        whole_width += width + 2
        least_width += 2 + (width if whole else min(width, _LEAST))
        if cells and (whole_width if name in ids else least_width) > console.width + 2:
            break
        table.add_column(
            Text(head, no_wrap=True),
            justify="right" if digits else "left",
            max_width=width,
            no_wrap=bool(whole),
            overflow="ellipsis",
        )
        cells.append([Text(text, _COLOURS.get(text, ""), no_wrap=True) for text in texts])
    for line in zip(*cells, strict=True):
        table.add_row(*line)
    if cells:
        write(_drawn(console, table))
    fits = len(cells) == len(wanted + ids)
    return "" if fits else " Not everything fits: --format json; ids: --format ids."


def _drawn(console: Console, table: Table) -> str:
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def print_record(output: Any, record: dict[str, Any]) -> None:
    """One record: a field a line, the ids last. Long text is wrapped beside its name."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, texts in _texts([record], output).items():
        text = output.masked(texts[0])
        more = " … --format json" * (len(text) > _LONGEST)
        table.add_row(Text(inert(name), "bold"), Text(text[:_LONGEST] + more))
    output.write(_drawn(_console(output), table))


class _Rate(ProgressColumn):
    """Rows or tasks a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def live_line(stream: IO[str]) -> Progress:
    """The line that says where long work stands: drawn when it is updated, gone when stopped."""
    made = Progress(
        BarColumn(10),
        TextColumn("{task.description}", markup=False),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(file=stream),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,  # it may be a file
        redirect_stderr=False,
    )
    made.add_task("", total=None)
    return made
