"""Path → scope → root, kind of credential and header; which origins a request may go to; which ids
may be sent.

Routing looks at whole path segments, so `/administrators` is no admin call and a query string never
counts.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from leadgenius.errors import UsageError

PRODUCTION = "https://last.leadgenius.app"
EMBEDDED = "https://sandbox.invalid"  # never resolves: without its adapter nothing can leave
_PLAIN = ":@!$&'()*+,;=~"  # may stand in a path as they are
_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_LOOPBACK = re.compile(rf"https?://(localhost|\[::1\]|127(\.{_OCTET}){{3}})(:\d+)?", re.ASCII)
_ORIGIN = re.compile(
    r"(https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[::1\])(?::([1-9]\d{0,4}))?)"
    r"(?:/api(?:/agent|/admin)?)?/?",
    re.ASCII,
)


class Scope(NamedTuple):
    """A path root and the credential it takes: agent, amplify, jwt, or "" for none."""

    name: str
    root: str
    credential: str = ""
    header: str = "X-API-Key"
    prefix: str = ""


AGENT = Scope("agent", "/api/agent", "agent")
SYSTEM = Scope("system", "/api", "amplify", "x-api-key")
ADMIN = Scope("admin", "/api/admin", "agent")
ROOT = Scope("root", "/api", "jwt", "Authorization", "Bearer ")
LOGIN = Scope("root", "/api")
SCOPES = {scope.name: scope for scope in (AGENT, SYSTEM, ADMIN, ROOT)}
_FIRST_WORDS = {  # of paths that are none of agent calls
    "admin": ADMIN,
    "enrich-leads": SYSTEM,
    "source-leads": SYSTEM,
    "epsimo-auth": LOGIN,
    "agent-api-keys": ROOT,
}


class Target(NamedTuple):
    """Where a request goes: its scope, and the encoded path and query on the wire."""

    scope: Scope
    path: str
    query: str


def is_loopback(origin: str) -> bool:
    """True for the literal names of this machine: `localhost`, 127.0.0.0/8, ::1. Nothing is
    resolved.
    """
    return bool(_LOOPBACK.fullmatch(origin))


def clean_origin(text: str) -> str:
    """`scheme://host[:port]` of a base URL. UsageError unless it is https, or http for this
    machine.
    """
    found = _ORIGIN.fullmatch(text.strip().lower())
    origin, port = found.groups("0") if found else ("", "0")
    if not (origin.startswith("https:") or is_loopback(origin)) or int(port) > 65_535:
        raise UsageError(
            "The base URL must be https (http for this machine only), and scheme, host and port"
            " alone.",
            f"Give one such as {PRODUCTION}, or http://127.0.0.1:8787 for a served sandbox.",
        )
    return origin


def _is_odd(text: str) -> bool:
    """Whether a server could take a path segment for something else: it is empty, or has `..`,
    / \\ ? # %, white space or invisible characters.
    """
    odd = re.search(r"^\.?$|\.\.|[/\\?#% \ufffd]", text)
    return bool(odd) or not text.isprintable()


def check_id(text: str) -> str:
    """`text`, an id for a path or a body. UsageError for one that could mean another path."""
    if _is_odd(text):
        raise UsageError(
            "This id cannot be sent: it is empty, or has dots, slashes, ? # %, white space or"
            " invisible characters in it.",
            "Give the id exactly as a list prints it.",
            code="invalid_input",
        )
    return text


def segment(text: str) -> str:
    """One path segment from an id, percent-encoded whole: requests turns `DELETE /leads/..` into
    `DELETE /`.
    """
    return quote(check_id(text), safe="")


def route(endpoint: str, origin: str = PRODUCTION, scope: str = "auto") -> Target:
    """Target of an endpoint as a user writes it: `/leads`, `leads`, `/api/agent/leads`, or a URL of
    `origin`.

    `scope` names one of SCOPES to override the routing. UsageError for another origin, a segment
    that is no id even when decoded, `//`, a fragment, or a root alone.
    """
    text = endpoint.strip()
    if text.lower().startswith(f"{origin}/"):
        text = text[len(origin) :]
    path, _, query = text.partition("?")
    words = [unquote(word) for word in path.removeprefix("/").removesuffix("/").split("/")]
    if any(map(_is_odd, words)) or re.search(r"[ #\\]", query) or not query.isprintable():
        raise UsageError(
            "The endpoint is empty, a URL of another origin, or has a dot segment, a double slash,"
            " white space, #, a backslash or an encoding in it that could mean another path.",
            "Write it as in /campaigns/ID/metrics.",
            code="invalid_input",
        )
    if words[0] == "api":
        words = words[1:]
    first = "".join(words[:1])
    usual = _FIRST_WORDS.get(first, AGENT)
    found = usual if usual == LOGIN else SCOPES.get(scope, usual)  # a login carries no credential
    if found.root.endswith(f"/{first}"):
        words = words[1:]
    if not words:
        raise UsageError("The endpoint names no resource.", "Write it as in /campaigns.")
    wire = quote("/".join([found.root, *words]), safe=_PLAIN + "/")
    return Target(found, wire, quote(query, safe=_PLAIN + "%/?[]"))
