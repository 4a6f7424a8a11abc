"""The dashboard: one self-contained page whose figures are those of the commands."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

EVIL = "<script>alert(1)</script> \" ' & [x]"


class Page(HTMLParser):
    """The texts of the page, its tags, and everything in them that names another resource."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        names = ("src", "href", "xlink:href", "data", "action", "srcset")
        self.links += [value for name, value in attrs if name in names or name.startswith("on")]

    def handle_data(self, data):
        if self.tags[-1:] != ["style"]:
            self.text += f"{data.strip()} "


def made(lgp, *words):
    reply = lgp("dashboard", "--out", "d.html", *words)
    assert reply.json["requests"] <= 15
    return Page(Path("d.html").read_text())


def test_the_page_needs_nothing_from_elsewhere(lgp):
    page, text = made(lgp), Path("d.html").read_text()
    assert not page.links
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text and "prefers-color-scheme:dark" in text
    assert page.tags.count("section") == 4


def test_its_figures_are_those_of_the_commands(lgp):
    words = ("--start", "60d")
    page = made(lgp, *words)
    funnel = lgp("pipeline", *words).json["data"]
    for stage in funnel["stages"]:
        rate = stage["conversionRate"]
        shown = "–" if rate is None else f"{rate:.1%}"
        assert f"{stage['stage']} {stage['count']} {shown}" in page.text
    assert f"{funnel['totals']['unqualified']} unqualified" in page.text
    trend = lgp("analytics", "trends", "--granularity", "week", *words).json["data"]["series"]
    for row in trend:
        figures = f"{row['new']} {row['qualified']} {row['contacted']} {row['converted']}"
        assert re.search(rf"{row['periodStart']} (\* )?{figures} ", page.text)
    active = lgp("campaigns", "list", "--status", "active").rows
    for campaign in active:
        metrics = lgp("campaigns", "metrics", campaign["id"]).json["data"]
        figures = [metrics[name] for name in ("leads", "qualified", "contacted", "converted")]
        after = page.text.partition(campaign["name"])[2]
        assert after.startswith(f" {' '.join(map(str, figures))} ")
        assert f"targetPipeline {campaign['goals']['targetPipeline']:,}" in after
    accounts = lgp("target-accounts", "list", "--all").rows
    best = max(accounts, key=lambda one: one["intentScore"])
    assert f"tier {best['accountName']} {best['intentScore']} " in page.text
    bars = len(funnel["stages"]) + min(len(accounts), 15)
    assert page.tags.count("rect") == bars + 3 * len(trend)


def test_every_text_of_the_server_is_escaped(lgp):
    before = made(lgp).tags
    lgp("campaigns", "create", "--name", EVIL)
    lgp("target-accounts", "create", "--account-name", EVIL, "--intent-score", "100")
    page = made(lgp)
    assert page.text.count(EVIL) == 2
    assert set(page.tags) == set(before)


def test_the_ten_newest_active_campaigns_in_at_most_15_requests(lgp):
    for number in range(12):
        lgp("campaigns", "create", "--name", f"Wave {number:02}")
    page = made(lgp).text
    assert len(re.findall(r"Wave \d\d", page)) == 10
    assert re.search(r"The newest 10 of 1\d active", page)


def test_a_goal_stands_beside_what_was_reached(lgp):
    goals = '{"targetPipeline": 400000, "targetAccounts": 7}'
    lgp("campaigns", "create", "--name", "Goals", "--goals", goals)
    page = made(lgp).text
    assert re.search(r"Goals .*?targetAccounts 7, targetPipeline 400,000 \w", page)
    assert re.search(r"targetPipeline [\d,]+; \d+% of the pipeline reached", page)


@pytest.mark.parametrize("words", ["", "--out d.json", "--out d.html --start 2999-01-01"])
def test_without_an_html_file_or_a_period_nothing_is_sent(lgp, words):
    reply = lgp("dashboard", *words.split())
    assert (reply.code, reply.out, Path("d.html").exists()) == (2, "", False)


def test_an_answer_without_figures_makes_a_page_all_the_same(lgp, monkeypatch):
    odd = {"success": True, "data": {"stages": [1]}}
    monkeypatch.setattr("leadgenius.client.Client.get", lambda *words: odd)
    assert "Funnel" in made(lgp).text


def test_a_dry_run_sends_nothing(lgp):
    reply = lgp("dashboard", "--out", "d.html", "--dry-run").json
    assert (reply["dry_run"], reply["method"], Path("d.html").exists()) == (True, "GET", False)
