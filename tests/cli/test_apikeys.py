"""API keys: a new one is never lost and never shown unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
def file(state: Path) -> Path:
    """The credential file of the embedded sandbox."""
    return state / "sandbox" / ".leadgenius_auth.json"


@pytest.fixture
def real(home: Path) -> Path:
    """A credential file for production, with a login and a key."""
    path = home / ".leadgenius_auth.json"
    path.write_text(
        json.dumps({"base_url": PRODUCTION, "token": "t.t.t.t", "api_key": "lgp_" + "a" * 64})
    )
    path.chmod(0o600)
    return path


def stored(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_new_key_is_stored_works_and_only_its_prefix_is_shown(lgp: Any, file: Path) -> None:
    found = lgp("generate-key", "--name", "Production Agent", "--desc", "Key for main auto-agent")
    key = stored(file)["api_key"]
    assert key != KEY
    assert (found.json["name"], found.json["prefix"], found.json["stored"]) == (
        "Production Agent",
        key[:10],
        True,
    )
    assert key not in found.out + found.err
    assert stored(file)["previous_api_keys"] == [KEY]
    assert any(KEY[:10] in note and "previous_api_keys" in note for note in found.notes)
    assert lgp("campaigns", "list").code == 0
    row = next(row for row in lgp("keys", "list").rows if row["id"] == found.json["id"])
    assert (row["name"], row["keyPrefix"], row["description"]) == (
        "Production Agent", key[:10], "Key for main auto-agent")  # fmt: skip


def test_show_and_no_store(lgp: Any, file: Path) -> None:
    lgp("campaigns", "list")
    found = lgp(*GENERATE, "--show", "--no-store").json
    assert (found["key"][:4], found["stored"], stored(file)["api_key"]) == ("lgp_", False, KEY)
    found = lgp(*GENERATE, "--show").json
    assert (found["key"], found["stored"]) == (stored(file)["api_key"], True)
    found = lgp(*GENERATE, "--no-store")
    assert (found.code, "--show" in found.error["message"]) == (2, True)


@BOTH
def test_a_file_that_cannot_be_written_is_exit_9_and_no_key_is_made(
    lgp: Any, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(file: KeyFile) -> None:
        raise LocalError("It cannot be written.", code="permission")

    before = len(lgp("keys", "list", "--all").rows)
    monkeypatch.setattr(KeyFile, "check_writable", refuse)
    assert lgp(*words).code == 9
    assert len(lgp("keys", "list", "--all").rows) == before
    assert lgp(*GENERATE, "--show", "--no-store").code == 0


@BOTH
def test_a_key_that_cannot_be_stored_after_all_is_printed(
    lgp: Any, file: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(file: KeyFile, origin: str, key: str, kind: str = "agent") -> bool:
        raise LocalError("The disk is full.", code="disk")

    lgp("campaigns", "list")
    monkeypatch.setattr(KeyFile, "store_key", fail)
    found = lgp(*words)
    assert (found.code, found.error["code"], found.error["outcome"]) == (9, "disk", "applied")
    assert (found.json["stored"], found.json["key"][:4]) == (False, "lgp_")
    assert "auth save-key" in found.error["hint"]
    assert stored(file)["api_key"] == KEY


def test_check_proves_the_new_key_whatever_the_environment_holds(
    lgp: Any, serve: Callable[..., Any]
) -> None:
    served = serve(rate_limit=False)
    environ = {
        "LGP_BASE_URL": served.origin,
        "LGP_EMAIL": EMAIL,
        "LGP_PASSWORD": PASSWORD,
        "LGP_API_KEY": "lgp_wrong",
    }
    found = lgp(*GENERATE, "--check", sandbox=False, environ=environ)
    assert (found.code, found.json["proved"], found.json["stored"]) == (0, True, True)
    assert any("LGP_API_KEY is set and still wins" in note for note in found.notes)


def test_rotation_proves_the_new_key_before_it_replaces_the_old(
    lgp: Any, serve: Callable[..., Any], home: Path
) -> None:
    served = serve(rate_limit=False)
    environ = {"LGP_BASE_URL": served.origin, "LGP_EMAIL": EMAIL, "LGP_PASSWORD": PASSWORD}
    run = lambda *words: lgp(*words, sandbox=False, environ=environ)  # noqa: E731
    assert run(*ROTATE).code == 2  # there is none to replace
    run(*GENERATE)
    file = home / ".leadgenius_auth.json"
    old = stored(file)["api_key"]
    served.app.faults = [Fault("GET /campaigns=401")]
    found = run(*ROTATE)
    assert (found.code, found.json["stored"], found.json["key"][:4]) == (3, False, "lgp_")
    assert "unchanged" in found.error["hint"]
    assert stored(file)["api_key"] == old
    served.app.faults = []
    found = run(*ROTATE)
    new = stored(file)["api_key"]
    assert (found.json["prefix"], found.json["proved"]) == (new[:10], True)
    assert any(old[:10] in note and "web application" in note for note in found.notes)
    assert not any(key in found.out + found.err for key in (old, new))


def test_keys_log_in_by_themselves_once(lgp: Any, serve: Callable[..., Any], home: Path) -> None:
    served = serve(rate_limit=False)
    environ = {"LGP_BASE_URL": served.origin, "LGP_EMAIL": EMAIL, "LGP_PASSWORD": PASSWORD}
    found = lgp("keys", "list", sandbox=False, environ=environ)
    assert (found.code, found.rows[0]["keyPrefix"]) == (0, KEY[:10])
    assert any("Logged in as" in note for note in found.notes)
    found = lgp("keys", "list", sandbox=False, environ={"LGP_BASE_URL": served.origin})
    assert (found.code, [note for note in found.notes if "Logged in" in note]) == (0, [])


def test_without_a_login_the_hint_is_to_log_in(lgp: Any, serve: Callable[..., Any]) -> None:
    for words in (GENERATE, ("keys", "list")):
        found = lgp(*words, sandbox=False, environ={"LGP_BASE_URL": serve().origin})
        assert found.code == 3
        assert "auth --email" in found.error["hint"]


@responses.activate
def test_an_answer_without_a_key_is_exit_8_and_says_where_to_look(lgp: Any, real: Path) -> None:
    responses.post(URL, json={"success": True})
    found = lgp(*GENERATE, sandbox=False)
    assert (found.code, found.error["outcome"], found.out) == (8, "unknown", "")
    assert "keys list" in found.error["hint"]


@responses.activate
@pytest.mark.parametrize("words", [(), ("--all", "--format", "csv")])
def test_keys_list_prints_no_plain_key_that_a_server_sends(
    lgp: Any, real: Path, words: tuple[str, ...]
) -> None:
    other = "lgp_" + "0123456789abcdef" * 4
    row = {"id": "k", "name": "n", "apiKey": KEY, "plainTextKey": "short one", "keyPrefix": other}
    responses.get(URL, json={"data": [row], "pagination": {"totalItems": 1, "totalPages": 1}})
    found = lgp("keys", "list", *words, sandbox=False)
    assert (found.code, "lgp_012345" in found.out) == (0, True)
    assert not any(secret in found.out for secret in (KEY, other, "short one"))
    if not words:
        assert found.rows == [{"id": "k", "name": "n", "keyPrefix": other[:10]}]
        assert lgp("keys", "list", "--show", sandbox=False).rows == [row]


@responses.activate
def test_a_key_that_the_server_repeats_is_not_shown(lgp: Any, real: Path) -> None:
    record = {"id": f"it is {KEY}", "name": KEY}
    responses.post(URL, json={"success": True, "apiKey": KEY, "data": record})
    found = lgp(*GENERATE, sandbox=False)
    assert (found.code, stored(real)["api_key"], found.json["prefix"]) == (0, KEY, KEY[:10])
    assert KEY[10:] not in found.out + found.err
