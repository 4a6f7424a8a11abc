"""Lists: a loop over pages that owns its counts: keep, count, write. What is left out is always
said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cli import inputs
from cli.context import Context
from cli.rows import Condition, Tally, conditions, row_id
from cli.text import plural
from contract.operations import resolve
from leadgenius import answers

if TYPE_CHECKING:
    from leadgenius.client import Page

FIRST_ROWS = 20  # printed when nothing says how many
LARGEST = {"page": answers.LARGEST_PAGE, "cursor": answers.LARGEST_BULK_PAGE}  # rows a page
_WITHOUT_CASE = ("email", "companyName")  # filters of the server that compare as --where does


class Listing(NamedTuple):
    """A list to read: where, with which parameters, and how its pages go on. `is_whole` is asked
    after the last page; `shown` makes of a row what may be printed of it; `depth` says why a total
    may be too small."""

    path: str
    params: dict[str, Any]
    paging: str
    collection: str = ""
    scope: str = "auto"
    is_whole: Callable[[], bool] = lambda: True
    shown: Callable[[Any], Any] = lambda row: row
    depth: Callable[[int | None], str] = lambda total: ""


def of_command(context: Context, **params: Any) -> Listing:
    """The list of the command's operation, with its filters."""
    one, params = context.operation, params | inputs.filters(context)
    return Listing(one.path, params, one.paging or "page", one.collection, one.scope)


def run(context: Context) -> int:
    """The list of the command's operation, as it is."""
    return show(context, of_command(context))


def show(context: Context, listing: Listing) -> int:
    """One page, or all pages filtered, counted or exported, as the options say."""
    options = context.options
    kept = conditions(options.where or ())
    inputs.check_fields(context, options.fields or (), "--fields")
    inputs.check_fields(context, [one.field for one in kept], "--where")
    inputs.check_fields(context, options.count_by or (), "--count-by")
    params = {**_same_filters(context, kept), **listing.params}
    wanted = options.count_by or (["id"] if options.count else options.fields)
    if wanted and listing.paging == "cursor":  # what is filtered on is fetched though not printed
        names = [*wanted, *(one.field for one in kept)]
        params["fields"] = ",".join(dict.fromkeys(name.split(".")[0] for name in names))
    walk = Walk(context, listing._replace(params=params), kept)
    if options.dry_run:
        params |= first_page(context, listing.paging)
        return context.preview("GET", listing.path, params=params, scope=listing.scope)
    if options.count or options.count_by:
        return _count(walk)
    if not (kept or options.all or options.max_items):
        return _one_page(walk)
    if options.all and options.out and listing.paging == "cursor":
        from cli import export

        return export.run(context, walk, pages)
    return _print_all(walk)


def _same_filters(context: Context, kept: list[Condition]) -> dict[str, Any]:
    """Conditions that the server's own filter means in the same way: it then sends fewer rows."""
    known = context.known_operation.filters() if kept and context.known_operation else {}
    made = {}
    for field, operator, value in kept:
        if operator == "=" and value and field in known:
            if value.lower() in resolve(known[field]["schema"]).get("enum", ()):
                made[field] = value.lower()
            elif field in _WITHOUT_CASE:
                made[field] = value
    return made


def first_page(context: Context, paging: str) -> dict[str, Any]:
    """The paging parameters of one page, or of the first of all."""
    options, largest = context.options, LARGEST[paging]
    every = options.all or options.where or options.count or options.count_by
    usual = largest if every else min(options.max_items or FIRST_ROWS, largest)
    size = options.page_size or usual
    return {"limit": size} if paging == "cursor" else {"page": options.page or 1, "pageSize": size}


def pages(context: Context, listing: Listing, cursor: str | None = None) -> Iterator[Page]:
    """The pages of a list, of the size asked for or the largest; a bulk list from `cursor` on."""
    client, size = context.client, first_page(context, listing.paging)
    how: dict[str, Any] = {"collection": listing.collection, "scope": listing.scope}
    if listing.paging == "cursor":
        return client.bulk(listing.path, listing.params, **size, cursor=cursor, **how)
    first, most = size["page"], size["pageSize"]
    return client.pages(listing.path, listing.params, first=first, size=most, **how)


class Walk:
    """Rows of all pages, each once, that fit the conditions; the counts are its own."""

    def __init__(self, context: Context, listing: Listing, kept: list[Condition]) -> None:
        self.context, self.listing, self.kept = context, listing, kept
        self.read = self.matched = self.not_comparable = 0
        self.changed = False  # the list was cut short, or its total changed on the way
        self.more = True  # rows may follow the page just read
        self.total: int | None = None  # as the server says

    def pages(self) -> Iterator[list[Any]]:
        """The fitting rows, a page at a time. Numbered pages shift when rows are added on the way:
        a row met twice is dropped, and the shift is noted."""
        context, seen = self.context, set[str | None]()
        for page in pages(context, self.listing):
            last, self.total = self.total, answers.total(page.body)
            self.changed |= page.short or self.total not in (None, last or self.total)
            self.more = bool(page.cursor) or (self.total or 0) > self.read + len(page.items)
            rows = page.items
            if self.listing.paging == "page":
                rows = [row for row in rows if row_id(row) is None or row_id(row) not in seen]
                seen.update(map(row_id, rows))
            rows = self.keep(list(map(self.listing.shown, rows)))
            requests = plural(context.client.requests, "request")
            words = f"{plural(self.read, 'row')}, {requests}"
            context.notes.progress(words, self.read, self.total)
            yield rows
        if self.changed:
            words = "The list changed while it was read: rows may be missing. Run it again."
            context.notes("warning", words)

    def keep(self, rows: list[Any]) -> list[Any]:
        """Those of `rows` that fit every condition, all of them counted."""
        self.read += len(rows)
        if self.kept:
            verdicts = [[one.holds(row) for one in self.kept] for row in rows]
            self.not_comparable += sum(None in one and False not in one for one in verdicts)
            rows = [row for row, one in zip(rows, verdicts, strict=True) if all(one)]
        self.matched += len(rows)
        return rows

    def summary(self, complete: bool = True) -> dict[str, Any]:
        """What is said of the list as a whole, once all is read."""
        complete = complete and not self.changed and not self.not_comparable
        complete = complete and self.listing.is_whole()
        made = {"requests": self.context.client.requests, "complete": complete}
        if self.not_comparable:
            made["not_comparable"] = self.not_comparable
            rows = plural(self.not_comparable, "row")
            self.context.notes("warning", f"{rows} could not be compared: see not_comparable.")
        return made | self.context.mark()


def _one_page(walk: Walk) -> int:
    context, listing, output = walk.context, walk.listing, walk.context.output
    page = next(pages(context, listing))
    number, total = context.options.page or 1, answers.total(page.body)
    last = answers.total_pages(page.body) or number
    more = bool(page.cursor) or number < last
    if number > max(last, 1):
        output.below(f"There is no page {number}; the last is {last}.")
    elif not page.items and output.format == "table":
        output.below(f"No {_noun(context)} matches.")
    elif more or output.format == "table" or listing.depth(total):
        following = number + 1 if number < last else 0
        output.below(_position(listing.depth(total), len(page.items), total, following, more))
    with output.open() as writer:
        writer.rows(list(map(listing.shown, page.items)))
        writer.end(answers.rest(page.body, listing.collection))
    output.receipt(len(page.items), context.client.requests, not more)
    return 0


def _position(depth: str, count: int, total: int | None, following: int, more: bool) -> str:
    """How many of how many, and the options for the rest; `following` is the next page, or 0."""
    onward = [f"next: --page {following}"] if following else []
    if depth:
        known = f"{count:,}" + ("" if total is None else f" of at least {total:,}")
        return f"{'; '.join([f'{known} found by search ({depth}', *onward])}."
    if not more:
        return f"{plural(count, 'row')}."
    first = f"The first {plural(count, 'row')}"
    rows = first if total is None else f"{count:,} of {plural(total, 'row')}"
    return f"{rows}: {', '.join(['--all for every row', *onward])}."


def _noun(context: Context) -> str:
    """What a row of the command's list is: `lead`, `account`, else `row`."""
    found = re.search(r"(\w+?)(?<!ie)s( list)?$", context.command.words)
    return found[1] if found else "row"


def _print_all(walk: Walk) -> int:
    """Rows as they come: all of them, --max-items, or the first 20 that fit --where."""
    context, output, options = walk.context, walk.context.output, walk.context.options
    most = options.max_items or (None if options.all else FIRST_ROWS)
    written, cut = 0, False
    with output.open() as writer:
        for rows in walk.pages():
            kept = rows if most is None else rows[: most - written]
            writer.rows(kept)
            written += len(kept)
            cut = cut or len(kept) < len(rows)
            if options.max_items and written == most:
                cut = cut or walk.more
                break
        summary = {"rows": written, **walk.summary(not (options.max_items and cut))}
        if walk.kept and not options.max_items:
            shown = f"; the first {written} are shown, --all for every row" if cut else ""
            requests = plural(context.client.requests, "request")
            found = f"{walk.matched:,} of {plural(walk.read, 'row')} match"
            output.below(f"{found} ({requests}){shown}.")
            summary |= {"matched": walk.matched, "rows_read": walk.read}
        elif cut:
            stopped = plural(written, "row")
            output.below(f"Stopped after {stopped}, as --max-items says; there are more.")
        writer.end(summary)
    complete = summary["complete"] and not cut
    output.receipt(written, context.client.requests, complete)
    return 0


def _count(walk: Walk) -> int:
    """The server's own total where that is exact, else every page is read and counted."""
    context, output, options = walk.context, walk.context.output, walk.context.options
    exact = options.count and not walk.kept and walk.listing.paging == "page"
    tally = Tally(options.count_by or ())
    method = "all_pages"
    for rows in walk.pages():
        for row in rows:
            tally.add(row)
        if exact and walk.total is not None:
            tally.count, method = walk.total, "server_total"
            break
    result = {**tally.result(), **walk.summary(), "method": method}
    least = "" if result["complete"] else "At least "  # why stands in a warning
    words = f"{least}{plural(tally.count, _noun(context))}."
    if options.count or output.format in ("json", "ids"):
        output.document(result, context.client.requests, words)
    else:
        output.columns = output.preferred = [*options.count_by, "n"]
        output.footnotes.append(words)
        output.listing(result["by"], context.client.requests)
    return 0
