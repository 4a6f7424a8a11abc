"""The credential file: what is stored, files of older scripts, damage, modes, owners, and secrets
never shown.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
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


def test_another_account_is_never_written_over_a_key_and_forgets_the_company_without_one(file):
    file.store(PRODUCTION, email="a@b.c", token="t1")
    file.update(company_id="c", user_id="u", unknown="kept")
    file.store(PRODUCTION, email="A@b.c", token="t2")
    assert (file.account.company_id, file.account.user_id) == ("c", "u")
    for origin, email in ((PRODUCTION, "x@y.z"), (STAGING, "x@y.z")):  # over a token alone
        file.update(company_id="c", user_id="u")
        file.store(origin, email=email, token="t3")
        found = file.account
        assert (found.base_url, found.email) == (origin, email)
        assert (found.company_id, found.user_id, found["unknown"]) == ("", "", "kept")
    file.store(STAGING, api_key="lgp_1")
    for call in (
        lambda: file.store(STAGING, email="a@b.c", token="t"),
        lambda: file.store(PRODUCTION, email="x@y.z", token="t"),
        lambda: file.store(PRODUCTION, amplify_api_key="da2-2"),
    ):
        with pytest.raises(UsageError, match="a key of another account") as caught:
            call()
        assert "--profile NAME" in caught.value.hint
    assert (file.account.token, file.account.api_key) == ("t3", "lgp_1")


def test_a_key_for_another_origin_takes_no_login_there(file):
    file.store(PRODUCTION, email="a@b.c", token="t1")
    file.update(company_id="c", user_id="u")
    file.store(STAGING, api_key="lgp_1")
    expected = {"base_url": STAGING, "api_key": "lgp_1", "previous_api_keys": []}
    assert {name: file.account[name] for name in file.account if name != "layout"} == expected


@pytest.mark.parametrize(
    ("name", "origin", "found"),
    [
        ("everything", STAGING, {"token": "eyJ.canary.everything", "user_id": "user_1"}),
        (
            "key_as_token",
            PRODUCTION,
            {"token": "", "api_key": "lgp_canary_key_as_token", "previous_api_keys": []},
        ),
        (
            *("key_as_token_and_key", PRODUCTION),
            {"api_key": "lgp_canary_newer", "previous_api_keys": ["lgp_canary_older"]},
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
    account = file.account
    assert {one: getattr(account, one) for one in found} == found
    file.update(company_id="c")
    new = json.loads(path.read_text())
    for key in {"user", "version", "saved_at", "timestamp"} & old.keys():
        assert new[key] == old[key]
    assert account.base_url == file.account.base_url == origin
    assert notes == []


def test_what_is_no_text_counts_as_not_stored(file, path):
    odd = {"api_key": ["canary"], "previous_api_keys": "canary", "expires_at": 1, "email": None}
    write(path, odd | {"origins": {STAGING: {"api_key": "canary"}}})
    account = file.account
    assert (account.api_key, account.previous_api_keys, account.expires_at) == ("", [], "1")
    assert (account.email, account.base_url) == ("", PRODUCTION)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"token": "canary",\n "email" 1}', "line 2 column 10"),
        ('["canary"]', "one JSON object"),
        ('[["api_key", "canary"]]', "one JSON object"),
        (f'{{"api_key": "{"canary" * 11_000}"}}', "cannot be used"),
        ("5", "cannot be used"),
        ('{"base_url": "http://canary.example", "token": "t"}', "base URL"),
        ("[" * 60_000, "recursion"),
    ],
)
def test_a_broken_file_is_said_and_left_alone(content, words, file, path):
    write(path, content)
    for call in (lambda: file.account, lambda: file.update(email="x"), file.update):
        with pytest.raises(LocalError, match=words) as caught:
            call()
        assert (caught.value.exit_code, caught.value.code) == (9, "credential_file")
        assert "canary" not in f"{caught.value.as_dict()} {caught.value.__cause__!r}"
    assert path.read_text() == content


def test_modes_and_owners(file, path, notes, monkeypatch):
    write(path, {"api_key": "lgp_1"}, 0o644)
    assert file.account.api_key == "lgp_1"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [level for level, message in notes if "0600" in message] == ["warning"]
    for mode in (0o620, 0o602):
        path.chmod(mode)
        with pytest.raises(LocalError, match="other users can write"):
            assert KeyFile(path).account
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(LocalError, match="regular"):  # and it does not hang
        assert KeyFile(path).account
    path.unlink()
    write(path, "{}")
    monkeypatch.setattr(settings.os, "geteuid", lambda: 4242)
    if path.stat().st_uid != 0:
        with pytest.raises(LocalError, match="another user"):
            assert KeyFile(path).account


def test_the_target_of_a_link_is_replaced(file, path, home):
    (home / "real").mkdir(mode=0o700)
    path.symlink_to(home / "real" / "auth.json")
    (home / "real" / ".auth.json.1.2.tmp").write_text("canary")  # of a writer that was killed
    file.store(PRODUCTION, email="a@b.c", token="t")
    assert path.is_symlink()
    assert sorted(one.name for one in (home / "real").iterdir()) == ["auth.json", "auth.json.lock"]


def test_writers_at_once_lose_nothing(path):
    fields = ("email", "company_id", "user_id", "token", "api_key", "amplify_api_key")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda field: KeyFile(path).update(**{field: field}), fields))
    assert all(getattr(KeyFile(path).account, field) == field for field in fields)


def test_an_update_of_nothing_adds_nothing_and_without_a_place_nothing_is_stored(file, path, home):
    file.update()
    assert json.loads(path.read_text()) == {"layout": 2}
    file.store(PRODUCTION, api_key="lgp_1")
    before = path.read_text()
    file.update()
    assert path.read_text() == before
    for nowhere in (settings.NO_HOME, home / "none" / "auth.json"):
        assert not KeyFile(nowhere).account
        with pytest.raises(LocalError) as caught:
            KeyFile(nowhere).update()
        assert "LGP_AUTH_FILE" in caught.value.hint


# ---- files.py: the one rule, wherever something is written


def test_a_file_is_replaced_whole_or_not_at_all(home):
    path = home / "out.jsonl"
    files.write_private(path, "old")
    path.chmod(0o644)
    with pytest.raises(ZeroDivisionError), files.replace_whole(path) as file:
        file.write("half")
        raise ZeroDivisionError
    assert (path.read_text(), list(home.iterdir())) == ("old", [path])
    with files.replace_whole(path) as file:
        file.write("é\n")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"\xc3\xa9\n", 0o600)
    for other in (Path("/dev/null"), home, home / "none" / "x"):
        with pytest.raises(LocalError, match="not written to"):
            files.check_safe(other)


def test_what_others_could_have_planted_is_refused(home, monkeypatch):
    path, twin, link = home / "out", home / "twin", home / "link"
    link.symlink_to(path)
    write(path, "x")
    os.link(path, twin)
    with pytest.raises(LocalError, match="another name"):
        files.open_private(path, os.O_RDWR | os.O_CREAT)
    assert files.read_private(path) == b"x"
    twin.unlink()
    path.chmod(0o666)
    for odd in (path, link, home):
        with pytest.raises(LocalError):
            files.open_private(odd, os.O_RDWR)
    files.write_private(path, "new")  # whoever could write to the old one
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o600)
    planted = link.lstat().st_ino
    monkeypatch.setattr(
        files, "unsafe", lambda found, others: "not ours" * (found.st_ino == planted)
    )
    with pytest.raises(LocalError, match="not ours"):
        files.check_safe(link)


def test_a_lock_is_held_by_one(home):
    path = home / "ledger"
    with files.locked(path):
        with pytest.raises(LocalError) as caught, files.locked(path, wait=0.02):
            pass
        assert caught.value.code == "locked"
    with files.locked(path):
        path.unlink()
    path.symlink_to(home / "victim")
    with pytest.raises(LocalError), files.locked(path):
        pass
    assert not (home / "victim").exists()


def test_a_lock_on_a_file_that_was_finished_meanwhile_is_none(home, monkeypatch):
    path = home / "rows.part"
    monkeypatch.setattr(files.fcntl, "flock", lambda *_: path.rename(home / "rows"))
    with pytest.raises(LocalError) as caught, files.locked(path):
        pass
    assert caught.value.code == "locked"


def test_a_login_and_a_key_are_stored_found_again_and_dropped_when_asked(file):
    assert not file.account
    origin, email = "http://localhost:3000", "your@email.com"
    file.store(origin, email=email, token="eyJ.canary", expires_at="later")
    for field, key in (("api_key", "lgp_1"), ("amplify_api_key", "da2-1"), ("api_key", "lgp_2")):
        file.store(origin, **{field: key})
    file.store(origin, api_key="lgp_1")
    account = file.account
    assert account == {
        "base_url": origin, "email": email, "token": "eyJ.canary", "expires_at": "later",
        "api_key": "lgp_1", "previous_api_keys": ["lgp_2"], "amplify_api_key": "da2-1", "layout": 2,
    }  # fmt: skip
    assert "canary" not in repr(account) + repr(file)
    assert file.logout() == ["token", "expires_at"]
    assert file.account.api_key == "lgp_1"
    assert "api_key" in file.logout(keys=True)
    assert file.account == {"layout": 2}
