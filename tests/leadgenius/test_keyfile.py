"""The credential file: what is stored, files of older scripts, damage, modes, owners, and secrets
never shown.
"""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from leadgenius import files, settings
from leadgenius.errors import LocalError, UsageError
from leadgenius.keyfile import KeyFile
from leadgenius.scopes import PRODUCTION

OLDER = Path(__file__).parent / "data" / "credentials"
STAGING = "https://staging.example.com"


@pytest.fixture
def path(home):
    return home / ".leadgenius_auth.json"


@pytest.fixture
def notes():
    return []


@pytest.fixture
def file(path, notes):
    return KeyFile(path, lambda *note: notes.append(note))


def write(path, content, mode=0o600):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)


def test_a_login_and_a_key_are_stored_privately_and_found_again(file, path):
    assert not file.account().has_secret
    file.login(PRODUCTION, "your@email.com", "eyJ.canary", "2026-01-01T00:00:00Z")
    assert file.store_key(PRODUCTION, "lgp_1") is False
    assert file.store_key(PRODUCTION, "da2-1", "amplify") is False
    assert file.store_key(PRODUCTION, "lgp_2") is True
    assert file.store_key(PRODUCTION, "lgp_1") is True
    account = file.account()
    assert (account.origin, account.email, account.token) == (
        PRODUCTION,
        "your@email.com",
        "eyJ.canary",
    )
    assert (account.api_key, account.amplify_api_key, account.previous_api_keys) == (
        "lgp_1",
        "da2-1",
        ("lgp_2",),
    )
    assert [one.stat().st_mode & 0o777 for one in sorted(path.parent.glob(".lead*"))] == [
        0o600,
        0o600,
    ]
    assert "canary" not in repr(account) + repr(file)


def test_logout_drops_the_token_and_the_keys_only_when_asked(file):
    file.login(PRODUCTION, "a@b.c", "t", "later")
    file.store_key(PRODUCTION, "lgp_1")
    assert file.logout() == ["token", "expires_at"]
    assert file.account().api_key == "lgp_1"
    assert file.logout(keys=True) == ["api_key"]
    assert file.account().email == "a@b.c"


def test_another_account_is_never_written_over_a_key(file):
    file.login(PRODUCTION, "a@b.c", "t1")
    file.update(company_id="c")
    file.login(STAGING, "x@y.z", "t2")  # a token alone may be replaced
    assert (file.account().origin, file.account().company_id) == (STAGING, "")
    file.store_key(STAGING, "lgp_1")
    file.login(STAGING, "X@Y.z", "t3")
    for call in (
        lambda: file.login(STAGING, "a@b.c", "t"),
        lambda: file.login(PRODUCTION, "x@y.z", "t"),
        lambda: file.store_key(PRODUCTION, "lgp_2"),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert "--profile NAME" in caught.value.hint
    assert (file.account().token, file.account().api_key) == ("t3", "lgp_1")


@pytest.mark.parametrize(
    ("name", "origin", "found"),
    [
        (
            "everything",
            STAGING,
            {
                "token": "eyJ.canary.everything",
                "api_key": "lgp_canary_everything",
                "user_id": "user_1",
            },
        ),
        ("key_as_token", PRODUCTION, {"token": "", "api_key": "lgp_canary_key_as_token"}),
        (
            "key_as_token_and_key",
            PRODUCTION,
            {"api_key": "lgp_canary_newer", "previous_api_keys": ("lgp_canary_older",)},
        ),
        ("no_base_url", PRODUCTION, {"token": "eyJ.canary.login", "email": "your@email.com"}),
        ("path_in_base_url", PRODUCTION, {"api_key": "lgp_canary_with_path"}),
    ],
)
def test_a_file_of_an_older_script_works_and_what_is_unknown_stays(
    name, origin, found, file, path, notes
):
    old = json.loads((OLDER / f"{name}.json").read_text())
    write(path, old)
    account = file.account()
    assert account.origin == origin
    assert {one: getattr(account, one) for one in found} == found
    file.update(company_id="c")
    new = json.loads(path.read_text())
    assert {
        key: value
        for key, value in old.items()
        if key in ("user", "version", "saved_at", "timestamp")
    }.items() <= new.items()
    assert file.account().origin == origin
    assert len(notes) == (
        1 if old.get("base_url", "http://localhost:3000") == "http://localhost:3000" else 0
    )
    assert "canary" not in str(notes)


def test_a_server_of_this_version_on_the_old_default_port_stays_itself(file):
    file.login("http://localhost:3000", "a@b.c", "t")
    assert file.account().origin == "http://localhost:3000"


def test_origins_of_version_1_are_named_once_and_kept(file, path, notes):
    write(
        path,
        {
            "base_url": PRODUCTION,
            "api_key": "lgp_1",
            "origins": {STAGING: {"api_key": "lgp_canary"}},
        },
    )
    file.account()
    file.update(company_id="c")
    assert [level for level, _ in notes] == ["warning"]
    assert f"auth save-key --profile NAME --base-url {STAGING}" in notes[0][1]
    assert "canary" not in notes[0][1]
    assert json.loads(path.read_text())["origins"] == {STAGING: {"api_key": "lgp_canary"}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"token": "canary",\n "email" 1}', "line 2, column 10"),
        ('["canary"]', "one JSON object"),
        ('{"api_key": ["canary"]}', "wrong value in api_key"),
        ('{"previous_api_keys": "canary"}', "wrong value in previous_api_keys"),
        ('{"base_url": "http://canary.example", "token": "t"}', "base_url"),
        ("[" * 60_000, "not JSON in UTF-8"),
        (" " * 65_537, "larger"),
    ],
)
def test_a_broken_file_is_said_and_left_alone(content, words, file, path):
    write(path, content)
    for call in (file.account, lambda: file.update(email="x"), file.check_writable):
        with pytest.raises(LocalError, match=words) as caught:
            call()
        assert (caught.value.exit_code, caught.value.code) == (9, "credential_file")
        assert "canary" not in str(caught.value.as_dict())
        assert "canary" not in repr(caught.value.__cause__)
    assert path.read_text() == content


def test_modes_and_owners(file, path, notes, monkeypatch):
    write(path, {"api_key": "lgp_1"}, 0o644)
    file.account()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [level for level, message in notes if "0600" in message] == ["note"]
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(LocalError, match="other users can write"):
            KeyFile(path).account()
    path.chmod(0o600)
    monkeypatch.setattr(settings.os, "geteuid", lambda: 4242)
    if path.stat().st_uid != 0:
        with pytest.raises(LocalError, match="another user"):
            KeyFile(path).account()


def test_only_a_regular_file_is_read_and_a_pipe_does_not_hang(file, path):
    os.mkfifo(path, 0o600)
    with pytest.raises(LocalError, match="regular"):
        file.account()


def test_the_target_of_a_link_is_replaced_and_a_killed_writers_file_removed(file, path, home):
    (home / "real").mkdir(mode=0o700)
    path.symlink_to(home / "real" / "auth.json")
    (home / "real" / ".auth.json.1.2.tmp").write_text("canary")
    file.login(PRODUCTION, "a@b.c", "t")
    assert path.is_symlink()
    assert sorted(one.name for one in (home / "real").iterdir()) == ["auth.json", "auth.json.lock"]


def test_writers_at_once_lose_nothing(path):
    fields = ("email", "company_id", "user_id", "token", "api_key", "amplify_api_key")
    threads = [
        threading.Thread(target=KeyFile(path).update, kwargs={field: field}) for field in fields
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert all(getattr(KeyFile(path).account(), field) == field for field in fields)


def test_check_writable_adds_nothing_and_without_a_place_nothing_is_stored(file, path, home):
    file.check_writable()
    assert json.loads(path.read_text()) == {"layout": 2}
    file.store_key(PRODUCTION, "lgp_1")
    before = path.read_text()
    file.check_writable()
    assert path.read_text() == before
    for nowhere in (None, home / "none" / "auth.json"):
        assert not KeyFile(nowhere).account().has_secret
        with pytest.raises(LocalError) as caught:
            KeyFile(nowhere).check_writable()
        assert "LGP_AUTH_FILE" in caught.value.hint


# ---- files.py: the one rule, wherever something is written


def test_a_file_is_replaced_whole_or_not_at_all(home):
    path = home / "out.jsonl"
    files.write_private(path, b"old")
    path.chmod(0o644)
    with pytest.raises(ZeroDivisionError), files.replace_whole(path) as file:
        file.write("half")
        raise ZeroDivisionError
    assert (path.read_text(), list(home.iterdir())) == ("old", [path])
    with files.replace_whole(path) as file:
        file.write("é\n")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"\xc3\xa9\n", 0o600)
    with files.replace_whole(Path("/dev/null")) as file:
        file.write("gone")


def islnk(found):
    return stat.S_ISLNK(found.st_mode)


def test_what_others_could_have_planted_is_refused(home, monkeypatch):
    path = home / "out"
    (home / "link").symlink_to(path)
    write(path, "x", 0o600)
    os.link(path, home / "twin")
    with pytest.raises(LocalError):
        files.open_private(path, os.O_RDWR)
    assert files.read_private(path, 9) == (b"x", False)
    (home / "twin").unlink()
    path.chmod(0o666)
    for odd in (path, home / "link", home):
        with pytest.raises(LocalError):
            files.open_private(odd, os.O_RDWR)
    files.write_private(path, b"new")  # whoever could write to the old one
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    with pytest.raises(LocalError, match="folder"):
        files.check_safe(home, "--out")
    monkeypatch.setattr(settings.os, "geteuid", lambda: 4242)
    monkeypatch.setattr(files, "unsafe", lambda found, modes: "not ours" if islnk(found) else "")
    with pytest.raises(LocalError, match="not ours"):
        files.check_safe(home / "link")


def test_a_lock_is_held_by_one(home):
    path = home / "ledger"
    with files.locked(path):
        with pytest.raises(LocalError) as caught, files.locked(path, wait=0.02):
            pass
        assert caught.value.code == "locked"
    (home / "ledger.lock").unlink()
    (home / "ledger.lock").symlink_to(home / "victim")
    with pytest.raises(LocalError), files.locked(path):
        pass
    assert not (home / "victim").exists()
