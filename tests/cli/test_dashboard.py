"""The dashboard: one self-contained page whose figures are those of the commands."""

import re
from html import unescape
from pathlib import Path

import pytest

from cli import analytics

EVIL = "<script>alert(1)</script> \" ' & [x]"


def made(lgp, *words):
    """The page, and its text."""
    reply = lgp("dashboard", "--out", "d.html", *words)
    assert reply.json["requests"] <= 15
    html = Path("d.html").read_text()
    text = re.sub(r"<[^>]*>", " ", html.partition("</style>")[2])
    return html, " ".join(unescape(text).split())


def tags(html):
    return re.findall(r"<(\w+)", html)


def test_the_page_needs_nothing_from_elsewhere(lgp):
    html, _ = made(lgp)
    assert not {"script", "link", "img", "iframe", "object"} & set(tags(html))
    assert not re.search(r"url\(|@import|https?://|[\s:](src|href|action|data|srcset|on\w+)=", html)
    assert "default-src 'none'" in html and "prefers-color-scheme:dark" in html
    assert tags(html).count("section") == 4


def test_its_figures_are_those_of_the_commands(lgp):
    words = ("--start", "60d")
    html, text = made(lgp, *words)
    funnel = lgp("pipeline", *words).json["data"]
    for stage in funnel["stages"][1:]:
        figures = f"{stage['stage']} {stage['count']} {stage['conversionRate']:.1%} "
        assert figures in text
    assert f"unqualified {funnel['totals']['unqualified']}," in text
    trend = lgp("analytics", "trends", "--granularity", "week", *words).json["data"]["series"]
    for row in trend:
        figures = " ".join(str(row[name]) for name in analytics.TREND[1:5])
        assert re.search(rf"{row['periodStart']} (\* )?{figures} ", text)
    active = lgp("campaigns", "list", "--status", "active").rows
    assert f"of {len(active)} active." in text
    for campaign in active:
        metrics = lgp("campaigns", "metrics", campaign["id"]).json["data"]
        figures = [str(metrics[name]) for name in analytics.TREND[2:5]]
        assert f"{campaign['name']} {metrics['leads']} {' '.join(figures)} " in text
        value = f"{metrics['pipelineValue']:,}" if metrics.get("pipelineValue") else "–"
        goals = f"targetPipeline {campaign['goals']['targetPipeline']:,}"
        assert re.search(rf" {value} \S+ targetAccounts \d+, {goals}", text)
    accounts = lgp("target-accounts", "list", "--all").rows
    best = max(accounts, key=lambda one: one["intentScore"])
    assert f"tier {best['accountName']} {best['intentScore']} " in text
    bars = len(funnel["stages"]) + len(trend) + min(len(accounts), 15)
    assert tags(html).count("rect") == bars


def test_every_text_of_the_server_is_escaped(lgp):
    before, _ = made(lgp)
    lgp("campaigns", "create", "--name", EVIL)
    lgp("target-accounts", "create", "--account-name", EVIL, "--intent-score", "100")
    html, text = made(lgp)
    assert text.count(EVIL) == 2
    assert set(tags(html)) == set(tags(before))


def test_the_ten_newest_active_campaigns_in_at_most_15_requests(lgp):
    for number in range(12):
        lgp("campaigns", "create", "--name", f"Wave {number:02}")
    _, text = made(lgp)
    assert len(re.findall(r"Wave \d\d", text)) == 10
    assert re.search(r"The newest 10 of 1\d active", text)


@pytest.mark.parametrize(
    ("words", "code"),
    [("", 2), ("--out d.json", 2), ("--out d.html --start 2999-01-01", 2),
     ("--out d.html --dry-run", 0)],
)  # fmt: skip
def test_without_an_html_file_or_a_period_nothing_is_sent(lgp, words, code):
    reply = lgp("dashboard", *words.split())
    assert (reply.code, Path("d.html").exists()) == (code, False)


def test_an_answer_without_figures_makes_a_page_all_the_same(lgp, monkeypatch):
    odd = {"success": True, "data": {"stages": [1]}}
    monkeypatch.setattr("leadgenius.client.Client.get", lambda *words: odd)
    assert "Funnel" in made(lgp)[1]
