"""--dry-run: the request as it would go out, and nothing sent. No credential is looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commands.runners.rows import Call
from console.catalog import Operation
from console.masking import MASK, is_secret, masked_headers
from console.session import Session
from leadgenius import scopes


def show(
    session: Session,
    operation: Operation,
    endpoint: str,
    *,
    params: dict[str, Any] | None = None,
    body: Any = None,
    scope: str = "auto",
    more: dict[str, Any] | None = None,
) -> int:
    """Print method, URL, masked headers, body and effect; `more` is what many rows add."""
    from leadgenius.client import query

    target = scopes.route(endpoint, origin=session.origin, scope=scope)
    url = session.origin + target.path + query(target, params)
    told: dict[str, Any] = {"dry_run": True, "method": operation.method, "url": url}
    told["headers"] = masked_headers({"User-Agent": session.user_agent, **_credential_header(target.scope)})
    _speak_of_the_request(session)
    session.output.document({**told, "body": _masked(body), "effect": operation.effect, **(more or {})})
    return 0


def _speak_of_the_request(session: Session) -> None:
    """--out, --fields and --format are about the answer, and there is none: the request goes to stdout, whole."""
    output = session.output
    output.settings = replace(output.settings, out=None, fields=None)
    output.form = "table" if output.form == "table" else "json"


def _credential_header(scope: scopes.Scope) -> dict[str, str]:
    if scope.credential is None:
        return {}
    return {scope.header: f"Bearer {MASK}" if scope.credential == "jwt" else MASK}


def _masked(body: Any, hidden: bool = False) -> Any:
    """`body` without its secrets, wherever they stand. A `config` keeps its names alone: its form is its provider's."""
    if isinstance(body, dict):
        return {
            name: MASK if is_secret(name) else _masked(value, hidden or name == "config")
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [_masked(one, hidden) for one in body]
    return MASK if hidden and body is not None else body


def least_seconds(requests: int, windows: Any) -> float:
    """The least time `requests` requests take under the limits: each full window has to pass first."""
    return float(max((requests - 1) // window.limit * window.seconds for window in windows)) if requests else 0.0


def many(call: Call, endpoint: str, body: Any, rows: int, requests: int) -> int:
    """For many rows: the first request with two of them, how many rows and requests there are, and the least time."""
    more = {"rows": rows, "requests": requests, "least_seconds": least_seconds(requests, call.session.windows)}
    return show(call.session, call.operation, endpoint, body=body, more=more)
