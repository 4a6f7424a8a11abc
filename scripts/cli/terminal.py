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
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from math import ceil, inf
from typing import IO, TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Column, Table
from rich.text import Text

from cli.text import TWINS, inert, inside, listed, plural, row_id, rows_in, shown

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
_BAR = 40  # columns of the longest bar at most
_COLOURS = {
    **dict.fromkeys(("active", "qualified", "converted", "connected", "completed"), "green"),
    **dict.fromkeys(("draft", "paused", "queued", "running", "invited", "open"), "yellow"),
    **dict.fromkeys(("error", "failed", "unqualified"), "red"),
}


class Layout(Console):
    """Makes lines of the terminal's width, elsewhere of 100 columns; no escape codes with NO_COLOR
    or TERM=dumb."""

    def __init__(self, terminal: bool = True) -> None:
        plain = not terminal or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        super().__init__(
            file=io.StringIO(),
            width=None if terminal else 100,
            color_system=None if plain else "standard",
        )

    def lines(self, *things: RenderableType) -> str:
        """`things`, one below the other."""
        with self.capture() as captured:
            self.print(*things, sep="\n")
        return re.sub(r" +$", "", captured.get(), flags=re.MULTILINE)


class TableWriter:
    """A list: its rows under columns that suit them all, and one line below it."""

    started = False  # nothing is printed before the end

    def __init__(self, write: Write, output: Output) -> None:
        self._write, self._output, self._rows = write, output, list[Any]()

    def rows(self, rows: Sequence[Any]) -> None:
        self._rows += [row if isinstance(row, dict) else {"value": row} for row in rows]

    def end(self, summary: dict[str, Any]) -> None:
        """The table; then one note: how many, what comes next, and how to see what is not here."""
        output = self._output
        note = _table(self._write, output, self._rows, _HEADS)
        words = output.footnote or f"{plural(len(self._rows), 'row')}."
        output.notes("note", words + note)


def _column(name: str, head: str, texts: list[str]) -> tuple[Column, int, int]:
    """A column, its least and its natural width. Numbers, times and ids are never cut."""
    widest, digits = max(map(cell_len, [head, *texts])), "".join(texts)
    whole = re.fullmatch(r"[-0-9.,%: *]*", digits) or re.search(r"(^id|_id|Id)$", name)
    most = widest if whole else min(widest, _WIDEST)
    made = Column(
        Text(inert(head), no_wrap=True),
        justify="right" if all(re.fullmatch("-?[0-9.,]*%?", one) for one in texts) else "left",
        max_width=most,
        no_wrap=bool(whole),
        overflow="ellipsis",
    )
    return made, most if whole else min(most, _LEAST), most


def _table(write: Write, output: Output, rows: list[Any], heads: Mapping[str, str]) -> str:
    """Print the columns that fit. Returns what is to be said of the others.

    Those that a person wants share the room: the widest are cut first, and only then the last are
    left out. The id follows where all before it stand whole, so a wider terminal never shows less.
    """
    if not rows:
        return ""
    layout, names, note = Layout(output.terminal), _names(rows, output), ""
    wanted = [one for one in names if one in (output.fields or output.preferred)] or names
    ids = [one for one in names if one in _IDS and one not in wanted][:1]
    columns, cells = [], []
    for name in wanted + ids:
        # Masked before it is cut: half a secret is not recognised.
        texts = output.masked("\n".join(shown(name, inside(row, name)) for row in rows))
        short = [text[:_LONGEST] for text in texts.split("\n")]
        columns.append(_column(name, heads.get(name, name), short))
        cells.append([_styled(name, text) for text in short])
    if sum(most + 2 for _, _, most in columns) > layout.width + 2:
        del columns[len(wanted) :]
    while sum(least + 2 for _, least, _ in columns) > layout.width + 2 and len(columns) > 1:
        columns.pop()
    made = (one for one, _, _ in columns)
    table = Table(*made, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for line in zip(*cells[: len(columns)], strict=True):
        table.add_row(*line)
    write(layout.lines(table))
    if len(columns) < len(wanted):
        note = f" {plural(len(wanted) - len(columns), 'column')} left out: --format json."
    if ids and len(columns) <= len(wanted):
        note += " Ids: --format ids."
    return note


def _names(rows: Sequence[Any], output: Output) -> list[str]:
    """The fields to show, those a person wants first and the ids last: none that is empty or
    repeats another."""
    if output.fields:
        return list(output.fields)
    known = dict.fromkeys([*output.preferred, *output.columns, *chain.from_iterable(rows)])
    filled = [name for name in known if any(shown(name, inside(row, name)) for row in rows)]
    once = [name for name in filled if name not in _HIDDEN] or filled
    return sorted(once, key=lambda name: name in _IDS)


def _styled(name: str, text: str, wraps: bool = False) -> Text:
    colour = _COLOURS.get(text, "") if name.lower().endswith("status") else ""
    return Text(text, colour, no_wrap=not wraps)


def _print(output: Output, *things: RenderableType) -> None:
    output.write(Layout(output.terminal).lines(*things))


def print_record(output: Output, record: dict[str, Any]) -> None:
    """One record: a field a line, the ids last. Long text is wrapped beside its name, below it
    where a word needs the room."""
    names, layout = _names([record], output), Layout(output.terminal)
    width, things = max(map(cell_len, names), default=0) + 2, list[RenderableType]()
    for name in names:
        value = inside(record, name)
        text = output.masked(shown(name, value))
        cut = len(text) > _LONGEST or rows_in(value)
        text = text[:_LONGEST].replace("\\n", "\n") + " … --format json" * cut
        field = Text(inert(name).ljust(width), "bold"), _styled(name, text, wraps=True)
        line = Table.grid()
        line.add_column(no_wrap=True)
        line.add_row(*field)
        fits = all(cell_len(word) <= layout.width - width for word in text.split())
        things += [line] if fits else field
    output.write(layout.lines(*things))


def print_sentence(output: Output, sentence: str, record: dict[str, Any]) -> None:
    """What was done; then the reasons that need action, or the ids made; a few of them."""
    name = next((one for one in ("problems", "files") if record.get(one)), "ids")
    known = record.get(name) or [one for one in [row_id(record)] if one]
    lines = [sentence, *listed(known, record.get(f"{name}_total"))]
    once = [f"  {name}: {record[name]}" for name in ("secret", "key") if record.get(name)]
    if once:  # no later answer has them
        lines += [*once, "  keep it: it is shown only now"]
    _print(output, *(Text(inert(line)) for line in lines))


def print_bars(
    output: Output, title: str, heads: Mapping[str, str], rows: list[Any], below: str
) -> None:
    """Records under `heads`, each with a bar for its `share` of the longest, from 0 to 1."""
    output.preferred = [*heads, "share"]
    room = Layout(output.terminal).width - sum(len(head) + 2 for head in heads.values())
    longest = min(_BAR, room - 8)
    for row in rows:
        row["share"] = "█" * round(longest * row["share"]) or "▏" * (row["share"] > 0)
    _print(output, Text(title, "bold"), "")
    note = _table(output.write, output, rows, {**heads, "share": ""})
    _print(output, "", Text(below + note))


class Screen(Layout):
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
    write(Layout().lines(Text(inert(question))).rstrip("\n") + " ")
    with contextlib.suppress(OSError, ValueError):  # else the answer is read as it comes
        if not select.select([stdin], [], [], seconds)[0]:
            write("\n")
            return False
    answer = stdin.readline()
    write("" if answer else "\n")
    return answer.strip().lower() in ("y", "yes")
