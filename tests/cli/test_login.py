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
FAR = "2999-01-01T00:00:00.000Z"


@pytest.fixture
def file(home):
    return home / ".leadgenius_auth.json"


@pytest.fixture
def run(lgp, serve, monkeypatch):
    """`run(*words)` talks to a served sandbox in which nobody is logged in."""
    monkeypatch.setenv("LGP_BASE_URL", serve(rate_limit=False).origin)
    return functools.partial(lgp, sandbox=False)


def stored(file):
    return json.loads(file.read_text())


def save(file, **fields):
    origin = os.environ.get("LGP_BASE_URL", PRODUCTION)
    file.write_text(json.dumps({"layout": 2, "base_url": origin, **fields}))
    file.chmod(0o600)
    return file.read_bytes()


def test_login_stores_the_token_and_shows_neither_it_nor_the_password(run, file):
    found = run(*LOGIN, stdin=f"{PASSWORD}\n")
    origin, account = os.environ["LGP_BASE_URL"], stored(file)
    expected = {"logged_in": True, "email": EMAIL, "origin": origin, "sandbox": True}
    assert found.json == {**expected, "stored_in": str(file)}
    assert (account["email"], account["base_url"]) == (EMAIL, origin)
    assert file.stat().st_mode & 0o777 == 0o600
    assert account["token"] not in found.out + found.err
    assert PASSWORD not in found.out + found.err + file.read_text()
    assert "generate-key --name NAME" in found.err
    assert run("auth", "status").json["login"]["valid"]


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ((), {"LGP_PASSWORD": PASSWORD}),
        ((), {"LGP_PASSWORD_FILE": "secret"}),
        (("--password", PASSWORD, "--save"), {}),
    ],
)
def test_the_password_comes_from_a_variable_a_file_or_an_option(run, file, words, given):
    Path("secret").write_text(f"{PASSWORD}\nsecond line\n")
    found = run("auth", "login", *words, environ={"LGP_EMAIL": EMAIL, **given})
    assert (found.code, stored(file)["email"]) == (0, EMAIL)
    assert ("--password can be read" in found.err) == bool(words)
    assert PASSWORD not in found.out + found.err


def test_a_person_is_asked_for_both(run, file, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda prompt, stream: PASSWORD)
    found = run("auth", stdin=f"{EMAIL}\n", terminal=True)
    assert (found.code, stored(file)["email"], "E-mail: " in found.err) == (0, EMAIL, True)


@pytest.mark.parametrize("words", [LOGIN[:3], LOGIN, ("auth", "--password-stdin")])
def test_without_both_and_a_terminal_nothing_is_sent(run, file, words):
    found = run(*words, stdin="\n")
    assert (found.code, found.out, file.exists()) == (2, "", False)
    assert found.error["hint"]


def test_a_wrong_password_is_exit_3_and_keeps_what_was_stored(run, file):
    before = save(file, token="t.t.t.t")
    found = run(*LOGIN, stdin="wrong password\n")
    assert (found.code, found.out, file.read_bytes()) == (3, "", before)
    assert "wrong password" not in found.err


@pytest.mark.parametrize("other", [{"email": "me@x.example"}, {"base_url": PRODUCTION}])
def test_a_login_over_the_key_of_another_account_is_exit_2_and_names_profile(run, file, other):
    before = save(file, api_key=KEY, **other)
    found = run(*LOGIN, stdin="a wrong one, which nobody saw\n")
    assert (found.code, file.read_bytes()) == (2, before)
    assert "--profile" in found.error["hint"]
    assert run(*LOGIN, "--profile", "second", stdin=f"{PASSWORD}\n").code == 0
    assert stored(file.with_name(".leadgenius_auth.second.json"))["email"] == EMAIL


def test_dry_run_shows_the_request_without_the_password(run, file):
    found = run(*LOGIN, "--dry-run", stdin=f"{PASSWORD}\n")
    assert found.json["body"] == {"email": EMAIL, "password": "***"}
    assert not file.exists()


@responses.activate
@pytest.mark.parametrize(
    ("body", "code"),
    [({"token": "t.t.t"}, 0), ({"token": "t.t.t", "expires_in": "soon"}, 0), ({}, 4)],
)
def test_a_login_needs_a_token_and_may_leave_out_when_it_ends(lgp, body, code):
    responses.post(f"{PRODUCTION}/api/epsimo-auth", json=body)
    assert lgp(*LOGIN, sandbox=False, stdin="secret word\n").code == code
    found = lgp("auth", "status", sandbox=False)
    assert found.code == (3 if code else 0)
    assert code or found.json["login"] == {"valid": True, "expires_at": None}


def test_in_the_sandbox_every_demo_account_can_log_in_without_a_password(lgp):
    environ = {"LGP_EMAIL": "me@real.example", "LGP_PASSWORD": "real password"}
    assert lgp("auth", environ=environ).json["email"] == EMAIL
    other = ("auth", "--email", OTHER)
    assert lgp(*other, environ=environ).code == 2
    assert lgp(*other, "--profile", "kestrel", environ=environ).json["email"] == OTHER


# Status


def test_status_without_anything_in_force_is_exit_3_and_says_how_to_get_a_key(run, file):
    save(file, token="t.t.t.t", expires_at="2001-01-01T00:00:00.000Z")
    found = run("auth", "status")
    assert (found.code, found.out, "generate-key" in found.error["hint"]) == (3, "", True)


def test_status_names_account_sources_and_prefixes_and_no_secret(run, file):
    token = "a.token.of-the-server"
    save(file, email=EMAIL, company_id="c1", api_key=KEY, token=token, expires_at=FAR)
    found = run("auth", "status", environ={"LGP_AMPLIFY_API_KEY": AMPLIFY})
    assert found.json == {
        "profile": "default",
        "origin": os.environ["LGP_BASE_URL"],
        "email": EMAIL,
        "company_id": "c1",
        "agent": {"prefix": KEY[:10], "source": str(file)},
        "system": {"prefix": AMPLIFY[:10], "source": "LGP_AMPLIFY_API_KEY"},
        "login": {"valid": True, "expires_at": FAR},
        "file": {"path": str(file), "mode": "0600"},
    }
    assert not any(secret in found.out + found.err for secret in (KEY, token, AMPLIFY))
    found = run("auth", "status", environ={"LGP_API_KEY": KEY})
    assert found.json["agent"]["source"] == "LGP_API_KEY"


def test_check_says_what_each_key_may_read(lgp, run):
    found = lgp("auth", "status", "--check").json
    assert found["checks"] == dict.fromkeys(("agent", "admin", "system", "root"), "ok")
    assert found["differences"] == []
    found = run("auth", "status", "--check", environ={"LGP_API_KEY": CREDENTIALS["user_api_key"]})
    assert (found.code, found.json["checks"]) == (0, {"agent": "ok", "admin": "forbidden"})


def test_a_refused_key_is_exit_3_with_its_source_and_a_hint_that_is_no_check(run):
    wrong, company = "lgp_" + "0" * 64, {"LGP_COMPANY_ID": CREDENTIALS["company_id"]}
    environ = {"LGP_API_KEY": wrong, "LGP_AMPLIFY_API_KEY": AMPLIFY, **company}
    found = run("auth", "status", "--check", environ=environ)
    checks = {"agent": "unauthorized", "admin": "unauthorized", "system": "ok"}
    assert (found.code, found.json["checks"]) == (3, checks)
    assert "LGP_API_KEY" in found.error["message"]
    assert "generate-key" in found.error["hint"] and "--check" not in found.error["hint"]
    assert wrong not in found.out + found.err


@responses.activate
def test_check_names_the_fields_that_differ_and_no_values(lgp):
    row = {"id": "w", "colour": "a secret value"}
    responses.get(f"{PRODUCTION}/api/agent/webhooks", json={"data": [row]})
    responses.get(re.compile(f"{PRODUCTION}/api/.*"), json={"data": []})
    found = lgp("auth", "status", "--check", sandbox=False, environ={"LGP_API_KEY": KEY})
    (difference,) = found.json["differences"]
    assert difference["operation"] == "webhooks.list"
    assert "url is required" in difference["fields"]
    assert "colour is not a field" in " ".join(difference["fields"])
    assert "a secret value" not in found.out + found.err


# Logout, keys made elsewhere, profiles


def test_logout_drops_the_token_and_with_keys_everything(run, file):
    save(file, token="t.t.t.t", api_key=KEY)
    assert run("auth", "logout").json == {"logged_out": True, "removed": ["token"]}
    assert run("auth", "logout", "--keys").json["removed"] == ["api_key"]
    assert not {"token", "api_key"} & stored(file).keys()


@pytest.mark.parametrize(
    ("scope", "key", "field"), [("agent", KEY, "api_key"), ("system", AMPLIFY, "amplify_api_key")]
)
def test_save_key_takes_a_key_on_standard_input(run, file, scope, key, field):
    found = run("auth", "save-key", "--scope", scope, stdin=f"  {key}\n")
    assert (found.code, found.json["prefix"], stored(file)[field]) == (0, key[:10], key)
    assert key not in found.out + found.err


@pytest.mark.parametrize(("text", "code"), [("", 2), (AMPLIFY, 2), ("lgp_é", 3)])
def test_save_key_stores_nothing_that_is_no_such_key(run, file, text, code):
    found = run("auth", "save-key", "--scope", "agent", stdin=text + "\n")
    assert (found.code, file.exists()) == (code, False)
    assert not text or text not in found.err


def test_profiles_lists_each_file_by_its_name_without_a_key(lgp, file):
    save(file, api_key=KEY, email=EMAIL)
    kestrel = file.with_name(".leadgenius_auth.kestrel.json")
    save(kestrel, amplify_api_key=AMPLIFY, token="t.t.t.t", company_id="c")
    none = {"origin": PRODUCTION, "email": "", "company_id": "", "agent": "", "system": ""}
    assert lgp("auth", "profiles", sandbox=False).rows == [
        {**none, "profile": "default", "email": EMAIL, "logged_in": False, "agent": KEY[:10]},
        {
            **none,
            "profile": "kestrel",
            "company_id": "c",
            "logged_in": True,
            "system": AMPLIFY[:10],
        },
    ]
