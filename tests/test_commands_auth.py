"""Login and keys: where secrets come from, where they are kept, and that none is ever lost or shown unasked."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Run, Sent
from contract import serving
from faults import FaultServer, answer, status
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS

EMAIL, PASSWORD, KEY = CREDENTIALS["email"], CREDENTIALS["password"], CREDENTIALS["api_key"]
MEMBER = CREDENTIALS["user_email"]


@pytest.fixture
def served(demo_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox as a server of its own that LGP_BASE_URL names, with nobody logged in."""
    database = tmp_path / "served.sqlite3"
    shutil.copy(demo_state / "sandbox" / "sandbox.sqlite3", database)
    app = Sandbox(database, rate_limit=False)
    with serving(app) as origin:
        monkeypatch.setenv("LGP_BASE_URL", origin)
        yield app


@pytest.fixture
def file(own_world: Path) -> Path:
    return own_world / ".leadgenius_auth.json"


def stored(file: Path) -> dict[str, Any]:
    """What the file holds for the one origin in use, wherever it stands."""
    content = json.loads(file.read_text("utf-8"))
    found = {name: value for name, value in content.items() if name != "origins"}
    for one in content.get("origins", {}).values():
        found |= one
    return found


def login(lgp: Run) -> None:
    assert lgp("auth", "--email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n").code == 0


# Login


def test_login_stores_a_token_and_shows_none(lgp: Run, served: Sandbox, file: Path) -> None:
    ran = lgp("auth", "--email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert ran.code == 0
    assert (stored(file)["email"], file.stat().st_mode & 0o777) == (EMAIL, 0o600)
    token = stored(file)["token"]
    assert ran.json()["logged_in"] is True
    assert token not in ran.out + ran.err
    assert PASSWORD not in ran.out + ran.err + file.read_text("utf-8")
    assert any("generate-key" in note["message"] for note in ran.notes())


@pytest.mark.parametrize("way", ["variable", "file variable", "option"])
def test_the_password_comes_from_elsewhere_too(
    lgp: Run, served: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    argv = ["auth", "login"]
    monkeypatch.setenv("LGP_EMAIL", EMAIL)
    if way == "variable":
        monkeypatch.setenv("LGP_PASSWORD", PASSWORD)
    elif way == "file variable":
        (tmp_path / "secret").write_text(f"{PASSWORD}\nsecond line\n", "utf-8")
        monkeypatch.setenv("LGP_PASSWORD_FILE", str(tmp_path / "secret"))
    else:
        argv += ["--password", PASSWORD]
    ran = lgp(*argv)
    assert ran.code == 0
    warned = [note for note in ran.notes() if "--password can be read" in note["message"]]
    assert bool(warned) == (way == "option")
    assert PASSWORD not in ran.out + ran.err


def test_no_password_and_no_terminal_is_exit_2_and_nothing_is_sent(lgp: Run, served: Sandbox, file: Path) -> None:
    ran = lgp("auth", "--email", EMAIL)
    assert ran.code == 2
    assert "LGP_PASSWORD" in ran.error["hint"]
    assert not file.exists()
    assert lgp("auth", "--email", EMAIL, "--password-stdin", stdin="\n").code == 2
    assert lgp("auth").code == 2


def test_a_wrong_password_is_exit_3_and_keeps_what_was_stored(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    before = file.read_bytes()
    ran = lgp("auth", "--email", EMAIL, "--password-stdin", stdin="wrong\n")
    assert (ran.code, ran.out, ran.error["http_status"]) == (3, "", 401)
    assert "wrong" not in json.dumps(ran.error["hint"] + ran.error["message"])
    assert file.read_bytes() == before


def test_login_as_another_drops_the_first_ones_key_and_says_so(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    lgp("generate-key", "--name", "first")
    argv = ("auth", "--email", MEMBER, "--password-stdin")
    ran = lgp(*argv, stdin=CREDENTIALS["user_password"] + "\n")
    assert "api_key" not in stored(file)
    assert any("Dropped" in note["message"] and "api_key" in note["message"] for note in ran.notes())


def test_an_unwritable_file_is_told_before_a_password_is_asked_for(
    lgp: Run, served: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.mkdir()
    ran = lgp("auth", "--email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert ran.code == 9


# Status and logout


def test_status_without_anything_is_exit_3_and_asks_nobody(lgp: Run) -> None:
    ran = lgp("auth", "status")
    assert (ran.code, ran.out) == (3, "")
    assert "auth" in ran.error["hint"]


def test_status_tells_sources_and_prefixes_and_no_secret(
    lgp: Run, served: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(lgp)
    lgp("generate-key", "--name", "mine")
    ran = lgp("auth", "status")
    told, kept = ran.json(), stored(file)
    assert told["agent"] == {"source": told["agent"]["source"], "prefix": kept["api_key"][:10]}
    assert (told["email"], told["file"], told["login"]["valid"]) == (EMAIL, {"path": str(file), "mode": "0600"}, True)
    assert kept["api_key"] not in ran.out + ran.err
    assert kept["token"] not in ran.out + ran.err
    monkeypatch.setenv("LGP_API_KEY", KEY)
    told = lgp("auth", "status").json()
    assert told["agent"]["source"] == "LGP_API_KEY"


def test_status_is_offline_and_check_asks_once_for_each_scope(
    lgp: Run, monkeypatch: pytest.MonkeyPatch, own_world: Path
) -> None:
    with FaultServer([answer(body={"success": True, "data": []})]) as found:
        monkeypatch.setenv("LGP_BASE_URL", found.origin)
        monkeypatch.setenv("LGP_API_KEY", KEY)
        monkeypatch.setenv("LGP_AMPLIFY_API_KEY", CREDENTIALS["amplify_api_key"])
        monkeypatch.setenv("LGP_COMPANY_ID", "company-1")
        assert lgp("auth", "status").code == 0
        assert found.requests == []
        ran = lgp("auth", "status", "--check")
        assert ran.json()["checks"] == {"agent": "ok", "system": "ok"}
        assert len(found.requests) == 2


def test_check_with_a_refused_key_is_exit_3_and_names_the_source(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer([status(401)]) as found:
        monkeypatch.setenv("LGP_BASE_URL", found.origin)
        monkeypatch.setenv("LGP_API_KEY", KEY)
        ran = lgp("auth", "status", "--check")
    assert ran.code == 3
    assert "LGP_API_KEY" in ran.error["message"] + ran.error["hint"]
    assert KEY not in ran.err


def test_logout_drops_the_token_and_with_keys_all(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    lgp("generate-key", "--name", "mine")
    assert lgp("auth", "logout").json()["removed"]
    assert "token" not in stored(file)
    assert stored(file)["api_key"]
    lgp("auth", "logout", "--keys")
    assert "api_key" not in stored(file)
    assert lgp("auth", "status").code == 3


def test_logout_says_what_is_still_set(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGP_API_KEY", KEY)
    ran = lgp("auth", "logout")
    assert ran.code == 0
    assert any("LGP_API_KEY is still set" in note["message"] for note in ran.notes())


@pytest.mark.parametrize("scope", ["agent", "system"])
def test_save_key_takes_a_key_on_stdin(lgp: Run, served: Sandbox, file: Path, scope: str) -> None:
    key = KEY if scope == "agent" else CREDENTIALS["amplify_api_key"]
    ran = lgp("auth", "save-key", "--scope", scope, stdin=f"  {key}\n")
    assert ran.code == 0
    assert ran.json()["prefix"] == key[:10]
    assert key not in ran.out + ran.err
    assert stored(file)["api_key" if scope == "agent" else "amplify_api_key"] == key
    if scope == "agent":
        assert lgp("campaigns", "list").code == 0


@pytest.mark.parametrize(
    ("scope", "text"),
    [("agent", ""), ("agent", "da2-" + "a" * 26), ("system", KEY), ("agent", "lgp_a b"), ("agent", "lgp_é")],
)
def test_save_key_refuses_what_is_no_such_key(lgp: Run, served: Sandbox, file: Path, scope: str, text: str) -> None:
    ran = lgp("auth", "save-key", "--scope", scope, stdin=text + "\n")
    assert ran.code in (2, 3, 9)
    assert not file.exists() or "api_key" not in stored(file)
    assert not text or text not in ran.err


# Keys


def test_generate_key_stores_and_shows_only_its_prefix(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    ran = lgp("generate-key", "--name", "Production Agent", "--desc", "Key for main auto-agent")
    key = stored(file)["api_key"]
    assert ran.json() == {"id": ran.json()["id"], "name": "Production Agent", "prefix": key[:10], "stored": True}
    assert key not in ran.out + ran.err
    assert lgp("campaigns", "list").code == 0
    assert ran.json()["prefix"] in [row["keyPrefix"] for row in lgp("keys", "list").json()["data"]]


@pytest.mark.parametrize("argv", [("generate-key", "--name", "x"), ("keys", "rotate")], ids=["generate", "rotate"])
@pytest.mark.parametrize("field", ["keyPrefix", "name", "id"])
def test_a_key_is_not_shown_wherever_the_server_repeats_it(
    lgp: Run, file: Path, monkeypatch: pytest.MonkeyPatch, field: str, argv: tuple[str, ...]
) -> None:
    made = {"success": True, "apiKey": KEY, "data": {"id": "k", "name": "n", field: f"{KEY} and {KEY.upper()}"}}
    with FaultServer([answer(201, body=made), answer(body={"data": []})]) as found:
        monkeypatch.setenv("LGP_BASE_URL", found.origin)
        file.write_text(json.dumps({"origins": {found.origin: {"token": REAL_TOKEN, "api_key": REAL_KEY}}}), "utf-8")
        file.chmod(0o600)
        ran = lgp(*argv)
        assert ran.code == 0, ran.err
        assert stored(file)["api_key"] == KEY
    assert KEY[10:].lower() not in (ran.out + ran.err).lower()
    assert KEY[:10] in ran.out
    assert ran.json()["prefix"] in (None, KEY[:10])


@pytest.mark.parametrize("claims", ["[" * 3000, '{"exp": [1]}', '{"exp": 1e400}', "[]", "\xff"])
def test_no_token_can_break_a_login(lgp: Run, file: Path, monkeypatch: pytest.MonkeyPatch, claims: str) -> None:
    payload = base64.urlsafe_b64encode(claims.encode("latin-1")).decode().rstrip("=")
    with FaultServer([answer(body={"token": f"h.{payload}.s"})]) as found:
        monkeypatch.setenv("LGP_BASE_URL", found.origin)
        ran = lgp("auth", "--email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (ran.code, ran.json()["expires_at"]) == (0, None), ran.err
    assert stored(file)["token"].startswith("h.")


def test_a_key_stored_before_is_kept_and_that_is_said(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    lgp("generate-key", "--name", "one")
    first = stored(file)["api_key"]
    ran = lgp("keys", "create", "--name", "two")
    assert any("previous_api_keys" in note["message"] for note in ran.notes())
    assert first in json.dumps(stored(file)["previous_api_keys"])


def test_show_and_no_store(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    told = lgp("generate-key", "--name", "x", "--show", "--no-store").json()
    assert told["key"].startswith("lgp_")
    assert told["stored"] is False
    assert "api_key" not in stored(file)
    told = lgp("generate-key", "--name", "y", "--show").json()
    assert (told["key"], told["stored"]) == (stored(file)["api_key"], True)
    ran = lgp("generate-key", "--name", "z", "--no-store")
    assert ran.code == 2
    assert "--show" in ran.error["message"]


def test_an_unwritable_file_is_exit_9_and_no_key_is_made(
    lgp: Run, sandboxed: Path, sent: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any) -> None:
        from leadgenius.errors import LocalError

        raise LocalError("The credential file cannot be written.", code="permission")

    monkeypatch.setattr("leadgenius.credentials.CredentialFile.check_writable", refuse)
    for argv in (("generate-key", "--name", "x"), ("keys", "rotate"), ("auth", "--email", EMAIL)):
        assert lgp(*argv).code == 9
    assert sent == []
    assert lgp("generate-key", "--name", "x", "--show", "--no-store").code == 0
    assert len(sent) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_real_unwritable_folder_is_exit_9(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    file.parent.chmod(0o500)
    try:
        assert lgp("generate-key", "--name", "x").code == 9
    finally:
        file.parent.chmod(0o700)


@pytest.mark.parametrize("argv", [("generate-key", "--name", "x"), ("keys", "rotate")], ids=["generate", "rotate"])
def test_a_key_that_cannot_be_stored_after_all_is_printed(
    lgp: Run, served: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    login(lgp)
    lgp("generate-key", "--name", "first")
    before = stored(file)["api_key"]

    def fail(self: Any, origin: str, key: str) -> None:
        from leadgenius.errors import LocalError

        raise LocalError("The disk is full.", code="disk")

    monkeypatch.setattr("leadgenius.credentials.CredentialFile.store_key", fail)
    ran = lgp(*argv)
    assert ran.code == 9
    told = ran.json()
    assert told["stored"] is False
    assert told["key"].startswith("lgp_")
    assert told["key"] != before
    monkeypatch.setenv("LGP_API_KEY", told["key"])
    assert lgp("campaigns", "list").code == 0


def test_a_key_from_the_environment_still_wins_and_that_is_said(
    lgp: Run, served: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(lgp)
    monkeypatch.setenv("LGP_API_KEY", KEY)
    for argv in (("generate-key", "--name", "x"), ("keys", "rotate")):
        ran = lgp(*argv)
        assert any("LGP_API_KEY is set and still wins" in note["message"] for note in ran.notes())


def test_rotate_replaces_the_key_and_names_the_old_one(lgp: Run, served: Sandbox, file: Path) -> None:
    login(lgp)
    lgp("generate-key", "--name", "first")
    old = stored(file)["api_key"]
    ran = lgp("keys", "rotate")
    told, new = ran.json(), stored(file)["api_key"]
    assert new != old
    assert (told["prefix"], told["replaced_prefix"], told["stored"]) == (new[:10], old[:10], True)
    assert any(old[:10] in note["message"] and "web application" in note["message"] for note in ran.notes())
    assert old not in ran.out + ran.err
    assert new not in ran.out + ran.err
    assert lgp("keys", "rotate", "--show").json()["key"] == stored(file)["api_key"]


def test_rotate_without_a_stored_key_makes_none(lgp: Run, served: Sandbox) -> None:
    login(lgp)
    before = lgp("keys", "list").json()["pagination"]["totalItems"]
    ran = lgp("keys", "rotate")
    assert ran.code == 2
    assert "generate-key" in ran.error["hint"]
    assert lgp("keys", "list").json()["pagination"]["totalItems"] == before


def test_rotation_proves_the_key_before_it_replaces_the_old(lgp: Run, served: Sandbox, file: Path) -> None:
    from sandbox.faults import parse_all

    login(lgp)
    lgp("generate-key", "--name", "first")
    old = file.read_bytes()
    served.faults = parse_all(["GET /campaigns=401"])
    ran = lgp("keys", "rotate")
    assert ran.code == 3
    assert (ran.json()["stored"], ran.json()["key"][:4]) == (False, "lgp_")
    assert "unchanged" in ran.error["hint"]
    assert file.read_bytes() == old


def test_keys_need_a_login(lgp: Run, served: Sandbox) -> None:
    for argv in (("generate-key", "--name", "x"), ("keys", "list")):
        ran = lgp(*argv)
        assert ran.code == 3
        assert "auth" in ran.error["hint"]


# The documented lines, beside real credentials


DOCUMENTED = [
    ("lgp", "auth", "--email", "your@email.com"),
    ("lgp", "leads", "list"),
    ("lgp", "leads", "enrich", "--ids", "lead_1", "lead_2"),
    ("lgp", "campaigns", "list"),
    ("lgp", "campaigns", "create", "--name", "Q3 Expansion"),
    ("lgp", "pipeline", "--start", "2026-01-01", "--end", "2026-02-08"),
    ("lgp", "maintenance", "bugs", "list"),
    ("lgp", "maintenance", "bugs", "report", "--desc", "Enrichment fails on LinkedIn URLs"),
    ("lgp", "maintenance", "enhancements", "list"),
    ("lgp", "maintenance", "enhancements", "request", "--desc", "Add support for Google Maps leads"),
    ("lgp", "generate-key", "--name", "Production Agent", "--desc", "Key for main auto-agent"),
    ("lgp", "admin", "companies"),
    ("lgp", "admin", "users"),
    ("api_call", "GET", "/campaigns"),
    ("auth", "--email", "your@email.com"),
]
REAL_KEY, REAL_TOKEN = "lgp_" + "a" * 64, "eyJhbGciOiJIUzI1NiJ9.real.token"


@pytest.mark.parametrize("line", DOCUMENTED, ids=" ".join)
def test_the_sandbox_never_touches_the_real_credentials(
    lgp: Run, api_call: Run, file: Path, sent: list[Sent], monkeypatch: pytest.MonkeyPatch, demo_state: Path,
    tmp_path: Path, line: tuple[str, ...],
) -> None:  # fmt: skip
    shutil.copytree(demo_state, tmp_path / "state")
    monkeypatch.setenv("LGP_STATE_DIR", str(tmp_path / "state"))
    real = {"token": REAL_TOKEN, "email": "me@real.example", "base_url": "https://last.leadgenius.app",
            "api_key": REAL_KEY, "amplify_api_key": "da2-" + "b" * 26}  # fmt: skip
    file.write_text(json.dumps(real), "utf-8")
    file.chmod(0o600)
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    monkeypatch.setenv("LGP_API_KEY", "lgp_" + "c" * 64)
    monkeypatch.setenv("LGP_AMPLIFY_API_KEY", "da2-" + "d" * 26)
    monkeypatch.setenv("LGP_EMAIL", "me@real.example")
    monkeypatch.setenv("LGP_PASSWORD", "real password")
    run = api_call if line[0] == "api_call" else lgp
    ran = run("--sandbox", *(("auth", *line[1:]) if line[0] == "auth" else line[1:]))
    assert ran.code == 0, ran.err
    assert any("not real" in note["message"] for note in ran.notes())
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    spoken = json.dumps([(one.target, one.headers, one.body) for one in sent]) + ran.out + ran.err
    for secret in (REAL_KEY, REAL_TOKEN, "c" * 64, "b" * 26, "d" * 26, "real password", "me@real.example"):
        assert secret not in spoken
    assert sent
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name]
