"""Lists: one page, all pages, so many rows, or only how many there are. What is left out is always said."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bulk import export
from commands.runners import inputs, rehearsal
from commands.runners.rows import Call
from console.output import Receipt
from console.rendering import WRITERS, Shape, Writer, row_id
from leadgenius import answers
from leadgenius.answers import LARGEST_BULK_PAGE, LARGEST_PAGE
from leadgenius.errors import ServerError

if TYPE_CHECKING:
    from leadgenius.client import Page

BULK_ROWS = 20  # what a bulk list asks for when nothing was said
Completeness = Callable[[], bool]


def run(call: Call, params: dict[str, Any] | None = None, complete: Completeness = lambda: True) -> int:
    """Print the list. `complete` is asked after the last page: whether the service shows every row there is."""
    inputs.check_fields(call)
    params = {**inputs.filters(call), **(params or {})}
    settings = call.session.settings
    if settings.dry_run:
        sent = {**params, **wire_fields(call), **_first_page(call)}
        return rehearsal.show(call.session, call.operation, call.operation.path, params=sent)
    if settings.count:
        return _count(call, params, complete)
    if settings.all and settings.out and call.operation.paging == "cursor" and call.session.output.form != "table":
        return _export(call, params)
    if settings.all or settings.max_items:
        return _many_pages(call, params, complete)
    return _one_page(call, params)


def _first_page(call: Call) -> dict[str, Any]:
    """The paging parameters of the first request."""
    settings = call.session.settings
    size = settings.page_size
    if call.operation.paging == "cursor":
        return {"limit": size or (_bulk_size(call) if _walks(call) else BULK_ROWS), "nextToken": settings.cursor}
    if settings.count:
        return {"page": 1, "pageSize": 1}
    if _walks(call):
        return {"page": 1, "pageSize": size or LARGEST_PAGE}
    return {"page": settings.page, "pageSize": size}


def _walks(call: Call) -> bool:
    settings = call.session.settings
    return bool(settings.all or settings.max_items or settings.count)


def _bulk_size(call: Call) -> int:
    """No page larger than the rows that are wanted."""
    return min(call.session.settings.max_items or LARGEST_BULK_PAGE, LARGEST_BULK_PAGE)


def _one_page(call: Call, params: dict[str, Any]) -> int:
    client, operation, output = call.session.client, call.operation, call.session.output
    sent = {**params, **wire_fields(call), **_first_page(call)}
    body = client.call("GET", operation.path, params=sent, scope=operation.scope).body
    rows = _rows(call, body)
    _say_what_is_left(call, body, len(rows))
    _say_what_was_clamped(call)
    rest = answers.rest(body, operation.collection)
    receipt = Receipt(complete=not _is_more(call, body))
    output.listing(iter([rows]), rest, output.shape(operation.columns(), call.row.table), receipt)
    output.receipt(receipt, client.requests)
    return 0


def _rows(call: Call, body: Any) -> list[Any]:
    """The rows of a page. ServerError for an answer that holds none, not even an empty array of them."""
    collection = call.operation.collection
    if not answers.has_rows(body, collection):
        raise ServerError(
            "The server answered without any rows, so nothing can be said about this list.",
            hint=f"Run it again later; to see the answer as it is: {{api_call}} GET {call.operation.path}",
            method="GET",
            path=call.operation.path,
            retryable=True,
        )
    return answers.items(body, collection)


def _is_more(call: Call, body: Any) -> bool:
    pages = answers.total_pages(body)
    return bool(answers.cursor(body)) or (pages is not None and (call.session.settings.page or 1) < pages)


def _say_what_was_clamped(call: Call) -> None:
    size = call.session.settings.page_size or 0
    most = LARGEST_BULK_PAGE if call.operation.paging == "cursor" else LARGEST_PAGE
    if size > most:
        call.session.notes("note", f"The server gives at most {most} rows a page, whatever --page-size says.")


def _say_what_is_left(call: Call, body: Any, shown: int) -> None:
    notes, total, following = call.session.notes, answers.total(body), answers.cursor(body)
    last = answers.total_pages(body)
    if last is not None and (call.session.settings.page or 1) > max(last, 1):
        notes("note", f"There is no page {call.session.settings.page}; the last is {last}.")
    if not _is_more(call, body):
        return
    if following:
        notes(
            "note", f"{shown} rows, and there are more: --all for every row, or --cursor with the answer's nextToken."
        )
    else:
        page = (call.session.settings.page or 1) + 1
        notes("note", f"{shown} of {total} rows: --all for every row, --page {page} for the next ones.")


def _many_pages(call: Call, params: dict[str, Any], complete: Completeness) -> int:
    output, client, operation = call.session.output, call.session.client, call.operation
    receipt, closing = Receipt(), dict[str, Any]()
    rows = _walk(call, params, receipt, closing, complete)
    output.listing(rows, closing, output.shape(operation.columns(), call.row.table), receipt)
    output.receipt(receipt, client.requests)
    return 0


def _export(call: Call, params: dict[str, Any]) -> int:
    """A bulk list into a file, page by page, able to go on where it was killed."""
    session, output = call.session, call.session.output
    target, columns = session.settings.out, call.operation.columns()
    assert target is not None
    shape, receipt = output.shape(columns, call.row.table), Receipt()
    sent = {**params, **wire_fields(call), "limit": session.settings.page_size}
    query = export.query_of(session.origin, call.operation.path, sent, output.form, list(shape.fields or columns))
    restart, old = bool(call.typed("restart")), bool(call.typed("continue_old"))
    with export.exporting(target, query, restart=restart, continue_old=old) as work:
        _export_pages(call, params, work, shape)
        text, writer = _writer(call, shape, work)
        writer.end({"rows": work.checkpoint.rows, "complete": True})
        work.finish(text.getvalue())
        receipt.rows, receipt.clients = work.checkpoint.rows, work.checkpoint.clients
        receipt.columns = list(shape.fields or columns)
    output.tell(shape)
    output.receipt(receipt, session.client.requests)
    return 0


def _export_pages(call: Call, params: dict[str, Any], work: export.Export, shape: Shape) -> None:
    session, known = call.session, work.checkpoint
    if work.resumed:
        session.notes("note", f"Going on after {known.rows} rows that an earlier run has written.")
    if known.finished:
        return
    for page in pages(call, params, known.cursor):
        text, writer = _writer(call, shape, work)
        writer.rows(page.items)
        work.add(text.getvalue(), page)
        session.notes.progress(f"{known.rows} rows, {session.client.requests} requests")


def _writer(call: Call, shape: Shape, work: export.Export) -> tuple[io.StringIO, Writer]:
    """A writer that goes on behind the rows there are, and the text that it fills."""
    text = io.StringIO()
    return text, WRITERS[call.session.output.form](text, shape, work.checkpoint.rows if work.resumed else None)


def _walk(
    call: Call, params: dict[str, Any], receipt: Receipt, closing: dict[str, Any], complete: Completeness
) -> Iterator[list[Any]]:
    """Pages of rows, each row once, at most --max-items of them. Fills `closing` when the last one has been taken."""
    wanted = call.session.settings.max_items
    taken, cut, short = 0, False, False
    seen = _Seen(call)
    for page in pages(call, params):
        short = page.short
        rows = seen.fresh(page)
        if wanted is not None and taken + len(rows) >= wanted:
            cut = taken + len(rows) > wanted or _is_more_after(page)
            rows = rows[: wanted - taken]
        taken += len(rows)
        call.session.notes.progress(f"{taken} rows, {call.session.client.requests} requests")
        yield rows
        if wanted is not None and taken >= wanted:
            break
    if short:
        call.session.notes("warning", "The list ended before the number of rows that the server had announced.")
    receipt.complete = not cut and not short and complete()
    closing.update(rows=taken, requests=call.session.client.requests, complete=receipt.complete)
    if cut:
        call.session.notes("note", f"Stopped after {taken} rows, as --max-items says; there are more.")


def _is_more_after(page: Page) -> bool:
    pages_told = answers.total_pages(page.body)
    return page.cursor is not None or (pages_told is not None and page.number < pages_told)


class _Seen:
    """Numbered pages shift when rows are added on the way: a row met twice is dropped, and the shift is told."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._numbered = call.operation.paging == "page"
        self._ids: set[str] = set()
        self._total: int | None = None

    def fresh(self, page: Page) -> list[Any]:
        if not self._numbered:  # a cursor walks one index straight through
            return page.items
        total = answers.total(page.body)
        if self._total is not None and total is not None and total != self._total:
            self._call.session.notes(
                "warning", "The list changed while it was read: rows may be missing. Run it again."
            )
        self._total = total if total is not None else self._total
        return [row for row in page.items if self._is_new(row)]

    def _is_new(self, row: Any) -> bool:
        name = row_id(row)
        if name is None:
            return True
        new = name not in self._ids
        self._ids.add(name)
        return new


def pages(call: Call, params: dict[str, Any], cursor: str | None = None) -> Iterator[Page]:
    """The pages of the row's list, of the size asked for or the largest; a bulk list from `cursor` on."""
    client, operation, settings = call.session.client, call.operation, call.session.settings
    where = {"collection": operation.collection, "scope": operation.scope}
    if operation.paging == "cursor":
        limit = settings.page_size or _bulk_size(call)
        sent = {**params, **wire_fields(call)}
        return client.bulk(operation.path, sent, limit=limit, cursor=cursor or settings.cursor, **where)
    size = settings.page_size or min(settings.max_items or LARGEST_PAGE, LARGEST_PAGE)
    return client.pages(operation.path, params, size=size, first=settings.page or 1, **where)


def wire_fields(call: Call) -> dict[str, Any]:
    """--fields is also sent where the server can leave the others out; it reads top-level names only."""
    fields = call.session.settings.fields
    if call.operation.paging != "cursor" or not fields:
        return {}
    return {"fields": ",".join(dict.fromkeys(name.split(".")[0] for name in fields))}


def _count(call: Call, params: dict[str, Any], complete: Completeness) -> int:
    told = _counted(call, params, complete)
    call.session.output.document(told, list(told), requests=call.session.client.requests)
    return 0


def _counted(call: Call, params: dict[str, Any], complete: Completeness) -> dict[str, Any]:
    """What the server says it has, in one request; where it says nothing, every page is read."""
    client, operation = call.session.client, call.operation
    if operation.paging == "cursor":
        found = sum(len(page.items) for page in pages(call, {**params, "fields": "id"}))
        return {"count": found, "complete": True, "method": "every page of the index was read"}
    sent = {**params, "page": 1, "pageSize": 1}
    total = answers.total(client.call("GET", operation.path, params=sent, scope=operation.scope).body)
    if total is not None:
        return {"count": total, "complete": complete(), "method": "pagination.totalItems"}
    found, short = 0, False
    for page in pages(call, params):
        found, short = found + len(page.items), page.short
    return {"count": found, "complete": not short and complete(), "method": "every page was read"}
