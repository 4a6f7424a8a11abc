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
from rich.console import Console, JustifyMethod, RenderableType
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
_TABLE, _BAR = 50, 40  # columns beside a bar, and of the longest bar at most
_FIRST_ROWS = 20  # of a list that comes row by row
_COLOURS = {
    **dict.fromkeys(("active", "qualified", "converted", "connected", "completed"), "green"),
    **dict.fromkeys(("draft", "paused", "queued", "running", "invited", "open"), "yellow"),
    **dict.fromkeys(("error", "failed", "unqualified"), "red"),
}


class Sheet(Console):
    """Makes lines of the terminal's width; no escape codes with NO_COLOR or TERM=dumb. `away`: they
    are for no terminal."""

    def __init__(self, away: bool = False) -> None:
        plain = away or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        super().__init__(
            file=io.StringIO(),
            width=100 if away else None,
            color_system=None if plain else "standard",
        )

    def lines(self, *things: RenderableType) -> str:
        """`things`, one below the other."""
        with self.capture() as captured:
            self.print(*things, sep="\n")
        return re.sub(r" +$", "", captured.get(), flags=re.MULTILINE)


class TableWriter:
    """A list as it comes, under columns that its first rows choose; one line below it.

    The columns that a person wants share the room: the widest are cut first, and only then the last
    are left out. Others follow where all before them stand whole, so a wider terminal never shows
    less. Numbers, times and ids are never cut.
    """

    def __init__(self, write: Write, output: Output) -> None:
        self._write, self._output, self.sheet = write, output, Sheet(not output.terminal)
        self._waiting: list[Any] = []  # not printed yet
        self._count, self.note = 0, ""
        self._widths: dict[str, int] = {}
        self._numbers: set[str] = set()  # columns that stand to the right

    def rows(self, rows: Sequence[Any]) -> None:
        self._waiting += [row if isinstance(row, dict) else {"value": row} for row in rows]
        self._count += len(rows)
        if len(self._waiting) >= _FIRST_ROWS:
            self.flush()

    def end(self, summary: dict[str, Any]) -> None:
        """One note: how many, what comes next, and how to see what is not here."""
        self.flush()
        words = " ".join(self._output.footnotes) or f"{plural(self._count, 'row')}."
        self._output.notes("note", words + self.note)

    def flush(self) -> None:
        """Print the rows that wait."""
        rows, self._waiting, first = self._waiting, [], not self._widths
        if not rows:
            return
        if first:
            self._choose(rows)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=first)
        for name, width in self._widths.items():
            side: JustifyMethod = "right" if name in self._numbers else "left"
            table.add_column(
                _head(name), width=width, no_wrap=True, overflow="ellipsis", justify=side
            )
        columns = [
            [_styled(name, text) for text in self._texts(name, rows)] for name in self._widths
        ]
        for cells in zip(*columns, strict=True):
            table.add_row(*cells)
        self._write(self.sheet.lines(table))

    def _choose(self, rows: Sequence[Any]) -> None:
        """Which columns there are, and how wide; the note says which are not."""
        wanted, others = _names(rows, self._output)
        sizes = {name: self._size(name, rows) for name in (*wanted, *others)}
        level = _WIDEST
        while True:
            self._widths = {
                one: max(least, min(most, level)) for one, (least, most) in sizes.items()
            }
            if sum(self._widths.values()) + 2 * len(sizes) - 2 <= self.sheet.width:
                break
            level -= 1
            if len(sizes) > len(wanted) or (level < _LEAST and len(sizes) > 1):
                sizes.popitem()
                level = _WIDEST
        left_out, first = len(wanted) - len(sizes), others[0] if others else ""
        if left_out > 0:
            self.note = f" {plural(left_out, 'column')} left out: --format json."
        if first in _IDS and first in sizes:
            self._widths[first] = self._widths.pop(first)  # comes last
        elif first in _IDS:
            self.note += " Ids: --format ids."

    def _size(self, name: str, rows: Sequence[Any]) -> tuple[int, int]:
        """The least and the natural width of a column."""
        texts = self._texts(name, rows)
        widest, digits = max(map(cell_len, texts)), "".join(texts)
        if re.fullmatch(r"[-0-9.,%]*", digits):
            self._numbers.add(name)
        whole = re.search(r"(^id|_id|Id)$", name) or re.fullmatch(r"[-0-9.,%: *]*", digits)
        least = min(widest, self.sheet.width) if whole else 0
        return least, max(_head(name).cell_len, widest)

    def _texts(self, name: str, rows: Sequence[Any]) -> list[str]:
        """The cells of a column, masked before they are cut: half a secret is not recognised."""
        texts = "\n".join(shown(name, inside(row, name)) for row in rows)
        return [text[:_LONGEST] for text in self._output.masked(texts).split("\n")]


def _head(name: str) -> Text:
    return Text(inert(_HEADS.get(name, name)))


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


def _print(output: Output, *things: RenderableType) -> None:
    output.write(Sheet(not output.terminal).lines(*things))


def print_record(output: Output, record: dict[str, Any]) -> None:
    """One record: a field a line, what is nested under dotted names, the ids last."""
    values = _flattened(pick(record, output.fields))
    names, lines = list(values), []
    if not output.fields:
        names = sorted(chain(*_names([values], output)), key=lambda name: name in _IDS)
    width = max(map(cell_len, names), default=0)
    for name in names:
        text = output.masked(shown(name, values[name]))
        cut = len(text) > _LONGEST or rows_in(values[name])
        text = text[:_LONGEST].replace("\\n", "\n") + " … --format json" * cut
        lines.append(Text.assemble((f"{inert(name):{width}}  ", "bold"), _styled(name, text)))
    _print(output, *lines)


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
    lines = [sentence, *listed(known, record.get(f"{name}_total"))]
    once = [f"  {name}: {record[name]}" for name in ("secret", "key") if record.get(name)]
    if once:  # no later answer has them
        lines += [*once, "  keep it: it is shown only now"]
    _print(output, *(Text(inert(line)) for line in lines))


def print_bars(
    output: Output, title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], below: str
) -> None:
    """A bar a row: its name, its share of the longest (0 to 1), and the cells before the bar."""
    names = [heads[0], "", *heads[1:]]  # the bar's column has no name to read
    cells = [dict(zip(names, row, strict=True)) for row in rows]
    output.preferred = heads
    writer = TableWriter(output.write, output)
    longest = min(_BAR, writer.sheet.width - _TABLE)
    for one in cells:
        one[""] = "█" * round(longest * one[""]) or "▏" * (one[""] > 0)
    _print(output, Text(title, "bold"), "")
    writer.rows(cells)
    writer.flush()
    _print(output, "", Text(below + writer.note))


class Screen(Sheet):
    """stderr of a terminal: messages, and the live line."""

    def __init__(self) -> None:
        super().__init__()
        self._began, self._first = 0.0, 0  # when the work began, and what was done then
        self._done, self._standing = inf, ""  # how far it is

    def message(self, title: str, text: str) -> str:
        """A message, wrapped at words."""
        return self.lines(Text.assemble((title, "bold"), text))

    def progress(self, now: float, text: str, done: int | None, total: int | None) -> str:
        """The line that says where long work stands; nothing in its first second.

        Without `done` it is a wait: it is shown at once, behind how far the work is.
        """
        bar, ends = self._standing, ""
        if done is not None:
            if done < self._done:  # other work begins
                self._began, self._first = now, done
            seconds, self._done = now - self._began, done
            bar = f"{'━' * (20 * done // total):20}{done / total:5.0%} " if total else ""
            self._standing = bar or f"{text} · "
            if seconds < 1:
                return ""
            rate = (done - self._first) / seconds
            left = ceil((total - done) / rate) if total and rate else 0
            ends = f", {rate:,.0f}/s" + f", {left // 60}:{left % 60:02} left" * (left > 0)
        line = Text(inert(bar + text + ends))
        line.truncate(self.width, overflow="ellipsis")
        return line.plain


def ask(write: Write, question: str, stdin: IO[str], seconds: float) -> bool:
    """Whether `y` is typed within `seconds`; silence is No."""
    write(Sheet().lines(Text(inert(question))).rstrip("\n") + " ")
    with contextlib.suppress(OSError, ValueError):  # else the answer is read as it comes
        if not select.select([stdin], [], [], seconds)[0]:
            write("\n")
            return False
    return stdin.readline().strip().lower() in ("y", "yes")
