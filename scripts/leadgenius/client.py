"""Client: route → credential → slot → send → answer or error; and lists, page by page."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from leadgenius import answers, retry
from leadgenius.errors import LeadGeniusError, LocalError, RateError, ServerError, UsageError
from leadgenius.keys import Credential, Keys, clean
from leadgenius.retry import Answer, Request
from leadgenius.scopes import LOGIN, SYSTEM, route
from leadgenius.settings import Note, Settings

if TYPE_CHECKING:
    from leadgenius.ratelimit import RateLimiter
    from leadgenius.transport import Transport

LEAST_SECONDS = 0.5  # nothing is begun with less than this before --max-time
Params = Mapping[str, Any] | None


class Page(NamedTuple):
    """One page of a list. `number` counts from 1 (0 in a bulk list, which has cursors); `cursor` is
    that of the page after it, None on the last.
    """

    items: list[Any]
    body: Any
    number: int
    cursor: str | None = None


class Client:
    """Requests to one origin; made by `leadgenius.connect`. Raises the errors of leadgenius.errors.

    Not for several threads at once. Processes may share a key: the request log keeps them within
    its limits. `requests` counts attempts; `sandbox` is True once an answer came from a sandbox;
    `last_outcome` is what became of the latest request, if it was a change: not_sent, applied,
    rejected or unknown; `last_path` is that request's.
    """

    requests = 0
    sandbox = False
    last_outcome: str | None = None
    last_path = ""
    _changed = 0  # records

    def __init__(
        self,
        keys: Keys,
        settings: Settings,
        on_note: Note,
        state: Path,
        *,
        agent: str,
        dry_run: bool,
        end: float,
        adapter: Any,
    ) -> None:
        self.origin, self.keys, self.file = keys.origin, keys, keys.file
        self.settings, self.state = settings, state
        self._on_note, self._adapter = on_note, adapter
        self._agent, self._dry_run, self._end = agent, dry_run, end

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and the request log, if they were opened."""
        for name in {"transport", "limiter"} & self.__dict__.keys():
            self.__dict__.pop(name).close()

    @cached_property
    def transport(self) -> Transport:
        """What sends; requests takes longer to import than everything else."""
        from leadgenius.transport import Transport

        return Transport(self.origin, self._adapter)

    @cached_property
    def limiter(self) -> RateLimiter:
        """The request log; its `report` and `clear` are what `limits` prints and does."""
        from leadgenius.ratelimit import RateLimiter

        log = self.state / "requests-2.sqlite3", self.settings.rate_limits, self._on_note
        if not self.settings.limiter:
            return RateLimiter(*log)
        from leadgenius.redis_log import RedisLog

        return RedisLog(self.settings.limiter, *log)

    def identity(self, credential: Credential) -> str:
        """The name of a credential in the request log, which does not lead back to it. Logins are
        counted by their e-mail.
        """
        owner = self.keys.account.email if credential.kind == "jwt" else ""
        name = f"{self.origin}\0{owner or credential.value}".encode()
        return hashlib.sha256(name).hexdigest()[:32]

    # ---- one request

    def get(self, endpoint: str, params: Params = None) -> Any:
        """The parsed body of a GET."""
        return self.call("GET", endpoint, params).body

    def post(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a POST; sent again only where the table of failures says so."""
        return self.call("POST", endpoint, body=body).body

    def put(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a PUT."""
        return self.call("PUT", endpoint, body=body).body

    def delete(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a DELETE."""
        return self.call("DELETE", endpoint, body=body).body

    def plan(
        self,
        method: str,
        endpoint: str,
        params: Params = None,
        body: Any = None,
        scope: str = "auto",
    ) -> Request:
        """The request that `call` would send, its one credential masked. Needs neither key nor
        network. `body` is JSON, None for none; `scope` a name of scopes.SCOPES to override the
        routing.
        """
        (used, path, query), changes = route(endpoint, self.origin, scope), 0
        if method != "GET" and used != LOGIN:
            records = answers.dig(body, "ids", "leadIds", "leads")
            changes = len(records) if isinstance(records, list) else 1
            self.check_changes(changes)
        given = {name: value for name, value in (params or {}).items() if value is not None}
        query = f"{query}&{urlencode(given, doseq=True, errors='surrogatepass')}".strip("&")
        url = f"{self.origin}{path}?{query}".rstrip("?")
        headers = {"User-Agent": self._agent, "Accept": "application/json"}
        if used.credential:
            headers[used.header] = f"{used.prefix}***"
        return Request(method, path, self.origin, url, headers, body, used, changes)

    def check_changes(self, count: int) -> None:
        """UsageError when this client may change nothing (LGP_READ_ONLY), or not `count` records
        more (LGP_MAX_CHANGES).
        """
        read_only, total = self.settings.read_only, self._changed + count
        if read_only or total > self.settings.max_changes:
            raise UsageError(
                f"More changed records ({total}) than --read-only (LGP_READ_ONLY) or"
                " LGP_MAX_CHANGES allows.",
                code="read_only" if read_only else "too_many_changes",
                outcome="not_sent",
            )

    def call(
        self,
        method: str,
        endpoint: str,
        params: Params = None,
        body: Any = None,
        scope: str = "auto",
    ) -> Answer:
        """The answer to one request, sent again where that is safe; see plan."""
        self.last_outcome = None if method == "GET" else "not_sent"
        request = self.plan(method, endpoint, params, body, scope)
        if self._dry_run:
            raise UsageError("This is a dry run; nothing was sent.", code="dry_run")
        used = request.scope
        if used.credential:
            found = self.keys.find(used.credential)
            headers = {**request.headers, used.header: used.prefix + found.value}
            user = self.settings.user_id or self.keys.saved("user_id")
            if user and found.kind != "jwt":
                headers["X-User-Id"] = clean(user, "the user id")
            request = request._replace(
                headers=headers,
                source=f"the credential from {found.source}",
                counted=self.identity(found),
            )
        self.last_path = request.path
        self._changed += request.changes
        before = self.requests
        try:
            return self._send(request)
        except LeadGeniusError as error:
            error.facts = {
                "method": request.method,
                "path": request.path,
                "origin": self.origin,
                "attempts": self.requests - before,
                "outcome": self.last_outcome,
                "sandbox": self.sandbox or None,
                **error.facts,
            }
            if self.last_outcome == "unknown":
                raise retry.unknown(request, error.facts) from None
            raise

    # ---- attempts

    def _send(self, request: Request) -> Answer:
        """Attempts until one is answered or none may follow within max_wait."""
        give_up = min(time.monotonic() + self.settings.max_wait, self._end - LEAST_SECONDS)
        attempt = 0
        while True:
            attempt, maybe_applied = attempt + 1, self.last_outcome == "unknown"
            found = self._attempt(request, attempt, give_up)
            if not found.failure:
                return found._replace(maybe_applied=maybe_applied)
            now = time.time()
            pause = retry.wait_before(request, found, attempt, now)
            if pause is None or time.monotonic() + pause > give_up:
                raise retry.error_of(request, found, now)
            self._on_note("note", f"{found.detail}; trying again in {pause:.1f} s")
            time.sleep(pause)

    def _attempt(self, request: Request, attempt: int, give_up: float) -> Answer:
        """One attempt in a slot of its own: settled, noted and its outcome kept, also when it is
        interrupted. A login has no key to count under, and so no slot.
        """
        sender, now, hold = self.transport, time.monotonic(), self.settings.timeout
        if now + LEAST_SECONDS > self._end:
            raise RateError(
                "The time allowed by --max-time is over; this request was not sent.",
                "Run the same command again, or with a longer --max-time.",
                code="out_of_time",
                retryable=True,
            )
        name, slot = request.counted, 0
        if name:
            slot = self.limiter.acquire(name, max_wait=give_up - now, hold=hold)
        began = time.monotonic()
        self.requests += 1
        sender.last = Answer("connect")
        try:
            return sender.send(request, min(hold, self._end - began))
        finally:
            found = sender.last
            self.last_outcome = retry.outcome_of(request, found, self.last_outcome)
            if name:
                self.limiter.settle(name, slot, retry.shared_pause(found, time.time()))
            self._on_note(
                "attempt",
                f"attempt {attempt}: {request.method} {request.origin}{request.path}:"
                f" {found.status or 'no answer'} after {time.monotonic() - began:.2f} s",
            )
            if found.headers.get("X-LeadGenius-Sandbox") and not self.sandbox:
                self.sandbox = True
                self._on_note("warning", "This answer comes from a sandbox: the data is not real.")

    # ---- lists

    def rows(self, endpoint: str, params: Params = None) -> Iterator[Any]:
        """Every row of any list; see pages."""
        for page in self.pages(endpoint, params):
            yield from page.items

    def pages(self, endpoint: str, params: Params = None, scope: str = "auto") -> Iterator[Page]:
        """The pages of a list: numbered ones until one is empty or the last is reached, those of a
        bulk list as its cursors lead, companyId filled in. `params` may name the first and the
        size: page and pageSize, or nextToken and limit. ServerError for an answer without rows, and
        for a cursor that came before: neither says that the list is complete.

        A short page does not end a list (the server may cap pageSize). A repeated one does: the
        endpoint has no pages.
        """
        bulk = route(endpoint, self.origin, scope).scope == SYSTEM
        collection = "leads" if bulk else endpoint.partition("?")[0].rpartition("/")[2]
        usual = {"page": 1, "pageSize": answers.LARGEST_PAGE}
        if bulk:
            usual = {"limit": answers.LARGEST_BULK_PAGE}
        asked = {**usual, **(params or {})}
        if bulk:
            asked["companyId"] = asked.get("companyId") or self.company_id()
        before, seen, last = None, {asked.get("nextToken") or ""}, False
        while not last:
            body = self.call("GET", endpoint, asked, scope=scope).body
            found = answers.rows(body, collection)
            cursor = answers.text(body, "nextToken", "data.nextToken") if bulk else None
            if found is None or cursor in seen:
                raise ServerError(
                    "The server gave no rows, or a cursor again: the list may be incomplete.",
                    "Run it again later; nothing was changed.",
                    path=endpoint,
                    retryable=True,
                )
            if found == before:
                return
            yield Page(found, body, asked.get("page", 0), cursor)
            if bulk:
                asked["nextToken"], last = cursor, cursor is None
                seen.add(cursor)
            else:
                last = not found or asked["page"] == answers.total(body, "totalPages")
                asked["page"] += 1
                before = found
            del found, body  # a page is large: not two of a bulk list at once

    def company_id(self) -> str:
        """LGP_COMPANY_ID, the one saved with the credential in use, else that of one lead, which is
        then saved.

        UsageError when there is no lead to read it from; CredentialError without an agent key.
        """
        known = self.settings.company_id or self.keys.saved("company_id")
        if known:
            return known
        lead = next(self.rows("/leads", {"pageSize": 1}), None)
        found = answers.text(lead, "company_id")
        if not found:
            raise UsageError(
                "The company id is needed, and no lead shows it.",
                "Give --company-id or LGP_COMPANY_ID.",
            )
        if self.keys.saved("api_key"):
            with suppress(LocalError):
                self.file.update(company_id=found)
        return found
