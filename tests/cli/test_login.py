"""Login: where secrets come from, where they are kept, and that none is ever shown."""

import functools
import getpass
import json
import os
import re
from pathlib import Path

import pytest
import responses

from sandbox.demo import CREDENTIALS

EMAIL, PASSWORD, KEY = (CREDENTIALS[name] for name in ("email", "password", "api_key"))
AMPLIFY, OTHER = CREDENTIALS["amplify_api_key"], CREDENTIALS["other_email"]
PRODUCTION = "https://last.leadgenius.app"
LOGIN = ("auth", "--email", EMAIL, "--password-stdin")
FILE = Path(".leadgenius_auth.json")
FAR = "2999-01-01T00:00:00.000Z"


@pytest.fixture
def run(lgp, serve, monkeypatch):
    """`run(*words)` talks to a served sandbox in which nobody is logged in."""
    monkeypatch.setenv("LGP_BASE_URL", serve(rate_limit=False).origin)
    return functools.partial(lgp, sandbox=False)


def stored(profile=""):
    return json.loads(FILE.with_stem(f".leadgenius_auth{profile}").read_text())


def save(profile="", **fields):
    file = FILE.with_stem(f".leadgenius_auth{profile}")
    origin = os.environ.get("LGP_BASE_URL", PRODUCTION)
    file.write_text(json.dumps({"layout": 2, "base_url": origin, **fields}))
    file.chmod(0o600)
    return file.read_bytes()


def test_login_stores_the_token_and_shows_neither_it_nor_the_password(run):
    found = run(*LOGIN, stdin=f"{PASSWORD}\n")
    facts = {"logged_in": True, "email": EMAIL, "origin": os.environ["LGP_BASE_URL"]}
    assert found.json == {**facts, "sandbox": True}
    assert FILE.stat().st_mode & 0o777 == 0o600
    assert stored()["token"] not in found.out + found.err
    assert PASSWORD not in found.out + found.err + FILE.read_text()
    assert "generate-key --name NAME" in found.err
    assert run("auth", "status").json["login"]["valid"]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ((), {"LGP_PASSWORD_FILE": "secret"}),
        (("--password-stdin",), {"LGP_PASSWORD": "another one"}),
        (("--password", PASSWORD, "--save"), {}),
    ],
)
def test_the_password_comes_from_a_variable_a_file_or_an_option(run, words, given):
    Path("secret").write_text(f"{PASSWORD}\nsecond line\n")
    environ = {"LGP_EMAIL": EMAIL, **given}
    found = run("auth", "login", *words, environ=environ, stdin=f"{PASSWORD}\n")
    assert stored()["email"] == EMAIL
    assert ("prefer --password-stdin" in found.err) == ("--save" in words)
    assert PASSWORD not in found.out + found.err


def test_a_person_is_asked_for_both(run, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda prompt, stream: PASSWORD)
    found = run("auth", stdin=f"{EMAIL}\n", terminal=True)
    assert stored()["email"] == EMAIL and "Email: " in found.err


@pytest.mark.parametrize("words", [LOGIN[:3], LOGIN, ("auth", "--password-stdin")])
def test_without_both_and_a_terminal_nothing_is_sent(run, words):
    found = run(*words, stdin="\n")
    assert (found.code, found.out, FILE.exists()) == (2, "", False)


@pytest.mark.parametrize("other", [{"email": "me@x.example"}, {"base_url": PRODUCTION}])
def test_a_login_over_the_key_of_another_account_is_exit_2_and_names_profile(run, other):
    before = save(api_key=KEY, **other)
    found = run(*LOGIN, stdin="a wrong one, which nobody saw\n")
    assert (found.code, FILE.read_bytes()) == (2, before)
    assert "--profile" in found.error["hint"]


def test_dry_run_shows_the_request_without_the_password(run):
    found = run(*LOGIN, "--dry-run", stdin=f"{PASSWORD}\n")
    assert found.json["body"] == {"email": EMAIL, "password": "***"}
    assert not FILE.exists()


@responses.activate
@pytest.mark.parametrize(
    ("answer", "code", "token"),
    [
        ({"json": {"token": "new"}}, 0, "new"),
        ({"json": {"token": "new", "expires_in": "soon"}}, 0, "new"),
        ({"json": {}}, 3, "old"),
        ({"json": {"token": "a\nX: b"}}, 3, "old"),
        ({"status": 401, "json": {"error": "secret word"}}, 3, "old"),
    ],
)
def test_a_login_needs_a_token_and_may_leave_out_when_it_ends(lgp, answer, code, token):
    save(token="old")
    responses.post(f"{PRODUCTION}/api/epsimo-auth", **answer)
    found = lgp(*LOGIN, sandbox=False, stdin="secret word\n")
    assert (found.code, stored()["token"]) == (code, token)
    assert "secret word" not in found.out + found.err
    status = lgp("auth", "status", sandbox=False)
    assert status.json["login"] == {"valid": True, "expires_at": None}


def test_in_the_sandbox_every_demo_account_can_log_in_without_a_password(lgp):
    environ = {"LGP_EMAIL": "me@real.example", "LGP_PASSWORD": "real password"}
    assert lgp("auth", environ=environ).json["email"] == EMAIL
    found = lgp("auth", "--email", OTHER, "--profile", "kestrel", environ=environ)
    assert found.json["email"] == OTHER


# Status


def test_status_without_anything_in_force_is_exit_3_and_says_how_to_get_a_key(run):
    save(token="t.t.t.t", expires_at="2001-01-01T00:00:00.000Z")
    found = run("auth", "status")
    assert (found.code, found.out, "generate-key" in found.error["hint"]) == (3, "", True)


def test_status_names_account_sources_and_prefixes_and_no_secret(run):
    token = "a.token.of-the-server"
    save(email=EMAIL, company_id="c1", api_key=KEY, token=token, expires_at=FAR)
    found = run("auth", "status", environ={"LGP_AMPLIFY_API_KEY": AMPLIFY})
    assert found.json == {
        "profile": "default",
        "origin": os.environ["LGP_BASE_URL"],
        "email": EMAIL,
        "company_id": "c1",
        "agent": {"prefix": KEY[:10], "source": str(FILE.absolute())},
        "system": {"prefix": AMPLIFY[:10], "source": "LGP_AMPLIFY_API_KEY"},
        "login": {"valid": True, "expires_at": FAR},
        "file": {"path": str(FILE.absolute()), "mode": "0600"},
    }
    assert not any(secret in found.out + found.err for secret in (KEY, token, AMPLIFY))


def test_check_says_what_each_key_may_read(lgp, run):
    found = lgp("auth", "status", "--check").json
    assert found["checks"] == dict.fromkeys(("agent", "admin", "system", "root"), "ok")
    assert found["differences"] == []
    found = run("auth", "status", "--check", environ={"LGP_API_KEY": CREDENTIALS["user_api_key"]})
    assert (found.code, found.json["checks"]) == (0, {"agent": "ok", "admin": "forbidden"})


def test_check_leaves_out_a_login_that_has_expired(run):
    save(api_key=KEY, token="t.t.t.t", expires_at="2001-01-01T00:00:00.000Z")
    found = run("auth status --check")
    assert (found.code, "root" in found.json["checks"]) == (0, False)


def test_a_refused_key_is_exit_3_with_its_source_and_a_hint_that_is_no_check(run):
    wrong = "lgp_" + "0" * 64
    found = run("auth", "status", "--check", "--verbose", environ={"LGP_API_KEY": wrong})
    assert (found.code, set(found.json["checks"].values())) == (3, {"unauthorized"})
    assert "LGP_API_KEY" in found.error["message"]
    assert "generate-key" in found.error["hint"] and "--check" not in found.error["hint"]
    assert wrong not in found.out + found.err
    assert found.err.count("attempt 1:") == 2  # one for each scope


@responses.activate
def test_check_names_the_fields_that_differ_and_no_values(lgp):
    row = {"id": "w", "colour": "a secret value"}
    responses.get(f"{PRODUCTION}/api/agent/webhooks", json={"data": [row]})
    responses.get(re.compile(f"{PRODUCTION}/api/.*"), json={"data": []})
    found = lgp("auth", "status", "--check", sandbox=False, environ={"LGP_API_KEY": KEY})
    (difference,) = found.json["differences"]
    assert difference["operation"] == "webhooks.list"
    fields = ", ".join(difference["fields"])
    assert "url is required" in fields and "colour is not a field" in fields
    assert "a secret value" not in found.out + found.err


# Logout, keys made elsewhere, profiles


def test_logout_drops_the_token_and_with_keys_everything(run):
    save(token="t.t.t.t", api_key=KEY)
    assert run("auth", "logout").json == {"logged_out": True, "removed": ["token"]}
    assert run("auth", "logout", "--keys").json["removed"] == ["base_url", "api_key"]
    assert set(stored()) == {"layout"}


@pytest.mark.parametrize(
    ("scope", "text", "code"),
    [
        ("agent", KEY, 0),
        ("system", AMPLIFY, 0),
        ("agent", AMPLIFY, 2),
        ("agent", "", 3),
        ("agent", "lgp_é", 3),
    ],
)
def test_save_key_takes_a_key_of_its_scope_on_standard_input(run, scope, text, code):
    found = run("auth", "save-key", "--scope", scope, stdin=f"  {text}\n")
    assert (found.code, FILE.exists()) == (code, not code)
    assert code or stored()[{"agent": "api_key", "system": "amplify_api_key"}[scope]] == text
    assert not text or text not in found.out + found.err


def test_profiles_lists_each_file_by_its_name_without_a_key(lgp):
    save(api_key=KEY, email=EMAIL)
    save(".kestrel", amplify_api_key=AMPLIFY, token="t.t.t.t")
    none = {"origin": PRODUCTION, "email": "", "agent": "", "system": ""}
    assert lgp("auth", "profiles", sandbox=False).rows == [
        {**none, "profile": "default", "email": EMAIL, "logged_in": False, "agent": KEY[:10]},
        {**none, "profile": "kestrel", "logged_in": True, "system": AMPLIFY[:10]},
    ]


@pytest.mark.parametrize("name", ["LGP_API_KEY", "LGP_BASE_URL"])
def test_variables_that_name_two_accounts_are_exit_2(lgp, name):
    save(".kestrel", api_key=KEY)
    environ = {"LGP_PROFILE": "kestrel", name: "https://x.example"}
    assert name in lgp("auth status", sandbox=False, environ=environ).error["message"]
