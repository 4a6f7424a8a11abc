"""connect(): which account, origin and switches a client has; and that no secret shows anywhere."""

import inspect
import os
import traceback
from pathlib import Path
from pydoc import render_doc

import pytest

from leadgenius import ApiError, connect
from leadgenius.errors import CredentialError, LocalError, UsageError
from leadgenius.keyfile import KeyFile
from leadgenius.keys import Credential, clean, variable
from leadgenius.scopes import EMBEDDED, PRODUCTION

STAGING = "https://staging.example.com"
KEY = "lgp_canary_of_the_tests"


@pytest.fixture
def make(home):
    """`make(profile, environ={…})`: a client in the temporary home; notes in `.notes`."""

    def new(*words, environ=(), **options):
        notes, environ = [], {"HOME": str(home), **dict(environ)}
        note = lambda *given: notes.append(given)  # noqa: E731
        client = connect(*words, environ=environ, on_note=note, **options)
        client.notes = notes
        return client

    return new


def agent(client):
    """The value of the agent key in use."""
    return client.keys.find("agent").value


@pytest.fixture
def saved(home):
    """The credential file; `work` is that of a profile."""
    return KeyFile(home / ".leadgenius_auth.json").update


@pytest.fixture
def work(home):
    KeyFile(home / ".leadgenius_auth.work.json").update(
        base_url=STAGING, api_key="lgp_work", company_id="c-work"
    )


def test_the_order_is_flag_variable_saved_origin_production(make, saved):
    assert make().origin == PRODUCTION
    saved(base_url=STAGING)
    assert make().origin == PRODUCTION  # a saved origin counts with a credential alone
    saved(base_url=STAGING, api_key="lgp_saved")
    assert make().origin == STAGING
    assert make(environ={"LGP_BASE_URL": "http://localhost:1/api"}).origin == "http://localhost:1"
    assert make(base_url=PRODUCTION, environ={"LGP_BASE_URL": STAGING}).origin == PRODUCTION


def test_the_environment_comes_before_the_file_and_a_typed_key_before_both(make, home, saved):
    saved(base_url=PRODUCTION, api_key="lgp_saved", amplify_api_key="da2-saved")
    saved(token="eyJ", email="a@b.c", user_id="u")
    keys = make(environ={"LGP_API_KEY": f" {KEY} "}).keys
    assert keys.find("agent") == ("agent", KEY, "LGP_API_KEY")
    assert keys.find("amplify")[1:] == ("da2-saved", f"{home}/.leadgenius_auth.json")
    assert keys.find("jwt").value == "eyJ"
    assert keys.saved("user_id") == "", "ids go with the key they were saved with"
    older = make(environ={"LEADGENIUS_API_KEY": KEY}).keys
    assert older.find("agent").source == "LEADGENIUS_API_KEY"
    assert make(key="lgp_typed").keys.find("agent") == ("agent", "lgp_typed", "--key")
    client = make()
    assert client.keys.saved("user_id") == "u"
    named = Credential("agent", "a@b.c", "")
    assert client.identity(client.keys.find("jwt")) == client.identity(named)


def test_a_key_from_the_environment_goes_only_where_it_is_meant_to(make, saved):
    given = {"LGP_API_KEY": KEY}
    for origin in (PRODUCTION, "http://127.0.0.1:9"):
        assert agent(make(base_url=origin, environ=given)) == KEY
    assert agent(make(environ={**given, "LGP_BASE_URL": STAGING})) == KEY
    with pytest.raises(CredentialError, match=r"LGP_API_KEY goes to .* only"):
        agent(make(base_url=STAGING, environ=given))
    saved(base_url=STAGING, api_key="lgp_saved")
    client = make(environ=given)
    assert (client.origin, agent(client)) == (STAGING, "lgp_saved")
    with pytest.raises(CredentialError):
        agent(make(base_url=PRODUCTION))


def test_a_missing_credential_names_the_kind(make, saved):
    for kind, hint in (("agent", "begin"), ("amplify", "save_amplify_key"), ("jwt", "log_in")):
        with pytest.raises(CredentialError) as caught:
            make().keys.find(kind)
        assert (caught.value.code, caught.value.hint) == ("no_credential", hint)
    saved(base_url=PRODUCTION, token="eyJ")
    with pytest.raises(CredentialError) as caught:
        agent(make())
    assert caught.value.hint == "get_key"


def test_a_typed_profile_uses_its_file_alone_and_names_what_it_ignores(make, work):
    environ = {"LGP_API_KEY": KEY, "LGP_COMPANY_ID": "mine", "LGP_PROFILE": "other"}
    client = make("work", environ=environ)
    found = client.origin, agent(client), client.company_id()
    assert found == (STAGING, "lgp_work", "c-work")
    message = "--profile is given, so these variables are not used: LGP_API_KEY, LGP_COMPANY_ID."
    assert client.notes == [("note", message)]
    assert agent(make(environ={"LGP_PROFILE": "work"})) == "lgp_work"


@pytest.mark.parametrize(
    ("profile", "environ", "named"),
    [
        (None, {"LGP_PROFILE": "work", "LGP_API_KEY": KEY}, ("LGP_PROFILE", "LGP_API_KEY")),
        ("work", {"LGP_AUTH_FILE": "/x/auth.json"}, ("--profile", "LGP_AUTH_FILE")),
        ("work", {"LGP_BASE_URL": PRODUCTION}, ("work", "LGP_BASE_URL", STAGING)),
        ("../x", {}, ("a-z",)),
    ],
)
def test_two_accounts_named_at_once_are_a_usage_error(profile, environ, named, make, work):
    with pytest.raises(UsageError) as caught:
        make(profile, environ=environ)
    assert all(word in caught.value.message for word in named)
    assert "canary" not in str(caught.value.as_dict())


def test_the_place_of_the_file(make, home):
    assert make().file.path == home / ".leadgenius_auth.json"
    assert make(environ={"LGP_AUTH_FILE": "~/x"}).file.path == home / "x"
    assert make(environ={"LGP_AUTH_FILE": "/x/y"}).file.path == Path("/x/y")
    nowhere = make(environ={"HOME": ""}).file.path
    assert nowhere == Path("/dev/null/HOME-is-not-set/.leadgenius_auth.json")
    for relative in ({"LGP_AUTH_FILE": "auth.json"}, {"HOME": "home"}):
        with pytest.raises(UsageError, match="absolute"):
            make(environ=relative)


def test_a_value_stands_in_its_variable_or_in_the_first_line_of_a_file(home):
    path = home / "secret"
    path.write_text("\ufeff lgp_x \nsecond\n")
    path.chmod(0o666)  # as what containers mount may be
    given = {"A_FILE": str(path)}
    assert variable({"A": " x ", **given}, "A") == ("x", "A")
    assert variable({"A": " ", **given}, "A", "B") == ("lgp_x", "A_FILE")
    assert variable({"A": ""}, "A") is None
    read, write = os.pipe()
    os.write(write, b"piped\n")
    os.close(write)
    assert variable({"A_FILE": f"/dev/fd/{read}"}, "A") == ("piped", "A_FILE")
    os.close(read)
    path.write_bytes(b"\nlgp_x")
    assert variable(given, "A") == ("", "A_FILE")
    for content in (b"\xff\xfe", None):
        path.unlink()
        if content:
            path.write_bytes(content)
        with pytest.raises(LocalError, match=f"A_FILE, {path}: ") as caught:
            variable(given, "A")
        assert caught.value.code == "permission"


def test_every_switch_and_time_counts_and_a_misspelt_one_is_an_error(make, state):
    environ = {"LGP_READ_ONLY": "1", "LGP_MAX_WAIT": "2m", "LGP_TIMEOUT": "3", "LGP_MAX_TIME": "9"}
    client = make(environ=environ, read_only=False, timeout=5)
    assert client.settings[3:7] == (True, 120.0, 9.0, 5)
    assert (client.state, client.settings.rate_limits[0].limit) == (state, 60)
    with pytest.raises(UsageError, match="LGP_READ_ONLY"):
        make(environ={"LGP_READ_ONLY": "ture"})
    with pytest.raises(UsageError):
        make(timeout=0)
    state.chmod(0o777)
    with pytest.raises(LocalError, match="state folder"):
        make()


def test_a_key_from_the_environment_works_beside_a_broken_file(make, home):
    (home / ".leadgenius_auth.json").write_text("{")
    client = make(environ={"LGP_API_KEY": KEY})
    assert agent(client) == KEY
    assert [level for level, message in client.notes if "line 1" in message] == ["warning"]
    with pytest.raises(LocalError):
        agent(make())


@pytest.mark.parametrize("value", ["lgp_canary\nX-Evil: 1", "lgp_canary\u2026", "lgp canary", " "])
def test_a_key_that_cannot_be_sent_is_refused_unseen(value):
    with pytest.raises(CredentialError, match="LGP_API_KEY") as caught:
        clean(value, "LGP_API_KEY")
    assert "canary" not in str(caught.value.as_dict())


def test_the_sandbox_has_its_own_account_and_reads_none_of_the_users(make, state):
    environ = {"LGP_API_KEY": KEY, "LGP_BASE_URL": STAGING, "LGP_PROFILE": "work"}
    with make(sandbox=True, environ={**environ, "LGP_COMPANY_ID": "x"}) as client:
        assert (client.origin, client.state) == (EMBEDDED, state / "sandbox")
        assert client.get("/leads", {"pageSize": 1})["data"]
        assert client.get("/agent-api-keys")["success"], "it is logged in"
        assert (client.sandbox, KEY in client.keys.secrets()) == (True, False)
    with pytest.raises(UsageError):
        make(sandbox=True, base_url=PRODUCTION)


def test_the_four_methods_return_the_parsed_body(state):
    environ = {"LGP_STATE_DIR": str(state), "HOME": str(state)}
    with connect(sandbox=True, environ=environ) as lg:
        made = lg.post("/campaigns", {"name": "Autumn", "campaignType": "abm"})["id"]
        assert lg.put(f"/campaigns/{made}", {"status": "paused"})["data"]["status"] == "paused"
        assert lg.delete(f"/campaigns/{made}")["success"] is True
        assert lg.get(f"/campaigns/{made}")["data"]["status"] == "archived"


def test_secrets_are_known_for_masking_before_they_are_used(make, saved):
    saved(
        base_url=PRODUCTION, api_key="lgp_saved", token="eyJ.saved", previous_api_keys=["lgp_old"]
    )
    environ = {
        "LGP_API_KEY": KEY,
        "LGP_PASSWORD": "pass-word",
        "https_proxy": "http://u:p%40ssword@h:1",
        "HTTPS_PROXY": "http://u:upper-word@h:1",
        "LGP_LIMITER": "redis://:redis-word@h",
        "DATABASE_URL": "postgres://a:qualified@h/d",  # of another program
    }
    words = "upper-word pass-word p%40ssword p@ssword redis-word lgp_saved eyJ.saved lgp_old"
    assert make(environ=environ).keys.secrets() == {KEY, *words.split()}


def test_no_secret_in_help_signature_repr_or_traceback(make, monkeypatch):
    monkeypatch.setenv("LGP_API_KEY", KEY)
    client = make(environ={"LGP_API_KEY": KEY, "LGP_BASE_URL": "http://127.0.0.1:1"}, max_wait=0)
    found = [inspect.signature(connect), client, client.keys, client.keys.find("agent")]
    found.append(make(environ={"LGP_LIMITER": "redis://:canary@h"}).settings)
    shown = render_doc(connect) + repr(found)
    assert "<Signature (profile: 'str | None' = None, base_url" in shown
    with client, pytest.raises(ApiError) as caught:
        client.get("/leads")
    error = caught.value
    shown += "".join(traceback.format_exception(error)) + repr(error) + str(error.as_dict())
    assert error.exit_code == 6
    assert "canary" not in shown
