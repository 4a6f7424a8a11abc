"""What a person at a terminal sees: tables, records, sentences, errors, one live line.

The only module that imports rich. Server text is made inert and goes in as rich Text, never as
markup; nothing is wider than the terminal, and nothing but an overlong word is broken inside.
"""

from __future__ import annotations

import io
import os
import re
import select
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.rows import TWINS, inside, pick, row_id
from cli.text import MONEY, inert, plural, rows_in, shown

if TYPE_CHECKING:
    from cli.output import Output

Write = Callable[[str], Any]
_HEADS = {
    "qualified": "qual.", "contacted": "cont.", "converted": "conv.", "conversionRate": "rate",
    "pipelineValue": "pipeline",
}  # fmt: skip
_HIDDEN = {*TWINS, "firstName", "lastName", "company_id", "owner"}
_IDS = ("id", "leadId", "jobId", "lead_id")
_WIDEST, _LEAST, _OTHER = 60, 8, 30  # columns of a cell: at most, when cut, at most of an unwanted
_LONGEST = 1000  # characters of one value of a record: a report is never printed whole
_BAR = " "  # the column of bars has no name to read
_FIRST_ROWS = 20  # of a list that comes row by row
_LINES = 16  # of ids, problems or details
_PAUSE = 10.0  # seconds between two lines of progress where none can be drawn again
_COLOURS = {
    **dict.fromkeys(("active", "qualified", "converted", "connected", "completed"), "green"),
    **dict.fromkeys(("draft", "paused", "queued", "running", "invited", "open"), "yellow"),
    **dict.fromkeys(("error", "failed", "unqualified"), "red"),
}


class Sheet:
    """Renders for one stream, within its width; no escape codes with NO_COLOR or TERM=dumb."""

    def __init__(self, write: Write, output: Output | None = None) -> None:
        away = output is not None and not output.terminal
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or away
        self._write = write
        self._console = Console(
            file=io.StringIO(), width=100 if away else None, force_terminal=False, markup=False,
            color_system=None if plain else "standard", emoji=False, highlight=False,
        )  # fmt: skip
        self.width = self._console.width

    def text(self, *things: RenderableType) -> str:
        """`things` as lines."""
        with self._console.capture() as captured:
            self._console.print(*things, sep="\n")
        return re.sub(r" +$", "", captured.get(), flags=re.MULTILINE)

    def print(self, *things: RenderableType) -> None:
        self._write(self.text(*things))


class Columns:
    """Which columns a table has and how wide they are, found from its first rows.

    `wanted` share the room: the widest are cut first, and only then the last are left out. `others`
    follow where all before them stand whole, an id first, so a wider terminal never shows less.
    Numbers, times and ids are never cut.
    """

    def __init__(
        self, rows: Sequence[Any], wanted: Sequence[str], others: Sequence[str], room: int
    ) -> None:
        self._rows, self._numbers = rows, set[str]()
        texts = ((name, shown(name, inside(row, name))) for name in MONEY for row in rows)
        self._cents = {name for name, text in texts if "." in text}
        sizes = {name: self._sizes(name, _WIDEST) for name in wanted}
        self.widths = _shared(sizes, room)
        self.left_out = len(wanted) - len(self.widths)
        whole = [size[0] for size in sizes.values()] == list(self.widths.values())
        for name in others if whole else ():
            width = self._sizes(name, _OTHER)[0]
            if _total(self.widths) + 2 + width > room:
                break
            self.widths[name] = width
        self.id = others[0] if others and others[0] in _IDS else ""
        if self.id in self.widths:
            self.widths[self.id] = self.widths.pop(self.id)  # last

    def _text(self, name: str, row: Any) -> str:
        text = shown(name, inside(row, name))
        return text + ".00" * bool(name in self._cents and text and "." not in text)

    def _sizes(self, name: str, most: int) -> tuple[int, int]:
        """The natural and the least width of a column."""
        texts = [self._text(name, row)[:300] for row in self._rows]
        head, widest = cell_len(_HEADS.get(name, name)), max(map(cell_len, texts))
        if all(re.fullmatch(r"(-?[0-9,]+(\.[0-9]+)?%?)?", text) for text in texts):
            self._numbers.add(name)
        whole = r"[0-9 .,:%*-]*" if not re.search(r"(^id|_id|Id)$", name) else ".*"
        if all(re.fullmatch(whole, text) for text in texts):
            return max(head, widest), max(min(head, _LEAST), widest)
        natural = max(head, min(widest, most))
        return natural, min(natural, _LEAST)

    def table(self, rows: Sequence[Any], output: Output, head: bool = True) -> Table:
        """These rows under the columns."""
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=head)
        for name, width in self.widths.items():
            made.add_column(
                Text(inert(_HEADS.get(name, name)), "bold"), width=width, no_wrap=True,
                overflow="ellipsis", justify="right" if name in self._numbers else "left",
            )  # fmt: skip
        for row in rows:
            cells = (self._cell(name, row, width, output) for name, width in self.widths.items())
            made.add_row(*cells)
        return made

    def _cell(self, name: str, row: Any, width: int, output: Output) -> Text:
        text = self._text(name, row)[:_LONGEST]
        if len(text) > width:  # it will be cut, and half a secret would no longer be known for one
            text = output.masked(text)
        return _styled(name, text)


def _shared(sizes: dict[str, tuple[int, int]], room: int) -> dict[str, int]:
    for level in range(_WIDEST, _LEAST - 1, -1):
        widths = {name: max(least, min(most, level)) for name, (most, least) in sizes.items()}
        if _total(widths) <= room:
            return widths
    fewer = dict(list(sizes.items())[:-1])
    return _shared(fewer, room) if fewer else dict.fromkeys(sizes, room)


def _total(widths: dict[str, int]) -> int:
    return sum(widths.values()) + 2 * len(widths) - 2


def _styled(name: str, text: str) -> Text:
    return Text(text, _COLOURS.get(text, "") if name.lower().endswith("status") else "")


class TableWriter:
    """A list as it comes, under the columns that its first page shows; one line below it."""

    def __init__(self, write: Write, output: Output) -> None:
        self._sheet, self._output = Sheet(write, output), output
        self._columns: Columns | None = None
        self._waiting: list[dict[str, Any]] = []  # not printed yet
        self._count = 0

    def rows(self, rows: Sequence[Any]) -> None:
        self._waiting += [row if isinstance(row, dict) else {"value": row} for row in rows]
        self._count += len(rows)
        if len(self._waiting) >= _FIRST_ROWS:
            self._print()

    def _print(self) -> None:
        rows, self._waiting, head = self._waiting, [], self._columns is None
        self._columns = self._columns or Columns(rows, *self._names(rows), self._sheet.width)
        self._sheet.print(self._columns.table(rows, self._output, head))

    def end(self, summary: dict[str, Any]) -> None:
        """One note: how many, what comes next, and how to see what is not here."""
        if self._waiting:
            self._print()
        columns, words = self._columns, self._output.footnotes or [f"{plural(self._count, 'row')}."]
        if columns and columns.left_out:
            words.append(f"{plural(columns.left_out, 'column')} left out: --format json.")
        if columns and columns.id not in ("", *columns.widths):
            words.append("Ids: --format ids.")
        self._output.notes("note", " ".join(words))

    def _names(self, rows: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
        """The columns a person wants, then the id and the others, without empty or doubled ones."""
        output = self._output
        if output.fields is not None:
            return list(output.fields), []
        known = dict.fromkeys([*output.preferred, *output.columns, *chain.from_iterable(rows)])
        filled = [name for name in known if any(shown(name, inside(row, name)) for row in rows)]
        others = [name for name in filled if name not in (*output.preferred, *_HIDDEN)]
        others.sort(key=lambda name: name not in _IDS)
        wanted = [name for name in filled if name in output.preferred]
        wanted = wanted or [name for name in others if name not in _IDS] or others
        return wanted, [name for name in others if name not in wanted]


def print_record(write: Write, output: Output, record: dict[str, Any]) -> None:
    """One record: a field a line, what is nested under dotted names, lists of records as tables."""
    sheet, values = Sheet(write, output), flattened(pick(record, output.fields))
    names = list(values)
    if not output.fields:  # those a person wants first, the ids last
        names = [name for name in names if name not in _HIDDEN and shown(name, values[name])]
        names.sort(key=lambda name: (name in _IDS, name not in output.preferred))
    lines = [
        (Text(inert(name), "bold"), _styled(name, _long(name, values[name], output)))
        for name in names
        if not rows_in(values[name])
    ]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    narrow = max((name.cell_len for name, _ in lines), default=0) + 38 > sheet.width
    for name, text in lines:
        grid.add_row(*([name + Text("\n") + text] if narrow else [name, text]))
    sheet.print(grid)
    for title in names:
        if rows_in(values[title]):
            rows = [flattened(one) for one in values[title]]
            columns = Columns(rows, list(dict.fromkeys(chain(*rows))), [], sheet.width)
            sheet.print("", Text(inert(title), "bold"), columns.table(rows, output))


def _long(name: str, value: Any, output: Output) -> str:
    """A value with its own lines kept, cut where it is as long as a report."""
    text = shown(name, value)
    more = f"… ({len(text):,} characters)" if len(text) > _LONGEST else ""
    return output.masked(text[:_LONGEST]).replace("\\n", "\n") + more


def flattened(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`."""
    made: dict[str, Any] = {}
    for name, value in record.items():
        deeper = isinstance(value, dict)
        made |= flattened(value, f"{before}{name}.") if deeper else {before + name: value}
    return made


def print_sentence(write: Write, output: Output, sentence: str, record: Any) -> None:
    """What was done; then the reasons that need action, or the ids made; a few of them."""
    record = record if isinstance(record, dict) else {}
    name = "problems" if record.get("problems") else "ids"
    lines = record.get(name) or [one for one in [row_id(record)] if one]
    more = _some(lines, record.get(f"{name}_total") or len(lines))
    once = [f"{name}: {inert(str(record[name]))}" for name in ("secret", "key") if record.get(name)]
    if once:  # no later answer has them
        more += [*once, "keep it: it is shown only now"]
    Sheet(write, output).print(Text(inert(sentence)), *(Text(f"  {line}") for line in more))


def _some(lines: Sequence[Any], total: int) -> list[str]:
    """Ids, or rows of `problems` or of an error's `details`, each on a line; the first of them."""
    made = [inert(_problem(line)) for line in lines[:_LINES]]
    return made + ([f"… and {total - len(made):,} more"] if total > len(made) else [])


def _problem(one: Any) -> str:
    if not isinstance(one, dict):
        return str(one)
    names = ("line", "row", "id", "leadId", "email", "field", "path")
    known = [name for name in names if one.get(name) not in (None, "")]
    what = [f"{name} " * (name in names[:2]) + str(one[name]) for name in known]
    words = [one[name] for name in ("message", "problem", "reason", "code") if one.get(name)]
    if not words:
        return shown("", one)
    return f"{' '.join(what)}: {words[0]}" if what else str(words[0])


def print_bars(
    output: Output, title: str, heads: Sequence[str], rows: Sequence[Sequence[Any]], below: str
) -> None:
    """A bar a row: its name, its share of the longest (0 to 1), and the cells before the bar."""
    sheet = Sheet(output.write, output)
    cells = [dict(zip(heads, (name, *texts), strict=True)) for name, _, *texts in rows]
    columns = Columns(cells, heads, [], sheet.width)
    room = min(40, sheet.width - _total(columns.widths) - 2)
    if room >= _LEAST:
        columns.widths[_BAR] = room
        for cell, (_, share, *_) in zip(cells, rows, strict=True):
            cell[_BAR] = "█" * round(room * share) or "▏" * (share > 0)
    elif columns.left_out:
        below += f" {plural(columns.left_out, 'column')} left out: --format json."
    sheet.print(Text(title, "bold"), "", columns.table(cells, output), "", Text(below))


class Screen:
    """stderr of a terminal: messages, the error, and one live line, gone before either."""

    def __init__(self, write: Write, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._write, self._monotonic, self._sheet = write, monotonic, Sheet(write)
        self._open = False
        self._began: tuple[float, int] | None = None  # when the work began, and what was done then
        self._done: tuple[int, int | None] = (0, None)
        self._drawn, self._words = 0.0, ""

    def message(self, level: str, text: str) -> None:
        """A note or a warning, wrapped at words."""
        self.end_progress()
        start = [("Warning: ", "bold yellow")] if level == "warning" else []
        self._sheet.print(Text.assemble(*start, inert(text)))

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Where long work stands, drawn over what was drawn before; nothing in its first second.

        Without `done` it is a wait: it is shown at once, and how far the work is stays as it was.
        """
        now, dumb = self._monotonic(), os.environ.get("TERM") == "dumb"
        if done is not None:
            if not self._began or done < self._done[0]:  # other work begins
                self._began = (now, done)
            self._done = (done, total)
            self._words = f"{text} · "
            if now - self._began[0] < 1 or now - self._drawn < 0.1:
                return
        if dumb and now - self._drawn < _PAUSE:  # it cannot draw a line again
            return
        self._open, self._drawn = not dumb, now
        line = self._line(text, now, waiting=done is None)
        self._write(f"{line}\n" if dumb else f"\r\x1b[2K{line}")

    def _line(self, text: str, now: float, waiting: bool) -> str:
        (done, total), words = self._done, list[RenderableType]()
        if total:
            words = [ProgressBar(total, done, width=20), Text(f"{done / total:4.0%}")]
        before = self._words if waiting and not total else ""
        text = f"{before}{text}{'' if waiting else ','}"
        words.append(Text(inert(text), no_wrap=True, overflow="ellipsis"))
        if self._began and not waiting:
            rate = (done - self._began[1]) / (now - self._began[0])
            left = int(-((done - total) / rate // 1)) if total and rate else 0
            ends = f", {left // 60}:{left % 60:02} left" if left > 0 else ""
            words.append(Text(f"{rate:,.0f}/s{ends}", no_wrap=True))
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(*words)
        return self._sheet.text(grid).split("\n")[0]

    def end_progress(self) -> None:
        """Take the live line away."""
        if self._open:
            self._open = False
            self._write("\r\x1b[2K")

    def error(self, error: dict[str, Any]) -> None:
        """What happened, what the server says, and one command to type."""
        self.end_progress()
        details = error.get("details") or []
        details = details if isinstance(details, list) else [details]
        lines = [
            ("Error: ", "bold red", error["message"]),
            ("The server says: ", "", error.get("server_message")),
            *(("  ", "", line) for line in _some(details, len(details))),
            ("Next: ", "bold cyan", error.get("hint")),
        ]
        for start, style, text in lines:
            if text:
                self._sheet.print(Text.assemble((start, style), inert(str(text))))


def ask(write: Write, question: str, stdin: IO[str], seconds: float) -> bool:
    """Whether `y` is typed within `seconds`; silence is No."""
    write(Sheet(write).text(Text(inert(question))).rstrip("\n") + " ")
    try:
        silent = not select.select([stdin], [], [], seconds)[0]
    except (OSError, ValueError):  # nothing one could wait on: the answer is read as it comes
        silent = False
    answer = "" if silent else stdin.readline()
    write("" if answer else "\n")
    return answer.strip().lower() in ("y", "yes")
