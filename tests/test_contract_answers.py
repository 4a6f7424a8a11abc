"""Whatever is sent to the sandbox, its answer stands in the document: status, type, body; and it never fails itself."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import socket
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract import (
    BULK,
    NOT_LISTED,
    OPERATIONS,
    SPEC,
    Desk,
    Reply,
    breaches,
    demo_ids,
    filled,
    path_id,
    real_body,
    resolved,
    serving,
)
from sandbox.demo import CREDENTIALS
from sandbox.wire import LARGEST_BODY

each_operation = pytest.mark.parametrize("name", OPERATIONS)
WITH_BODY = [name for name, (_, _, operation) in OPERATIONS.items() if "requestBody" in operation]
some = settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
CODES = SPEC["components"]["schemas"]["ErrorCode"]["anyOf"]
# What is no HTTP request belongs to no operation; references/api_reference.md#the-sandbox-beside-the-contract
NOT_HTTP = {400: "BAD_REQUEST", 414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE", 505: "HTTP_VERSION_NOT_SUPPORTED"}


@pytest.fixture(scope="module")
def desk(demo_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    database = tmp_path_factory.mktemp("answers") / "sandbox.sqlite3"
    shutil.copy(demo_state / "sandbox" / "sandbox.sqlite3", database)
    return Desk(database)


@pytest.fixture(scope="module")
def ids(demo_state: Path) -> dict[str, str]:
    return demo_ids(demo_state / "sandbox" / "sandbox.sqlite3")


def check(name: str | None, reply: Reply) -> None:
    """The answer is one that the document gives this operation; None: of what is no operation."""
    assert reply.status < 500, reply.raw
    assert reply.headers["Content-Type"].startswith("application/json")
    assert int(reply.headers["Content-Length"]) == len(reply.raw)
    assert reply.headers["X-LeadGenius-Sandbox"] == "1"
    assert breaches(name, reply.status, reply.body) == []


# Bodies and parameters made from the schemas, right and wrong

WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**15, max_value=10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "\x00", "\ud800", "‮", "null", "0000-00-00", "9999-12-31", "a@b", "%", "'", '"', "x" * 5000]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FORMS = {
    "date": st.dates().map(str),
    "date-time": st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    "email": st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True),
    "uri": st.from_regex(r"https://[a-z]{1,8}\.example/[a-z]{0,5}", fullmatch=True),
}


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Mostly what the schema describes."""
    schema = resolved(dict(schema))
    for part in schema.get("allOf", ()):
        schema = {**schema, **resolved(part)}
    kind = schema.get("type")
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kind == "object":
        return objects(schema)
    if kind == "array":
        return st.lists(values(schema.get("items", {})), min_size=schema.get("minItems", 0), max_size=3)
    low, high = schema.get("minimum"), schema.get("maximum")
    plain: dict[Any, st.SearchStrategy[Any]] = {
        "integer": st.integers(low, high),
        "number": st.floats(low, high, allow_nan=False, allow_infinity=False) | st.integers(low, high),
        "boolean": st.booleans(),
        "string": FORMS.get(schema.get("format", ""), st.text(min_size=1, max_size=12)),
    }
    return plain.get(kind if isinstance(kind, str) else "", WILD)


def objects(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values(one) for name, one in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    always = {name: one for name, one in fields.items() if name in needed}
    return st.fixed_dictionaries(always, optional={name: one for name, one in fields.items() if name not in needed})


@st.composite
def bodies(draw: st.DrawFn, name: str) -> Any:
    """A body of the operation, often with a field or two that are anything, missing or too many; or anything at all."""
    schema = OPERATIONS[name][2]["requestBody"]["content"]["application/json"]["schema"]
    body = draw(values(schema))
    if draw(st.integers(0, 9)) == 0:
        return draw(WILD)
    for field in draw(st.lists(st.sampled_from([*body, "owner", "company_id", "id", "extra"]), max_size=2)):
        if draw(st.booleans()):
            body[field] = draw(WILD)
        else:
            body.pop(field, None)
    return body


@st.composite
def queries(draw: st.DrawFn, name: str, company: str) -> str:
    """Parameters of the operation, often wrong, unknown, doubled or not encoded well."""
    known = {one["name"]: one["schema"] for one in map(resolved, OPERATIONS[name][2].get("parameters", ()))
             if one["in"] == "query"}  # fmt: skip
    parts = [f"companyId={company}&limit=3"] if name in BULK and draw(st.integers(0, 4)) else []
    for field in draw(st.lists(st.sampled_from([*known, "page", "x", "%00", "status"]), max_size=4)):
        value = draw(st.text(max_size=6) | st.integers().map(str) | values(known.get(field, {})))
        text = str(value).encode("utf-8", "surrogatepass")
        parts.append(f"{field}={quote(text)}" if draw(st.integers(0, 5)) else f"{field}={draw(RAW)}")
    return "&".join(parts)


RAW = st.text(st.sampled_from(string.ascii_letters + string.digits + "%+=-._~/?:@"), max_size=8)
PATH_WORDS = st.text(max_size=8).map(lambda word: quote(word.encode("utf-8", "surrogatepass"), safe="")) | RAW


@each_operation
def test_no_body_and_no_parameter_leads_off_the_document(desk: Desk, ids: dict[str, str], name: str) -> None:
    method, path, _ = OPERATIONS[name]
    known = path_id(name, ids)
    given_ids = st.just(known) | PATH_WORDS.filter(
        lambda word: word not in ("", ".", "..") and "/" not in word and "?" not in word
    )
    sent = bodies(name) if name in WITH_BODY else st.none()

    @some
    @given(sent, given_ids, queries(name, ids["COMPANY_ID"]))
    def answers(body: Any, record: str, query: str) -> None:
        target = path.replace("{id}", record).replace("{jobId}", record) + (f"?{query}" if query else "")
        reply = desk.ask(method, target, body, who=desk.credential_of(name))
        check(name, reply)

    answers()


@pytest.mark.parametrize("name", sorted({*WITH_BODY} - {"auth.login"}))
def test_the_generator_makes_bodies_that_are_taken(desk: Desk, ids: dict[str, str], name: str) -> None:
    """Or the test above would see refusals alone."""
    taken: list[Any] = []

    @some
    @given(values(OPERATIONS[name][2]["requestBody"]["content"]["application/json"]["schema"]))
    def once(body: Any) -> None:
        reply = desk.ask(OPERATIONS[name][0], filled(name, ids), body, who=desk.credential_of(name))
        taken.extend([body] if reply.status < 300 else [])

    once()
    assert taken


@each_operation
def test_every_credential_at_every_operation(desk: Desk, ids: dict[str, str], name: str) -> None:
    """The right one gets in; every other is 401, 403, or, for another company, 404: as documented."""
    query = f"?companyId={ids['COMPANY_ID']}" if name in BULK else ""
    right = {"agent": "api_key", "admin": "api_key", "system": "amplify_api_key", "root": "email"}
    for who in ("", "api_key", "user_api_key", "other_api_key", "amplify_api_key", "email"):
        reply = desk.ask(OPERATIONS[name][0], filled(name, ids) + query, real_body(name, ids), who=who)
        check(name, reply)
        kind = who.removeprefix("user_").removeprefix("other_")
        wrong = kind != right[OPERATIONS[name][2]["x-scope"]] and name != "auth.login"
        assert (reply.status == 401) == wrong, who


# What is wrong about the request itself


@pytest.mark.parametrize(
    ("raw", "more", "status"),
    [
        (b"{", {}, 400), (b"", {}, 400), (b'{"a": NaN}', {}, 400), (b"\xff\xfe", {}, 400), (b"[" * 9999, {}, 400),
        (b'{"a": 1e999}', {}, 400), (b'"\\ud800"', {}, 400), (b"{}", {"CONTENT_LENGTH": "99"}, 400),
        (b"{}", {"CONTENT_LENGTH": None}, 411), (b"{}", {"CONTENT_LENGTH": "-1"}, 411),
        (b"{}", {"CONTENT_LENGTH": "x"}, 411), (b"{}", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        (b"{}", {"CONTENT_LENGTH": str(LARGEST_BODY + 1)}, 413), (b"{}", {"CONTENT_LENGTH": "9" * 400}, 413),
        (b"a=1", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"CONTENT_TYPE": "application/json; charset=utf-16"}, 415), (b"{}", {"CONTENT_TYPE": "\xff"}, 415),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read(
    desk: Desk, ids: dict[str, str], raw: bytes, more: dict[str, Any], status: int
) -> None:
    for name in WITH_BODY:
        reply = desk.ask(OPERATIONS[name][0], filled(name, ids), raw=raw, who=desk.credential_of(name), **more)
        check(name, reply)
        assert reply.status == status, name


@pytest.mark.parametrize("path", SPEC["paths"])
def test_other_methods_are_405_with_allow(desk: Desk, ids: dict[str, str], path: str) -> None:
    known = {method for method, its, _ in OPERATIONS.values() if its == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"} - known:
        reply = desk.ask(method, path.replace("{id}", "x").replace("{jobId}", "x"), {})
        check(None, reply)
        assert reply.status == 405
        assert set(reply.headers["Allow"].split(", ")) == known


@some
@given(st.lists(PATH_WORDS, min_size=1, max_size=4), st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]))
def test_unknown_paths_are_404(words: list[str], method: str) -> None:
    target = "/api/agent/none-of-ours/" + "/".join(words)
    reply = HERE[0].ask(method, target, {})
    if method == "HEAD":
        assert (reply.status in (400, 404), reply.raw) == (True, b"")
        return
    if reply.status == 400:  # a bad percent encoding
        assert reply.body["code"] == "INVALID_PARAMETER"
        return
    check(None, reply)
    assert reply.status == 404


HERE: list[Desk] = []


@pytest.fixture(scope="module", autouse=True)
def here(desk: Desk) -> None:
    """For hypothesis, which takes no fixtures of a function."""
    HERE[:] = [desk]


def test_too_many_requests_are_429(demo_state: Path, tmp_path: Path, ids: dict[str, str]) -> None:
    shutil.copy(demo_state / "sandbox" / "sandbox.sqlite3", tmp_path / "sandbox.sqlite3")
    limited = Desk(tmp_path / "sandbox.sqlite3", rate_limit=True, limits="1/60")
    for name in OPERATIONS:
        who = limited.credential_of(name)
        replies = [limited.ask(OPERATIONS[name][0], OPERATIONS[name][1], {}, who=who) for _ in range(2)]
        if name != "auth.login":  # it carries no credential to count by; its own limit is on failures
            assert replies[1].status == 429
            check(name, replies[1])
            assert int(replies[1].headers["Retry-After"]) >= 1
    failures = [
        limited.ask("POST", "/api/epsimo-auth", {"email": "a@b.example", "password": "x"}, who="") for _ in "1234567"
    ]
    assert [reply.status for reply in failures] == [401] * 5 + [429] * 2
    for reply in failures:
        check("auth.login", reply)


# The served sandbox, met with bytes


@pytest.fixture(scope="module")
def port(desk: Desk) -> Iterator[int]:
    with serving(desk.app) as origin:
        yield int(urlsplit(origin).port or 0)


LINES = st.sampled_from(
    ["Content-Length: 2", "Content-Length: 0", "Content-Length: -5", "Content-Length: 2, 2", "Content-Length: 9e9",
     "Transfer-Encoding: chunked", "Content-Type: application/json", "Content-Type: text/html", "Content-Type:",
     "Content-Type: application/json; charset=latin-1", "X-API-Key: lgp_wrong", "X-API-Key: é", "X-API-Key:",
     "Authorization: Bearer", "Authorization: Basic YTpi", "Authorization: Bearer a.b.c", "Authorization: \x01",
     f"Authorization: Bearer {CREDENTIALS['api_key']}", f"X-API-Key: {CREDENTIALS['api_key']}",
     f"X-API-Key: {CREDENTIALS['other_api_key']}", f"X-API-Key: {CREDENTIALS['amplify_api_key']}",
     "Host:", "Host: a, b", "Expect: 100-continue", "Connection: keep-alive", "X-User-Id: ‮", "no colon",
     ": no name", "X-Long: " + "x" * 9000, "\tfolded"]
)  # fmt: skip
TARGETS = st.sampled_from(
    [*(path.replace("{id}", "lead_1").replace("{jobId}", "x") for path in SPEC["paths"]),
     "/", "*", "//", "/api", "/api/agent/leads/%", "/api/agent/leads/%ff/status", "/api/agent/leads/a%2Fb/status",
     "/api/agent/leads?page=%zz", "/api/agent/leads?page=1&page=2", "/api/agent/leads?status", "/%00", "/../../etc",
     "http://other.example/api/agent/leads", "/api/agent/campaigns/..%2f..", "/api/agent/leads#x", "/é"]
)  # fmt: skip
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW", "get", "G\x00T", "Ä"])
CONTENT = st.sampled_from(
    [b"", b"{}", b"{", b"[]", b"null", b'{"leads": [{}]}', b'{"leadIds": ["lead_1"]}', b"\x00" * 50]
)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(METHODS, TARGETS, st.lists(LINES, max_size=4), CONTENT)
def test_no_request_brings_the_served_sandbox_down(method: str, target: str, lines: list[str], content: bytes) -> None:
    request = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""]).encode() + content
    for reply in exchange(PORT[0], request):
        assert reply.status < 500, (request, reply.raw)
        assert reply.headers["content-type"].startswith("application/json")
        if reply.raw:
            check_raw(reply)


def check_raw(reply: Reply) -> None:
    """Some operation documents this answer, or it is that to what is no request at all."""
    if reply.status in NOT_HTTP and reply.body.get("code") == NOT_HTTP[reply.status]:
        return
    names = [None] if reply.status in NOT_LISTED else []
    assert any(breaches(name, reply.status, reply.body) == [] for name in (*names, *OPERATIONS)), reply.raw


PORT: list[int] = []


@pytest.fixture(scope="module", autouse=True)
def there(port: int) -> None:
    PORT[:] = [port]


def exchange(port: int, request: bytes) -> list[Reply]:
    """Every answer that these bytes bring, after which nothing more is said."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        said = b""
        while part := connection.recv(65536):
            said += part
    assert said, "no answer at all"
    return list(replies_in(said))


class _Bytes:
    def __init__(self, said: io.BytesIO) -> None:
        self._said = said

    def makefile(self, *args: Any) -> io.BytesIO:
        return self._said


def replies_in(said: bytes) -> Iterator[Reply]:
    """The answers one after another. An interim 100 Continue is passed over."""
    rest = said
    while rest:
        head, _, after = rest.partition(b"\r\n\r\n")
        response = http.client.HTTPResponse(_Bytes(io.BytesIO(rest)))  # type: ignore[arg-type]
        response.begin()
        if head.startswith(b"HTTP/1.1 100"):
            rest = after
            continue
        length = int(response.headers["Content-Length"])
        yield Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, after[:length])
        rest = after[length:]


def test_what_is_no_request_is_told_in_the_same_form(port: int) -> None:
    reference = (Path(__file__).parents[1] / "references" / "api_reference.md").read_text(encoding="utf-8")
    for request, status in ((b"\x16\x03\x01\x02\r\n\r\n", 400), (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414)):
        (reply,) = exchange(port, request)
        assert (reply.status, reply.body["code"]) == (status, NOT_HTTP[status])
        assert json.loads(reply.raw)["success"] is False
    for status, code in NOT_HTTP.items():
        assert f"`{status}` `{code}`" in reference
