"""Client: route → credential → slot → send → judge; and lists, page by page.

An agent's author can use it alone:

    from leadgenius import Client, connect
    with connect() as client:                # the same credentials, limiter and origin as the command line
        for page in client.pages("/campaigns"):
            print(page.items)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import urlencode

from leadgenius import answers
from leadgenius.answers import LARGEST_BULK_PAGE, LARGEST_PAGE
from leadgenius.credentials import Credential
from leadgenius.errors import RateError, ServerError, UsageError
from leadgenius.judgement import Asked, judge, later, unsent_in_time
from leadgenius.ratelimit import identity
from leadgenius.retry import Failure, delay, retry_after
from leadgenius.scopes import Target, route
from leadgenius.transport import Answer, Transport

LEAST_SECONDS = 0.5  # nothing is begun with less than this before --max-time: a change cut short is in doubt
_STOPPED = Failure("no_answer", detail="stopped before the answer")
Notes = Callable[[str, str], None]


class Limiter(Protocol):
    """What the client wants of a rate limiter; ratelimit.RateLimiter is one, another store may stand behind it."""

    def acquire(self, credential_id: str, *, max_wait: float, hold: float) -> int: ...
    def settle(self, slot: int, headers: Mapping[str, str]) -> None: ...
    def penalize(self, credential_id: str, seconds: float, *, proxy: bool) -> None: ...
    def close(self) -> None: ...


class Keys(Protocol):
    """Where the client gets the credential of a scope; credentials.Credentials is one."""

    def find(self, kind: str) -> Credential: ...
    def user_id(self, credential: Credential) -> str | None: ...


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds: one request, all sleeping for one request, and the end of the whole command."""

    timeout: float = 60.0
    max_wait: float = 75.0
    end: float | None = None  # a time of `monotonic`


@dataclass(frozen=True)
class Page:
    """One page of a list. `number` counts from 1; `cursor` is that of the page after it, None on the last.

    `short`, on the last one: the list has ended before what the server had announced.
    """

    items: list[Any]
    body: Any
    number: int
    cursor: str | None = None
    short: bool = False


@dataclass
class Client:
    """Requests to one origin. Not for use from several threads at once; processes share through the limiter.

    Raises the family of errors.py. `read_only` refuses every change but a login before anything else happens.
    """

    transport: Transport
    keys: Keys
    limiter: Limiter
    patience: Patience = field(default_factory=Patience)
    notes: Notes = lambda level, message: None
    read_only: bool = False
    agent_name: str = "leadgenius-skill"
    owner: str = ""  # the e-mail under which JWT calls count
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[float, float], float] = random.uniform
    requests: int = 0  # attempts sent so far
    sandbox: bool = False  # an answer has said that it comes from a sandbox

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and the request log."""
        self.transport.close()
        self.limiter.close()

    @property
    def origin(self) -> str:
        return self.transport.origin

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
        target = route(endpoint, origin=self.origin, scope=scope)
        self.refuse_change(method, target)
        credential = self.keys.find(target.scope.credential) if target.scope.credential else None
        asked = Asked(method, target.path, self.origin, credential.source if credential else "")
        url = self.origin + target.path + query(target, params)
        return _Sending(self, asked, target, credential, url, body).run()

    def refuse_change(self, method: str, target: Target) -> None:
        """UsageError for a change under read_only. A login changes nothing that is stored."""
        if self.read_only and method != "GET" and not target.is_login:
            raise UsageError(
                f"{method} is a change, and --read-only (or LGP_READ_ONLY) allows none.",
                code="read_only",
                hint="Run it without --read-only, and with LGP_READ_ONLY unset.",
                method=method,
                path=target.path,
                outcome="not_sent",
            )

    def headers(self, target: Target, credential: Credential | None) -> dict[str, str]:
        """The headers of one request: exactly one credential, the right one for its scope."""
        made = {"User-Agent": self.agent_name, "Accept": "application/json"}
        if credential is None:
            return made
        made[target.scope.header] = f"Bearer {credential.value}" if credential.kind == "jwt" else credential.value
        user_id = self.keys.user_id(credential) if credential.kind != "jwt" else None
        return {**made, "X-User-Id": user_id} if user_id else made

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
        """Numbered pages until one is empty or the last is reached.

        A short page is no sign of the end: the server clamps the page size silently. The same rows again are one:
        this list has no pages. ServerError for a page without an array of rows.
        """
        number, taken = first, 0
        before: list[Any] = []
        last = total = None
        while True:
            asked = {**(params or {}), "page": number, "pageSize": size}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            found = self._rows(body, collection)
            again = bool(found) and found == before
            fresh = [] if again else found
            taken += len(fresh)
            last, total = _newer(answers.total_pages(body), last), _newer(answers.total(body), total)
            end = not fresh or (last is not None and number >= last)
            missing = total is not None and first == 1 and taken < total
            unseen = not fresh and last is not None and number - again < last
            short = end and (missing or unseen)
            if not again or short:
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
        """Pages of a bulk list from `cursor` on, until the server gives no further one.

        ServerError when it gives one that it gave before: the list would never end. And for a page without an array of
        rows, or for a bare array in answer to a cursor: neither says that the list is complete.
        """
        number, seen = 1, {cursor}
        while True:
            asked = {**(params or {}), "limit": limit, "nextToken": cursor}
            body = self.call("GET", endpoint, params=asked, scope=scope).body
            following = answers.cursor(body)
            found = self._rows(None if cursor and isinstance(body, list) else body, collection)
            yield Page(found, body, number, following)
            if following is None:
                return
            if following in seen:
                raise self._broken_list("The server gave the same cursor twice, so this list would never end.")
            seen.add(following)
            cursor, number = following, number + 1

    def _rows(self, body: Any, collection: str) -> list[Any]:
        if not answers.has_rows(body, collection):
            raise self._broken_list("The server answered without any rows, so this list may not be complete.")
        return answers.items(body, collection)

    def _broken_list(self, message: str) -> ServerError:
        hint = "Run it again later; nothing was changed."
        return ServerError(message, hint=hint, method="GET", origin=self.origin, retryable=True)


def _newer(told: int | None, before: int | None) -> int | None:
    """What the latest page says, or what one before it said."""
    return before if told is None else told


def query(target: Target, params: Mapping[str, Any] | None) -> str:
    """`?…` of the endpoint's own query and `params`; None is left out, a list repeats its name."""
    given = [(name, value) for name, value in (params or {}).items() if value is not None]
    pairs = [(name, one) for name, value in given for one in (value if isinstance(value, list) else [value])]
    try:
        added = urlencode([(name, _text(value)) for name, value in pairs])
    except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
        raise UsageError("A parameter is not valid text.", code="invalid_input") from error
    joined = "&".join(part for part in (target.query, added) if part)
    return f"?{joined}" if joined else ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class _Sending:
    """The attempts of one request.

    `result` is that of the last attempt begun; `doubt`: an earlier attempt of a change may have been applied.
    """

    client: Client
    asked: Asked
    target: Target
    credential: Credential | None
    url: str
    body: Any
    attempt: int = 0
    slept: float = 0.0
    doubt: bool = False
    result: Answer | Failure | None = None

    def run(self) -> Answer:
        try:
            return self._until_answered()
        except (KeyboardInterrupt, SystemExit) as stop:
            stop.outcome = self._outcome()  # type: ignore[union-attr]
            raise

    def _until_answered(self) -> Answer:
        while True:
            self.attempt += 1
            result = self._attempt()
            self._notice_sandbox(result)
            if isinstance(result, Answer):
                return replace(result, doubted=self.doubt)
            self.doubt = self.doubt or judge(self.asked, result, self.attempt).exit_code == 8
            self._wait_or_raise(result)

    def _attempt(self) -> Answer | Failure:
        client = self.client
        self._check_time()
        slot = self._slot()
        timeout = self._timeout()
        headers = client.headers(self.target, self.credential)
        client.requests += 1
        began = client.monotonic()
        self.result = _STOPPED
        try:
            self.result = client.transport.send(self.asked.method, self.url, headers, self.body, timeout=timeout)
        except (KeyboardInterrupt, SystemExit) as stop:
            self.result = getattr(stop, "flight_result", _STOPPED)
            raise
        finally:
            if slot is not None:
                client.limiter.settle(slot, self.result.headers)
            self._tell_attempt(self.result, client.monotonic() - began)
        return self.result

    def _tell_attempt(self, result: Answer | Failure, seconds: float) -> None:
        said = f"HTTP {result.status}" if result.status else getattr(result, "detail", "")
        what = f"{self.asked.method} {self.asked.origin}{self.asked.path}"
        self.client.notes("attempt", f"attempt {self.attempt}: {what} → {said} after {seconds:.2f} s")

    def _slot(self) -> int | None:
        if self.credential is None:  # a login: limits are per key, and it has none
            return None
        began = self.client.monotonic()
        try:
            return self.client.limiter.acquire(
                self._identity(), max_wait=self._allowed(), hold=self.client.patience.timeout
            )
        except RateError as error:
            raise later(self.asked, error, self.attempt, self.doubt) from error
        finally:
            self.slept += self.client.monotonic() - began

    def _identity(self) -> str:
        assert self.credential is not None
        named = self.client.owner or self.credential.value if self.credential.kind == "jwt" else self.credential.value
        return identity(self.client.origin, named)

    def _allowed(self) -> float:
        patience = self.client.patience
        allowed = patience.max_wait - self.slept
        if patience.end is not None:
            allowed = min(allowed, patience.end - self.client.monotonic() - LEAST_SECONDS)
        return max(allowed, 0.0)

    def _timeout(self) -> float:
        patience = self.client.patience
        if patience.end is None:
            return patience.timeout
        return max(min(patience.timeout, patience.end - self.client.monotonic()), LEAST_SECONDS / 2)

    def _check_time(self) -> None:
        end = self.client.patience.end
        if end is not None and self.client.monotonic() + LEAST_SECONDS > end:
            raise unsent_in_time(self.asked, self.attempt - 1, self.doubt)

    def _wait_or_raise(self, failure: Failure) -> None:
        now = self.client.clock()
        seconds = delay(self.asked.method, failure, self.attempt, now=now, uniform=self.client.uniform)
        told = seconds
        if failure.status == 429:
            told = seconds if seconds is not None else retry_after(failure.headers, failure.body, self.attempt, now=now)
            self._tell_others(failure, told)
        if seconds is None or (self.target.is_login and failure.status == 429) or seconds > self._allowed():
            raise judge(self.asked, failure, self.attempt, self.doubt, wait=told, now=now)
        self.client.notes("note", f"{_word(failure)}; trying again in {seconds:.1f} s")
        self.client.sleep(seconds)
        self.slept += seconds

    def _tell_others(self, failure: Failure, seconds: float) -> None:
        """A 429 stops every process of this credential, also after our last attempt."""
        if self.credential is not None:
            self.client.limiter.penalize(self._identity(), seconds, proxy=not isinstance(failure.body, dict))

    def _outcome(self) -> str | None:
        """What an interruption now leaves behind."""
        if not self.asked.changing:
            return None
        if self.result is None:
            return "not_sent"
        if isinstance(self.result, Answer):
            return "applied"
        return str(judge(self.asked, self.result, self.attempt, self.doubt).facts["outcome"])

    def _notice_sandbox(self, result: Answer | Failure) -> None:
        if not self.client.sandbox and result.headers.get("X-LeadGenius-Sandbox"):
            self.client.sandbox = True
            self.client.notes("warning", "This answer comes from a sandbox: the data is not real.")


def _word(failure: Failure) -> str:
    return f"HTTP {failure.status}" if failure.status else failure.detail or failure.kind
