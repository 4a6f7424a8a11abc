"""Client: route → credential → slot → send → answer or error; and lists, page by page.

    from leadgenius import connect
    with connect() as lg:                       # the credentials, limits and switches of the command line
        for lead in lg.rows("/enrich-leads/list"):
            ...
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import leadgenius
from leadgenius import answers, retry
from leadgenius.answers import LARGEST_BULK_PAGE, LARGEST_PAGE
from leadgenius.errors import LeadGeniusError, LocalError, RateError, ServerError, UsageError
from leadgenius.keyfile import KeyFile
from leadgenius.keys import Credential, Keys, clean
from leadgenius.retry import Answer, Failure, Request
from leadgenius.scopes import SYSTEM, Target, check_id, route
from leadgenius.settings import Settings, Window

if TYPE_CHECKING:
    from leadgenius.ratelimit import Limiter
    from leadgenius.transport import Transport

LEAST_SECONDS = 0.5  # nothing is begun with less than this before --max-time
MASK = "***"


class Page(NamedTuple):
    """One page of a list. `number` counts from 1; `cursor` is that of the page after it, None on the last.

    `short`, on the last one: the list has ended before what the server had announced.
    """

    items: list[Any]
    body: Any
    number: int
    cursor: str | None = None
    short: bool = False


class Client:
    """Requests to one origin; made by `leadgenius.connect`. Raises the errors of leadgenius.errors.

    Not for several threads at once. Processes may share a key: the request log keeps them within its limits.
    """

    def __init__(
        self,
        origin: str,
        keys: Keys,
        settings: Settings,
        state: Path | None = None,
        *,
        environ: Mapping[str, str],
        adapter: Any = None,
        dry_run: bool = False,
        started: float | None = None,
        on_note: Callable[[str, str], None] = lambda level, message: None,
        transport: Transport | None = None,
        limiter: Limiter | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.origin, self.keys, self.settings, self.state = origin, keys, settings, state
        self.requests = 0  # attempts sent
        self.sandbox = False  # an answer came from a sandbox
        self.last_outcome: str | None = None  # of the latest change: not_sent, applied, rejected or unknown
        self._environ, self._adapter, self._dry_run, self._on_note = environ, adapter, dry_run, on_note
        self._transport, self._limiter = transport, limiter
        self._clock, self._monotonic, self._sleep, self._uniform = clock, monotonic, sleep, uniform
        self._changed = 0  # records
        self._end = None  # of --max-time, as a time of `monotonic`
        if settings.max_time is not None:
            self._end = (monotonic() if started is None else started) + settings.max_time

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.origin!r})"

    def close(self) -> None:
        """Close the connection and the request log, if they were opened."""
        for opened in (self._transport, self._limiter):
            if opened:
                opened.close()
        self._transport = self._limiter = None

    @property
    def file(self) -> KeyFile:
        """The credential file of this client's profile."""
        return self.keys.file

    @property
    def windows(self) -> tuple[Window, ...]:
        """The rate limits kept to."""
        return self.settings.windows

    @property
    def limiter(self) -> Limiter:
        """The request log; its `report` and `clear` are what `limits` prints and does."""
        if self._limiter is None:
            from leadgenius.ratelimit import RateLimiter

            path = self.state / "requests-2.sqlite3" if self.state else None
            self._limiter = RateLimiter(path, self.windows, self._on_note)
            if self.settings.limiter:
                from leadgenius.redis_log import RedisLog

                self._limiter = RedisLog(self.settings.limiter, self._limiter)
        return self._limiter

    @property
    def _sender(self) -> Transport:
        if self._transport is None:
            from leadgenius.transport import Transport  # requests takes longer to import than everything else

            self._transport = Transport(self.origin, self._adapter, environ=self._environ)
        return self._transport

    def secrets(self) -> set[str]:
        """Every credential at hand and the passwords of proxy and limiter URLs, to be masked wherever they appear."""
        return self.keys.secrets()

    def identity(self, credential: Credential) -> str:
        """The name of a credential in the request log. Logins are counted by their e-mail."""
        from leadgenius.ratelimit import identity

        owner = self.keys.owner() if credential.kind == "jwt" else ""
        return identity(self.origin, owner or credential.value)

    # ---- one request

    def get(self, endpoint: str, params: Mapping[str, Any] | None = None) -> Any:
        """The parsed body of a GET."""
        return self.call("GET", endpoint, params=params).body

    def post(self, endpoint: str, body: Any = None) -> Any:
        """The parsed body of a POST; sent once, unless the server certainly has not acted."""
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
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        scope: str = "auto",
    ) -> Answer:
        """The answer to one request, sent again where that is safe. `body` is JSON, None for none."""
        method = method.upper()
        target = route(endpoint, self.origin, scope)
        count = self._fence(method, target, body)
        if self._dry_run:
            raise UsageError("This is a dry run; nothing was sent.", code="dry_run", outcome="not_sent")
        credential = self.keys.find(target.scope.credential) if target.scope.credential else None
        request = Request(method, target.path, self.origin, credential.source if credential else "", target.is_login)
        headers = self._headers(target, credential.value if credential else "")
        if target.scope.credential in ("agent", "amplify"):
            user = self.settings.user_id or self.keys.saved("user_id")
            headers |= {"X-User-Id": clean(user, "the user id")} if user else {}
        self.last_outcome = None if method == "GET" else "not_sent"
        self._changed += count
        url = self.origin + target.path + _query(target, params)
        return self._send(request, url, headers, body, self.identity(credential) if credential else "")

    def plan(
        self,
        method: str,
        endpoint: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        scope: str = "auto",
    ) -> dict[str, Any]:
        """What `call` would send, credential masked: method, url, headers, body. Needs neither key nor network."""
        method = method.upper()
        target = route(endpoint, self.origin, scope)
        self._fence(method, target, body)
        url = self.origin + target.path + _query(target, params)
        headers = self._headers(target, MASK) | ({} if body is None else {"Content-Type": "application/json"})
        return {"method": method, "url": url, "headers": headers, "body": body}

    def _headers(self, target: Target, secret: str) -> dict[str, str]:
        """Exactly one credential, the right one for its scope."""
        bearer = "Bearer " if target.scope.credential == "jwt" else ""
        carried = {target.scope.header: bearer + secret} if target.scope.credential else {}
        name = "".join(char for char in self.settings.agent_name if "!" <= char <= "~")[:64]
        agent = f"leadgenius-skill/{leadgenius.__version__}" + (f" ({name})" if name else "")
        return {"User-Agent": agent, "Accept": "application/json", **carried}

    # ---- attempts

    def _send(self, request: Request, url: str, headers: dict[str, str], body: Any, name: str) -> Answer:
        """Attempts until one is answered or none may follow. `name` is what the limiter counts them under."""
        waited, attempt, maybe_applied = 0.0, 0, False
        while True:
            began, slot = self._monotonic(), 0
            try:
                self._check_time()
                if name:
                    allowed = self._allowed(waited)
                    slot = self.limiter.acquire(name, max_wait=allowed, hold=self.settings.timeout)
            except RateError as error:
                raise _not_sent(request, error, attempt, maybe_applied) from error
            waited += self._monotonic() - began
            attempt += 1
            found = self._attempt(request, url, headers, body, name, slot, attempt, maybe_applied)
            if isinstance(found, Answer):
                return found._replace(maybe_applied=maybe_applied)
            now = self._clock()
            wait = pause = retry.wait_before(request, found, attempt, now=now, uniform=self._uniform)
            if found.status == 429:
                wait = retry.asked_wait(found, attempt, now) if pause is None else pause
                if name:
                    self.limiter.penalize(name, wait, proxy=not retry.is_api_error(found.body))
            if pause is None or pause > self._allowed(waited):
                raise retry.error_of(request, found, attempt, maybe_applied, wait, now)
            maybe_applied = self.last_outcome == "unknown"
            reason = f"HTTP {found.status}" if found.status else found.detail
            self._on_note("note", f"{reason}; trying again in {pause:.1f} s")
            self._sleep(pause)
            waited += pause

    def _attempt(
        self,
        request: Request,
        url: str,
        headers: dict[str, str],
        body: Any,
        name: str,
        slot: int,
        attempt: int,
        maybe_applied: bool,
    ) -> Answer | Failure:
        """One attempt, settled, noted, and its outcome kept, also when it is interrupted."""
        began, timeout, sender = self._monotonic(), self.settings.timeout, self._sender
        if self._end is not None:
            timeout = max(min(timeout, self._end - began), LEAST_SECONDS / 2)
        self.requests += 1
        try:
            return sender.send(request.method, url, headers, body, timeout=timeout)
        finally:
            found = sender.last or Failure("connect")
            if slot:
                self.limiter.settle(name, slot, found.headers)
            if request.method != "GET" and sender.last:
                error = None if isinstance(found, Answer) else retry.error_of(request, found, attempt, maybe_applied)
                self.last_outcome = error.outcome if error else "applied"
            what = f"HTTP {found.status}" if found.status else getattr(found, "detail", "")
            seconds = self._monotonic() - began
            where = f"{request.method} {request.origin}{request.path}"
            self._on_note("attempt", f"attempt {attempt}: {where}: {what} after {seconds:.2f} s")
            if found.headers.get("X-LeadGenius-Sandbox") and not self.sandbox:
                self.sandbox = True
                self._on_note("warning", "This answer comes from a sandbox: the data is not real.")

    def _allowed(self, waited: float) -> float:
        """Seconds that may still be slept for one request."""
        left = self.settings.max_wait - waited
        if self._end is not None:
            left = min(left, self._end - self._monotonic() - LEAST_SECONDS)
        return max(left, 0.0)

    def _check_time(self) -> None:
        if self._end is not None and self._monotonic() + LEAST_SECONDS > self._end:
            raise RateError(
                "The time allowed by --max-time is over; this request was not sent.",
                code="out_of_time",
                hint="Run the same command again, or with a longer --max-time.",
            )

    # ---- the fence

    def check_changes(self, count: int) -> None:
        """UsageError when this client may change nothing (LGP_READ_ONLY), or not `count` records more
        (LGP_MAX_CHANGES)."""
        if self.settings.read_only:
            raise UsageError(
                "This is a change, and --read-only (or LGP_READ_ONLY) allows none.",
                code="read_only",
                hint="Run it without --read-only, and with LGP_READ_ONLY unset.",
                outcome="not_sent",
            )
        allowed = self.settings.max_changes
        if allowed is not None and self._changed + count > allowed:
            before = f" after {self._changed} before" if self._changed else ""
            raise UsageError(
                f"This would change {count} records{before}; LGP_MAX_CHANGES allows {allowed}. Nothing was sent.",
                code="too_many_changes",
                hint="Give fewer records, or raise LGP_MAX_CHANGES.",
                outcome="not_sent",
            )

    def _fence(self, method: str, target: Target, body: Any) -> int:
        """The number of records a request changes, once that is allowed. A login changes none."""
        if method == "GET" or target.is_login:
            return 0
        lists = [answers.dig(body, name) for name in ("ids", "leadIds", "leads")]
        count = max([len(one) for one in lists if isinstance(one, list)], default=1)
        self.check_changes(count)
        return count

    # ---- lists

    def rows(self, endpoint: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Every row of any list: pages and cursors are followed, companyId is filled in on the bulk lists."""
        if route(endpoint, self.origin).scope == SYSTEM:
            params = {"companyId": None, **(params or {})}
            params["companyId"] = params["companyId"] or self.company_id()
            pages = self.bulk(endpoint, params)
        else:
            pages = self.pages(endpoint, params)
        for page in pages:
            yield from page.items

    def pages(
        self,
        endpoint: str,
        params: Mapping[str, Any] | None = None,
        *,
        size: int = LARGEST_PAGE,
        first: int = 1,
        collection: str = "",
        scope: str = "auto",
    ) -> Iterator[Page]:
        """Numbered pages until one is empty or the last is reached. ServerError for a page without rows.

        A short page does not end the list (the server may cap pageSize). A repeated one does: the endpoint has no
        pages.
        """
        number, seen = first, 0
        before: list[Any] = []
        last = total = None
        while True:
            asked = {**(params or {}), "page": number, "pageSize": size}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            found = _rows(body, collection, endpoint)
            repeated = bool(found) and found == before
            fresh = [] if repeated else found
            seen += len(fresh)
            last = last if (new := answers.total_pages(body)) is None else new
            total = total if (new := answers.total(body)) is None else new
            end = not fresh or (last is not None and number >= last)
            missing = total is not None and first == 1 and seen < total
            unseen = not fresh and last is not None and number - repeated < last
            short = end and (missing or unseen)
            if not repeated or short:
                yield Page(fresh, body, number, short=short)
            if end:
                return
            before, number = found, number + 1

    def bulk(
        self,
        endpoint: str,
        params: Mapping[str, Any] | None = None,
        *,
        limit: int = LARGEST_BULK_PAGE,
        cursor: str | None = None,
        collection: str = "leads",
        scope: str = "auto",
    ) -> Iterator[Page]:
        """Pages of a bulk list from `cursor` on. ServerError for a page without rows, for a bare array in answer to a
        cursor, and for a cursor that cannot be used or came before: none of them says that the list is complete.
        """
        number, seen = 1, {cursor}
        while True:
            asked = {**(params or {}), "limit": limit, "nextToken": cursor}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            found = _rows(None if cursor and isinstance(body, list) else body, collection, endpoint)
            following = answers.cursor(body)
            if following is not None and (following in seen or len(following) > 4096 or not following.isprintable()):
                raise _broken_list("The server gave a cursor that cannot be used, or gave it before.", endpoint)
            yield Page(found, body, number, following)
            if following is None:
                return
            seen.add(following)
            cursor, number = following, number + 1

    def company_id(self) -> str:
        """LGP_COMPANY_ID, the one saved with the credential in use, else that of one lead, which is then saved.

        UsageError when there is no lead to read it from; CredentialError without an agent key.
        """
        found = self.settings.company_id or self.keys.saved("company_id")
        if not found:
            leads = answers.items(self.get("/leads", {"pageSize": 1}), "leads")
            found = str(answers.dig(leads[0] if leads else None, "company_id", "companyId") or "")
            if not found:
                hint = "Give --company-id or LGP_COMPANY_ID."
                raise UsageError("The company id is needed, and no lead shows it.", hint=hint)
            if self.keys.saved("api_key"):
                with contextlib.suppress(LocalError):
                    self.file.update(company_id=check_id(found, "company id"))
        return check_id(found, "company id")


def _not_sent(request: Request, error: RateError, attempts: int, maybe_applied: bool) -> LeadGeniusError:
    """The limiter's error, or that of --max-time, about a request; `attempts` were made before it."""
    facts = error.facts | request.facts(attempts) | {"retryable": True}
    if maybe_applied:
        return retry.unknown(request, **facts)
    if request.method != "GET":
        facts["outcome"] = "not_sent"
    return RateError(error.message, code=error.code, hint=error.hint, **facts)


def _rows(body: Any, collection: str, endpoint: str) -> list[Any]:
    if not answers.has_rows(body, collection or endpoint.partition("?")[0].rpartition("/")[2]):
        raise _broken_list("The server answered without any rows, so this list may not be complete.", endpoint)
    return answers.items(body, collection or endpoint.partition("?")[0].rpartition("/")[2])


def _broken_list(message: str, endpoint: str) -> ServerError:
    return ServerError(message, hint=retry.LATER, method="GET", path=endpoint, retryable=True)


def _query(target: Target, params: Mapping[str, Any] | None) -> str:
    """`?…` of the endpoint's own query and `params`; None is left out, a list repeats its name."""
    pairs = []
    for name, value in (params or {}).items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
    try:
        query = "&".join(part for part in (target.query, urlencode(pairs)) if part)
    except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
        raise UsageError("A parameter is not valid text.", code="invalid_input") from error
    return f"?{query}" if query else ""
