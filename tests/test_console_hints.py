"""Hints can be typed as they stand, and repeat no secret."""

from __future__ import annotations

import sys

import pytest

from console.hints import called


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["scripts/lgp.py", *words])
    return called("{lgp} leads list")


@pytest.mark.parametrize("words", [("--base-url", "https://x.example"), ("--base-url=https://x.example",)])
def test_a_hint_goes_where_this_run_went(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    assert typed(monkeypatch, *words) == "python3 scripts/lgp.py --base-url https://x.example leads list"


@pytest.mark.parametrize("words", [("--base-url", "https://me:pass@x"), ("--base-url=https://me:pass@x",)])
def test_a_password_in_the_base_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    assert typed(monkeypatch, *words) == "python3 scripts/lgp.py leads list"
