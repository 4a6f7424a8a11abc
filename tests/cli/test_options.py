"""Global options: anywhere on the line, by variable, and never silently without effect."""

from pathlib import Path

import pytest

from cli import options, parser
from leadgenius.errors import UsageError


def test_options_stand_before_or_after_the_command_and_the_later_one_wins():
    words = ["--format", "csv", "leads", "list", "--format=json", "--status", "new"]
    found, rest = parser.split(words, {"LGP_FORMAT": "ids"})
    assert rest == ["leads", "list", "--status", "new"]
    assert (found.format, found.typed) == ("json", {"format"})


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("--max-wait 2h", "max_wait", 7200.0),
        ("--timeout 90", "timeout", 90.0),
        ("--max-items 5", "max_items", 5),
        ("--fields id,email,id", "fields", ["id", "email"]),
        ("--where a=1 --where b=2", "where", ["a=1", "b=2"]),
        ("--out a.csv", "out", Path("a.csv")),
        ("leads status -- --quiet", "quiet", None),
    ],
)
def test_values_are_read_as_what_they_are(line, name, value):
    assert getattr(parser.split(line.split(), {})[0], name) == value


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("LGP_FORMAT", "jsonl", "format", "jsonl"),
        ("LGP_SANDBOX", "yes", "sandbox", True),
        ("LGP_SANDBOX", "off", "sandbox", False),
        ("LGP_MAX_WAIT", "40m", "max_wait", 2400.0),
        ("LGP_MAX_TIME", "2h", "max_time", 7200.0),
        ("LGP_TIMEOUT", "9", "timeout", 9.0),
        ("LGP_QUIET", "1", "quiet", True),
        ("LGP_NO_CHECK", "true", "no_check", True),
        ("LGP_READ_ONLY", "on", "read_only", True),
        ("LGP_PROFILE", "acme", "profile", "acme"),
        ("LGP_BASE_URL", "https://x.example", "base_url", "https://x.example"),
        ("LGP_FORMAT", "", "format", None),
    ],
)
def test_variables_stand_in_for_options(variable, text, name, value):
    assert getattr(parser.split([], {variable: text})[0], name) == value


def test_no_other_variable_stands_in():
    others = {one.name for one in options.OPTIONS} - options.WITH_VARIABLE
    found, _ = parser.split([], {f"LGP_{name.upper()}": "1" for name in others})
    assert not any(vars(found).values())


@pytest.mark.parametrize("environ", [{}, {"LGP_SANDBOX": "1"}])
def test_another_server_than_the_sandbox_is_refused(lgp, environ):
    line = "leads list --base-url https://x.example"
    found = lgp(line, sandbox=not environ, environ=environ)
    assert (found.code, "--base-url" in found.error["message"]) == (2, True)


@pytest.mark.parametrize(
    ("line", "environ"),
    [
        ("--all --page 2", {}),
        ("--where a=1 --page 2", {}),
        ("--count --count-by a", {}),
        ("--quiet --verbose", {}),
        ("--page 0", {}),
        ("--max-wait soon", {}),
        ("--fields ,", {}),
        ("--format", {}),
        ("", {"LGP_FORMAT": "yaml"}),
        ("", {"LGP_READ_ONLY": "ture"}),
    ],
)
def test_contradictions_and_bad_values_are_refused(line, environ):
    with pytest.raises(UsageError) as caught:
        parser.split(line.split(), environ)
    names = [*environ, *(word.strip("=") for word in line.split() if word[:2] == "--")]
    said = str(caught.value)
    assert any(name in said or name[4:].lower().replace("_", "-") in said for name in names)
