"""Global options: anywhere on the line, by variable, and never silently without effect."""

from __future__ import annotations

import pytest

from cli import options
from leadgenius.errors import UsageError


def test_options_stand_before_or_after_the_command_and_the_later_one_wins() -> None:
    found, rest = options.split(
        ["--format", "csv", "leads", "list", "--format=json", "--status", "new"], {}
    )
    assert rest == ["leads", "list", "--status", "new"]
    assert found.format == "json"
    assert found.typed == {"format"}


def test_values_are_read_as_what_they_are() -> None:
    words = [
        "--max-wait",
        "2h",
        "--timeout",
        "90",
        "--max-items",
        "5",
        "--fields",
        "id,email,id",
        "--where",
        "a=1",
        "--where",
        "b=2",
    ]
    found, _ = options.split(words, {})
    assert (found.max_wait, found.timeout, found.max_items) == (7200.0, 90.0, 5)
    assert found.fields == ["id", "email"]
    assert found.where == ["a=1", "b=2"]
    assert (found.all, found.count) == (None, None)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("LGP_FORMAT", "jsonl", "format", "jsonl"),
        ("LGP_SANDBOX", "yes", "sandbox", True),
        ("LGP_SANDBOX", "off", "sandbox", False),
        ("LGP_MAX_WAIT", "40m", "max_wait", 2400.0),
        ("LGP_QUIET", "1", "quiet", True),
        ("LGP_NO_CHECK", "true", "no_check", True),
        ("LGP_READ_ONLY", "on", "read_only", True),
        ("LGP_PROFILE", "acme", "profile", "acme"),
        ("LGP_FORMAT", "", "format", None),
    ],
)
def test_variables_stand_in_for_options(variable: str, text: str, name: str, value: object) -> None:
    found, _ = options.split([], {variable: text})
    assert getattr(found, name) == value


@pytest.mark.parametrize(
    "name", ["YES", "OUT", "WHERE", "ALL", "FIELDS", "DRY_RUN", "COUNT", "WAIT", "VERBOSE"]
)
def test_no_variable_confirms_redirects_or_changes_what_a_list_means(name: str) -> None:
    found, _ = options.split([], {f"LGP_{name}": "1"})
    assert getattr(found, name.lower()) is None


def test_a_typed_option_wins_over_a_variable_that_contradicts_it() -> None:
    found, _ = options.split(["--base-url", "https://x.example"], {"LGP_SANDBOX": "1"})
    assert (found.base_url, found.sandbox) == ("https://x.example", None)


@pytest.mark.parametrize(
    "words",
    [
        ["--all", "--page", "2"],
        ["--where", "a=1", "--page", "2"],
        ["--count", "--count-by", "a"],
        ["--count", "--max-items", "3"],
        ["--quiet", "--verbose"],
        ["--sandbox", "--base-url", "https://x.example"],
        ["--page", "0"],
        ["--page", "two"],
        ["--format", "yaml"],
        ["--max-wait", "soon"],
        ["--fields", ","],
        ["--out", ""],
        ["--format"],
    ],
)
def test_contradictions_and_bad_values_are_refused(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        options.split(words, {})
    assert caught.value.exit_code == 2
    assert words[0] in str(caught.value) or words[-2] in str(caught.value)


def test_a_misspelt_safety_switch_is_an_error() -> None:
    with pytest.raises(UsageError, match="LGP_READ_ONLY"):
        options.split([], {"LGP_READ_ONLY": "ture"})


def test_an_option_that_does_nothing_is_refused() -> None:
    found, _ = options.split(["--all"], {})
    options.check_served(found, options.OPTIONS)
    with pytest.raises(UsageError, match="--all does nothing for this command"):
        options.check_served(found, [])


def test_what_follows_two_dashes_is_left_alone() -> None:
    found, rest = options.split(["leads", "status", "--ids", "a", "--", "--quiet"], {})
    assert found.quiet is None
    assert rest == ["leads", "status", "--ids", "a", "--", "--quiet"]
