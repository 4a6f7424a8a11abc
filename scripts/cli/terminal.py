"""What a person at a terminal sees: tables, records, sentences, errors, one live line.

The only module that imports rich. Server text is made inert and goes in as rich Text, never as
markup; nothing is wider than the terminal, and nothing but an overlong word is broken inside.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
from collections.abc import Callable, Sequence
from itertools import chain
from math import ceil, inf
from typing import IO, TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.rows import TWINS, inside, pick, row_id
from cli.text import inert, listed, plural, rows_in, shown

if TYPE_CHECKING:
    from cli.output import Output

Write = Callable[[str], Any]
_HEADS = {
    "qualified": "qual.", "contacted": "cont.", "converted": "conv.", "conversionRate": "rate",
    "pipelineValue": "pipeline",
}  # fmt: skip
_HIDDEN = {*TWINS, "firstName", "lastName", "company_id", "owner"}
_IDS = ("id", "leadId", "jobId", "lead_id")
_WIDEST, _LEAST = 60, 8  # columns of a cell: at most, and when it is cut
_LONGEST = 1000  # characters of one value: a report is never printed whole
_BAR = 34  # columns of the longest bar
_FIRST_ROWS = 20  # of a list that comes row by row
_COLOURS = {
    **dict.fromkeys(("active", "qualified", "converted", "connected", "completed"), "green"),
    **dict.fromkeys(("draft", "paused", "queued", "running", "invited", "open"), "yellow"),
    **dict.fromkeys(("error", "failed", "unqualified"), "red"),
}
_TITLES = {"Warning: ": "bold yellow", "Error: ": "bold red", "Next: ": "bold cyan"}


class Sheet(Console):
    """Makes lines of the terminal's width; no escape codes with NO_COLOR or TERM=dumb. `away`: they
    are for no terminal."""

    def __init__(self, away: bool = False) -> None:
        plain = away or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        super().__init__(
            file=io.StringIO(), width=100 if away else None, force_terminal=False, markup=False,
            color_system=None if plain else "standard", emoji=False, highlight=False,
        )  # fmt: skip

    def lines(self, *things: RenderableType) -> str:
        """`things`, one below the other."""
        with self.capture() as captured:
            self.print(*things, sep="\n")
        return re.sub(r" +$", "", captured.get(), flags=re.MULTILINE)


class Columns:
    """Which columns a table has and how wide they are, found from its first rows.

    Those that a person wants share the room: the widest are cut first, and only then the last are
    left out. Others follow where all before them stand whole, so a wider terminal never shows less.
    """

    def __init__(self, rows: Sequence[Any], output: Output, room: int) -> None:
        self._output, self._numbers, self._head = output, set[str](), True
        wanted, others = _names(rows, output)
        sizes = {name: self._size(name, rows, room) for name in (*wanted, *others)}
        level = _WIDEST
        while True:
            self._widths = {
                one: max(least, min(most, level)) for one, (least, most) in sizes.items()
            }
            if sum(self._widths.values()) + 2 * len(sizes) - 2 <= room:
                break
            level -= 1
            if len(sizes) > len(wanted) or (level < _LEAST and len(sizes) > 1):
                sizes.popitem()
                level = _WIDEST
        left_out, first = len(wanted) - len(sizes), others[0] if others else ""
        self.note = f" {plural(left_out, 'column')} left out: --format json." * (left_out > 0)
        if first in _IDS and first in sizes:
            self._widths[first] = self._widths.pop(first)  # comes last
        elif first in _IDS:
            self.note += " Ids: --format ids."

    def _size(self, name: str, rows: Sequence[Any], room: int) -> tuple[int, int]:
        """The least and the natural width of a column. Numbers, times and ids are never cut."""
        texts = self._texts(name, rows)
        whole = r"[0-9 .,:%*-]*" if not re.search(r"(^id|_id|Id)$", name) else ".*"
        if all(re.fullmatch(r"-?[0-9.,]*%?", text) for text in texts):
            self._numbers.add(name)
        widest = max(map(cell_len, texts))
        least = min(widest, room) if all(re.fullmatch(whole, text) for text in texts) else 0
        return least, max(cell_len(_HEADS.get(name, name)), widest)

    def _texts(self, name: str, rows: Sequence[Any]) -> list[str]:
        """The cells of a column, masked before they are cut: half a secret is not recognised."""
        texts = "\n".join(shown(name, inside(row, name)) for row in rows)
        return [text[:_LONGEST] for text in self._output.masked(texts).split("\n")]

    def table(self, rows: Sequence[Any]) -> Table:
        """These rows under the columns, whose names stand above the first rows only."""
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=self._head)
        self._head = False
        for name, width in self._widths.items():
            made.add_column(
                inert(_HEADS.get(name, name)), width=width, no_wrap=True, overflow="ellipsis",
                justify="right" if name in self._numbers else "left",
            )  # fmt: skip
        columns = [
            [_styled(name, text) for text in self._texts(name, rows)] for name in self._widths
        ]
        for row in zip(*columns, strict=True):
            made.add_row(*row)
        return made


def _names(rows: Sequence[Any], output: Output) -> tuple[Sequence[str], list[str]]:
    """The columns a person wants; then the others, ids first. No empty and no doubled one."""
    if output.fields is not None:
        return output.fields, []
    known = dict.fromkeys([*output.preferred, *output.columns, *chain.from_iterable(rows)])
    filled = [name for name in known if any(shown(name, inside(row, name)) for row in rows)]
    wanted = [name for name in filled if name in output.preferred]
    wanted = wanted or [name for name in filled if name not in (*_IDS, *_HIDDEN)] or filled
    others = [name for name in filled if name not in (*wanted, *_HIDDEN)]
    return wanted, sorted(others, key=lambda name: name not in _IDS)


def _styled(name: str, text: str) -> Text:
    return Text(text, _COLOURS.get(text, "") if name.lower().endswith("status") else "")


class TableWriter:
    """A list as it comes, under the columns that its first page shows; one line below it."""

    def __init__(self, write: Write, output: Output) -> None:
        self._write, self._output, self._sheet = write, output, Sheet(not output.terminal)
        self._columns: Columns | None = None
        self._waiting: list[Any] = []  # not printed yet
        self._count = 0

    def rows(self, rows: Sequence[Any]) -> None:
        self._waiting += [row if isinstance(row, dict) else {"value": row} for row in rows]
        self._count += len(rows)
        if len(self._waiting) >= _FIRST_ROWS:
            self._print()

    def _print(self) -> None:
        rows, self._waiting = self._waiting, []
        self._columns = self._columns or Columns(rows, self._output, self._sheet.width)
        self._write(self._sheet.lines(self._columns.table(rows)))

    def end(self, summary: dict[str, Any]) -> None:
        """One note: how many, what comes next, and how to see what is not here."""
        if self._waiting:
            self._print()
        words = " ".join(self._output.footnotes) or f"{plural(self._count, 'row')}."
        self._output.notes("note", words + (self._columns.note if self._columns else ""))


def print_record(output: Output, record: dict[str, Any]) -> None:
    """One record: a field a line, what is nested under dotted names, the ids last."""
    sheet, values = Sheet(not output.terminal), _flattened(pick(record, output.fields))
    names = list(values)
    if not output.fields:
        names = sorted(chain(*_names([values], output)), key=lambda name: name in _IDS)
    width = max(map(cell_len, names), default=0)
    lines = []
    for name in names:
        text = output.masked(shown(name, values[name]))
        cut = len(text) > _LONGEST or rows_in(values[name])
        text = text[:_LONGEST].replace("\\n", "\n") + " … --format json" * cut
        head = (f"{inert(name):{width}}  ", "bold")
        lines.append(Text.assemble(head, _styled(name, text)))
    output.write(sheet.lines(*lines))


def _flattened(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    made: dict[str, Any] = {}
    for name, value in record.items():
        deeper = isinstance(value, dict)
        made |= _flattened(value, f"{before}{name}.") if deeper else {before + name: value}
    return made


def print_sentence(output: Output, sentence: str, record: dict[str, Any]) -> None:
    """What was done; then the reasons that need action, or the ids made; a few of them."""
    name = "problems" if record.get("problems") else "ids"
    known = record.get(name) or [one for one in [row_id(record)] if one]
    lines = [sentence, *listed(known, record.get(f"{name}_total") or len(known))]
    once = [f"  {name}: {record[name]}" for name in ("secret", "key") if record.get(name)]
    if once:  # no later answer has them
        lines += [*once, "  keep it: it is shown only now"]
    output.write(Sheet(not output.terminal).lines(*(Text(inert(line)) for line in lines)))


def print_bars(
    output: Output, title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], below: str
) -> None:
    """A bar a row: its name, its share of the longest (0 to 1), and the cells before the bar."""
    names = [heads[0], "", *heads[1:]]  # the bar's column has no name to read
    cells = [dict(zip(names, row, strict=True)) for row in rows]
    for one in cells:
        one[""] = "█" * round(_BAR * one[""]) or "▏" * (one[""] > 0)
    output.preferred = heads
    sheet = Sheet(not output.terminal)
    columns = Columns(cells, output, sheet.width)
    table = columns.table(cells)
    output.write(sheet.lines(Text(title, "bold"), "", table, "", Text(below + columns.note)))


class Screen:
    """stderr of a terminal: messages, and one live line, gone before they are printed."""

    def __init__(self, write: Write) -> None:
        self._write, self._sheet, self._open = write, Sheet(), False
        self._began, self._first = 0.0, 0  # when the work began, and what was done then
        self._done, self._standing = inf, ""  # how far it is

    def print(self, title: str, text: str) -> None:
        """A message, wrapped at words."""
        self.end_progress()
        self._write(self._sheet.lines(Text.assemble((title, _TITLES.get(title, "")), text)))

    def progress(self, now: float, text: str, done: int | None, total: int | None) -> None:
        """Where long work stands, drawn over what was drawn before; nothing in its first second.

        Without `done` it is a wait: it is shown at once, behind how far the work is.
        """
        if done is None:
            self._draw(self._standing + text)
            return
        if done < self._done:  # other work begins
            self._began, self._first = now, done
        seconds, self._done = now - self._began, done
        bar = f"{'━' * (20 * done // total):20}{done / total:5.0%} " if total else ""
        self._standing = bar or f"{text} · "
        if seconds >= 1:
            rate = (done - self._first) / seconds
            left = ceil((total - done) / rate) if total and rate else 0
            ends = f", {left // 60}:{left % 60:02} left" if left > 0 else ""
            self._draw(f"{bar}{text}, {rate:,.0f}/s{ends}")

    def _draw(self, line: str) -> None:
        self._open = True
        text = Text(inert(line))
        text.truncate(self._sheet.width, overflow="ellipsis")
        self._write(f"\r\x1b[2K{text}")

    def end_progress(self) -> None:
        """Take the live line away."""
        if self._open:
            self._open = False
            self._write("\r\x1b[2K")


def ask(write: Write, question: str, stdin: IO[str], seconds: float) -> bool:
    """Whether `y` is typed within `seconds`; silence is No."""
    write(Sheet().lines(Text(inert(question))).rstrip("\n") + " ")
    with contextlib.suppress(OSError, ValueError):  # else the answer is read as it comes
        if not select.select([stdin], [], [], seconds)[0]:
            write("\n")
            return False
    return stdin.readline().strip().lower() in ("y", "yes")
