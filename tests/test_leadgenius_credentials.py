"""Credentials: which one is used, where it may go, and how the file that keeps them survives everything."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import COMPILED, SCRIPTS
from leadgenius import credentials as credentials_module
from leadgenius import files
from leadgenius.accounts import OLD_DEFAULT, Account
from leadgenius.credentials import (
    KINDS,
    Credential,
    CredentialFile,
    Credentials,
    auth_path,
    clean,
    default_origin,
    variable,
)
from leadgenius.errors import CredentialError, LeadGeniusError, LocalError, UsageError
from leadgenius.scopes import PRODUCTION

OLDER = Path(__file__).parent / "data" / "credentials"
STAGING = "https://staging.example.com"
OTHER = "https://other.example.com"
LOCAL = "http://127.0.0.1:8787"

Notes = list[tuple[str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing in it: these tests look at all that a write leaves behind."""
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / ".leadgenius_auth.json"


@pytest.fixture
def notes() -> Notes:
    return []


@pytest.fixture
def file(path: Path, notes: Notes) -> CredentialFile:
    return CredentialFile(path, notes=lambda level, message: notes.append((level, message)))


def put(path: Path, content: Any, mode: int = 0o600) -> bytes:
    """Write `content` (bytes, text, or anything for JSON) and return the bytes."""
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    raw = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(raw)
    path.chmod(mode)
    return raw


def on_disk(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def python(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A real process running `code`, with our rooms on its path."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    environ = {"PYTHONPATH": str(SCRIPTS), **COMPILED}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, text=True, stdout=pipe, stderr=pipe, **options)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


# --- a value -----------------------------------------------------------------------------------------------------


def test_a_value_is_stripped() -> None:
    assert clean("  lgp_a!~\r\n", "LGP_API_KEY") == "lgp_a!~"


@pytest.mark.parametrize(
    "value", ["", " \n", "canary key", "canary\nX-Evil: 1", "canäry", "canary\x00", "canary\x7f", "“canary”", "c\tnary"]
)
def test_a_value_that_no_header_can_carry_is_refused_unseen(value: str) -> None:
    with pytest.raises(CredentialError) as caught:
        clean(value, "LGP_API_KEY")
    told = "".join(traceback.format_exception(caught.value)) + json.dumps(caught.value.as_dict())
    assert "LGP_API_KEY" in caught.value.message
    assert caught.value.exit_code == 3
    assert "nary" not in told.split("Error: ", 1)[1]
    assert "Evil" not in told.split("Error: ", 1)[1]


def test_a_credential_does_not_show_its_value() -> None:
    shown = repr(Credential("agent", "lgp_canary", "LGP_API_KEY"))
    assert "canary" not in shown
    assert "LGP_API_KEY" in shown


def test_an_account_shows_nothing_secret() -> None:
    shown = repr(Account("canary", "a@b.c", "canary", "canary", previous_api_keys=("canary",), extra={"x": "canary"}))
    assert "canary" not in shown
    assert "a@b.c" in shown


# --- a variable --------------------------------------------------------------------------------------------------


def test_the_first_variable_that_is_set_wins() -> None:
    environ = {"LGP_API_KEY": "  ", "LEADGENIUS_API_KEY": "lgp_alias"}
    assert variable(environ, "LGP_API_KEY", "LEADGENIUS_API_KEY") == ("lgp_alias", "LEADGENIUS_API_KEY")
    assert variable({"LGP_API_KEY": ""}, "LGP_API_KEY") is None


@pytest.mark.parametrize(
    "name", ["LGP_API_KEY", "LEADGENIUS_API_KEY", "LGP_AMPLIFY_API_KEY", "LGP_EMAIL", "LGP_PASSWORD"]
)
def test_a_secret_may_stand_in_the_first_line_of_a_file(name: str, folder: Path) -> None:
    secret = folder / "secret"
    secret.write_bytes(b"\xef\xbb\xbf with space \r\nsecond line\n")
    assert variable({f"{name}_FILE": str(secret)}, name) == (" with space ", f"{name}_FILE")
    assert variable({f"{name}_FILE": str(secret), name: "direct"}, name) == ("direct", name)


def test_other_variables_are_not_read_from_files(folder: Path) -> None:
    assert variable({"LGP_COMPANY_ID_FILE": str(folder / "absent")}, "LGP_COMPANY_ID") is None


def test_a_process_substitution_can_supply_a_secret() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"lgp_piped\n")
    os.close(writing)
    assert variable({"LGP_API_KEY_FILE": f"/dev/fd/{reading}"}, "LGP_API_KEY") == ("lgp_piped", "LGP_API_KEY_FILE")
    os.close(reading)


@pytest.mark.parametrize("held", [False, True])
def test_a_pipe_that_never_ends_is_an_error_and_no_hang(
    held: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials_module, "_LONGEST_PIPE", 0.1)
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR) if held else os.open(os.devnull, os.O_RDONLY)
    with pytest.raises(LocalError) as caught:
        variable({"LGP_API_KEY_FILE": str(pipe)}, "LGP_API_KEY")
    os.close(writer)
    assert str(pipe) in caught.value.message


def test_a_device_supplies_no_secret() -> None:
    with pytest.raises(LocalError):
        variable({"LGP_API_KEY_FILE": "/dev/zero"}, "LGP_API_KEY")


@pytest.mark.parametrize("content", [None, b"", b"\ncanary\n", b"canary\xff\n", "canary".encode("utf-16")])
def test_a_named_file_without_a_usable_line_is_an_error_naming_it(content: bytes | None, folder: Path) -> None:
    secret = folder / "secret"
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(LocalError) as caught:
        variable({"LGP_API_KEY_FILE": str(secret)}, "LGP_API_KEY")
    assert str(secret) in caught.value.message
    assert "LGP_API_KEY_FILE" in caught.value.message
    assert_hidden(caught.value, "canary")


# --- where the file is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/a"}, "/home/a/.leadgenius_auth.json"),
        ({"HOME": "/home/a", "LGP_AUTH_FILE": ""}, "/home/a/.leadgenius_auth.json"),
        ({"HOME": "/home/a", "LGP_AUTH_FILE": "/etc/auth.json"}, "/etc/auth.json"),
        ({"HOME": "/home/a", "LGP_AUTH_FILE": "~/x.json"}, "/home/a/x.json"),
        ({"LGP_AUTH_FILE": "/etc/auth.json"}, "/etc/auth.json"),
        ({}, None),
        ({"HOME": ""}, None),
        ({"HOME": "."}, None),
    ],
)
def test_the_place_of_the_file(environ: dict[str, str], expected: str | None) -> None:
    assert auth_path(environ) == (Path(expected) if expected else None)


@pytest.mark.parametrize("given", ["auth.json", "./auth.json", "~/auth.json"])
def test_the_file_never_lies_in_the_current_directory(given: str) -> None:
    with pytest.raises(UsageError):
        auth_path({"LGP_AUTH_FILE": given})


# --- which credential --------------------------------------------------------------------------------------------

BOTH = {"LGP_API_KEY": "lgp_env", "LGP_AMPLIFY_API_KEY": "da2-env"}


def fill(file: CredentialFile, origin: str = PRODUCTION) -> None:
    file.update(origin, token="eyJ.file", api_key="lgp_file", amplify_api_key="da2-file", user_id="user_file")


def test_the_environment_comes_before_the_file_and_a_jwt_from_the_file_alone(file: CredentialFile) -> None:
    fill(file)
    found = Credentials({**BOTH, "LGP_TOKEN": "eyJ.env"}, file)
    assert [found.find(kind).value for kind in KINDS] == ["lgp_env", "da2-env", "eyJ.file"]
    assert [found.find(kind).source for kind in KINDS[:2]] == ["LGP_API_KEY", "LGP_AMPLIFY_API_KEY"]


def test_the_file_supplies_what_the_environment_does_not(file: CredentialFile, path: Path) -> None:
    fill(file)
    found = Credentials({"HOME": str(path.parent)}, file)
    assert [found.find(kind).value for kind in KINDS] == ["lgp_file", "da2-file", "eyJ.file"]
    assert found.find("agent").source == "~/.leadgenius_auth.json"
    assert Credentials({}, file).find("agent").source == str(path)


def test_a_typed_key_wins_everywhere(file: CredentialFile) -> None:
    fill(file, OTHER)
    assert Credentials(BOTH, file, origin=OTHER, key=" lgp_typed ").find("agent") == Credential(
        "agent", "lgp_typed", "--key"
    )


@pytest.mark.parametrize("origin", [PRODUCTION, LOCAL, "http://localhost:3000", "http://[::1]:1", STAGING])
def test_a_key_from_the_environment_goes_to_known_origins(origin: str, file: CredentialFile) -> None:
    environ = {**BOTH, "LGP_BASE_URL": f"{STAGING}/api/agent"}
    assert Credentials(environ, file, origin=origin).find("agent").value == "lgp_env"


@pytest.mark.parametrize("kind", ["agent", "amplify"])
@pytest.mark.parametrize("origin", [OTHER, "https://localhost.evil.com", f"{STAGING}:444", "https://127.0.0.1.nip.io"])
def test_a_key_from_the_environment_goes_nowhere_else(kind: str, origin: str, file: CredentialFile) -> None:
    with pytest.raises(CredentialError) as caught:
        Credentials({**BOTH, "LGP_BASE_URL": STAGING}, file, origin=origin).find(kind)
    assert "goes only to" in caught.value.message
    assert origin in caught.value.hint


def test_a_saved_credential_of_that_origin_is_used_instead(file: CredentialFile, notes: Notes) -> None:
    fill(file, OTHER)
    assert Credentials(BOTH, file, origin=OTHER).find("agent").value == "lgp_file"
    assert [level for level, _ in notes] == ["note"]
    assert "LGP_API_KEY is not used" in notes[0][1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("origin", [PRODUCTION, LOCAL, "http://staging.example.com", f"{STAGING}:8443", OTHER])
def test_a_saved_credential_goes_to_its_own_origin_alone(kind: str, origin: str, file: CredentialFile) -> None:
    fill(file, STAGING)
    fill(file, "https://third.example.com")
    with pytest.raises(CredentialError):
        Credentials({}, file, origin=origin).find(kind)


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        (
            "agent",
            ["export LGP_API_KEY=", "PROG auth --email", "PROG generate-key", "PROG auth save-key --scope agent"],
        ),
        ("amplify", ["export LGP_AMPLIFY_API_KEY=", "PROG auth save-key --scope system"]),
        ("jwt", ["PROG auth --email", "LGP_PASSWORD"]),
    ],
)
@pytest.mark.parametrize("origin", [PRODUCTION, OTHER])
def test_a_missing_credential_names_the_ways_to_get_one(
    kind: str, ways: list[str], origin: str, file: CredentialFile
) -> None:
    with pytest.raises(CredentialError) as caught:
        Credentials({}, file, origin=origin, program="PROG").find(kind)
    assert (caught.value.exit_code, caught.value.code) == (3, "no_credential")
    assert origin in caught.value.message
    assert all(way.removeprefix("export ") in caught.value.hint for way in ways)
    assert ("--base-url" in caught.value.hint) == (origin == OTHER)


def test_after_a_login_the_hint_is_to_make_a_key(file: CredentialFile) -> None:
    file.login(PRODUCTION, "a@b.c", "eyJ.x")
    with pytest.raises(CredentialError) as caught:
        Credentials({}, file).find("agent")
    assert "generate-key" in caught.value.hint
    assert "auth --email" not in caught.value.hint


def test_a_stored_value_is_checked_like_any_other(file: CredentialFile, path: Path) -> None:
    put(path, {"base_url": PRODUCTION, "api_key": "lgp canary"})
    with pytest.raises(CredentialError, match="api_key in"):
        Credentials({}, file).find("agent")


def test_the_stored_user_id_goes_with_the_stored_key_alone(file: CredentialFile) -> None:
    fill(file)
    stored, supplied = Credentials({}, file), Credentials(BOTH, file)
    assert stored.user_id(stored.find("agent")) == "user_file"
    assert supplied.user_id(supplied.find("agent")) is None
    named = Credentials({**BOTH, "LGP_USER_ID": "user_env"}, file)
    assert named.user_id(named.find("agent")) == "user_env"


# --- accounts by origin ------------------------------------------------------------------------------------------


def test_nothing_stored(file: CredentialFile, path: Path) -> None:
    assert file.account(PRODUCTION) == Account()
    assert file.saved_origin() is None
    assert default_origin({}, file) == PRODUCTION
    file.update(PRODUCTION, token=None)
    assert file.logout(PRODUCTION, keys=True) == []
    assert list(path.parent.glob("*.json")) == []


@pytest.mark.parametrize("content", [b"", b" \n", b"{}", b"\xef\xbb\xbf{}"])
def test_an_empty_file_stores_nothing_yet(content: bytes, file: CredentialFile, path: Path) -> None:
    put(path, content)
    assert file.account(PRODUCTION) == Account()
    file.update(STAGING, api_key="lgp_a")
    assert on_disk(path) == {"base_url": STAGING, "api_key": "lgp_a"}


def test_the_first_account_takes_the_top_level_and_others_stand_beside_it(file: CredentialFile, path: Path) -> None:
    file.update(STAGING, api_key="lgp_a", email="a@b.c")
    file.update(OTHER, api_key="lgp_b")
    assert on_disk(path) == {
        "base_url": STAGING, "api_key": "lgp_a", "email": "a@b.c", "origins": {OTHER: {"api_key": "lgp_b"}}
    }  # fmt: skip
    assert file.account(OTHER) == Account(api_key="lgp_b")
    assert file.account(STAGING) == Account(api_key="lgp_a", email="a@b.c")
    assert file.account(PRODUCTION) == Account()
    assert (file.saved_origin(), file.origins()) == (STAGING, [STAGING, OTHER])


def test_the_saved_origin_is_the_default_only_with_a_credential(file: CredentialFile) -> None:
    file.update(STAGING, api_key="lgp_a", email="a@b.c")
    assert default_origin({}, file) == STAGING
    file.update(STAGING, api_key=None)
    assert default_origin({}, file) == PRODUCTION


def test_taking_over_the_top_level_moves_nothing_to_the_new_origin(file: CredentialFile, path: Path) -> None:
    put(path, {"base_url": STAGING, "email": "a@b.c", "previous_api_keys": ["lgp_old"], "theme": "dark"})
    file.update(OTHER, api_key="lgp_b")
    assert on_disk(path) == {
        "base_url": OTHER,
        "api_key": "lgp_b",
        "theme": "dark",
        "origins": {STAGING: {"email": "a@b.c", "previous_api_keys": ["lgp_old"]}},
    }
    assert file.account(OTHER).previous_api_keys == ()
    assert file.account(STAGING).email == "a@b.c"


def test_what_is_not_ours_is_kept(file: CredentialFile, path: Path) -> None:
    given = {"base_url": STAGING, "api_key": "a", "x": [1, {"y": None}], "origins": {OTHER: {"token": "b", "z": 1.5}}}
    put(path, given)
    file.update(OTHER, email="a@b.c")
    given["origins"][OTHER]["email"] = "a@b.c"  # type: ignore[index]
    assert on_disk(path) == given
    assert file.account(STAGING).extra == {"x": [1, {"y": None}]}


def test_an_origin_written_twice_by_hand_is_read_where_its_credential_is(file: CredentialFile, path: Path) -> None:
    put(path, {"base_url": STAGING, "email": "a@b.c", "origins": {f"{STAGING}/api": {"api_key": "lgp_a"}}})
    assert file.account(STAGING).api_key == "lgp_a"


def test_removing_the_last_field_removes_the_origin(file: CredentialFile, path: Path) -> None:
    file.update(STAGING, api_key="lgp_a")
    file.update(OTHER, api_key="lgp_b")
    file.update(OTHER, api_key=None)
    assert on_disk(path) == {"base_url": STAGING, "api_key": "lgp_a"}


def test_an_unknown_field_is_a_fault_of_the_caller(file: CredentialFile) -> None:
    with pytest.raises(ValueError, match="apikey"):
        file.update(PRODUCTION, apikey="canary")


def test_an_account_for_the_old_default_origin_stays_its_own(file: CredentialFile, notes: Notes) -> None:
    file.update(OLD_DEFAULT, api_key="lgp_local")
    assert file.account(OLD_DEFAULT).api_key == "lgp_local"
    assert file.account(PRODUCTION) == Account()
    file.update(PRODUCTION, api_key="lgp_real")
    assert (file.account(OLD_DEFAULT).api_key, file.account(PRODUCTION).api_key) == ("lgp_local", "lgp_real")
    assert notes == []


# --- login, logout, keys -----------------------------------------------------------------------------------------


def test_a_login_keeps_the_keys_of_the_same_e_mail(file: CredentialFile) -> None:
    file.login(PRODUCTION, "a@b.c", "eyJ.1", "2026-01-01T01:00:00Z")
    fill(file)
    assert file.login(PRODUCTION, "A@B.C", "eyJ.2") == []
    account = file.account(PRODUCTION)
    assert (account.token, account.api_key, account.email) == ("eyJ.2", "lgp_file", "A@B.C")
    assert account.expires_at is None


def test_a_login_as_another_drops_what_was_the_first_ones(file: CredentialFile) -> None:
    file.login(PRODUCTION, "a@b.c", "eyJ.1")
    fill(file)
    file.store_key(PRODUCTION, "lgp_second")
    file.update(OTHER, api_key="lgp_other", email="a@b.c")
    dropped = file.login(PRODUCTION, "x@y.z", "eyJ.2", "2026-01-01T01:00:00Z")
    assert dropped == ["api_key", "amplify_api_key", "previous_api_keys", "user_id"]
    expected = Account(token="eyJ.2", email="x@y.z", expires_at="2026-01-01T01:00:00Z")
    assert file.account(PRODUCTION) == expected
    assert file.account(OTHER).api_key == "lgp_other"


def test_a_key_saved_before_the_first_login_is_kept(file: CredentialFile) -> None:
    file.store_key(PRODUCTION, "lgp_a")
    assert file.login(PRODUCTION, "a@b.c", "eyJ.1") == []
    assert file.account(PRODUCTION).api_key == "lgp_a"


def test_a_new_key_keeps_the_old_ones(file: CredentialFile) -> None:
    moved = [file.store_key(PRODUCTION, key) for key in ("lgp_1", "lgp_2", "lgp_2", "lgp_3", "lgp_1")]
    assert moved == [False, True, False, True, True]
    account = file.account(PRODUCTION)
    assert (account.api_key, account.previous_api_keys) == ("lgp_1", ("lgp_2", "lgp_3"))


def test_a_previous_key_that_is_stored_again_is_no_previous_one(file: CredentialFile, path: Path) -> None:
    put(path, {"base_url": PRODUCTION, "previous_api_keys": ["lgp_1", "lgp_2"]})
    assert file.store_key(PRODUCTION, "lgp_1") is False
    assert file.account(PRODUCTION) == Account(api_key="lgp_1", previous_api_keys=("lgp_2",))


def test_logout_drops_the_token_and_the_keys_only_when_asked(file: CredentialFile) -> None:
    file.login(PRODUCTION, "a@b.c", "eyJ.1")
    fill(file)
    file.store_key(PRODUCTION, "lgp_2")
    fill(file, OTHER)
    assert file.logout(PRODUCTION) == ["token"]
    assert file.account(PRODUCTION).api_key == "lgp_2"
    assert file.logout(PRODUCTION, keys=True) == ["api_key", "amplify_api_key", "previous_api_keys"]
    assert file.account(PRODUCTION) == Account(email="a@b.c", user_id="user_file")
    assert file.account(OTHER).token == "eyJ.file"


# --- files of older scripts --------------------------------------------------------------------------------------


def older(name: str, path: Path) -> None:
    shutil.copy(OLDER / f"{name}.json", path)
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("name", "origin", "expected", "said"),
    [
        ("key_as_token", PRODUCTION, {"api_key": "lgp_canary_key_as_token", "email": "your@email.com"}, 1),
        ("no_base_url", PRODUCTION, {"token": "eyJ.canary.login", "email": "your@email.com"}, 1),
        ("path_in_base_url", PRODUCTION, {"api_key": "lgp_canary_with_path"}, 0),
        (
            "key_as_token_and_key",
            PRODUCTION,
            {
                "api_key": "lgp_canary_newer",
                "email": "your@email.com",
                "previous_api_keys": ("lgp_canary_older",),
            },
            0,
        ),
        (
            "everything",
            STAGING,
            {
                "token": "eyJ.canary.everything",
                "email": "your@email.com",
                "api_key": "lgp_canary_everything",
                "amplify_api_key": "da2-canaryeverything",
                "user_id": "user_1",
                "company_id": "company_1",
            },
            0,
        ),
    ],
)
def test_a_file_of_an_older_script_works(
    name: str, origin: str, expected: dict[str, Any], said: int, file: CredentialFile, path: Path, notes: Notes
) -> None:
    older(name, path)
    before = on_disk(path)
    assert file.saved_origin() == origin
    account = file.account(origin)
    assert {key: getattr(account, key) for key in expected} == expected
    assert on_disk(path) == before  # reading changes the mode alone
    assert mode_of(path) == 0o600
    assert sum("older script" in message for _, message in notes) == said
    file.update(origin, company_id="company_2")
    after = on_disk(path)
    assert after["base_url"] == origin
    foreign = set(before) - set(expected) - {"base_url", "token"}
    assert foreign <= set(after)
    assert all(after[key] == before[key] for key in foreign)
    assert file.account(origin).api_key == account.api_key


def test_every_older_file_is_tested() -> None:
    assert len(list(OLDER.glob("*.json"))) == 5


@pytest.mark.parametrize(
    "base_url", ["ftp://x.example", "http://plain.example", "not a url", "https://canary@x.example"]
)
def test_a_saved_server_that_no_credential_may_go_to_is_refused(
    base_url: str, file: CredentialFile, path: Path
) -> None:
    raw = put(path, {"base_url": base_url, "api_key": "lgp_canary"})
    with pytest.raises(LocalError) as caught:
        file.saved_origin()
    assert "base_url" in caught.value.message
    assert_hidden(caught.value, "canary")
    assert path.read_bytes() == raw


# --- files that cannot be used -----------------------------------------------------------------------------------

BROKEN = [
    (b'{"token": "canary",\n  "api_key": "canary"', "line 2, column 22"),
    (b'{"token": "canary"}}', "line 1, column 20"),
    (b'[{"token": "canary"}]', "line 1, column 1"),
    (b'"canary"', "line 1, column 1"),
    (b"null", "line 1, column 1"),
    (b'{"token": "canary",\n "api_key" : ["canary"]}', "line 2, column 2"),
    (b'{"email": 5}', "line 1, column 2"),
    (b'{"base_url": {"canary": 1}}', "line 1, column 2"),
    (b'{"previous_api_keys": "canary"}', "line 1, column 2"),
    (b'{"previous_api_keys": [ "canary", 5]}', "line 1, column"),
    (b'{"origins": []}', "line 1, column 2"),
    (b'{"token": "canary", "origins": {"https://x.example": {},\n"https://y.example": "canary"}}', "line 2, column 1"),
    (b'{"token": "canary", "origins": {\n  "https://x.example": {"token": 7}}}', "line 2, column 25"),
    (b'{"token":\n"canary\xff"}', "line 2, column 8"),
    (b"[" * 60_000, "line 1, column 1"),
    (b'{"token": "canary", "n": ' + b"9" * 6000 + b"}", "line 1, column 1"),
]  # fmt: skip

CALLS: list[Callable[[CredentialFile], object]] = [
    lambda file: file.saved_origin(),
    lambda file: file.account(PRODUCTION),
    lambda file: file.update(PRODUCTION, api_key="lgp_new"),
    lambda file: file.login(PRODUCTION, "a@b.c", "eyJ.new"),
    lambda file: file.logout(PRODUCTION, keys=True),
    lambda file: file.store_key(PRODUCTION, "lgp_new"),
    lambda file: file.check_writable(),
    lambda file: Credentials({}, file).find("agent"),
]


WRITES: list[Callable[[CredentialFile], None]] = [
    lambda file: file.update(PRODUCTION, token="canary"),
    CredentialFile.check_writable,
]


def assert_hidden(error: BaseException, canary: str) -> None:
    """`canary` stands nowhere in an error, what caused it, or what Python would print of it."""
    seen: BaseException | None = error
    while seen is not None:
        assert canary not in repr(vars(seen)) + repr(seen.args) + str(seen)
        assert not hasattr(seen, "doc"), "a JSONDecodeError carries the whole text"
        seen = seen.__cause__ or seen.__context__
    printed = "".join(traceback.format_exception(error))
    lines = [line for line in printed.splitlines() if not line.startswith("    ")]  # without our own source
    assert canary not in "\n".join(lines)
    if isinstance(error, LeadGeniusError):
        assert canary not in json.dumps(error.as_dict())


@pytest.mark.parametrize(("content", "place"), BROKEN)
def test_a_broken_file_is_told_by_line_and_column_and_left_alone(
    content: bytes, place: str, file: CredentialFile, path: Path
) -> None:
    put(path, content)
    for call in CALLS:
        with pytest.raises(LocalError) as caught:
            call(file)
        assert (caught.value.exit_code, caught.value.code) == (9, "credential_file")
        assert place in caught.value.message
        assert str(path) in caught.value.message
        assert_hidden(caught.value, "canary")
    assert path.read_bytes() == content
    assert {item.name for item in path.parent.iterdir()} <= {path.name, path.name + ".lock"}


def test_a_key_in_the_environment_works_beside_a_broken_file(file: CredentialFile, path: Path, notes: Notes) -> None:
    put(path, b"{")
    environ = {"LGP_API_KEY": "lgp_env"}
    assert default_origin(environ, file) == PRODUCTION
    assert default_origin(environ, file) == PRODUCTION
    credential = Credentials(environ, file).find("agent")
    assert credential.value == "lgp_env"
    assert Credentials(environ, file).user_id(credential) is None
    assert [level for level, _ in notes] == ["warning"]  # once
    assert "line 1, column 2" in notes[0][1]
    with pytest.raises(LocalError):
        default_origin({}, file)


def test_a_file_that_is_too_large_is_refused(file: CredentialFile, path: Path) -> None:
    put(path, b'{"x": "' + b"a" * 65_536 + b'"}')
    with pytest.raises(LocalError, match="65536") as caught:
        file.account(PRODUCTION)
    assert caught.value.code == "credential_file"


def test_a_file_never_grows_too_large_to_be_read(file: CredentialFile, path: Path) -> None:
    put(path, {"base_url": PRODUCTION, "api_key": "a", "x": "a" * 65_300})
    before = path.read_bytes()
    with pytest.raises(LocalError, match="65536"):
        file.update(PRODUCTION, email="a" * 300)
    assert path.read_bytes() == before


def test_only_a_regular_file_is_read_and_a_fifo_does_not_hang(path: Path) -> None:
    os.mkfifo(path)
    for odd in (path, path.parent, Path("/dev/zero")):
        with pytest.raises(LocalError) as caught:
            CredentialFile(odd).account(PRODUCTION)
        assert caught.value.exit_code == 9


# --- owner and mode ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o444])
def test_a_file_that_others_can_read_is_tightened_and_said_once(
    mode: int, file: CredentialFile, path: Path, notes: Notes
) -> None:
    put(path, {"base_url": PRODUCTION, "api_key": "lgp_a"}, mode)
    assert file.account(PRODUCTION).api_key == "lgp_a"
    assert file.account(PRODUCTION).api_key == "lgp_a"
    assert mode_of(path) == 0o600
    assert [level for level, _ in notes] == ["note"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
def test_a_file_that_others_can_change_is_refused(mode: int, file: CredentialFile, path: Path) -> None:
    raw = put(path, {"base_url": PRODUCTION, "api_key": "lgp_canary"}, mode)
    for call in CALLS:
        with pytest.raises(LocalError, match="changed by other users") as caught:
            call(file)
        assert caught.value.code == "credential_file"
        assert f"chmod 600 {path}" in caught.value.hint
    assert (path.read_bytes(), mode_of(path)) == (raw, mode)


def test_a_file_of_another_user_is_refused(file: CredentialFile, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, {"base_url": PRODUCTION, "api_key": "lgp_a"})
    owner = path.stat().st_uid
    if owner == 0:  # root's own files are everybody's to trust
        os.chown(path, 4321, -1)
    else:
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    with pytest.raises(LocalError, match="belongs to another user"):
        file.account(PRODUCTION)


def test_a_mounted_file_of_root_is_read_through_its_links_and_warned_of(
    path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in a container: file → ..data → dated directory, root's, read-only."""
    dated = path.parent / "..2026_01_01"
    dated.mkdir()
    put(dated / "auth.json", {"base_url": PRODUCTION, "api_key": "lgp_a"}, 0o444)
    (path.parent / "..data").symlink_to(dated.name)
    path.symlink_to("..data/auth.json")

    def refuse(descriptor: int, mode: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    facts = os.stat_result([*path.stat()[:4], 0, *path.stat()[5:10]])  # the fifth is the owner
    monkeypatch.setattr(os, "getuid", lambda: 4321)
    monkeypatch.setattr(os, "fchmod", refuse)
    monkeypatch.setattr(os, "fstat", lambda descriptor: facts)
    file = CredentialFile(path, notes=lambda level, message: notes.append((level, message)))
    assert file.account(PRODUCTION).api_key == "lgp_a"
    assert [level for level, _ in notes] == ["warning"]


def test_without_owners_and_modes_everything_works(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, {"base_url": PRODUCTION, "api_key": "lgp_a"}, 0o666)
    monkeypatch.delattr(os, "getuid")
    monkeypatch.delattr(os, "fchmod")
    monkeypatch.setattr(files, "fcntl", None)
    file = CredentialFile(path)
    assert file.store_key(PRODUCTION, "lgp_b") is True
    file.check_writable()
    assert file.account(PRODUCTION).api_key == "lgp_b"
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_everything_imports_where_fcntl_does_not_exist(path: Path) -> None:
    process = python(
        """
        import os, pathlib, sys
        sys.modules["fcntl"] = None
        del os.getuid, os.fchmod, os.O_NOFOLLOW, os.O_NONBLOCK
        from leadgenius.credentials import CredentialFile
        file = CredentialFile(pathlib.Path(sys.argv[1]))
        file.update("https://last.leadgenius.app", api_key="lgp_a")
        print(file.account("https://last.leadgenius.app").api_key)
        """,
        path,
    )
    assert ended(process) == (0, "lgp_a\n", "")


# --- writing -----------------------------------------------------------------------------------------------------


def test_a_new_file_and_its_lock_are_private(file: CredentialFile, path: Path) -> None:
    before = os.umask(0)
    try:
        file.update(PRODUCTION, api_key="lgp_a")
    finally:
        os.umask(before)
    assert {item.name: mode_of(item) for item in path.parent.iterdir()} == {
        path.name: 0o600,
        path.name + ".lock": 0o600,
    }


def test_the_target_of_a_link_is_replaced_and_the_link_stays(folder: Path) -> None:
    (folder / "real").mkdir()
    link = folder / "link.json"
    link.symlink_to("real/auth.json")
    CredentialFile(link).update(PRODUCTION, api_key="lgp_a")  # its target does not exist yet
    CredentialFile(link).update(PRODUCTION, email="a@b.c")
    assert link.is_symlink()
    assert on_disk(folder / "real" / "auth.json")["email"] == "a@b.c"
    assert sorted(item.name for item in (folder / "real").iterdir()) == ["auth.json", "auth.json.lock"]


def test_thirty_two_writers_at_once_lose_nothing(path: Path) -> None:
    code = """
        import pathlib, sys
        from leadgenius.credentials import CredentialFile
        file, number = CredentialFile(pathlib.Path(sys.argv[1])), sys.argv[2]
        sys.stdin.read()  # all begin together, when the test closes the pipe
        for turn in range(2):
            file.update(f"https://host{number}.example.com", api_key=f"lgp_{number}_{turn}")
            file.store_key("https://last.leadgenius.app", f"lgp_shared_{number}_{turn}")
        """
    reading, writing = os.pipe()
    with os.fdopen(reading) as gate:
        writers = [python(code, path, number, stdin=gate) for number in range(32)]
    put(path, {"base_url": PRODUCTION, "api_key": "lgp_first", "theme": "dark"})
    os.close(writing)
    while any(writer.poll() is None for writer in writers):
        assert on_disk(path)["theme"] == "dark"  # whole at every moment
    assert [ended(writer) for writer in writers] == [(0, "", "")] * 32
    file = CredentialFile(path)
    found = [file.account(f"https://host{number}.example.com").api_key for number in range(32)]
    assert found == [f"lgp_{number}_1" for number in range(32)]
    shared = file.account(PRODUCTION)
    assert len({*shared.previous_api_keys, shared.api_key}) == 1 + 32 * 2
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name, path.name + ".lock"]


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace"])
def test_a_kill_in_the_middle_leaves_the_old_file(moment: str, file: CredentialFile, path: Path) -> None:
    file.update(PRODUCTION, api_key="lgp_old")
    before = path.read_bytes()
    process = python(
        f"""
        import os, pathlib, sys
        from leadgenius.credentials import CredentialFile
        {moment} = lambda *arguments: os.kill(os.getpid(), 9)
        CredentialFile(pathlib.Path(sys.argv[1])).update("https://last.leadgenius.app", api_key="lgp_new")
        """,
        path,
    )
    assert ended(process)[0] == -signal.SIGKILL
    assert path.read_bytes() == before
    assert len(list(path.parent.glob("*.tmp"))) == 1
    file.update(PRODUCTION, email="a@b.c")  # no lock is left behind, and the next writer clears up
    assert file.account(PRODUCTION) == Account(api_key="lgp_old", email="a@b.c")
    assert list(path.parent.glob("*.tmp")) == []


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "I/O"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("place", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    failure: BaseException, place: str, file: CredentialFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.update(PRODUCTION, api_key="lgp_old")
    before = path.read_bytes()

    def fail(*arguments: object) -> None:
        raise failure

    monkeypatch.setattr(place, fail)
    for write in WRITES:
        with pytest.raises(type(failure) if isinstance(failure, KeyboardInterrupt) else LocalError) as caught:
            write(file)
        if isinstance(caught.value, LocalError):
            assert (caught.value.exit_code, caught.value.code) == (9, "disk")
            assert "LGP_AUTH_FILE" in caught.value.hint
            assert_hidden(caught.value, "canary")
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir()) == [path.name, path.name + ".lock"]


def test_check_writable_changes_nothing(file: CredentialFile, path: Path) -> None:
    file.check_writable()
    assert [item.name for item in path.parent.iterdir()] == [path.name + ".lock"]
    raw = put(path, b'{"base_url":  "https://last.leadgenius.app", "api_key": "a"}')
    file.check_writable()
    assert path.read_bytes() == raw


@pytest.mark.parametrize("home", ["/dev/null", "/nonexistent/home"])
def test_a_home_that_cannot_hold_a_file_reads_as_empty_and_says_why_it_stores_nothing(home: str) -> None:
    file = CredentialFile(Path(home, ".leadgenius_auth.json"))
    assert file.account(PRODUCTION) == Account()
    for write in WRITES:
        with pytest.raises(LocalError) as caught:
            write(file)
        assert caught.value.exit_code == 9
        assert "nothing can be stored" in caught.value.message
        assert home in caught.value.message
        assert "LGP_API_KEY" in caught.value.hint


def test_without_a_home_nothing_is_stored_and_the_environment_works() -> None:
    file = CredentialFile(auth_path({}))
    assert file.saved_origin() is None
    assert Credentials({"LGP_API_KEY": "lgp_env"}, file).find("agent").value == "lgp_env"
    with pytest.raises(CredentialError):
        Credentials({}, file).find("agent")
    for write in WRITES:
        with pytest.raises(LocalError, match="HOME is not set"):
            write(file)


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="needs root, to become somebody else")
def test_an_unwritable_home_for_a_real_user(folder: Path) -> None:
    folder.chmod(0o755)
    put(folder / "auth.json", {"base_url": PRODUCTION, "api_key": "lgp_a"}, 0o444)
    code = """
        import os, pathlib, sys
        from leadgenius.credentials import CredentialFile
        from leadgenius.errors import LocalError
        os.chdir(sys.argv[1])
        "".encode("utf-8-sig")  # loaded while this Python can still be read
        os.setuid(4321)
        file = CredentialFile(pathlib.Path("auth.json"), notes=lambda level, message: print(level))
        print(file.account("https://last.leadgenius.app").api_key)
        for call in (file.check_writable, lambda: file.update("https://last.leadgenius.app", token="t")):
            try:
                call()
            except LocalError as error:
                print(error.code, "nothing can be stored" in error.message)
        """
    # chdir comes before setuid, so the folders above need not be open to that user
    assert ended(python(code, folder)) == (0, "warning\nlgp_a\n" + "permission True\n" * 2, "")
    assert [item.name for item in folder.iterdir()] == ["auth.json"]


# --- the lock ----------------------------------------------------------------------------------------------------


def test_a_lock_that_is_kept_is_told(path: Path) -> None:
    with files.locked(path), pytest.raises(LocalError) as caught:
        CredentialFile(path, lock_wait=0).update(PRODUCTION, api_key="lgp_a")
    assert caught.value.code == "locked"
    assert not path.exists()
    CredentialFile(path, lock_wait=0).update(PRODUCTION, api_key="lgp_a")


def test_reading_waits_for_no_lock(path: Path) -> None:
    CredentialFile(path).update(PRODUCTION, api_key="lgp_a")
    with files.locked(path):
        assert CredentialFile(path, lock_wait=0).account(PRODUCTION).api_key == "lgp_a"


def test_a_planted_lock_link_is_not_followed(path: Path) -> None:
    victim = path.parent / "victim"
    path.with_name(path.name + ".lock").symlink_to(victim)
    with pytest.raises(LocalError):
        CredentialFile(path).update(PRODUCTION, api_key="lgp_a")
    assert not victim.exists()


def test_two_names_of_one_file_share_its_lock(folder: Path) -> None:
    link = folder / "link"
    link.symlink_to("real")
    with files.locked(link), (folder / "real.lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
