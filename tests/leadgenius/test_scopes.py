"""Where a request goes and which credential it carries: routing, origins, ids."""

from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from leadgenius.errors import UsageError
from leadgenius.scopes import (
    ADMIN,
    AGENT,
    LOGIN,
    PRODUCTION,
    ROOT,
    SYSTEM,
    check_id,
    clean_origin,
    route,
    segment,
)

# endpoint as typed, its scope, the path on the wire
ROUTES = [
    (" campaigns/ ", AGENT, "/api/agent/campaigns"),
    ("/api/campaigns", AGENT, "/api/agent/campaigns"),
    ("api/agent/leads/lead_1", AGENT, "/api/agent/leads/lead_1"),
    ("HTTPS://LAST.LeadGenius.app/leads", AGENT, "/api/agent/leads"),
    ("/api/admin/companies", ADMIN, "/api/admin/companies"),
    (f"{PRODUCTION}/api/admin/users", ADMIN, "/api/admin/users"),
    ("/enrich-leads/list", SYSTEM, "/api/enrich-leads/list"),
    ("/api/epsimo-auth", LOGIN, "/api/epsimo-auth"),
    ("/agent-api-keys", ROOT, "/api/agent-api-keys"),
    # whole segments: what only looks alike stays with the agent
    ("/administrators", AGENT, "/api/agent/administrators"),
    # /api/agent wins, whatever follows
    ("/api/agent/admin/users", AGENT, "/api/agent/admin/users"),
    # characters that belong to a segment
    ("/leads/é", AGENT, "/api/agent/leads/%C3%A9"),
    ("/leads/%65nroll", AGENT, "/api/agent/leads/enroll"),
    ("/%61dmin/users", ADMIN, "/api/admin/users"),
]


@pytest.mark.parametrize(("endpoint", "scope", "path"), ROUTES)
def test_an_endpoint_is_routed_by_its_whole_segments(endpoint, scope, path):
    assert route(endpoint) == (scope, path, "")


@pytest.mark.parametrize(
    ("endpoint", "path", "query"),
    [
        ("/leads?next=/admin/x", "/api/agent/leads", "next=/admin/x"),
        ("/leads?name=Jürgen", "/api/agent/leads", "name=J%C3%BCrgen"),
        ("/leads?a#\n\udc80 \\", "/api/agent/leads", "a%23%0A?%20%5C"),
        (
            f"{PRODUCTION}/leads?u=https://other.example/../x",
            "/api/agent/leads",
            "u=https://other.example/../x",
        ),
    ],
)
def test_a_query_never_counts(endpoint, path, query):
    assert route(endpoint)[1:] == (path, query)


@pytest.mark.parametrize(
    ("endpoint", "scope", "path"),
    [
        ("/enrich-leads/list", "agent", "/api/agent/enrich-leads/list"),
        ("/companies", "admin", "/api/admin/companies"),
        ("/admin/companies", "agent", "/api/agent/admin/companies"),
    ],
)
def test_a_scope_given_overrides_the_path(endpoint, scope, path):
    target = route(endpoint, scope=scope)
    assert (target.scope.name, target.path) == (scope, path)
    assert route("/epsimo-auth", scope="root").scope == LOGIN, "it never carries a login"


HOSTILE = [
    "", "/", "?page=1", PRODUCTION,
    "/leads/..", "/leads/../admin/users", "..", "/./leads", "/leads/%2e%2e", "/leads/.%2e",
    "/leads/..%2fadmin",
    "/leads/a%2Fb", "/leads/a%20b", "/leads//",
    "/leads/%252e%252e", "//admin/users", "/leads//x", "/leads/%2f%2f", "/leads\\x", "/leads/%5c",
    "/leads#x", "/leads\nx", "/leads x", "/leads/%0a", "/leads/%zz", "/leads/%ff",
    "/leads/\udc80",
    "https://elsewhere.example/leads", "//elsewhere.example/leads", f"{PRODUCTION}.example/leads",
    "http://last.leadgenius.app/leads",
    "https://last.leadgenius.app@elsewhere.example/leads", "C:/Program Files/Git/campaigns",
    "c:\\campaigns",
]  # fmt: skip


@pytest.mark.parametrize("scope", ["auto", "admin"])
@pytest.mark.parametrize("endpoint", [*HOSTILE, "/admin", "/api/agent", "/api"])
def test_what_could_mean_another_path_or_origin_is_refused(endpoint, scope):
    with pytest.raises(UsageError) as caught:
        route(endpoint, scope=scope if endpoint in HOSTILE else "auto")
    assert "elsewhere" not in str(caught.value.as_dict())


@given(st.text(st.sampled_from("abc/.%2eEfF5cC?#\\:@ \né"), max_size=30))
def test_whatever_is_typed_ends_under_a_root_or_is_refused(endpoint):
    try:
        target = route(endpoint)
    except UsageError:
        return
    sent = requests.Request("GET", f"{PRODUCTION}{target.path}?{target.query}").prepare().url
    assert urlsplit(sent).path == target.path
    assert target.path.startswith(target.scope.root + "/")
    assert not {".", "..", ""} & set(unquote(target.path).split("/")[1:])


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (" https://Staging.Example.com/api/agent/ ", "https://staging.example.com"),
        ("https://a.example:443/api/admin", "https://a.example:443"),
        ("http://127.255.0.9:8787", "http://127.255.0.9:8787"),
        ("https://[::1]:65535", "https://[::1]:65535"),
    ],
)
def test_an_origin_is_cleaned(text, origin):
    assert clean_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "http://example.com", "http://localhost.canary.com",
        "http://127.0.0.1.nip.io", "ftp://localhost",
        "https://user:canary@a.example", "https://a.example/v2", "https://a.example/?x",
        "https://a.example#x", "https://a.example:0",
        "https://a.example:65536", "https://a b.example", "https://a.ex\nample",
        "https://[v1.canary]", "http://0.0.0.0",
        "http://127.1", "http://0127.0.0.1", "http://127.0.0.256", "http://128.0.0.1",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as caught:
        clean_origin(text)
    assert "canary" not in str(caught.value.as_dict())


def test_an_id_is_encoded_whole():
    ids = {"lead_1": "lead_1", "a:b@c": "a%3Ab%40c", "ü": "%C3%BC", "a.b": "a.b"}
    assert {check_id(value): segment(value) for value in ids} == ids


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "a..b", "a/b", "a\\b", "a?b", "a#b", "%2e%2e", "a b", "a\n", "\x7f",
     "a\u2028", "a\u200b",
     "\u202ea", "a\u3000b", "\udc80", "a\x85"],
)  # fmt: skip
def test_an_id_that_could_be_taken_for_something_else_is_refused(value):
    with pytest.raises(UsageError) as caught:
        check_id(value)
    assert (caught.value.code, caught.value.exit_code) == ("invalid_input", 2)
