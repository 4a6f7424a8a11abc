"""Global options: anywhere, never abbreviated, later wins, a variable each; what does nothing here is an error."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Run
from console import options
from leadgenius.errors import UsageError


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("40m", 2400), ("2h", 7200), ("0.5s", 0.5), ("999999999h", 31_536_000)]
)
def test_times(text: str, value: float) -> None:
    assert options.seconds(text) == value


@given(st.text())
def test_times_raise_nothing_but_value_errors(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= options.seconds(text) <= 31_536_000


@given(st.text())
def test_switches_and_numbers_raise_nothing_else_either(text: str) -> None:
    for read in (lambda: options.switch(text, "LGP_X"), lambda: options.number(text)):
        with contextlib.suppress(UsageError, ValueError):
            read()


ORDERS = [
    ("--read-only", "--dry-run", "campaigns", "create", "--name", "x"),
    ("campaigns", "--read-only", "create", "--dry-run", "--name", "x"),
    ("campaigns", "create", "--name", "x", "--dry-run", "--read-only"),
]


@pytest.mark.parametrize("argv", ORDERS, ids=lambda argv: " ".join(argv))
def test_options_count_wherever_they_stand(lgp: Run, argv: tuple[str, ...]) -> None:
    ran = lgp(*argv)
    assert (ran.code, ran.error["code"]) == (2, "read_only")
    allowed = lgp(*(word for word in argv if word != "--read-only"))
    assert allowed.code == 0
    assert allowed.json()["dry_run"] is True


def test_the_later_value_wins(lgp: Run) -> None:
    ran = lgp(
        "--format", "csv", "campaigns", "list", "--dry-run", "--format", "json", "--page-size", "5", "--page-size=7"
    )
    assert ran.json()["url"].endswith("pageSize=7")


@pytest.mark.parametrize(
    "argv", [("leads", "list", "--dry"), ("leads", "list", "--pag", "1"), ("--form", "csv", "schema")]
)
def test_no_abbreviations(lgp: Run, argv: tuple[str, ...]) -> None:
    assert lgp(*argv).code == 2


@pytest.mark.parametrize(
    "argv",
    [
        ("schema", "--dry-run"),
        ("campaigns", "get", "a", "--all"),
        ("campaigns", "list", "--wait"),
        ("leads", "list", "--yes"),
        ("campaigns", "list", "--cursor", "x"),
        ("limits", "--dry-run"),
    ],
    ids=" ".join,
)
def test_an_option_that_does_nothing_here_is_an_error(lgp: Run, argv: tuple[str, ...]) -> None:
    ran = lgp(*argv)
    assert ran.code == 2
    assert "does nothing" in ran.error["message"]


def test_a_variable_that_does_nothing_here_is_no_error(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGP_ALL", "1")
    monkeypatch.setenv("LGP_SANDBOX", "1")
    assert lgp("schema").code == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("LGP_READ_ONLY", "maybe"), ("LGP_FORMAT", "xml"), ("LGP_TIMEOUT", "soon"), ("LGP_MAX_CHANGES", "-1"),
     ("LGP_RATE_LIMITS", "lots"), ("LGP_BASE_URL", "ftp://x")],
)  # fmt: skip
def test_a_bad_variable_is_named(lgp: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    ran = lgp("leads", "enrich", "--ids", "a", "b", "--dry-run")
    assert ran.code == 2
    assert name in ran.error["message"] or name == "LGP_BASE_URL"


def test_read_only_from_the_variable_holds(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGP_READ_ONLY", "1")
    assert lgp("leads", "delete", "--ids", "a", "--yes").error["code"] == "read_only"


def test_empty_is_unset(lgp: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LGP_READ_ONLY", "")
    monkeypatch.setenv("LGP_FORMAT", "")
    assert lgp("campaigns", "create", "--name", "x", "--dry-run").code == 0


@pytest.mark.parametrize(
    "argv",
    [("--all", "--page", "2"), ("--count", "--page", "2"), ("--all", "--max-items", "3"), ("--quiet", "--verbose"),
     ("--sandbox", "--base-url", "https://x.example")],
)  # fmt: skip
def test_contradictions_are_told(lgp: Run, argv: tuple[Any, ...]) -> None:
    assert lgp("leads", "list", *argv).code == 2
