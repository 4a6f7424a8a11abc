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
_COLOURS = {
    "active": "green", "qualified": "green", "completed": "green", "failed": "red", "error": "red",
}  # fmt: skip


class Layout(Console):
    """Makes lines of the terminal's width, elsewhere of 100 columns; no escape codes with NO_COLOR
    or TERM=dumb."""

    def __init__(self, terminal: bool) -> None:
        plain = not terminal or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        super().__init__(
            file=io.StringIO(),
            width=None if terminal else 100,
            color_system=None if plain else "standard",
        )

    def lines(self, table: Table) -> str:
        """The lines of a table, without blanks at their ends."""
        with self.capture() as captured:
            self.print(table)
        return re.sub(r" +$", "", captured.get(), flags=re.MULTILINE)


def print_table(write: Callable[[str], Any], output: Any, rows: list[Any]) -> str:
    """Print the columns that fit. Returns how to see the others.

    Those that a person wants share the room: the widest are cut first, and only then the last are
    left out. The id follows where all before it stand whole, so a wider terminal never shows less.
    """
    layout, names = Layout(output.terminal), _names(rows, output)
    wanted = [one for one in names if one in (output.fields or output.preferred)] or names
    ids = [one for one in names if one in _IDS and one not in wanted][:1]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    cells, whole_width, least_width = list[list[Text]](), 0, 0
    for name in wanted + ids:
        # Masked before it is cut: half a secret is not recognised.
        texts = [output.masked(shown(name, inside(row, name))) for row in rows]
        digits = re.fullmatch(r"[-0-9.,%: ]*", "".join(texts))
        whole = digits or re.search(r"(^id|_id|Id|share)$", name)
        head = inert(name)
        width = max(map(cell_len, [head, *texts]))
        width = width if whole else min(width, _WIDEST)
        whole_width += width + 2
        least_width += 2 + (width if whole else min(width, _LEAST))
        if cells and (whole_width if name in ids else least_width) > layout.width + 2:
            break
        table.add_column(
            Text(head, no_wrap=True),
            justify="right" if digits else "left",
            max_width=width,
            no_wrap=bool(whole),
            overflow="ellipsis",
        )
        cells.append([_styled(name, text, no_wrap=True) for text in texts])
    for line in zip(*cells, strict=True):
        table.add_row(*line)
    if cells:
        write(layout.lines(table))
    fits = len(cells) == len(wanted + ids)
    return "" if fits else " Not everything fits: --format json; ids: --format ids."


def _names(rows: list[Any], output: Any) -> list[str]:
    """The fields to show, those a person wants first and the ids last: none that is empty."""
    if output.fields:
        return list(output.fields)
    known = dict.fromkeys([*output.preferred, *output.columns, *chain.from_iterable(rows)])
    filled = [name for name in known if any(shown(name, inside(row, name)) for row in rows)]
    return sorted(filled, key=lambda name: name in _IDS)


def _styled(name: str, text: str, no_wrap: bool = False) -> Text:
    colour = _COLOURS.get(text, "") if name.lower().endswith("status") else ""
    return Text(text, colour, no_wrap=no_wrap)


def print_record(output: Any, record: dict[str, Any]) -> None:
    """One record: a field a line, the ids last. Long text is wrapped beside its name."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name in _names([record], output):
        text = output.masked(shown(name, inside(record, name)))
        more = " … --format json" * (len(text) > _LONGEST)
        table.add_row(Text(inert(name), "bold"), _styled(name, text[:_LONGEST] + more))
    output.write(Layout(output.terminal).lines(table))


class _Rate(ProgressColumn):
    """Rows or tasks a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def live_line(stream: IO[str]) -> Progress:
    """The line that says where long work stands: drawn when it is updated, gone when stopped."""
    made = Progress(
        BarColumn(20),
        TextColumn("{task.description}", markup=False),
        _Rate(),
        TimeRemainingColumn(compact=True),
        console=Console(file=stream),
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    made.add_task("", total=None)
    return made
