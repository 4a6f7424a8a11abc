"""API keys: a new one is never lost and never shown unasked."""

import functools
from unittest.mock import Mock

import pytest
import responses

from leadgenius.errors import LocalError
from leadgenius.keyfile import KeyFile
from sandbox.demo import CREDENTIALS
from sandbox.faults import Fault

KEY, PRODUCTION = CREDENTIALS["api_key"], "https://last.leadgenius.app"
URL = f"{PRODUCTION}/api/agent-api-keys"
GENERATE, ROTATE = ("generate-key", "--name", "x"), ("keys", "rotate", "--name", "x")


@pytest.fixture
def stored(state):
    """`stored()` is the account of the embedded sandbox, in which somebody is logged in."""
    path = state / "sandbox" / ".leadgenius_auth.json"
    return lambda: KeyFile(path).account


@pytest.fixture
def real(home):
    """`real()` is the account that is logged in to production."""
    path = home / ".leadgenius_auth.json"
    KeyFile(path).store(PRODUCTION, email="me@x.example", token="t.t.t.t")
    return lambda: KeyFile(path).account


@pytest.fixture
def served(serve, monkeypatch):
    """A served sandbox, with the variables to log in to it."""
    made = serve(rate_limit=False)
    monkeypatch.setenv("LGP_BASE_URL", made.origin)
    for name in ("email", "password"):
        monkeypatch.setenv(f"LGP_{name.upper()}", CREDENTIALS[name])
    return made


@pytest.fixture
def run(lgp):
    return functools.partial(lgp, sandbox=False)


def test_a_new_key_is_stored_works_and_only_its_prefix_is_shown(lgp, stored):
    found = lgp("generate-key", "--name", "Production Agent", "--desc", "Key for main auto-agent")
    key, shown = stored().api_key, found.json
    expected = {"name": "Production Agent", "prefix": key[:10], "stored": True, "sandbox": True}
    assert shown == {**expected, "id": shown["id"], "stored_in": shown["stored_in"]}
    assert key != KEY and key not in found.out + found.err
    assert stored().previous_api_keys == [KEY]
    assert f"({KEY[:10]}…) is kept under previous_api_keys" in found.err
    assert lgp("campaigns", "list").code == 0
    (row,) = lgp("keys", "list", "--where", f"id={shown['id']}").rows
    assert (row["keyPrefix"], row["description"]) == (key[:10], "Key for main auto-agent")


def test_show_and_no_store(lgp, stored):
    found = lgp(*GENERATE, "--show", "--no-store").json
    assert (found["key"][:4], found["stored"], stored().api_key) == ("lgp_", False, KEY)
    assert lgp(*GENERATE, "--show").json["key"] == stored().api_key
    assert lgp(*GENERATE, "--no-store").code == 2
    assert lgp(*GENERATE, "--fields=kye").code == 2


def test_a_file_that_cannot_be_written_is_exit_9_and_no_key_is_made(lgp, monkeypatch):
    before = lgp("keys", "list").out
    error = LocalError("No.", code="permission")
    monkeypatch.setattr(KeyFile, "update", Mock(side_effect=error))
    assert lgp(*GENERATE).code == 9
    assert lgp("keys", "list").out == before
    assert lgp(*GENERATE, "--show", "--no-store").code == 0


@pytest.mark.parametrize(
    ("error", "code"), [(LocalError("No.", code="disk"), 9), (KeyboardInterrupt, 130)]
)
def test_a_key_that_cannot_be_stored_after_all_is_printed(lgp, stored, monkeypatch, error, code):
    monkeypatch.setattr(KeyFile, "store", Mock(side_effect=error))
    found = lgp(*GENERATE)
    assert (found.code, found.error["outcome"]) == (code, "applied")
    assert (found.json["stored"], found.json["key"][:4]) == (False, "lgp_")
    assert code == 130 or "auth save-key" in found.error["hint"]
    assert stored().api_key == KEY


def test_check_proves_the_new_key_whatever_the_environment_holds(run, served):
    found = run(*GENERATE, "--check", environ={"LGP_API_KEY": "lgp_wrong"})
    assert found.json["proved"]
    assert "LGP_API_KEY is set and still wins" in found.err


def test_rotation_proves_the_new_key_before_it_replaces_the_old(run, served, real):
    run(*GENERATE)
    old = real().api_key
    served.app.faults = [Fault("GET /campaigns=401")]
    for words in (ROTATE, (*GENERATE, "--check", "--format=ids", "--fields=id")):
        found = run(*words)
        assert (found.code, found.json["stored"], found.json["key"][:4]) == (3, False, "lgp_")
        assert found.error["outcome"] == "applied"
    assert real().api_key == old
    served.app.faults = []
    found, new = run(*ROTATE), real().api_key
    assert (found.json["prefix"], found.json["proved"]) == (new[:10], True)
    assert f"({old[:10]}…)" in found.err and "web application" in found.err
    assert not any(key in found.out + found.err for key in (old, new))


def test_keys_log_in_by_themselves_once(run, served):
    assert run("keys", "list", "--dry-run").code == 0
    for logs_in in (True, False):
        found = run("keys", "list", "--verbose")
        assert (found.code, found.rows[0]["keyPrefix"]) == (0, KEY[:10])
        assert ("/api/epsimo-auth" in found.err) is logs_in


@pytest.mark.parametrize("words", [GENERATE, ("keys", "list")])
def test_without_a_login_the_hint_is_to_log_in(run, words):
    found = run(*words)
    assert (found.code, "auth --email" in found.error["hint"]) == (3, True)


@responses.activate
def test_an_answer_without_a_key_is_exit_8_and_says_where_to_look(run, real):
    responses.post(URL, json={"success": True})
    found = run(*GENERATE)
    assert (found.code, found.error["outcome"], found.out) == (8, "unknown", "")
    assert "keys list" in found.error["hint"]


@responses.activate
def test_keys_list_prints_no_plain_key_that_a_server_sends(run, real):
    other = "lgp_" + "0123456789abcdef" * 4
    row = {"id": "k", "name": "n", "apiKey": KEY, "plainTextKey": "short one", "keyPrefix": other}
    responses.get(URL, json={"data": [row], "pagination": {"totalItems": 1, "totalPages": 1}})
    for words in ((), ("--all", "--format", "jsonl")):
        shown = [{"id": "k", "name": "n", "keyPrefix": other[:10]}]
        assert run("keys", "list", *words).rows == shown
    assert run("keys", "list", "--show").rows == [row]


@responses.activate
def test_a_key_that_the_server_repeats_is_not_shown(run, real):
    responses.post(URL, json={"apiKey": KEY, "data": {"id": f"it is {KEY}", "name": KEY}})
    found = run(*GENERATE)
    assert (real().api_key, found.json["prefix"]) == (KEY, KEY[:10])
    assert KEY[10:] not in found.out + found.err
