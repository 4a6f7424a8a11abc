"""Variables, the state folder, times; and the closed list of error codes."""

import math
import re
from pathlib import Path

import pytest

from leadgenius import errors, settings
from leadgenius.settings import Settings, Window


def test_every_variable_has_its_setting():
    environ = {
        "LGP_BASE_URL": " https://a.example ", "LGP_PROFILE": "work", "LGP_SANDBOX": "yes",
        "LGP_READ_ONLY": "1",
        "LGP_MAX_WAIT": "2m", "LGP_MAX_TIME": "1h", "LGP_TIMEOUT": "0.5", "LGP_MAX_CHANGES": "0",
        "LGP_COMPANY_ID": "c",
        "LGP_USER_ID": "u", "LGP_AGENT_NAME": "bot", "LGP_LIMITER": "redis://h",
        "LGP_RATE_LIMITS": "9/1",
    }  # fmt: skip
    assert settings.read(environ) == Settings(
        "https://a.example", "work", True, True, 120.0, 3600.0, 0.5, 0, "c", "u", "bot",
        "redis://h", (Window(9, 1.0),),
    )  # fmt: skip


def test_blank_is_unset():
    blank = {f"LGP_{name.upper()}": " " for name in Settings._fields}
    usual = settings.read(blank)
    assert usual == settings.read({})
    assert usual[4:8] == (75.0, math.inf, 60.0, 10**9)
    assert usual.rate_limits == ((60, 60.0), (1000, 3600.0), (10_000, 86_400.0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("READ_ONLY", "ture"), ("SANDBOX", "2"), ("MAX_WAIT", "soon"), ("MAX_TIME", "-1"),
    ("TIMEOUT", "1d"), ("TIMEOUT", "9999999h"), ("MAX_CHANGES", "ten"),
     ("RATE_LIMITS", "60"), ("RATE_LIMITS", "0/60"),
     ("RATE_LIMITS", "60/60,"), ("RATE_LIMITS", "6²/60")],
)  # fmt: skip
def test_what_cannot_be_understood_names_its_variable(name, value):
    with pytest.raises(ValueError, match=f"LGP_{name}"):
        settings.read({f"LGP_{name}": value})


def test_switches_and_times():
    assert [settings.switch(word) for word in ("1", "TRUE", "yes", " on ")] == [True] * 4
    assert [settings.switch(word) for word in ("", "0", "False", "no", "off")] == [False] * 5
    times = {"90": 90, "90s": 90, "40m": 2400, "2h": 7200, "1.5": 1.5}
    assert {text: settings.seconds(text) for text in times} == times
    assert settings.iso(1_767_225_600.0001) == "2026-01-01T00:00:00.001Z", "never too early"


def test_the_state_folder_has_one_rule(home):
    given = {"HOME": str(home), "LGP_STATE_DIR": "~/x/y", "XDG_STATE_HOME": str(home / "xdg")}
    assert settings.state_dir(given) == home / "x/y"
    assert settings.state_dir(given | {"LGP_STATE_DIR": ""}) == home / "xdg/leadgenius"
    assert settings.state_dir({"HOME": str(home)}) == home / ".local/state/leadgenius"
    assert (home / "x/y").stat().st_mode & 0o777 == 0o700
    assert settings.state_dir({}) == settings.NO_HOME / ".local/state/leadgenius"
    assert settings.state_dir({"HOME": "/dev/null"}) == Path("/dev/null/.local/state/leadgenius")
    for name in ("LGP_STATE_DIR", "XDG_STATE_HOME"):
        with pytest.raises(ValueError, match="LGP_STATE_DIR must be an absolute path"):
            settings.state_dir({"HOME": str(home), name: "x"})


def test_a_state_folder_that_others_can_write_to_is_refused(home):
    (home / "x").mkdir()
    (home / "x").chmod(0o777)
    with pytest.raises(PermissionError, match="other users can write"):
        settings.state_dir({"LGP_STATE_DIR": str(home / "x")})
    (home / "x").chmod(0o775)  # its group's, as with umask 002
    assert settings.state_dir({"LGP_STATE_DIR": str(home / "x")}) == home / "x"


def test_every_code_is_of_the_closed_list():
    texts = [path.read_text() for path in Path(errors.__file__).parent.glob("*.py")]
    used = {*re.findall(r'\bcode="([a-z_]+)"', "".join(texts))}
    found = [one for one in vars(errors).values() if isinstance(one, type)]
    classes = [one for one in found if issubclass(one, errors.LeadGeniusError)]
    assert used | {one.default_code for one in classes} <= {*errors.__doc__.split(":")[-1].split()}
    assert {one.exit_code for one in classes} == set(range(1, 11))
