"""API keys: a new one is never lost and never shown unasked."""

import functools
import json

import pytest
import responses

from leadgenius.errors import LocalError
from leadgenius.keyfile import KeyFile
from sandbox.demo import CREDENTIALS
from sandbox.faults import Fault

KEY, EMAIL, PASSWORD = (CREDENTIALS[name] for name in ("api_key", "email", "password"))
PRODUCTION = "https://last.leadgenius.app"
URL = f"{PRODUCTION}/api/agent-api-keys"
GENERATE, ROTATE = ("generate-key", "--name", "x"), ("keys", "rotate", "--name", "x")
BOTH = pytest.mark.parametrize("words", [GENERATE, ROTATE], ids=["generate", "rotate"])


@pytest.fixture
def file(state):
    """The credential file of the embedded sandbox."""
    return state / "sandbox" / ".leadgenius_auth.json"


@pytest.fixture
def real(home):
    """A credential file for production, with a login and a key."""
    path = home / ".leadgenius_auth.json"
    account = {"base_url": PRODUCTION, "token": "t.t.t.t", "api_key": "lgp_" + "a" * 64}
    path.write_text(json.dumps(account))
    path.chmod(0o600)
    return path


@pytest.fixture
def served(serve, monkeypatch):
    """A served sandbox, with the variables to log in to it."""
    made = serve(rate_limit=False)
    environ = {"LGP_BASE_URL": made.origin, "LGP_EMAIL": EMAIL, "LGP_PASSWORD": PASSWORD}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def run(lgp):
    return functools.partial(lgp, sandbox=False)


def stored(file):
    return json.loads(file.read_text())


def failing(error):
    def fail(*words):
        raise error

    return fail


def test_a_new_key_is_stored_works_and_only_its_prefix_is_shown(lgp, file):
    found = lgp("generate-key", "--name", "Production Agent", "--desc", "Key for main auto-agent")
    key, shown = stored(file)["api_key"], found.json
    expected = {"name": "Production Agent", "prefix": key[:10], "stored": True, "sandbox": True}
    assert shown == {"id": shown["id"], "stored_in": str(file), **expected}
    assert key != KEY and key not in found.out + found.err
    assert stored(file)["previous_api_keys"] == [KEY]
    assert f"({KEY[:10]}…) is kept under previous_api_keys" in found.err
    assert lgp("campaigns", "list").code == 0
    row = next(row for row in lgp("keys", "list").rows if row["id"] == shown["id"])
    assert (row["keyPrefix"], row["description"]) == (key[:10], "Key for main auto-agent")


def test_show_and_no_store(lgp, file):
    lgp("campaigns", "list")
    found = lgp(*GENERATE, "--show", "--no-store").json
    assert (found["key"][:4], found["stored"], stored(file)["api_key"]) == ("lgp_", False, KEY)
    found = lgp(*GENERATE, "--show").json
    assert (found["key"], found["stored"]) == (stored(file)["api_key"], True)
    found = lgp(*GENERATE, "--no-store")
    assert (found.code, "--show" in found.error["message"]) == (2, True)


@BOTH
def test_a_file_that_cannot_be_written_is_exit_9_and_no_key_is_made(lgp, words, monkeypatch):
    before = lgp("keys", "list", "--count").json["count"]
    refused = failing(LocalError("It cannot be written.", code="permission"))
    monkeypatch.setattr(KeyFile, "check_writable", refused)
    assert lgp(*words).code == 9
    assert lgp("keys", "list", "--count").json["count"] == before
    assert lgp(*GENERATE, "--show", "--no-store").code == 0


@BOTH
def test_a_key_that_cannot_be_stored_after_all_is_printed(lgp, file, words, monkeypatch):
    lgp("campaigns", "list")
    monkeypatch.setattr(KeyFile, "store_key", failing(LocalError("It is full.", code="disk")))
    found = lgp(*words)
    assert (found.code, found.error["code"], found.error["outcome"]) == (9, "disk", "applied")
    assert (found.json["stored"], found.json["key"][:4]) == (False, "lgp_")
    assert "auth save-key" in found.error["hint"]
    assert stored(file)["api_key"] == KEY


def test_check_proves_the_new_key_whatever_the_environment_holds(run, served):
    found = run(*GENERATE, "--check", environ={"LGP_API_KEY": "lgp_wrong"})
    assert (found.code, found.json["proved"], found.json["stored"]) == (0, True, True)
    assert "LGP_API_KEY is set and still wins" in found.err


def test_rotation_proves_the_new_key_before_it_replaces_the_old(run, served, home):
    run(*GENERATE)
    file = home / ".leadgenius_auth.json"
    old = stored(file)["api_key"]
    served.app.faults = [Fault("GET /campaigns=401")]
    found = run(*ROTATE)
    assert (found.code, found.json["stored"], found.json["key"][:4]) == (3, False, "lgp_")
    assert "unchanged" in found.error["hint"]
    assert stored(file)["api_key"] == old
    served.app.faults = []
    found, new = run(*ROTATE), stored(file)["api_key"]
    assert (found.json["prefix"], found.json["proved"]) == (new[:10], True)
    assert any(old[:10] in note and "web application" in note for note in found.notes)
    assert not any(key in found.out + found.err for key in (old, new))


def test_keys_log_in_by_themselves_once(run, served):
    for logs_in in (True, False):
        found = run("keys", "list")
        assert (found.code, found.rows[0]["keyPrefix"]) == (0, KEY[:10])
        assert ("Logged in as" in found.err) is logs_in


@pytest.mark.parametrize("words", [GENERATE, ("keys", "list")])
def test_without_a_login_the_hint_is_to_log_in(run, serve, words):
    found = run(*words, environ={"LGP_BASE_URL": serve().origin})
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
    assert run("keys", "list").rows == [{"id": "k", "name": "n", "keyPrefix": other[:10]}]
    found = run("keys", "list", "--all", "--format", "csv")
    assert (found.code, other[:10] in found.out) == (0, True)
    assert not any(secret in found.out for secret in (KEY, other, "short one"))
    assert run("keys", "list", "--show").rows == [row]


@responses.activate
def test_a_key_that_the_server_repeats_is_not_shown(run, real):
    record = {"id": f"it is {KEY}", "name": KEY}
    responses.post(URL, json={"success": True, "apiKey": KEY, "data": record})
    found = run(*GENERATE)
    assert (found.code, stored(real)["api_key"], found.json["prefix"]) == (0, KEY, KEY[:10])
    assert KEY[10:] not in found.out + found.err
