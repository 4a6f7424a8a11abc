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
_PORT = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
_ORIGIN = re.compile(
    rf"(https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[::1\])(:{_PORT})?)(/api(/agent|/admin)?)?/?",
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
    origin = found[1] if found else ""
    if not (origin.startswith("https:") or is_loopback(origin)):
        raise UsageError(
            "The base URL must be https (http for this machine only), and scheme, host and port"
            " alone.",
            f"Give one such as {PRODUCTION}, or http://127.0.0.1:8787 for a served sandbox.",
        )
    return origin


def check_id(text: str) -> str:
    """`text`, an id for a body or one segment of a path. UsageError for what a server could take
    for something else.
    """
    if re.search(r"^\.?$|\.\.|[/\\?#% \ufffd]", text) or not text.isprintable():
        raise UsageError(
            "An id or a part of the endpoint cannot be sent: it is empty, or has dots, slashes,"
            " ? # %, white space or invisible characters in it.",
            "Give ids exactly as a list prints them, and an endpoint as in /campaigns/ID/metrics.",
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
    that is no id even when decoded, `//`, or a root alone; what a query must not hold is encoded.
    """
    text = endpoint.strip()
    if text.lower().startswith(f"{origin}/"):
        text = text[len(origin) :]
    path, _, query = text.partition("?")
    parts = path.removeprefix("/").removesuffix("/").split("/")
    words = [check_id(unquote(part)) for part in parts]
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
    return Target(found, wire, quote(query, _PLAIN + "%/?[]", errors="replace"))
