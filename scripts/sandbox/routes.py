"""The table of operations. A handler registers itself with `@route`; tests enumerate `ROUTES`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.answers import Answer, Refusal
from sandbox.keys import MASTER_ADMIN, Caller
from sandbox.limits import Allowance

NOBODY = Caller("", "", "")
CREDENTIALS = {
    "agent": "an agent key (lgp_…) as X-API-Key",
    "admin": "the agent key of a Master Admin as X-API-Key",
    "system": "an Amplify key as x-api-key",
    "jwt": "a token of /api/epsimo-auth as Authorization: Bearer",
}


@dataclass(frozen=True)
class Call:
    """What a handler works on. `db` is inside a transaction (a writing one unless the method is GET)."""

    db: sqlite3.Connection
    now: float  # epoch seconds
    caller: Caller
    path: dict[str, str]
    query: dict[str, str]
    body: Any

    @property
    def company(self) -> str:
        return self.caller.company


Handler = Callable[[Call], Answer]
Register = Callable[[Handler], Handler]


@dataclass(frozen=True)
class Route:
    """One operation: `path` is a template such as `/api/agent/campaigns/{id}`; `needs` is the kind of caller."""

    method: str
    path: str
    operation: str
    handler: Handler
    needs: str  # agent, admin, system, jwt, or nothing
    takes_body: bool
    segments: tuple[str, ...] = field(default=())

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The values of the template's names, or None. Segments are compared one by one, already decoded."""
        if len(segments) != len(self.segments):
            return None
        found = {}
        for mine, given in zip(self.segments, segments, strict=True):
            if mine.startswith("{"):
                found[mine[1:-1]] = given
            elif mine != given:
                return None
        # An empty id would make /campaigns/ an operation on a campaign without a name.
        return found if all(found.values()) else None


ROUTES: list[Route] = []


def route(method: str, path: str, operation: str, needs: str = "agent", takes_body: bool | None = None) -> Register:
    """Register the decorated handler. POST and PUT take a body unless told otherwise."""

    def register(handler: Handler) -> Handler:
        body = method in ("POST", "PUT") if takes_body is None else takes_body
        segments = tuple(path.strip("/").split("/"))
        ROUTES.append(Route(method, path, operation, handler, needs, body, segments))
        return handler

    return register


def find(method: str, segments: Sequence[str]) -> tuple[Route, dict[str, str]]:
    """The route and its path values. Literal paths win over `{id}`. Raises Refusal NOT_FOUND, METHOD_NOT_ALLOWED."""
    matches = [(one, found) for one in ROUTES if (found := one.match(segments)) is not None]
    if not matches:
        raise Refusal("NOT_FOUND", "There is no such path")
    fewest = min(len(found) for _, found in matches)
    matches = [(one, found) for one, found in matches if len(found) == fewest]
    for one, found in matches:
        if one.method == method:
            return one, found
    allowed = ", ".join(sorted({one.method for one, _ in matches}))
    raise Refusal("METHOD_NOT_ALLOWED", f"This path takes {allowed}", headers=[("Allow", allowed)])


def admit(route: Route, caller: Caller, allowance: Allowance) -> None:
    """Let the caller in, or raise Refusal: RATE_LIMITED, UNAUTHORIZED, ADMIN_REQUIRED.

    Limiters stand in front of everything that a credential opens, so a refused call has done nothing.
    """
    if allowance.blocked_by:
        wait = [("Retry-After", str(allowance.retry_after))]
        raise Refusal("RATE_LIMITED", f"Rate limit exceeded ({allowance.blocked_by} window)", headers=wait)
    kind = {"admin": "agent", "nothing": ""}.get(route.needs, route.needs)
    if caller.kind != kind:
        raise Refusal("UNAUTHORIZED", f"This path takes {CREDENTIALS[route.needs]}")
    if route.needs == "admin" and caller.role != MASTER_ADMIN:
        raise Refusal("ADMIN_REQUIRED", "This path is for Master Admins")
