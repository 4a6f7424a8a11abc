"""Client: route → credential → slot → send → answer or error; and lists, page by page.

from leadgenius import connect with connect() as lg:                       # the credentials, limits
and switches of the command line
    for lead in lg.rows("/enrich-leads/list"):
        ...
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from leadgenius import answers, retry
from leadgenius.answers import LARGEST_BULK_PAGE, LARGEST_PAGE
from leadgenius.errors import LeadGeniusError, LocalError, RateError, ServerError, UsageError
from leadgenius.keys import Credential, Keys, clean
from leadgenius.retry import Answer, Failure, Request
from leadgenius.scopes import SYSTEM, Target, check_id, route
from leadgenius.settings import Settings

if TYPE_CHECKING:
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.transport import Transport

LEAST_SECONDS = 0.5  # nothing is begun with less than this before --max-time
LONGEST_CURSOR = 4096
MASK = "***"
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

    def __init__(
        self,
        origin: str,
        keys: Keys,
        settings: Settings,
        state: Path | None = None,
        *,
        agent: str = "leadgenius-skill",
        dry_run: bool = False,
        end: float | None = None,
        on_note: Callable[[str, str], None],
        make_transport: Callable[[], Transport],
        make_limiter: Callable[[], RateLimiter],
        time: Any = time,
    ) -> None:
        self.origin, self.keys, self.file, self.secrets = origin, keys, keys.file, keys.secrets
        self.settings, self.windows, self.state = settings, settings.windows, state
        self.requests, self.sandbox = 0, False
        self.last_outcome: str | None = None
        self._agent, self._dry_run, self._end, self._on_note = agent, dry_run, end, on_note
        self._make_transport, self._make_limiter, self._time = make_transport, make_limiter, time
        self._transport: Transport | None = None
        self._limiter: RateLimiter | None = None
        self._changed = 0  # records

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and the request log, if they were opened."""
        for opened in (self._transport, self._limiter):
            if opened:
                opened.close()
        self._transport = self._limiter = None

    @property
    def limiter(self) -> RateLimiter:
        """The request log; its `report` and `clear` are what `limits` prints and does."""
        self._limiter = self._limiter or self._make_limiter()
        return self._limiter

    def identity(self, credential: Credential) -> str:
        """The name of a credential in the request log. Logins are counted by their e-mail."""
        from leadgenius.ratelimit import identity

        owner = self.keys.owner() if credential.kind == "jwt" else ""
        return identity(self.origin, owner or credential.value)

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
        target, request, count = self._prepare(method.upper(), endpoint, params, body, scope)
        if self._dry_run:
            raise UsageError(
                "This is a dry run; nothing was sent.", code="dry_run", outcome="not_sent"
            )
        if target.scope.credential:
            credential = self.keys.find(target.scope.credential)
            headers = self._headers(target, credential.value)
            user = self.settings.user_id or self.keys.saved("user_id")
            if user and credential.kind != "jwt":
                headers["X-User-Id"] = clean(user, "the user id")
            counted = self.identity(credential)
            request = request._replace(headers=headers, source=credential.source, counted=counted)
        self.last_outcome = None if request.method == "GET" else "not_sent"
        self._changed += count
        return self._send(request)

    def plan(
        self,
        method: str,
        endpoint: str,
        *,
        params: Params = None,
        body: Any = None,
        scope: str = "auto",
    ) -> dict[str, Any]:
        """What `call` would send: method, url, headers (masked), body. Needs neither key nor
        network.
        """
        target, request, _ = self._prepare(method.upper(), endpoint, params, body, scope)
        headers = self._headers(target, MASK)
        return {"method": request.method, "url": request.url, "headers": headers, "body": body}

    def _prepare(
        self, method: str, endpoint: str, params: Params, body: Any, scope: str
    ) -> tuple[Target, Request, int]:
        """Target, request without a credential, and the number of records it changes, once that is
        allowed.
        """
        target, count = route(endpoint, self.origin, scope), 0
        if method != "GET" and not target.is_login:
            lists = [answers.dig(body, name) for name in ("ids", "leadIds", "leads")]
            count = max((len(one) for one in lists if isinstance(one, list)), default=1)
            self.check_changes(count)
        url = self.origin + target.path + _query(target, params)
        headers = self._headers(target, "")
        return (
            target,
            Request(method, target.path, self.origin, url, headers, body, target.is_login),
            count,
        )

    def _headers(self, target: Target, secret: str) -> dict[str, str]:
        """Exactly one credential, the right one for its scope."""
        headers = {"User-Agent": self._agent, "Accept": "application/json"}
        if target.scope.credential and secret:
            bearer = "Bearer " if target.scope.credential == "jwt" else ""
            headers[target.scope.header] = bearer + secret
        return headers

    def check_changes(self, count: int) -> None:
        """UsageError when this client may change nothing (LGP_READ_ONLY), or not `count` records
        more (LGP_MAX_CHANGES).
        """
        allowed = self.settings.max_changes
        if self.settings.read_only:
            raise UsageError(
                "This is a change, and --read-only (or LGP_READ_ONLY) allows none.",
                code="read_only",
                hint="Run it without --read-only, and with LGP_READ_ONLY unset.",
                outcome="not_sent",
            )
        if allowed is not None and self._changed + count > allowed:
            before = f" after {self._changed} before" if self._changed else ""
            raise UsageError(
                f"This would change {count} records{before}, and LGP_MAX_CHANGES allows {allowed}.",
                code="too_many_changes",
                hint="Give fewer records, or raise LGP_MAX_CHANGES.",
                outcome="not_sent",
            )

    # ---- attempts

    def _send(self, request: Request) -> Answer:
        """Attempts until one is answered or none may follow."""
        waited, attempt, maybe_applied = 0.0, 0, False
        while True:
            began = self._time.monotonic()
            try:
                slot = self._slot(request, waited)
            except RateError as error:
                raise _not_sent(request, error, attempt, maybe_applied) from error
            waited += self._time.monotonic() - began
            attempt += 1
            found = self._attempt(request, slot, attempt, maybe_applied)
            if isinstance(found, Answer):
                return found._replace(maybe_applied=maybe_applied)
            now = self._time.time()
            wait = pause = retry.wait_before(
                request, found, attempt, now=now, uniform=random.uniform
            )
            if found.status == 429:
                wait = retry.asked_wait(found, attempt, now) if pause is None else pause
                if request.counted:
                    self.limiter.penalize(
                        request.counted, wait, proxy=not retry.is_api_error(found.body)
                    )
            if pause is None or pause > self._allowed(waited):
                raise retry.error_of(request, found, attempt, maybe_applied, wait, now)
            maybe_applied = self.last_outcome == "unknown"
            reason = f"HTTP {found.status}" if found.status else found.detail
            self._on_note("note", f"{reason}; trying again in {pause:.1f} s")
            self._time.sleep(pause)
            waited += pause

    def _slot(self, request: Request, waited: float) -> int:
        """A slot of the limiter, 0 for a request that has no key to count under."""
        if self._end is not None and self._time.monotonic() + LEAST_SECONDS > self._end:
            raise RateError(
                "The time allowed by --max-time is over; this request was not sent.",
                code="out_of_time",
                hint="Run the same command again, or with a longer --max-time.",
            )
        if not request.counted:
            return 0
        allowed, hold = self._allowed(waited), self.settings.timeout
        return self.limiter.acquire(request.counted, max_wait=allowed, hold=hold)

    def _allowed(self, waited: float) -> float:
        """Seconds that may still be slept for one request."""
        left = self.settings.max_wait - waited
        if self._end is not None:
            left = min(left, self._end - self._time.monotonic() - LEAST_SECONDS)
        return max(left, 0.0)

    def _attempt(
        self, request: Request, slot: int, attempt: int, maybe_applied: bool
    ) -> Answer | Failure:
        """One attempt: settled, noted and its outcome kept, also when it is interrupted."""
        self._transport = sender = self._transport or self._make_transport()
        began, timeout = self._time.monotonic(), self.settings.timeout
        if self._end is not None:
            timeout = max(min(timeout, self._end - began), LEAST_SECONDS / 2)
        self.requests += 1
        sender.last = Failure("connect", detail="stopped before it began")
        try:
            return sender.send(
                request.method, request.url, request.headers, request.body, timeout=timeout
            )
        finally:
            found = sender.last
            if isinstance(found, Failure):
                error = retry.error_of(request, found, attempt, maybe_applied)
                self.last_outcome = error.outcome
            elif request.method != "GET":
                self.last_outcome = "applied"
            if slot:
                self.limiter.settle(request.counted, slot, found.headers)
            where = f"attempt {attempt}: {request.method} {request.origin}{request.path}"
            seconds = self._time.monotonic() - began
            what = f"{found.status or 'no answer'} after {seconds:.2f} s"
            self._on_note("attempt", f"{where}: {what}")
            if found.headers.get("X-LeadGenius-Sandbox") and not self.sandbox:
                self.sandbox = True
                self._on_note("warning", "This answer comes from a sandbox: the data is not real.")

    # ---- lists

    def rows(self, endpoint: str, params: Params = None) -> Iterator[Any]:
        """Every row of any list: pages and cursors are followed, companyId is filled in on the bulk
        lists.
        """
        given = dict(params or {})
        if route(endpoint, self.origin).scope == SYSTEM:
            given["companyId"] = given.get("companyId") or self.company_id()
            pages = self.bulk(endpoint, given)
        else:
            pages = self.pages(endpoint, given)
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
            total, last = answers.total(body), answers.total_pages(body)
            fresh = [] if found == before else found
            seen += len(fresh)
            end = not fresh or number == last
            short = end and first == 1 and seen < (total or 0)
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
        number, seen = 1, {cursor}
        while True:
            asked = {**(params or {}), "limit": limit, "nextToken": cursor}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            found = _rows(None if cursor and isinstance(body, list) else body, endpoint, collection)
            cursor = answers.cursor(body)
            if cursor and (
                cursor in seen or len(cursor) > LONGEST_CURSOR or not cursor.isprintable()
            ):
                raise _broken_list("a cursor that cannot be used, or that it gave before", endpoint)
            yield Page(found, body, number, cursor)
            if not cursor:
                return
            seen.add(cursor)
            number += 1

    def company_id(self) -> str:
        """LGP_COMPANY_ID, the one saved with the credential in use, else that of one lead, which is
        then saved.

        UsageError when there is no lead to read it from; CredentialError without an agent key.
        """
        found = self.settings.company_id or self.keys.saved("company_id")
        if not found:
            leads = answers.items(self.get("/leads", {"pageSize": 1}), "leads")
            found = next(
                (str(one["company_id"]) for one in leads if answers.dig(one, "company_id")), ""
            )
            if not found:
                hint = "Give --company-id or LGP_COMPANY_ID."
                raise UsageError("The company id is needed, and no lead shows it.", hint=hint)
            if self.keys.saved("api_key"):
                with contextlib.suppress(LocalError):
                    self.file.update(company_id=check_id(found))
        return check_id(found, "company id")


def _not_sent(
    request: Request, error: RateError, attempts: int, maybe_applied: bool
) -> LeadGeniusError:
    """The limiter's error, or that of --max-time, about a request; `attempts` were made before
    it.
    """
    error.facts |= request.facts(attempts) | {"retryable": True}
    if maybe_applied:
        return retry.unknown(request, **error.facts)
    if request.method != "GET":
        error.facts["outcome"] = "not_sent"
    return error


def _rows(body: Any, endpoint: str, collection: str) -> list[Any]:
    collection = collection or endpoint.partition("?")[0].rpartition("/")[2]
    if not answers.has_rows(body, collection):
        raise _broken_list("no rows, so this list may not be complete", endpoint)
    return answers.items(body, collection)


def _broken_list(what: str, endpoint: str) -> ServerError:
    return ServerError(f"The server gave {what}.", hint=retry.LATER, path=endpoint, retryable=True)


def _query(target: Target, params: Params) -> str:
    """`?…` of the endpoint's own query and `params`; None is left out, a list repeats its name."""
    given = {name: value for name, value in (params or {}).items() if value is not None}
    for name in [name for name, value in given.items() if isinstance(value, bool)]:
        given[name] = str(given[name]).lower()
    try:
        query = "&".join(part for part in (target.query, urlencode(given, doseq=True)) if part)
    except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
        raise UsageError("A parameter is not valid text.", code="invalid_input") from error
    return f"?{query}" if query else ""
