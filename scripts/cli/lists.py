"""Lists: a loop over pages that owns its counts: keep, count, write. What is left out is always
said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from cli import inputs
from cli.context import Context
from cli.output import row_id
from cli.text import plural
from cli.where import Condition, Tally, conditions
from contract.operations import resolve
from leadgenius import answers
from leadgenius.errors import ServerError

if TYPE_CHECKING:
    from leadgenius.client import Page

FIRST_ROWS = 20  # printed when nothing says how many
LARGEST = {"page": 100, "cursor": 5000}  # rows a page
# Filters of the server that compare as --where does: their values are listed, or compare without
# case.
_SAME_FILTERS = ("email", "companyName")


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


def run(context: Context) -> int:
    """The list of the command's operation."""
    operation = context.operation
    return show(
        context,
        Listing(
            operation.path,
            inputs.filters(context),
            operation.paging or "page",
            operation.collection,
            operation.scope,
        ),
    )


def show(context: Context, listing: Listing) -> int:
    """One page, or all pages filtered, counted or exported, as the options say."""
    options = context.options
    kept = conditions(options.where or ())
    inputs.check_fields(context, options.fields or (), "--fields")
    inputs.check_fields(context, [one.field for one in kept], "--where")
    inputs.check_fields(context, options.count_by or (), "--count-by")
    listing = listing._replace(
        params={**_same_filters(context, kept), **listing.params, **_fields(context, listing, kept)}
    )
    counting = options.count or options.count_by
    if options.dry_run:
        return _preview(context, listing)
    if (
        options.all
        and options.out
        and listing.paging == "cursor"
        and not counting
        and context.output.format != "table"
    ):
        from cli import export

        return export.run(context, Walk(context, listing, kept), pages)
    if options.count and not kept and listing.paging == "page":
        return _server_count(context, listing)
    if counting:
        return _count(context, listing, kept)
    if kept or options.all or options.max_items:
        return _walk(context, listing, kept)
    return _one_page(context, listing)


def page_params(context: Context, listing: Listing) -> dict[str, Any]:
    """The paging parameters of the first request."""
    options = context.options
    walks = options.all or options.max_items or options.where or options.count or options.count_by
    size = options.page_size or (
        min(options.max_items or LARGEST[listing.paging], LARGEST[listing.paging])
        if walks
        else None
    )
    if listing.paging == "cursor":
        return {"limit": size or FIRST_ROWS}
    if options.count and not options.where:
        return {"page": 1, "pageSize": 1}
    return {"page": options.page or (1 if walks else None), "pageSize": size}


def _preview(context: Context, listing: Listing) -> int:
    params = {**listing.params, **page_params(context, listing)}
    return context.preview("GET", listing.path, params=params, scope=listing.scope)


def _same_filters(context: Context, kept: list[Condition]) -> dict[str, Any]:
    """Conditions that the server's own filter means in the same way: it then sends fewer rows."""
    if context.known_operation is None:
        return {}
    known = context.known_operation.filters()
    made = {}
    for one in kept:
        listed = one.field in known and one.value.lower() in resolve(
            known[one.field]["schema"]
        ).get("enum", ())
        if one.operator == "=" and (
            listed or (one.field in _SAME_FILTERS and one.field in known and one.value)
        ):
            made[one.field] = one.value.lower() if listed else one.value
    return made


def _fields(context: Context, listing: Listing, kept: list[Condition]) -> dict[str, Any]:
    """`fields` of the bulk lists: the server leaves the others out. What is filtered on is fetched
    though not printed."""
    options = context.options
    wanted = options.count_by or (["id"] if options.count else options.fields)
    if listing.paging != "cursor" or not wanted:
        return {}
    names = [*wanted, *(one.field for one in kept)]
    return {"fields": ",".join(dict.fromkeys(name.split(".")[0] for name in names))}


def pages(context: Context, listing: Listing, cursor: str | None = None) -> Iterator[Page]:
    """The pages of a list, of the size asked for or the largest; a bulk list from `cursor` on."""
    client = context.client
    size = {**page_params(context, listing)}.get(
        "limit" if listing.paging == "cursor" else "pageSize"
    )
    if listing.paging == "cursor":
        return client.bulk(
            listing.path,
            listing.params,
            limit=size or LARGEST["cursor"],
            cursor=cursor,
            collection=listing.collection,
            scope=listing.scope,
        )
    size = context.options.page_size or size or LARGEST["page"]
    return client.pages(
        listing.path, listing.params, size=size, collection=listing.collection, scope=listing.scope
    )


class Walk:
    """Rows of all pages, each once, that fit the conditions; the counts are its own."""

    def __init__(self, context: Context, listing: Listing, kept: list[Condition]) -> None:
        self.context, self.listing, self.kept = context, listing, kept
        self.read = self.matched = self.not_comparable = 0
        self.short = False  # the list ended before the number of rows that the server had announced
        self._seen: set[str] = set()
        self._total: int | None = None

    def pages(self) -> Iterator[list[Any]]:
        """The fitting rows, a page at a time."""
        for page in pages(self.context, self.listing):
            fresh = list(map(self.listing.shown, self._fresh(page)))
            self.read += len(fresh)
            self.short = self.short or page.short
            rows = self.keep(fresh)
            self.matched += len(rows)
            self.context.notes.progress(
                f"{plural(self.read, 'row')}, {plural(self.context.client.requests, 'request')}",
                self.read,
                self._total,
            )
            yield rows
        if self.short:
            self.context.notes(
                "warning", "The list ended before the number of rows that the server had announced."
            )

    def keep(self, rows: list[Any]) -> list[Any]:
        """Those of `rows` that fit every condition."""
        if not self.kept:
            return rows
        made = []
        for row in rows:
            verdicts = [one.holds(row) for one in self.kept]
            if all(verdicts):
                made.append(row)
            elif None in verdicts and False not in verdicts:
                self.not_comparable += 1
        return made

    def _fresh(self, page: Page) -> list[Any]:
        """Numbered pages shift when rows are added on the way: a row met twice is dropped, and the
        shift is noted."""
        if self.listing.paging == "cursor":
            return page.items
        total = answers.total(page.body)
        if None not in (total, self._total) and total != self._total:
            self.context.notes(
                "warning", "The list changed while it was read: rows may be missing. Run it again."
            )
        self._total = total if total is not None else self._total
        fresh = []
        for row in page.items:
            name = row_id(row)
            if name is None or name not in self._seen:
                fresh.append(row)
                self._seen.add(name or "")
        return fresh

    def summary(self, complete: bool) -> dict[str, Any]:
        """What is said of the list as a whole."""
        facts: dict[str, Any] = {
            "requests": self.context.client.requests,
            "complete": complete and not self.not_comparable,
        }
        if self.kept:
            facts = {"matched": self.matched, "rows_read": self.read, **facts}
        if self.not_comparable:
            facts["not_comparable"] = self.not_comparable
        return {**facts, **({"sandbox": True} if self.context.client.sandbox else {})}


def _one_page(context: Context, listing: Listing) -> int:
    client, output, options = context.client, context.output, context.options
    params = {**listing.params, **page_params(context, listing)}
    body = client.call("GET", listing.path, params=params, scope=listing.scope).body
    if not answers.has_rows(body, listing.collection):
        hint = f"Run it again later; to see the answer as it is: {{api_call}} GET {listing.path}"
        raise ServerError(
            "The server answered without any rows.", hint=hint, method="GET", path=listing.path
        )
    rows = list(map(listing.shown, answers.items(body, listing.collection)))
    pages, number = answers.total_pages(body), options.page or 1
    more = bool(answers.cursor(body)) or (pages is not None and number < pages)
    if pages is not None and number > max(pages, 1):
        output.below(f"There is no page {number}; the last is {pages}.")
    elif more or output.format == "table" or listing.depth(answers.total(body)):
        output.below(_position(listing, body, len(rows), number + 1 if more else 0))
    if (options.page_size or 0) > LARGEST[listing.paging]:
        output.below(f"The server gives at most {LARGEST[listing.paging]} rows a page.")
    with output.open() as writer:
        writer.rows(rows)
        writer.end(answers.rest(body, listing.collection))
    output.receipt(len(rows), client.requests, not more, **_mark(context))
    return 0


def _position(listing: Listing, body: Any, count: int, following: int) -> str:
    """How many of how many, and the options for the rest; `following` is the next page, or 0."""
    total = answers.total(body)
    depth = listing.depth(total)
    if depth:
        known = f"{count:,}" + (f" of at least {total:,}" if total is not None else "")
        onward = f" --page {following} for the next ones." if following else ""
        return f"{known} found by search ({depth}.{onward}"
    of = f" of {total:,}" if following and total is not None else ""
    onward = "" if answers.cursor(body) else f", --page {following} for the next ones"
    return f"{plural(count, 'row')}{of}" + (f": --all for every row{onward}." if following else ".")


def _mark(context: Context) -> dict[str, Any]:
    return {"sandbox": True} if context.client.sandbox else {}


def _walk(context: Context, listing: Listing, kept: list[Condition]) -> int:
    """Rows as they come: all of them, --max-items, or the first 20 that fit --where."""
    output, options = context.output, context.options
    walk = Walk(context, listing, kept)
    most = None if options.all else options.max_items or FIRST_ROWS
    written, cut = 0, False
    with output.open() as writer:
        for rows in walk.pages():
            room = len(rows) if most is None else most - written
            cut = cut or len(rows) > room
            writer.rows(rows[:room])
            written += len(rows[:room])
            if (
                options.max_items
                and written >= options.max_items
                and not (cut := cut or _more(context, walk))
            ):
                break
            if options.max_items and cut:
                break
        complete = not (options.max_items and cut) and not walk.short and listing.is_whole()
        summary = walk.summary(complete)
        if kept and not options.max_items:
            shown = f"; the first {written} are shown, --all for every row" if cut else ""
            requests = plural(context.client.requests, "request")
            output.below(
                f"{walk.matched:,} of {plural(walk.read, 'row')} match ({requests}){shown}."
            )
        elif cut:
            stopped = plural(written, "row")
            output.below(f"Stopped after {stopped}, as --max-items says; there are more.")
        writer.end(summary if kept else {"rows": written, **summary})
    output.receipt(
        written, context.client.requests, summary["complete"] and not cut, **_mark(context)
    )
    if walk.not_comparable:
        context.notes(
            "warning",
            f"{plural(walk.not_comparable, 'row')} could not be compared: see not_comparable.",
        )
    return 0


def _more(context: Context, walk: Walk) -> bool:
    """Whether rows may follow those that --max-items took."""
    return walk._total is None or walk.read < walk._total


def _server_count(context: Context, listing: Listing) -> int:
    """What the server says it has, in one request; where it says nothing, every page is read."""
    body = context.client.call(
        "GET",
        listing.path,
        params={**listing.params, "page": 1, "pageSize": 1},
        scope=listing.scope,
    ).body
    total = answers.total(body)
    if total is None:
        return _count(context, listing, [])
    return _print_count(
        context, {"count": total, "complete": listing.is_whole(), "method": "server_total"}
    )


def _count(context: Context, listing: Listing, kept: list[Condition]) -> int:
    walk, tally = Walk(context, listing, kept), Tally(context.options.count_by or ())
    for rows in walk.pages():
        for row in rows:
            tally.add(row)
    result = (
        tally.result()
        | walk.summary(not walk.short and listing.is_whole())
        | {"method": "all_pages"}
    )
    result.pop("matched", None)
    return _print_count(context, result)


def _print_count(context: Context, result: dict[str, Any]) -> int:
    if context.output.format in ("csv", "jsonl", "table") and "by" in result:
        with context.output.open() as writer:
            context.output.columns = context.output.preferred = (
                list(result["by"][0]) if result["by"] else []
            )
            writer.rows(result["by"])
            writer.end({})
        return 0
    context.output.document({**result, **_mark(context)}, context.client.requests)
    return 0
