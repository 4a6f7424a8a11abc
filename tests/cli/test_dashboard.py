"""The dashboard: one self-contained page whose figures are those of the commands."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cli import dashboard

EVIL = "<script>alert(1)</script> \" ' & [x]"


class Page(HTMLParser):
    """The texts of the page, its tags, and everything in them that names another resource."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = ("src", "href", "xlink:href", "data", "action", "srcset")
        self.links += [
            str(value) for name, value in attrs if name in names or name.startswith("on")
        ]

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.texts.append(data)


def made(lgp: Any, *words: str) -> Page:
    reply = lgp("dashboard", "--out", "d.html", *words)
    assert reply.code == 0, reply
    assert reply.json["requests"] <= 15
    return Page(Path("d.html").read_text())


def test_the_page_needs_nothing_from_elsewhere(lgp: Any) -> None:
    page = made(lgp)
    text = Path("d.html").read_text()
    assert not page.links
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://(?!sandbox\.invalid)", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text
    assert "svg" in page.tags
    assert page.tags.count("section") == 4


def test_its_figures_are_those_of_the_commands(lgp: Any) -> None:
    words = ["--start", "60d"]
    page = made(lgp, *words).text
    funnel = lgp("pipeline", *words).json["data"]
    for stage in funnel["stages"]:
        rate = stage["conversionRate"]
        shown = "–" if rate is None else f"{rate:.1%}"
        assert f"{stage['stage']} {stage['count']} {shown}" in page
    assert f"{funnel['totals']['unqualified']} unqualified" in page
    for row in lgp("analytics", "trends", "--granularity", "week", *words).json["data"]["series"]:
        assert re.search(rf"{row['periodStart']} (running )?{row['new']} {row['qualified']} ", page)
    for campaign in lgp("campaigns", "list", "--status", "active").rows:
        metrics = lgp("campaigns", "metrics", campaign["id"]).json["data"]
        figures = [metrics[name] for name in ("leads", "qualified", "contacted", "converted")]
        assert " ".join(map(str, figures)) in page.partition(campaign["name"])[2]
        assert f"{campaign['goals']['targetPipeline']:,}" in page.partition(campaign["name"])[2]
    accounts = lgp("target-accounts", "list", "--all").rows
    best = max(accounts, key=lambda one: one["intentScore"])
    assert (
        page.partition("Accounts by intent")[2]
        .partition("tier")[2]
        .startswith(f" {best['accountName']}")
    )


def test_every_text_of_the_server_is_escaped(lgp: Any) -> None:
    before = made(lgp).tags
    assert lgp("campaigns", "create", "--name", EVIL).code == 0
    account = ["target-accounts", "create", "--account-name", EVIL, "--intent-score", "100"]
    assert lgp(*account).code == 0
    page = made(lgp)
    assert page.text.count(EVIL) == 2
    assert set(page.tags) == set(before)


def test_the_ten_newest_active_campaigns_in_at_most_15_requests(lgp: Any) -> None:
    for number in range(12):
        assert lgp("campaigns", "create", "--name", f"Wave {number:02}").code == 0
    page = made(lgp).text
    newest = re.findall(r"Wave \d\d", page)
    assert len(newest) == dashboard.CAMPAIGNS
    assert re.search(r"The newest 10 of 1\d active", page)


def test_a_goal_stands_beside_what_was_reached(lgp: Any) -> None:
    words = ["--spend", "1000", "--goals", '{"targetPipeline": 400000, "targetAccounts": 7}']
    lgp("campaigns", "create", "--name", "Goals", *words)
    page = made(lgp).text.partition("Goals")[2]
    assert "pipeline: 400,000 (no figure)" in page
    assert "accounts: 7 (no figure)" in page
    assert re.search(r"pipeline: [\d,]+, reached \d+%", made(lgp).text)


@pytest.mark.parametrize(
    "words", [[], ["--out", "d.json"], ["--out", "d.html", "--start", "2999-01-01"]]
)
def test_without_an_html_file_or_a_period_nothing_is_sent(lgp: Any, words: list[str]) -> None:
    reply = lgp("dashboard", *words)
    assert (reply.code, reply.out, Path("d.html").exists()) == (2, "", False)


def test_an_answer_without_figures_makes_a_page_all_the_same(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadgenius.client import Client

    monkeypatch.setattr(
        Client, "get", lambda self, *words, **named: {"success": True, "data": {"stages": [1]}}
    )
    assert "Funnel" in made(lgp).text


def test_a_dry_run_sends_nothing(lgp: Any) -> None:
    reply = lgp("dashboard", "--out", "d.html", "--dry-run")
    assert (reply.json["dry_run"], reply.json["method"], Path("d.html").exists()) == (
        True,
        "GET",
        False,
    )
