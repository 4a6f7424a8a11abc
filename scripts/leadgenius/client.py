"""Client: route → credential → slot → send → answer or error; and lists, page by page."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from leadgenius import answers, retry
from leadgenius.answers import LARGEST_BULK_PAGE, LARGEST_PAGE
from leadgenius.errors import LocalError, RateError, ServerError, UsageError
from leadgenius.keys import Credential, Keys, clean
from leadgenius.retry import LONGEST_WAIT, Answer, Failure, Request, is_api_error
from leadgenius.scopes import LOGIN, SYSTEM, check_id, route
from leadgenius.settings import Settings

if TYPE_CHECKING:
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.transport import Transport

PROXY_PAUSE = 900.0  # longest pause after a 429 that is not the API's own, but a proxy's
LEAST_SECONDS = 0.5  # nothing is begun with less than this before --max-time
LONGEST_CURSOR = 4096
Params = Mapping[str, Any] | None


class Page(NamedTuple):
    """One page of a list. `number` counts from 1; `cursor` is that of the page after it, None on
    the last.

    `short`, on the last one: the list has ended before what the server had announced.
    """

    items: list[Any]
    body: Any
    number: int
    cursor: str | None = None
    short: bool = False


class Client:
    """Requests to one origin; made by `leadgenius.connect`. Raises the errors of leadgenius.errors.

    Not for several threads at once. Processes may share a key: the request log keeps them within
    its limits. `requests` counts attempts; `sandbox` is True once an answer came from a sandbox;
    `last_outcome` is what became of the latest change: not_sent, applied, rejected or unknown.
    """

    requests = 0
    sandbox = False
    last_outcome: str | None = None
    _changed = 0  # records

    def __init__(
        self,
        keys: Keys,
        settings: Settings,
        on_note: Callable[[str, str], None],
        state: Path | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        agent: str = "leadgenius-skill",
        dry_run: bool = False,
        end: float = math.inf,
        adapter: Any = None,
    ) -> None:
        self.origin, self.keys, self.file, self.secrets = keys.origin, keys, keys.file, keys.secrets
        self.settings, self.windows, self.state = settings, settings.windows, state
        self._on_note, self._environ, self._adapter = on_note, environ or {}, adapter
        self._agent, self._dry_run, self._end = agent, dry_run, end

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and the request log, if they were opened."""
        for name in ("transport", "limiter"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()

    @cached_property
    def transport(self) -> Transport:
        """What sends; requests takes longer to import than everything else."""
        from leadgenius.transport import Transport

        return Transport(self.origin, self._adapter, environ=self._environ)

    @cached_property
    def limiter(self) -> RateLimiter:
        """The request log; its `report` and `clear` are what `limits` prints and does."""
        from leadgenius.ratelimit import RateLimiter

        path = self.state / "requests-2.sqlite3" if self.state else None
        if not self.settings.limiter:
            return RateLimiter(path, self.windows, self._on_note)
        from leadgenius.redis_log import RedisLog

        return RedisLog(self.settings.limiter, path, self.windows, self._on_note)

    def identity(self, credential: Credential) -> str:
        """The name of a credential in the request log, which does not lead back to it. Logins are
        counted by their e-mail.
        """
        owner = self.keys.owner() if credential.kind == "jwt" else ""
        named = f"{self.origin}\0{owner or credential.value}".encode("utf-8", "surrogatepass")
        return hashlib.sha256(named).hexdigest()[:32]

    # ---- one request

    def get(self, endpoint: str, params: Params = None) -> Any:
        """The parsed body of a GET."""
        return self.call("GET", endpoint, params=params).body

    def post(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a POST; sent again only when the server certainly has not acted."""
        return self.call("POST", endpoint, body=body).body

    def put(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a PUT."""
        return self.call("PUT", endpoint, body=body).body

    def delete(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a DELETE."""
        return self.call("DELETE", endpoint, body=body).body

    def call(
        self,
        method: str,
        endpoint: str,
        *,
        params: Params = None,
        body: Any = None,
        scope: str = "auto",
    ) -> Answer:
        """The answer to one request, sent again where that is safe. `body` is JSON, None for
        none.
        """
        request = self._prepare(method, endpoint, params, body, scope)
        if self._dry_run:
            message = "This is a dry run; nothing was sent."
            raise UsageError(message, code="dry_run", outcome="not_sent")
        rule = request.scope
        if rule.credential:
            found = self.keys.find(rule.credential)
            headers = {**request.headers, rule.header: rule.prefix + found.value}
            user = self.settings.user_id or self.keys.saved("user_id")
            if user and found.kind != "jwt":
                headers["X-User-Id"] = clean(user, "the user id")
            counted = self.identity(found)
            request = request._replace(headers=headers, source=found.source, counted=counted)
        self.last_outcome = None if request.method == "GET" else "not_sent"
        self._changed += request.changes
        return self._send(request)

    def plan(self, method: str, endpoint: str, **options: Any) -> dict[str, Any]:
        """What `call` would send: method, url, headers (masked), body. Needs neither key nor
        network.
        """
        request = self._prepare(method, endpoint, **options)
        return {name: getattr(request, name) for name in ("method", "url", "headers", "body")}

    def _prepare(
        self,
        method: str,
        endpoint: str,
        params: Params = None,
        body: Any = None,
        scope: str = "auto",
    ) -> Request:
        """The request with its one credential masked, once it is allowed."""
        target, method, changes = route(endpoint, self.origin, scope), method.upper(), 0
        rule = target.scope
        if method != "GET" and rule != LOGIN:
            lists = [answers.dig(body, name) for name in ("ids", "leadIds", "leads")]
            changes = max((len(one) for one in lists if isinstance(one, list)), default=1)
            self.check_changes(changes)
        query = "&".join(filter(None, [target.query, _encoded(params or {})]))
        url = self.origin + target.path + (f"?{query}" if query else "")
        headers = {"User-Agent": self._agent, "Accept": "application/json"}
        if rule.credential:
            headers[rule.header] = f"{rule.prefix}***"
        return Request(method, target.path, self.origin, url, headers, body, rule, changes)

    def check_changes(self, count: int) -> None:
        """UsageError when this client may change nothing (LGP_READ_ONLY), or not `count` records
        more (LGP_MAX_CHANGES).
        """
        allowed, total = self.settings.max_changes, self._changed + count
        if self.settings.read_only:
            message = "This is a change, and --read-only (or LGP_READ_ONLY) allows none."
            hint = "Run it without --read-only, and with LGP_READ_ONLY unset."
            raise UsageError(message, code="read_only", hint=hint, outcome="not_sent")
        if allowed is not None and total > allowed:
            message = f"This would make {total} changed records; LGP_MAX_CHANGES allows {allowed}."
            hint = "Give fewer records, or raise LGP_MAX_CHANGES."
            raise UsageError(message, code="too_many_changes", hint=hint, outcome="not_sent")

    # ---- attempts

    def _send(self, request: Request) -> Answer:
        """Attempts until one is answered or none may follow within max_wait."""
        attempt, maybe_applied = 0, False
        give_up = min(time.monotonic() + self.settings.max_wait, self._end - LEAST_SECONDS)
        while True:
            try:
                slot = self._slot(request, give_up)
            except RateError as error:
                error.facts |= request.facts(attempt) | {"retryable": True}
                if maybe_applied:
                    raise retry.unknown(request, **error.facts) from error
                error.facts["outcome"] = None if request.method == "GET" else "not_sent"
                raise
            attempt += 1
            found = self._attempt(request, slot, attempt, maybe_applied)
            if isinstance(found, Answer):
                return found._replace(maybe_applied=maybe_applied)
            now = time.time()
            if found.status == 429 and request.counted:
                longest = LONGEST_WAIT if is_api_error(found.body) else PROXY_PAUSE
                wait = min(retry.asked_wait(found, attempt, now), longest)
                self.limiter.penalize(request.counted, wait)
            pause = retry.wait_before(request, found, attempt, now)
            if pause is None or time.monotonic() + pause > give_up:
                raise retry.error_of(request, found, attempt, maybe_applied, now)
            maybe_applied = self.last_outcome == "unknown"
            reason = f"HTTP {found.status}" if found.status else found.detail
            self._on_note("note", f"{reason}; trying again in {pause:.1f} s")
            time.sleep(pause)

    def _slot(self, request: Request, give_up: float) -> int:
        """A slot of the limiter, 0 for a request that has no key to count under."""
        now, hold = time.monotonic(), self.settings.timeout
        if now + LEAST_SECONDS > self._end:
            message = "The time allowed by --max-time is over; this request was not sent."
            hint = "Run the same command again, or with a longer --max-time."
            raise RateError(message, code="out_of_time", hint=hint)
        if not request.counted:
            return 0
        return self.limiter.acquire(request.counted, max_wait=max(0.0, give_up - now), hold=hold)

    def _attempt(
        self, request: Request, slot: int, attempt: int, maybe_applied: bool
    ) -> Answer | Failure:
        """One attempt: settled, noted and its outcome kept, also when it is interrupted."""
        sender, began, method = self.transport, time.monotonic(), request.method
        timeout = max(min(self.settings.timeout, self._end - began), LEAST_SECONDS / 2)
        self.requests += 1
        sender.last = Failure("connect", detail="stopped before it began")
        try:
            return sender.send(method, request.url, request.headers, request.body, timeout=timeout)
        finally:
            found = sender.last
            if isinstance(found, Failure):
                error = retry.error_of(request, found, attempt, maybe_applied, began)
                self.last_outcome = error.outcome
            elif method != "GET":
                self.last_outcome = "applied"
            if slot:
                self.limiter.settle(request.counted, slot, found.headers)
            what = f"{found.status or 'no answer'} after {time.monotonic() - began:.2f} s"
            where = f"{method} {request.origin}{request.path}"
            self._on_note("attempt", f"attempt {attempt}: {where}: {what}")
            if found.headers.get("X-LeadGenius-Sandbox") and not self.sandbox:
                self.sandbox = True
                self._on_note("warning", "This answer comes from a sandbox: the data is not real.")

    # ---- lists

    def rows(self, endpoint: str, params: Params = None) -> Iterator[Any]:
        """Every row of any list: pages and cursors are followed, companyId is filled in on the bulk
        lists.
        """
        given = dict(params or {})
        pages = self.pages(endpoint, given)
        if route(endpoint, self.origin).scope == SYSTEM:
            given["companyId"] = given.get("companyId") or self.company_id()
            pages = self.bulk(endpoint, given)
        for page in pages:
            yield from page.items

    def pages(
        self,
        endpoint: str,
        params: Params = None,
        *,
        size: int = LARGEST_PAGE,
        first: int = 1,
        collection: str = "",
        scope: str = "auto",
    ) -> Iterator[Page]:
        """Numbered pages until one is empty or the last is reached. ServerError for a page without
        rows.

        A short page does not end the list (the server may cap pageSize). A repeated one does: the
        endpoint has no pages.
        """
        number, seen, before = first, 0, None
        while True:
            asked = {**(params or {}), "page": number, "pageSize": size}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            found = _rows(body, endpoint, collection)
            fresh = [] if found == before else found
            seen += len(fresh)
            end = not fresh or number == answers.total_pages(body)
            short = end and first == 1 and seen < (answers.total(body) or 0)
            if found != before or short:
                yield Page(fresh, body, number, short=short)
            if end:
                return
            before, number = found, number + 1

    def bulk(
        self,
        endpoint: str,
        params: Params = None,
        *,
        limit: int = LARGEST_BULK_PAGE,
        cursor: str | None = None,
        collection: str = "leads",
        scope: str = "auto",
    ) -> Iterator[Page]:
        """Pages of a bulk list from `cursor` on. ServerError for a page without rows, for a bare
        array in answer to a cursor, and for a cursor that cannot be used or came before: none of
        them says that the list is complete.
        """
        number, seen = 0, {cursor}
        while cursor or not number:
            asked = {**(params or {}), "limit": limit, "nextToken": cursor}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            found = _rows(None if cursor and isinstance(body, list) else body, endpoint, collection)
            cursor, number = answers.cursor(body), number + 1
            usable = not cursor or (len(cursor) <= LONGEST_CURSOR and cursor.isprintable())
            if not usable or (cursor and cursor in seen):
                raise _broken_list("a cursor that cannot be used, or that it gave before", endpoint)
            yield Page(found, body, number, cursor)
            del found, body  # not two pages at once
            seen.add(cursor)

    def company_id(self) -> str:
        """LGP_COMPANY_ID, the one saved with the credential in use, else that of one lead, which is
        then saved.

        UsageError when there is no lead to read it from; CredentialError without an agent key.
        """
        found = self.settings.company_id or self.keys.saved("company_id")
        if not found:
            leads = answers.items(self.get("/leads", {"pageSize": 1}), "leads")
            found = str(answers.dig(leads[0], "company_id") or "") if leads else ""
            if not found:
                hint = "Give --company-id or LGP_COMPANY_ID."
                raise UsageError("The company id is needed, and no lead shows it.", hint=hint)
            if self.keys.saved("api_key"):
                with contextlib.suppress(LocalError):
                    self.file.update(company_id=check_id(found))
        return check_id(found, "company id")


def _rows(body: Any, endpoint: str, collection: str) -> list[Any]:
    collection = collection or endpoint.partition("?")[0].rpartition("/")[2]
    if not answers.has_rows(body, collection):
        raise _broken_list("no rows, so this list may not be complete", endpoint)
    return answers.items(body, collection)


def _broken_list(what: str, endpoint: str) -> ServerError:
    return ServerError(f"The server gave {what}.", hint=retry.LATER, path=endpoint, retryable=True)


def _encoded(params: Mapping[str, Any]) -> str:
    """A query; None is left out, a list repeats its name."""
    given = {name: value for name, value in params.items() if value is not None}
    given |= {name: str(value).lower() for name, value in given.items() if isinstance(value, bool)}
    try:
        return urlencode(given, doseq=True)
    except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
        raise UsageError("A parameter is not valid text.", code="invalid_input") from error
