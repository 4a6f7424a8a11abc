"""Lists: a loop over pages that owns its counts: keep, count, write. What is left out is always
said. Which columns a terminal shows first, and in which order, stands in commands.py."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

from cli import inputs
from cli.context import Context
from cli.text import compact, hidden, inside, plural, row_id
from leadgenius import answers
from leadgenius.errors import CredentialError, UsageError

FIRST_ROWS = 20  # printed when nothing says how many
SEARCH_DEPTH = 1000  # records of each of two indexes; references/api_reference.md#search-depth
LARGEST_GROUPS = 100_000  # different values of --count-by
TOP = 100  # values printed
FOUND_BY_SEARCH = (
    f"found by search (newest {SEARCH_DEPTH:,} of each index); exact, with the Amplify key:"
    " enrich-leads list --count"
)


def run(context: Context) -> None:
    """The list of the command's operation, with its filters; a bulk list is about one company."""
    operation, filters = context.operation, inputs.filters(context)
    if operation.paging == "cursor" and "companyId" not in filters:
        filters["companyId"] = _company(context)
    Walk(context, operation.path, filters, operation.scope).show()


def _company(context: Context) -> str:
    """The company of the variable, the stored one, or that of one lead."""
    if context.options.dry_run:
        return "COMPANY_ID"
    context.client.keys.find("amplify")  # without it the company would help nobody
    try:
        return context.client.company_id()
    except CredentialError as error:
        error.hint = "Give --company-id or LGP_COMPANY_ID; an API key would find the company."
        raise


class Walk:
    """The rows of a list that fit the conditions; the counts are its own. `bulk`: it is
    read by cursor, else by page numbers."""

    read = matched = not_comparable = 0  # rows
    changed = False  # the list was cut short, or its total changed on the way
    total: int | None = None  # as the server says
    # Of the page just read: what stands beside its rows, whether others follow, by which cursor.
    rest: dict[str, Any]
    more = False
    cursor: str | None = None

    def __init__(self, context: Context, path: str, params: dict[str, Any], scope: str) -> None:
        self.context, self.path, self.scope, self.bulk = context, path, scope, scope == "system"
        self.params = params
        options, operation = context.options, context.operation
        self.kept = inputs.conditions(options.where or ())
        self.groups: list[str] = options.count_by or []
        self.searched = operation and operation.id == "leads.list"  # which has a depth
        filtered = [one.field for one in self.kept]
        inputs.check_fields(context, (), [*filtered, *self.groups])
        wanted = self.groups or (["id"] if options.count else options.fields)
        if wanted and self.bulk:  # what is filtered on is fetched though not printed
            names = [name.split(".")[0] for name in (*wanted, *filtered)]
            params["fields"] = ",".join(dict.fromkeys(names))
        every = options.all or self.kept or options.count or self.groups
        self.single = not (every or options.max_items)  # one page is enough
        largest = answers.LARGEST_BULK_PAGE if self.bulk else answers.LARGEST_PAGE
        usual = largest if every else min(options.max_items or FIRST_ROWS, largest)
        size = options.page_size or usual
        numbered = {"page": options.page or 1, "pageSize": size}
        self.query = params | ({"limit": size} if self.bulk else numbered)

    def show(self) -> None:
        """One page, or all pages filtered, counted or exported, as the options say."""
        context, options = self.context, self.context.options
        if options.dry_run:
            context.preview("GET", self.path, params=self.query, scope=self.scope)
        elif options.count or self.groups:
            _count(self)
        elif options.all and options.out and self.bulk:
            from cli import export

            export.run(context, self)
        else:
            _print(self)

    def pages(self) -> Iterator[list[Any]]:
        """The fitting rows, a page at a time. Numbered pages shift when rows are added on the way:
        a row met twice is dropped, and the shift is noted."""
        client, notes, seen = self.context.client, self.context.notes, set[str | None]()
        for page in client.pages(self.path, self.query, self.scope):
            rows, last, self.total = page.items, self.total, answers.total(page.body)
            self.changed |= self.total not in (None, last or self.total)
            self.cursor, self.rest = page.cursor, answers.rest(page.body, rows)
            last_number = answers.total(page.body, "totalPages") or 0
            here = (page.number - 1) * self.query.get("pageSize", 0) + len(rows)  # or fewer
            more = not self.bulk and here < (self.total or 0)
            self.more = more or bool(page.cursor) or page.number < last_number
            if not (self.bulk or self.single):
                ids = [row_id(row) for row in rows]
                rows = [row for row, one in zip(rows, ids, strict=True) if one not in seen]
                seen.update(filter(None, ids))
            if self.scope == "root" and not self.context.typed("show"):  # keys
                rows = hidden(rows)
            self.read += len(rows)
            if self.kept:
                rows = [row for row in rows if self._fits(row)]
            self.matched += len(rows)
            yield rows
            del page, rows  # not two pages at once
            notes.progress(plural(self.read, "row"), self.read, self.total)
        self.changed |= self.query.get("page") == 1 and self.read < (self.total or 0)
        if self.changed:
            notes(
                "warning",
                "The list changed while it was read: rows may be missing. Run it again.",
            )

    def _fits(self, row: Any) -> bool:
        """Whether a row fits every condition; one that cannot be compared is counted."""
        verdicts = [one.holds(row) for one in self.kept]
        self.not_comparable += None in verdicts and False not in verdicts
        return all(verdicts)

    def summary(self, complete: bool = True) -> dict[str, Any]:
        """What is said of the list as a whole, once all is read. For a search one more request,
        without filter and for one row: under its depth no index was cut."""
        client, notes = self.context.client, self.context.notes
        complete = complete and not self.changed and not self.not_comparable
        if complete and self.searched:
            total = answers.total(client.get(self.path, {"page": 1, "pageSize": 1}))
            complete = total in range(SEARCH_DEPTH)
            if not complete:
                notes("warning", f"There may be more leads than those {FOUND_BY_SEARCH}.")
        made: dict[str, Any] = {"requests": client.requests, "complete": complete}
        if self.kept:
            made["rows_read"] = self.read
        if self.not_comparable:
            made["not_comparable"] = self.not_comparable
            notes("warning", f"{plural(self.not_comparable, 'row')} could not be compared.")
        return made | self.context.mark()


def _print(walk: Walk) -> None:
    """Rows as they come: one page, all of them, --max-items, or the first 20 that fit --where."""
    options, output, written = walk.context.options, walk.context.output, 0
    most = options.max_items or (FIRST_ROWS if walk.kept and not options.all else sys.maxsize)
    with output.open() as writer:
        for rows in walk.pages():
            shown = rows[: most - written]
            writer.rows(shown)
            written += len(shown)
            if walk.single or written == options.max_items:
                break
        more, summary = walk.more or written < walk.matched, walk.rest
        if not walk.single:
            summary = {"rows": written, **walk.summary(not (options.max_items and more))}
        if walk.kept:
            summary["matched"] = walk.matched
        whole = not walk.params and walk.total in range(SEARCH_DEPTH)
        found_by_key = written == 1 and {"email", "client_id"} <= walk.params.keys()
        deeper = walk.searched and (walk.single or more) and not (whole or found_by_key)
        if walk.kept or more or deeper:
            output.footnote = _position(walk, written, more, deeper)
        writer.end(summary)
    first = options.page in (None, 1)
    complete = first and not (more or deeper) and summary.get("complete", True)
    output.receipt(written, complete)


def _position(walk: Walk, written: int, more: bool, deeper: bool) -> str:
    """How many of how many rows are printed, and the option for the rest; `deeper`: a search may
    have missed some."""
    total = walk.matched if walk.kept else walk.total or written
    least = "at least " * (deeper or (more and total == written))
    words = f"{written:,} of {least}{plural(total, 'row')}"
    if walk.kept:
        words += f" that match ({walk.read:,} read)"
    if deeper:
        words += f" {FOUND_BY_SEARCH}"
    return words + "; --all for every row" * more + "."


def _count(walk: Walk) -> None:
    """The server's own total where that is exact, else every page is read and counted."""
    output, names, method = walk.context.output, walk.groups, "all_pages"
    exact = not (names or walk.kept or walk.bulk)
    counts = Counter[str]()  # a record of the values, as JSON → how many
    for rows in walk.pages():
        if names:
            counts.update(compact({name: inside(row, name) for name in names}) for row in rows)
        if len(counts) > LARGEST_GROUPS:
            raise UsageError(f"--count-by: more than {LARGEST_GROUPS:,} different values.")
        if exact and walk.total is not None:
            walk.matched, method = walk.total, "server_total"
            break
    by = [{**json.loads(values), "n": n} for values, n in counts.most_common(TOP)]
    groups = {"by": by, "values_total": len(counts)} if names else {}
    result = {"count": walk.matched, **groups, **walk.summary(), "method": method}
    least = "" if result["complete"] else "At least "  # why stands in a warning
    words = f"{least}{plural(walk.matched, 'row')}."
    grouped = names and output.format != "json"
    output.columns = list(result)
    if grouped:
        output.columns = output.preferred = [*names, "n"]
        output.footnote = words
    output.document(by if grouped else result, words)
