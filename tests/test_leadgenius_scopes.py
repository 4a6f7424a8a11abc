"""Where a request goes and which credential it carries: the routing table, origins, and ids that stand in a path."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from leadgenius.errors import UsageError
from leadgenius.scopes import (
    ADMIN,
    AGENT,
    LOGIN,
    PRODUCTION,
    ROOT,
    SYSTEM,
    clean_origin,
    is_loopback,
    may_take_environment_key,
    route,
    segment,
)

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "leadgenius-hypothesis"))


# endpoint as typed, its scope, the path on the wire
ROUTES = [
    ("/campaigns", AGENT, "/api/agent/campaigns"),
    ("campaigns", AGENT, "/api/agent/campaigns"),
    ("/campaigns/", AGENT, "/api/agent/campaigns"),
    ("  /campaigns ", AGENT, "/api/agent/campaigns"),
    ("/api/campaigns", AGENT, "/api/agent/campaigns"),
    ("/api/agent/campaigns", AGENT, "/api/agent/campaigns"),
    ("api/agent/leads/lead_1", AGENT, "/api/agent/leads/lead_1"),
    (f"{PRODUCTION}/api/agent/leads", AGENT, "/api/agent/leads"),
    (f"{PRODUCTION}:443/leads", AGENT, "/api/agent/leads"),
    ("HTTPS://LAST.LeadGenius.app/leads", AGENT, "/api/agent/leads"),
    ("/admin/companies", ADMIN, "/api/admin/companies"),
    ("admin/users", ADMIN, "/api/admin/users"),
    ("/api/admin/companies", ADMIN, "/api/admin/companies"),
    (f"{PRODUCTION}/api/admin/users", ADMIN, "/api/admin/users"),
    ("/enrich-leads/list", SYSTEM, "/api/enrich-leads/list"),
    ("api/source-leads/list", SYSTEM, "/api/source-leads/list"),
    ("/epsimo-auth", LOGIN, "/api/epsimo-auth"),
    ("/api/epsimo-auth", LOGIN, "/api/epsimo-auth"),
    ("/agent-api-keys", ROOT, "/api/agent-api-keys"),
    ("/api/agent-api-keys", ROOT, "/api/agent-api-keys"),
    # whole segments: what only looks alike stays with the agent
    ("/administrators", AGENT, "/api/agent/administrators"),
    ("/Admin/users", AGENT, "/api/agent/Admin/users"),
    ("/enrich-leads", AGENT, "/api/agent/enrich-leads"),
    ("/enrich-leads/listing", AGENT, "/api/agent/enrich-leads/listing"),
    ("/epsimo-authors", AGENT, "/api/agent/epsimo-authors"),
    ("/agent/leads", AGENT, "/api/agent/agent/leads"),
    ("/apis", AGENT, "/api/agent/apis"),
    # /api/agent wins, whatever follows
    ("/api/agent/admin/users", AGENT, "/api/agent/admin/users"),
    ("/api/agent/enrich-leads/list", AGENT, "/api/agent/enrich-leads/list"),
    ("/api/agent/epsimo-auth", AGENT, "/api/agent/epsimo-auth"),
    # characters that belong to a segment
    ("/leads/a%2Fb", AGENT, "/api/agent/leads/a%2Fb"),
    ("/leads/a%20b", AGENT, "/api/agent/leads/a%20b"),
    ("/leads/é", AGENT, "/api/agent/leads/%C3%A9"),
    ("/leads/..a", AGENT, "/api/agent/leads/..a"),
]


@pytest.mark.parametrize(("endpoint", "scope", "path"), ROUTES)
def test_an_endpoint_is_routed_by_its_whole_segments(endpoint, scope, path):
    target = route(endpoint)
    assert (target.scope, target.path, target.query) == (scope, path, "")
    assert target.is_login is (scope is LOGIN)


@pytest.mark.parametrize(
    ("endpoint", "scope", "path", "query"),
    [
        ("/leads?next=/admin/x", AGENT, "/api/agent/leads", "next=/admin/x"),
        ("/leads?a=b?c=d&e=%20", AGENT, "/api/agent/leads", "a=b?c=d&e=%20"),
        ("/admin/users?page=2", ADMIN, "/api/admin/users", "page=2"),
        (f"{PRODUCTION}/leads?u=https://elsewhere.example/../x", AGENT, "/api/agent/leads", None),
        ("/leads?name=Jürgen", AGENT, "/api/agent/leads", "name=J%C3%BCrgen"),
        ("/leads?", AGENT, "/api/agent/leads", ""),
    ],
)
def test_a_query_never_counts(endpoint, scope, path, query):
    target = route(endpoint)
    assert (target.scope, target.path) == (scope, path)
    assert query is None or target.query == query


@pytest.mark.parametrize(
    ("scope", "credential", "header"),
    [
        (AGENT, "agent", "X-API-Key"),
        (SYSTEM, "amplify", "x-api-key"),
        (ADMIN, "agent", "X-API-Key"),
        (ROOT, "jwt", "Authorization"),
        (LOGIN, None, ""),
    ],
)
def test_every_scope_takes_one_credential_in_one_header(scope, credential, header):
    assert (scope.credential, scope.header) == (credential, header)


@pytest.mark.parametrize(
    ("endpoint", "scope", "path"),
    [
        ("/leads", "system", "/api/leads"),
        ("/api/leads", "system", "/api/leads"),
        ("/enrich-leads/list", "agent", "/api/agent/enrich-leads/list"),
        ("/companies", "admin", "/api/admin/companies"),
        ("/admin/companies", "admin", "/api/admin/companies"),
        ("/api/admin/companies", "admin", "/api/admin/companies"),
        ("/admin/companies", "agent", "/api/agent/admin/companies"),
        ("/api/leads", "agent", "/api/agent/leads"),
        ("/api/agent/leads", "agent", "/api/agent/leads"),
        ("/agent-api-keys", "root", "/api/agent-api-keys"),
    ],
)
def test_a_scope_given_overrides_the_path(endpoint, scope, path):
    target = route(endpoint, scope=scope)
    assert (target.scope.name, target.path) == (scope, path)


def test_a_login_stays_one_under_its_scope():
    assert route("/epsimo-auth", scope="root").is_login


HOSTILE = [
    "", " ", "/", "?", "?page=1", f"{PRODUCTION}",
    "/leads/..", "/leads/../admin/users", "../admin/users", "..", ".", "/./leads", "leads/.",
    "/leads/%2e%2e", "/leads/%2E%2e/x", "/leads/.%2e", "/leads/%2e", "/leads/..%2fadmin", "/leads/%252e%252e",
    "/leads/%25252e%25252e/x", "/leads/%2f%2fx", "/leads/x%2f..%2fy",
    "//leads", "/leads//x", "/leads//", "//elsewhere.example/leads", f"{PRODUCTION}//leads",
    "/leads#x", "/leads?x=1#y", "#", f"{PRODUCTION}#/admin/users", "/leads/a\\b", "\\\\server\\share", "/leads/%5c..",
    "/leads/a b", "/leads/a\nb", "/leads/a\r\nX-Evil: 1", "/leads/\x00", "/leads/\x7f", "/leads/\x85x",
    "/leads/%00", "/leads/%0d%0aX", "/leads/%7f", "/leads?x=a\nb", "/leads?x=a b", "/leads?x=\\",
    "/leads/%", "/leads/%zz", "/leads/%2", "/leads?x=%", "/leads/\udcff", "/leads?x=\udcff",
]  # fmt: skip


@pytest.mark.parametrize("endpoint", HOSTILE, ids=repr)
def test_what_could_mean_another_path_is_refused_under_every_scope(endpoint):
    for scope in ("auto", "agent", "system", "admin", "root"):
        with pytest.raises(UsageError):
            route(endpoint, scope=scope)


@pytest.mark.parametrize("endpoint", ["/api", "/api/agent", "/api/agent/", "/admin", "/admin/", "/api/admin"])
def test_a_root_alone_names_no_resource(endpoint):
    with pytest.raises(UsageError, match="names no resource"):
        route(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://elsewhere.example/leads",
        "http://last.leadgenius.app/leads",
        "https://last.leadgenius.app:8443/leads",
        "https://last.leadgenius.app.elsewhere.example/leads",
        "https://user@last.leadgenius.app/leads",
        "https://last.leadgenius.app@elsewhere.example/leads",
        "https://last.leadgenius.app\\@elsewhere.example/leads",
        "//elsewhere.example/leads",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https:/leads",
        "https://[::1/leads",
        "https://\u2100.example/leads",
    ],
)
def test_a_url_of_another_origin_is_refused_and_not_repeated(endpoint):
    with pytest.raises(UsageError) as refused:
        route(endpoint)
    assert "another origin" in refused.value.message
    assert "elsewhere" not in refused.value.message + refused.value.hint


def test_a_url_of_the_origin_in_use_is_its_path():
    origin = "http://127.0.0.1:8787"
    assert route(f"{origin}/api/admin/users", origin=origin) == route("/admin/users")
    with pytest.raises(UsageError, match="another origin"):
        route(f"{PRODUCTION}/leads", origin=origin)


@pytest.mark.parametrize("query", ["?x=/admin/users", "?/admin/users"])
def test_a_slash_in_the_query_of_a_url_without_a_path_starts_no_path(query):
    with pytest.raises(UsageError, match="names no resource"):
        route(PRODUCTION + query)


@pytest.mark.parametrize("endpoint", ["C:/Program Files/Git/campaigns", "C:\\leads", "d:/leads"])
def test_a_path_mangled_by_a_windows_shell_is_told_with_the_way_round(endpoint):
    with pytest.raises(UsageError, match="Windows path") as refused:
        route(endpoint)
    assert "MSYS_NO_PATHCONV" in refused.value.hint


@given(st.text(max_size=40))
def test_whatever_is_typed_ends_under_a_root_or_is_refused(endpoint):
    """requests normalises paths, so what it would put on the wire is what counts."""
    try:
        target = route(endpoint)
    except UsageError:
        return
    wire = urlsplit(requests.Request("GET", PRODUCTION + target.path).prepare().url)
    assert wire.netloc == "last.leadgenius.app"
    assert wire.path.startswith(target.scope.root + "/")
    assert ".." not in unquote(wire.path).split("/")
    assert wire.path.isascii()


# ---- origins


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (PRODUCTION, PRODUCTION),
        ("https://last.leadgenius.app/", PRODUCTION),
        (" https://last.leadgenius.app/api ", PRODUCTION),
        ("https://last.leadgenius.app/api/agent", PRODUCTION),
        ("https://last.leadgenius.app/api/agent/", PRODUCTION),
        ("https://last.leadgenius.app/api/admin", PRODUCTION),
        ("https://last.leadgenius.app:443", PRODUCTION),
        ("https://last.leadgenius.app:", PRODUCTION),
        ("HTTPS://Last.LeadGenius.App", PRODUCTION),
        ("https://api.example:8443", "https://api.example:8443"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://localhost.elsewhere.example", "https://localhost.elsewhere.example"),
        ("http://localhost", "http://localhost"),
        ("http://localhost:80", "http://localhost"),
        ("http://LOCALHOST:8787/api", "http://localhost:8787"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("http://127.255.255.254", "http://127.255.255.254"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        ("https://[::1]", "https://[::1]"),
        ("http://localhost:443", "http://localhost:443"),
        ("https://localhost:80", "https://localhost:80"),
    ],
)
def test_an_origin_is_cleaned(text, origin):
    assert clean_origin(text) == origin
    assert clean_origin(origin) == origin


BAD_ORIGINS = [
    "", "last.leadgenius.app", "//last.leadgenius.app", "https://", "https:///", "https:/x", "ftp://localhost",
    "file:///x", "http://last.leadgenius.app", "http://10.0.0.1", "http://0.0.0.0",
    "http://localhost.evil.com", "http://127.0.0.1.nip.io", "http://localhost.", "http://127.1", "http://2130706433",
    "http://0x7f.0.0.1", "http://localhost@evil.com", "http://evil.com#@localhost", "http://[::2]", "http://[fe80::1]",
    "https://canary@host.example", "https://:canary@host.example", "https://u:canary@127.0.0.1",
    "https://host.example/leads", "https://host.example/api/agent/leads", "https://host.example/api/x",
    "https://host.example?x=1", "https://host.example/#x", "https://host.example#x", "https://host.example/api?x",
    "https://host.example:0", "https://host.example:65536", "https://host.example:-1", "https://host.example:x",
    "https://host.example:٣", "https://host.example:443:443", "https://[::1", "https://::1", "https://[x]",
    "https://h\u00f6st.example", "https://host_name", "https://-host", "https://host-", "https://ho st", "https://*",
    "https://host.example\\.evil.com", "https://ho\nst.example", "https://host.example\t:443", "https://\u2100.example",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_ORIGINS, ids=repr)
def test_what_is_no_origin_is_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as refused:
        clean_origin(text)
    assert "canary" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize("host", ["localhost.evil.com", "127.0.0.1.nip.io", "128.0.0.1", "::2", "", "127.0.0.1:80"])
def test_only_literal_names_of_this_machine_are_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("origin", "chosen", "may"),
    [
        (PRODUCTION, None, True),
        ("http://127.0.0.1:8787", None, True),
        ("http://[::1]:8787", None, True),
        ("https://api.example", "https://api.example", True),
        ("https://api.example", None, False),
        ("https://api.example", PRODUCTION, False),
        ("https://api.example:8443", "https://api.example", False),
        ("https://localhost.evil.com", None, False),
    ],
)
def test_a_key_of_the_environment_goes_only_where_it_is_meant_to(origin, chosen, may):
    assert may_take_environment_key(origin, chosen) is may


# ---- ids in a path


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("lead_1", "lead_1"),
        ("5f0c9d1e-2f4b-4a57-8a93-0a1b2c3d4e5f", "5f0c9d1e-2f4b-4a57-8a93-0a1b2c3d4e5f"),
        ("company-1700000000000-abc1234", "company-1700000000000-abc1234"),
        ("a:b", "a%3Ab"),
        ("a;b", "a%3Bb"),
        ("...", "..."),
        ("é", "%C3%A9"),
        ("a+b@c", "a%2Bb%40c"),
    ],
)
def test_an_id_is_encoded_whole(value, encoded):
    assert segment(value) == encoded


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "/",
        "a/b",
        "../x",
        "a\\b",
        "a?b",
        "a#b",
        "a%b",
        "%2e%2e",
        "a b",
        " a",
        "a\n",
        "\x00",
        "\x85",
        "\udcff",
    ],
    ids=repr,
)
def test_an_id_that_would_change_the_path_is_refused(value):
    with pytest.raises(UsageError) as refused:
        segment(value)
    assert refused.value.code == "invalid_input"


@given(st.text(max_size=20))
def test_an_id_stays_the_last_segment_on_the_wire(value):
    """requests turns `DELETE /leads/..` into `DELETE /`."""
    try:
        encoded = segment(value)
    except UsageError:
        return
    url = requests.Request("DELETE", f"{PRODUCTION}/api/agent/leads/{encoded}").prepare().url
    head, _, last = urlsplit(url).path.rpartition("/")
    assert (head, unquote(last)) == ("/api/agent/leads", value)
