"""Login: where secrets come from, where they are kept, and that none is ever shown."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import responses

from sandbox.demo import CREDENTIALS

EMAIL, PASSWORD, KEY = (CREDENTIALS[name] for name in ("email", "password", "api_key"))
AMPLIFY = CREDENTIALS["amplify_api_key"]
PRODUCTION = "https://last.leadgenius.app"
LOGIN = ("auth", "--email", EMAIL, "--password-stdin")


@pytest.fixture
def file(home: Path) -> Path:
    return home / ".leadgenius_auth.json"


@pytest.fixture
def run(lgp: Callable[..., Any], serve: Callable[..., Any]) -> Callable[..., Any]:
    """`run(*words)` talks to a served sandbox in which nobody is logged in."""
    served = serve(rate_limit=False)

    def call(*words: str, environ: dict[str, str] | None = None, **more: Any) -> Any:
        environ = {"LGP_BASE_URL": served.origin, **(environ or {})}
        return lgp(*words, sandbox=False, environ=environ, **more)

    call.served = served  # type: ignore[attr-defined]
    return call


def stored(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def save(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps(fields))
    file.chmod(0o600)


def test_login_stores_the_token_and_shows_neither_it_nor_the_password(run: Any, file: Path) -> None:
    found = run(*LOGIN, stdin=f"{PASSWORD}\n")
    assert found.code == 0
    assert (stored(file)["email"], stored(file)["base_url"]) == (EMAIL, run.served.origin)
    assert file.stat().st_mode & 0o777 == 0o600
    assert found.json["logged_in"] is True
    assert found.json["expires_at"] == stored(file)["expires_at"]
    assert stored(file)["token"] not in found.out + found.err
    assert PASSWORD not in found.out + found.err + file.read_text()
    assert any("generate-key --name NAME" in note for note in found.notes)


@pytest.mark.parametrize("way", ["variables", "file", "option"])
def test_the_password_comes_from_a_variable_a_file_or_an_option(
    run: Any, file: Path, tmp_path: Path, way: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\nsecond line\n")
    given = {
        "variables": {"LGP_PASSWORD": PASSWORD},
        "file": {"LGP_PASSWORD_FILE": str(secret)},
        "option": {},
    }[way]
    words = ["--password", PASSWORD, "--save"] if way == "option" else []
    found = run("auth", "login", *words, environ={"LGP_EMAIL": EMAIL, **given})
    assert (found.code, stored(file)["email"]) == (0, EMAIL)
    assert any("--password can be read" in note for note in found.notes) == (way == "option")
    assert PASSWORD not in found.out + found.err


def test_a_person_is_asked_for_both(run: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt, stream: PASSWORD)
    monkeypatch.setattr("cli.login._is_person", lambda context: True)
    assert run("auth", stdin=f"{EMAIL}\n", terminal=True).code == 0
    assert stored(file)["email"] == EMAIL


@pytest.mark.parametrize(
    ("words", "stdin"),
    [(("--email", EMAIL), ""), (("--email", EMAIL, "--password-stdin"), "\n"), ((), "")],
)
def test_without_a_password_and_a_terminal_nothing_is_sent(
    run: Any, file: Path, words: tuple[str, ...], stdin: str
) -> None:
    found = run("auth", *words, stdin=stdin)
    assert (found.code, found.out, file.exists()) == (2, "", False)
    assert found.error["hint"]


def test_a_wrong_password_is_exit_3_and_keeps_what_was_stored(run: Any, file: Path) -> None:
    run(*LOGIN, stdin=f"{PASSWORD}\n")
    before = file.read_bytes()
    found = run(*LOGIN, stdin="wrong password\n")
    assert (found.code, found.out, found.error["http_status"]) == (3, "", 401)
    assert file.read_bytes() == before
    assert "wrong password" not in found.err


@pytest.mark.parametrize("other", [{"email": "me@x.example"}, {"base_url": PRODUCTION}])
def test_a_login_over_the_key_of_another_account_is_exit_2_and_names_profile(
    run: Any, file: Path, other: dict[str, str]
) -> None:
    save(file, **{"base_url": run.served.origin, "api_key": KEY, "layout": 2, **other})
    before = file.read_bytes()
    found = run(*LOGIN, stdin="a wrong one, which nobody saw\n")
    assert (found.code, file.read_bytes()) == (2, before)
    assert "--profile" in found.error["hint"]
    assert run(*LOGIN, "--profile", "second", stdin=f"{PASSWORD}\n").code == 0
    assert stored(file.with_name(".leadgenius_auth.second.json"))["email"] == EMAIL


def test_dry_run_shows_the_request_without_the_password(run: Any, file: Path) -> None:
    found = run(*LOGIN, "--dry-run", stdin=f"{PASSWORD}\n")
    assert found.json["body"] == {"email": EMAIL, "password": "***"}
    assert not file.exists()


@responses.activate
@pytest.mark.parametrize("seconds", [None, "soon", -1])
def test_a_login_whose_end_is_not_known_is_stored_all_the_same(
    lgp: Any, file: Path, seconds: Any
) -> None:
    body = {"token": "a.token.of-the-server", "expires_in": seconds}
    responses.post(f"{PRODUCTION}/api/epsimo-auth", json=body)
    found = lgp(*LOGIN, sandbox=False, stdin="secret word\n")
    assert (found.code, found.json["expires_at"]) == (0, None)
    assert stored(file)["token"] == "a.token.of-the-server"


@responses.activate
def test_a_login_answered_without_a_token_is_exit_4(lgp: Any, file: Path) -> None:
    responses.post(f"{PRODUCTION}/api/epsimo-auth", json={"success": True})
    assert lgp(*LOGIN, sandbox=False, stdin="secret word\n").code == 4
    assert not file.exists()


def test_in_the_sandbox_every_demo_account_can_log_in_without_a_password(lgp: Any) -> None:
    environ = {"LGP_EMAIL": "me@real.example", "LGP_PASSWORD": "real password"}
    found = lgp("auth", environ=environ).json
    assert (found["email"], found["sandbox"]) == (EMAIL, True)
    other = ("auth", "--email", CREDENTIALS["other_email"])
    assert lgp(*other, environ=environ).code == 2
    found = lgp(*other, "--profile", "kestrel", environ=environ)
    assert found.json["email"] == CREDENTIALS["other_email"]


# Status


def test_status_without_anything_in_force_is_exit_3_and_says_how_to_get_a_key(
    run: Any, file: Path
) -> None:
    login = {"token": "t.t.t.t", "expires_at": "2001-01-01T00:00:00.000Z"}
    save(file, base_url=run.served.origin, layout=2, **login)
    found = run("auth", "status")
    assert (found.code, found.out) == (3, "")
    assert "generate-key" in found.error["hint"]


def test_status_names_account_sources_and_prefixes_and_no_secret(run: Any, file: Path) -> None:
    origin, token = run.served.origin, "a.token.of-the-server"
    account = {"email": EMAIL, "company_id": "company-1", "api_key": KEY, "token": token}
    save(file, base_url=origin, layout=2, expires_at="2999-01-01T00:00:00.000Z", **account)
    found = run("auth", "status", environ={"LGP_AMPLIFY_API_KEY": AMPLIFY})
    assert found.json == {
        "profile": "default",
        "origin": origin,
        "email": EMAIL,
        "company_id": "company-1",
        "agent": {"prefix": KEY[:10], "source": str(file)},
        "system": {"prefix": AMPLIFY[:10], "source": "LGP_AMPLIFY_API_KEY"},
        "login": {"valid": True, "expires_at": "2999-01-01T00:00:00.000Z"},
        "file": {"path": str(file), "mode": "0600"},
    }
    assert not any(secret in found.out + found.err for secret in (KEY, token, AMPLIFY))
    assert (
        run("auth", "status", environ={"LGP_API_KEY": KEY}).json["agent"]["source"] == "LGP_API_KEY"
    )


def test_check_says_what_each_key_may_read(lgp: Any, run: Any) -> None:
    found = lgp("auth", "status", "--check")
    assert found.json["checks"] == {"agent": "ok", "admin": "ok", "system": "ok", "root": "ok"}
    assert found.json["differences"] == []
    found = run("auth", "status", "--check", environ={"LGP_API_KEY": CREDENTIALS["user_api_key"]})
    assert (found.code, found.json["checks"]) == (0, {"agent": "ok", "admin": "forbidden"})


def test_a_refused_key_is_exit_3_with_its_source_and_a_hint_that_is_no_check(run: Any) -> None:
    wrong = "lgp_" + "0" * 64
    environ = {
        "LGP_API_KEY": wrong,
        "LGP_AMPLIFY_API_KEY": AMPLIFY,
        "LGP_COMPANY_ID": CREDENTIALS["company_id"],
    }
    found = run("auth", "status", "--check", environ=environ)
    assert (found.code, found.json["checks"]["agent"], found.json["checks"]["system"]) == (
        3,
        "unauthorized",
        "ok",
    )
    assert "LGP_API_KEY" in found.error["message"]
    assert "--check" not in found.error["hint"]
    assert "generate-key" in found.error["hint"]
    assert wrong not in found.out + found.err


@responses.activate
def test_check_names_the_fields_that_differ_and_no_values(lgp: Any) -> None:
    responses.get(
        f"{PRODUCTION}/api/agent/webhooks", json={"data": [{"id": "w", "colour": "a secret value"}]}
    )
    responses.get(re.compile(f"{PRODUCTION}/api/.*"), json={"data": []})
    found = lgp("auth", "status", "--check", sandbox=False, environ={"LGP_API_KEY": KEY})
    (difference,) = found.json["differences"]
    assert (difference["operation"], difference["unknown"]) == ("webhooks.list", ["colour"])
    assert "url" in difference["missing"]
    assert "a secret value" not in found.out + found.err


# Logout, keys made elsewhere, profiles


def test_logout_drops_the_token_and_with_keys_everything(run: Any, file: Path) -> None:
    save(file, base_url=run.served.origin, token="t.t.t.t", api_key=KEY, layout=2)
    assert run("auth", "logout").json["removed"] == ["token"]
    assert run("auth", "logout", "--keys").json["removed"] == ["api_key"]
    assert not {"token", "api_key"} & stored(file).keys()


@pytest.mark.parametrize(
    ("scope", "key", "field"), [("agent", KEY, "api_key"), ("system", AMPLIFY, "amplify_api_key")]
)
def test_save_key_takes_a_key_on_standard_input(
    run: Any, file: Path, scope: str, key: str, field: str
) -> None:
    found = run("auth", "save-key", "--scope", scope, stdin=f"  {key}\n")
    assert (found.code, found.json["prefix"], stored(file)[field]) == (0, key[:10], key)
    assert key not in found.out + found.err


@pytest.mark.parametrize("text", ["", AMPLIFY, "lgp_é"])
def test_save_key_stores_nothing_that_is_no_such_key(run: Any, file: Path, text: str) -> None:
    found = run("auth", "save-key", "--scope", "agent", stdin=text + "\n")
    assert (found.code in (2, 3), file.exists()) == (True, False)
    assert not text or text not in found.err


def test_profiles_lists_each_file_by_its_name_without_a_key(
    lgp: Any, file: Path, home: Path
) -> None:
    save(file, base_url=PRODUCTION, api_key=KEY, email=EMAIL)
    save(home / ".leadgenius_auth.kestrel.json", base_url=PRODUCTION, amplify_api_key=AMPLIFY)
    found = lgp("auth", "profiles", sandbox=False)
    rows = {row["profile"]: row for row in found.rows}
    assert set(rows) == {"default", "kestrel"}
    assert (rows["default"]["email"], rows["default"]["agent"]) == (EMAIL, KEY[:10])
    assert rows["kestrel"]["system"] == AMPLIFY[:10]
    assert KEY not in found.out
