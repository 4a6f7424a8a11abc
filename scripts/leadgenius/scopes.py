"""Path → scope → root, kind of credential and header; which origins a request may go to; which ids
may be sent.

Routing looks at whole path segments, so `/administrators` is no admin call and a query string never
counts.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from leadgenius.errors import UsageError

PRODUCTION = "https://last.leadgenius.app"
EMBEDDED = "https://sandbox.invalid"  # never resolves: without its adapter nothing can leave
_PLAIN = ":@!$&'()*+,;=~"  # may stand in a path as they are


class Scope(NamedTuple):
    """A path root and the credential it takes: agent, amplify, jwt, or "" for none."""

    name: str
    root: str
    credential: str
    header: str


AGENT = Scope("agent", "/api/agent", "agent", "X-API-Key")
SYSTEM = Scope("system", "/api", "amplify", "x-api-key")
ADMIN = Scope("admin", "/api/admin", "agent", "X-API-Key")
ROOT = Scope("root", "/api", "jwt", "Authorization")
LOGIN = Scope("root", "/api", "", "")
SCOPES = {scope.name: scope for scope in (AGENT, SYSTEM, ADMIN, ROOT)}


class Target(NamedTuple):
    """Where a request goes: its scope, and the encoded path and query on the wire."""

    scope: Scope
    path: str
    query: str = ""

    @property
    def is_login(self) -> bool:
        return self.scope == LOGIN


def is_loopback(host: str) -> bool:
    """True for the literal names of this machine: `localhost`, 127.0.0.0/8, ::1. Nothing is
    resolved.
    """
    parts = host.split(".")
    numbers = [
        part for part in parts if part.isdecimal() and str(int(part)) == part and int(part) < 256
    ]
    return host in ("localhost", "::1") or (parts[0] == "127" and len(numbers) == len(parts) == 4)


def clean_origin(text: str) -> str:
    """`scheme://host[:port]` of a base URL. UsageError unless it is https, or http for this
    machine.
    """
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    name = "[" not in text and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", host)
    problem = ""
    if not (name or is_loopback(host)) or port == 0 or re.search(r"[\x00-\x20\x7f@?#]", text):
        problem = "is not an origin: scheme, host and port alone, without a user name"
    elif parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        problem = "must be https; http is for this machine only"
    elif parts.path.rstrip("/") not in ("", "/api", "/api/agent", "/api/admin"):
        problem = "has a path; give the origin alone"
    if problem:
        hint = f"Give one such as {PRODUCTION}, or http://127.0.0.1:8787 for a served sandbox."
        raise UsageError(f"The base URL {problem}.", hint=hint)
    shown = f"[{host}]" if ":" in host else host
    usual = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown}" + ("" if port in (None, usual) else f":{port}")


def check_id(text: str, name: str = "id") -> str:
    """`text`, an id for a path or a body. UsageError for one that a server could take for something
    else: empty, with `..`, / \\ ? # %, white space or invisible characters, or what Unicode
    normalises to one of them.
    """
    plain = text
    if not text.isascii():
        import unicodedata

        plain = unicodedata.normalize("NFKC", text)
        if any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs") for char in text):
            plain = ""
    changed = plain != text and "." in plain
    if plain in ("", ".") or changed or ".." in plain or re.search(r"[/\\?#%\x00-\x20\x7f]", plain):
        raise UsageError(
            f"This {name} cannot be sent: it is empty, or has dots, slashes, ? # %, white space or"
            " invisible characters in it.",
            code="invalid_input",
            hint="Give the id exactly as a list prints it.",
        )
    return text


def segment(text: str, name: str = "id") -> str:
    """One path segment from an id, percent-encoded whole: requests turns `DELETE /leads/..` into
    `DELETE /`.
    """
    return quote(check_id(text, name), safe="")


def route(endpoint: str, origin: str = PRODUCTION, scope: str = "auto") -> Target:
    """Target of an endpoint as a user writes it: `/leads`, `leads`, `/api/agent/leads`, or a URL of
    `origin`.

    `scope` names one of SCOPES to override the routing. UsageError for another origin, dot
    segments, `//`, a fragment, control characters, or a root alone.
    """
    path, _, query = _path(endpoint.strip(), origin).partition("?")
    _check(path, query)
    try:
        words = [quote(unquote(word), safe=_PLAIN) for word in path.split("/") if word]
        query = quote(query, safe=_PLAIN + "%/?[]")
    except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
        raise UsageError("The endpoint is not valid text.", code="invalid_input") from error
    found, rest = _match(words, scope)
    if not rest:
        raise UsageError("The endpoint names no resource.", hint="Write it as in /campaigns.")
    if found == ROOT and rest[0] == "epsimo-auth":
        found = LOGIN
    return Target(found, "/".join([found.root, *rest]), query)


def _path(text: str, origin: str) -> str:
    """Path and query, the origin of a full URL taken off."""
    if re.match(r"[A-Za-z]:[\\/]", text):
        raise UsageError(
            "The shell turned the endpoint into a Windows path.",
            hint="Leave out the leading slash (campaigns), or set MSYS_NO_PATHCONV=1.",
        )
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*", text)
    if not found:
        return text
    try:
        same = clean_origin(found[0]) == origin
    except UsageError:
        same = False
    if not same:
        raise UsageError(
            "The endpoint is a URL of another origin; no credential is sent there.",
            hint=f"Give the path alone, as in /campaigns; this run goes to {origin}.",
        )
    return text[found.end() :]


def _check(path: str, query: str) -> None:
    plain, problem = unquote(path), ""
    odd = r"[\x00-\x1f\x7f-\x9f\\\ufffd]"
    if re.search(r"[ #]", path + query) or re.search(odd, path + query + plain):
        problem = "a space, a backslash, a fragment (#) or a character that is no text"
    elif "//" in plain or {".", ".."} & set(plain.split("/")):
        problem = "a dot segment or a double slash"
    elif re.search(r"%(?![0-9A-Fa-f]{2})", path + query) or unquote(plain) != plain:
        problem = "a % that is no single percent-encoding"
    if problem:
        hint = "Write it as in /campaigns/ID/metrics."
        raise UsageError(f"The endpoint has {problem} in it.", code="invalid_input", hint=hint)


def _match(words: list[str], scope: str) -> tuple[Scope, list[str]]:
    """The scope, and the words below its root."""
    bare = words[1:] if words[:1] == ["api"] else words
    agent = words[2:] if words[:2] == ["api", "agent"] else bare
    found = SCOPES.get(scope)
    if not found:
        found = AGENT
        if bare[:1] == ["admin"]:
            found = ADMIN
        elif agent is bare and bare[:2] in (["enrich-leads", "list"], ["source-leads", "list"]):
            found = SYSTEM
        elif agent is bare and bare[:1] in (["epsimo-auth"], ["agent-api-keys"]):
            found = ROOT
    if found == AGENT:
        return found, agent
    return found, bare[1:] if found == ADMIN and bare[:1] == ["admin"] else bare
