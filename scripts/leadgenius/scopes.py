"""Path → scope → root, credential kind and header; and the origins a request may go to.

Rules: references/api_reference.md#scopes-and-credentials. One request carries exactly one credential, the one of
its scope. Routing looks at whole path segments, so `/administrators` is no admin call and a query string never counts.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from leadgenius.errors import UsageError

PRODUCTION = "https://last.leadgenius.app"
EMBEDDED = "https://sandbox.invalid"  # .invalid never resolves: if the adapter is not mounted, nothing can leave
_DROPPED_PATHS = ("", "/api", "/api/agent", "/api/admin")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Scope:
    """A path root with the credential it takes. `credential` is agent, amplify, jwt or None."""

    name: str
    root: str
    credential: str | None
    header: str


AGENT = Scope("agent", "/api/agent", "agent", "X-API-Key")
SYSTEM = Scope("system", "/api", "amplify", "x-api-key")
ADMIN = Scope("admin", "/api/admin", "agent", "X-API-Key")
ROOT = Scope("root", "/api", "jwt", "Authorization")
LOGIN = Scope("root", "/api", None, "")
SCOPES = {scope.name: scope for scope in (AGENT, SYSTEM, ADMIN, ROOT)}

_BULK = (("enrich-leads", "list"), ("source-leads", "list"))


@dataclass(frozen=True)
class Target:
    """Where a request goes: its scope, and the encoded path and query on the wire."""

    scope: Scope
    path: str
    query: str = ""

    @property
    def is_login(self) -> bool:
        return self.scope is LOGIN


def is_loopback(host: str) -> bool:
    """True for the literal names of this machine only: `localhost`, 127.0.0.0/8, ::1. Nothing is resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def clean_origin(text: str) -> str:
    """`scheme://host[:port]` of a base URL. https, or http for loopback; UsageError says what is wrong with another."""
    text = text.strip()
    if re.search(r"[\x00-\x20\x7f]", text):  # urlsplit would drop a line end silently
        raise UsageError("The base URL has a space or a control character in it.", hint=_origin_hint())
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError("The base URL cannot be read.", hint=_origin_hint()) from error
    if "@" in parts.netloc:
        raise UsageError("The base URL carries a user name or password.", hint=_origin_hint())
    known = is_loopback(host) or (_HOST.fullmatch(host) and "[" not in parts.netloc)
    if not known or parts.query or parts.fragment or port == 0:
        raise UsageError("The base URL is not an origin.", hint=_origin_hint())
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise UsageError("The base URL must be https; http is for this machine only.", hint=_origin_hint())
    if parts.path.rstrip("/") not in _DROPPED_PATHS:
        raise UsageError("The base URL has a path; give the origin alone.", hint=_origin_hint())
    default_port = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in (None, default_port) else f":{port}")


def _origin_hint() -> str:
    return f"--base-url {PRODUCTION}, or http://127.0.0.1:8787 for a served sandbox"


def may_take_environment_key(origin: str, chosen: str | None) -> bool:
    """Whether a key from the environment may go to `origin`: production, loopback, or the one in LGP_BASE_URL."""
    return origin in (PRODUCTION, chosen) or is_loopback(urlsplit(origin).hostname or "")


def segment(value: str, name: str = "id") -> str:
    """One path segment from an id, percent-encoded whole.

    UsageError for what would change the path: requests turns `DELETE /leads/..` into `DELETE /`.
    """
    if not value or value in (".", "..") or re.search(r"[/\\?#%\x00-\x20\x7f-\x9f]", value):
        raise UsageError(
            f"This {name} cannot stand in a path: it is empty, a dot segment, or has / \\ ? # %, a space or a control "
            "character in it.",
            code="invalid_input",
            hint="Give the id exactly as a list prints it.",
        )
    try:
        return quote(value, safe="")
    except UnicodeEncodeError as error:
        raise UsageError(f"This {name} is not valid text.", code="invalid_input") from error


def route(endpoint: str, *, origin: str = PRODUCTION, scope: str = "auto") -> Target:
    """Target of an endpoint as a user writes it: `/leads`, `leads`, `/api/agent/leads`, or a full URL of `origin`.

    `scope` names one of `SCOPES` to override the routing. UsageError for another origin, dot segments, `//`, a
    fragment, control characters, or a root alone.
    """
    path, query = _split(endpoint, origin)
    try:
        words = [_canonical(word) for word in path.split("/") if word]
        query = quote(query, safe="%:@!$&'()*+,;=~/?[]")
    except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8
        raise UsageError("The endpoint is not valid text.", code="invalid_input") from error
    found, rest = _match(words) if scope == "auto" else (SCOPES[scope], _without_root(words, SCOPES[scope]))
    if not rest:
        raise UsageError("The endpoint names no resource.", hint="{api_call} GET /campaigns")
    if found is ROOT and rest[0] == "epsimo-auth":
        found = LOGIN
    return Target(found, "/".join([found.root, *rest]), query)


def _canonical(word: str) -> str:
    """The one spelling of a path segment: requests would write `%65nroll` as `enroll`, so it is routed as that."""
    return quote(unquote_to_bytes(word), safe=":@!$&'()*+,;=~")


def _split(endpoint: str, origin: str) -> tuple[str, str]:
    text = endpoint.strip()
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text) or text.startswith("//"):
        text = _same_origin_path(text, origin)
    path, _, query = text.partition("?")
    _refuse_odd_path(path, query)
    return path, query


def _same_origin_path(url: str, origin: str) -> str:
    _refuse_windows_path(url)
    try:
        parts = urlsplit(url)
        named = clean_origin(f"{parts.scheme}://{parts.netloc}")
    except (ValueError, UsageError) as error:
        raise _foreign(origin) from error
    if named != origin:
        raise _foreign(origin)
    return re.sub(r"^[^/?#]*", "", url.split("//", 1)[1])  # from the end of the host on, a query without a path too


def _foreign(origin: str) -> UsageError:
    return UsageError(
        "The endpoint is a URL of another origin; no credential is sent there.",
        hint=f"Give the path alone, as in /campaigns; this command goes to {origin}.",
    )


def _refuse_windows_path(text: str) -> None:
    if re.match(r"[A-Za-z]:[\\/]", text):
        raise UsageError(
            "The shell turned the endpoint into a Windows path.",
            hint="Leave out the leading slash (campaigns), or set MSYS_NO_PATHCONV=1.",
        )


def _decoded(path: str) -> str:
    """`path` without any percent-encoding, however often it was applied: who knows how often a server takes it off."""
    while (plain := unquote(path)) != path:
        path = plain
    return path


def _refuse_odd_path(path: str, query: str) -> None:
    plain = _decoded(path)
    problem = ""
    if re.search(r"[\x00-\x20\x7f-\x9f\\]", path + query) or re.search(r"[\x00-\x1f\x7f-\x9f\\]", plain):
        problem = "a space, a backslash or a control character"
    elif "#" in path + query:
        problem = "a fragment (#)"
    elif "//" in plain or any(word in (".", "..") for word in plain.split("/")):
        problem = "a dot segment or a double slash"
    elif _BAD_PERCENT.search(path + query):
        problem = "a % that is not followed by two hexadecimal digits"
    if problem:
        raise UsageError(
            f"The endpoint has {problem} in it.", code="invalid_input", hint="Write it as in /campaigns/ID/metrics."
        )


def _match(words: list[str]) -> tuple[Scope, list[str]]:
    bare = words[1:] if words[:1] == ["api"] else words
    if bare[:1] == ["admin"]:
        return ADMIN, bare[1:]
    if words[:2] == ["api", "agent"]:
        return AGENT, words[2:]
    if tuple(bare[:2]) in _BULK:
        return SYSTEM, bare
    if bare[:1] in (["epsimo-auth"], ["agent-api-keys"]):
        return ROOT, bare
    return AGENT, bare


def _without_root(words: list[str], scope: Scope) -> list[str]:
    root = scope.root.strip("/").split("/")
    if words[: len(root)] == root:
        return words[len(root) :]
    bare = words[1:] if words[:1] == ["api"] else words
    return bare[1:] if scope is ADMIN and bare[:1] == ["admin"] else bare
