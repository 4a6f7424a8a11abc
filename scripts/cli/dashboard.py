"""`dashboard`: one HTML page of a period. Nothing on it comes from elsewhere and every text of the
server is escaped; at most 15 requests are made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from html import escape
from itertools import islice
from typing import Any

from cli import analytics, request
from cli.context import Context
from cli.text import rows_in, shown
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import UsageError
from leadgenius.files import replace_whole

CAMPAIGNS = 10  # requests for metrics; five more are for the rest of the page
ACCOUNTS = 15
METRICS = ("leads", "qualified", "contacted", "converted", "conversionRate", "spend")
TREND = METRICS[1:5]
SCORES = ("intentScore", "engagementScore", "fitScore")
WORDS = {  # what a field is called on the page, where that is not its name
    "conversionRate": "conversion", "pipelineValue": "pipeline", "roi": "ROI",
    "targetPipeline": "pipeline", "targetAccounts": "accounts", "targetEngagement": "engagement",
    "intentScore": "intent", "engagementScore": "engagement", "fitScore": "fit",
    "periodStart": "week from",
}  # fmt: skip

STYLE = """
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#1b1f24;--soft:#5c6670;
--line:#e3e4df;--bar:#16705b;--mid:#57a892;--pale:#c9e2d9;--track:#edeeea}
@media(prefers-color-scheme:dark){:root{--page:#121517;--card:#1b1f22;--ink:#e9ebec;--soft:#9ba6ae;
--line:#2d3338;--bar:#5fd0b2;--mid:#34907a;--pale:#24473f;--track:#262b2f}}
*{box-sizing:border-box}
body{margin:0;padding:2.5rem clamp(1rem,4vw,3rem) 3rem;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
font-variant-numeric:tabular-nums}
main,header,footer{max-width:76rem;margin:0 auto}
h1{font-size:1.65rem;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0 0 .35rem}
h2{font-size:1.02rem;font-weight:650;margin:0}
p{margin:.2rem 0 1.1rem;color:var(--soft);overflow-wrap:anywhere}header p{margin-bottom:1.6rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:1.35rem clamp(1rem,2.5vw,1.6rem) 1.5rem;margin:0 0 1.1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}tr{break-inside:avoid}
th,td{padding:.42rem .5rem;text-align:right;border-top:1px solid var(--line);vertical-align:top;
white-space:nowrap}
thead th{border:0;color:var(--soft);font-weight:500;font-size:.82rem}
th:first-child{padding-left:0;text-align:left}tbody th{font-weight:500;white-space:normal;
overflow-wrap:anywhere;min-width:5.5rem}td:last-child,th:last-child{padding-right:0}
td.bar{width:45%}.goals{text-align:left;white-space:normal;min-width:11rem}
.sum tbody tr:last-child>*{font-weight:650}.cards thead th:last-child{text-align:left}
small{display:block;color:var(--soft);font-weight:400;font-size:.8rem}
svg{display:block;width:100%;height:.7rem;border-radius:3px;background:var(--track);margin:.35rem 0}
svg.chart{height:9rem;background:none;border-bottom:1px solid var(--line);margin:.4rem 0 1rem}
.a{fill:var(--bar)}.b{fill:var(--mid)}.c{fill:var(--pale)}
i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin:0 .35em 0 1em;
background:var(--bar)}i.b{background:var(--mid)}i.c{background:var(--pale)}
i:first-child{margin-left:0}footer{color:var(--soft);font-size:.82rem}
@media(max-width:760px){th,td{padding:.4rem .3rem}td.bar{width:25%}
.narrow{font-size:.8rem}.narrow thead th{font-size:.6rem}.narrow :is(.bar,th:empty){display:none}
.narrow :is(th,td){padding:.4rem .15rem}.sum tbody th{min-width:0;white-space:nowrap}
.cards thead{display:none}.cards tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.5rem 1rem;
padding:.9rem 0;border-top:1px solid var(--line)}
.cards th,.cards td{display:block;border:0;padding:0;text-align:left}
.cards th,.cards .goals{grid-column:1/-1}.cards td::before{content:attr(data-name);display:block;
color:var(--soft);font-size:.8rem}}
@media print{body{background:#fff;padding:0}*{print-color-adjust:exact}}
"""


def run(context: Context) -> int:
    """Ask for the figures of a period and write the page to --out."""
    out, client = context.options.out, context.client
    if out is None or out.suffix.lower() not in (".html", ".htm"):
        raise UsageError("dashboard needs --out FILE.html.", hint=context.command.example)
    params = analytics.set_period(context)
    known = operations()
    if context.options.dry_run:
        return context.preview("GET", known["analytics.pipeline"].path, params=params)
    funnel = client.get(known["analytics.pipeline"].path, params)
    trend = client.get(known["analytics.trends"].path, {**params, "granularity": "week"})
    found = client.get(known["campaigns.list"].path, {"status": "active", "pageSize": 100})
    active = [one for one in answers.items(found, "campaigns") if answers.dig(one, "id")]
    active.sort(key=lambda one: str(one.get("createdAt")), reverse=True)
    campaigns = []
    for one in active[:CAMPAIGNS]:
        path = request.path_of(known["campaigns.metrics"], str(one["id"]))
        campaigns.append({**one, **_record(client.get(path))})
        context.notes.progress("Reading campaigns", len(campaigns), len(active[:CAMPAIGNS]))
    pages = islice(client.pages(known["target-accounts.list"].path, size=100), 2)
    accounts = [one for page in pages for one in page.items if isinstance(one, dict)]
    accounts.sort(key=lambda one: analytics.figure(one, "intentScore"), reverse=True)
    parts = [
        _funnel(_record(funnel)),
        _trend(_rows(_record(trend), "series")),
        _campaigns(campaigns, len(active)),
        _accounts(accounts),
    ]
    facts = [f"{params['startDate']} to {params['endDate']}, whole days UTC", client.origin]
    facts += ["invented data of the sandbox"] if client.sandbox else []
    with replace_whole(out) as file:
        file.write(context.output.masked(_page(" · ".join(facts), parts)))
    context.output.receipt(len(campaigns) + len(accounts), client.requests, True)
    return 0


def _record(body: Any) -> dict[str, Any]:
    found = answers.record(body)
    return found if isinstance(found, dict) else {}


def _rows(record: dict[str, Any], name: str) -> list[Any]:
    return record[name] if rows_in(record.get(name)) else []


def _page(facts: str, parts: list[str]) -> str:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>LeadGenius dashboard</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>
<header><h1>LeadGenius dashboard</h1><p>{escape(facts)}</p></header>
<main>{"".join(parts)}</main><footer>Made {now} by leadgenius-api.</footer></body></html>
"""


def _text(name: str, value: Any) -> str:
    return escape(shown(name, value)) or "–"


def _bar(share: float, words: str, tag: str = "div") -> str:
    rect = f'<rect class="a" width="{max(0.0, min(1.0, share)) * 100:.1f}" height="10"/>'
    box = f'viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{words}"'
    return f'<{tag} class="bar"><svg {box}>{rect}</svg></{tag}>'


def _section(title: str, words: str, inside: str) -> str:
    return f"<section><h2>{title}</h2><p>{words}</p>{inside}</section>"


def _table(heads: Iterable[str], rows: Iterable[str], kind: str = "") -> str:
    cells = "".join(f'<th scope="col">{WORDS.get(head, head)}</th>' for head in heads)
    lines = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>'


def _head(text: str, more: str = "") -> str:
    return f'<th scope="row">{text}<small>{more}</small></th>'


def _cells(row: dict[str, Any], names: Iterable[str]) -> str:
    return "".join(
        f'<td data-name="{WORDS.get(name, name)}">{_text(name, row.get(name))}</td>'
        for name in names
    )


def _funnel(record: dict[str, Any]) -> str:
    stages = _rows(record, "stages")
    most = max((analytics.figure(one, "count") for one in stages), default=0) or 1
    rows = [
        _head(_text("", one.get("stage")))
        + _bar(analytics.figure(one, "count") / most, "share of the first", "td")
        + _cells(one, ("count", "conversionRate"))
        for one in stages
    ]
    table = _table(("stage", "", "leads", "of the stage before"), rows)
    return _section("Funnel", escape(analytics.funnel_words(record)), table)


def _trend(series: list[Any]) -> str:
    most = max((analytics.figure(one, "new") for one in series), default=0) or 1
    bars = "".join(
        f'<rect class="{kind}" x="{at * 10 + 1.5}" y="{100 - high:.1f}" width="7" height="100"/>'
        for at, one in enumerate(series)
        for name, kind in (("new", "c"), ("qualified", "b"), ("converted", "a"))
        for high in [analytics.figure(one, name) / most * 100]
    )
    box = f'viewBox="0 0 {len(series) * 10} 100" preserveAspectRatio="none"'
    chart = f'<svg class="chart" {box} role="img" aria-label="leads of each week">{bars}</svg>'
    names = ("new", *TREND)
    marks = ["running" * analytics.is_running(one, "week") for one in series]
    rows = [
        _head(_text("", one.get("periodStart")), mark) + _cells(one, names)
        for one, mark in zip(series, marks, strict=True)
    ]
    rows.append(_head("total") + _cells(analytics.total(series), names))
    legend = '<i class="c"></i>new<i class="b"></i>qualified<i></i>converted'
    table = _table(("periodStart", *names), rows, "sum narrow")
    return _section("Weekly trend", legend, chart + table)


def _campaigns(campaigns: list[dict[str, Any]], active: int) -> str:
    names = (*METRICS, "pipelineValue", "roi")
    rows = [
        _head(_text("", one.get("name")), _dates(one)) + _cells(one, names) + _goals(one)
        for one in campaigns
    ]
    words = f"The newest {len(rows)} of {active} active. Leads that ever reached each stage."
    return _section("Campaigns", words, _table(("campaign", *names, "goals"), rows, "cards"))


def _dates(one: dict[str, Any]) -> str:
    kind = shown("", one.get("campaignType")).replace("_", " ")
    return escape(f"{kind}, {shown('', one.get('startDate'))} – {shown('', one.get('endDate'))}")


def _goals(one: dict[str, Any]) -> str:
    goals = one.get("goals")
    lines = []
    for name, goal in goals.items() if isinstance(goals, dict) else ():
        actual = analytics.figure(one, "pipelineValue") if name == "targetPipeline" else 0
        words = f"{WORDS.get(name, escape(name))}: {_text(name, goal)}"
        if actual and analytics.figure(goals, name):
            lines.append(f"<small>{words}, reached {actual / goal:.0%}</small>")
            lines.append(_bar(actual / goal, "of the goal"))
        elif goal is not None:
            lines.append(f"<small>{words} (no figure)</small>")
    return f'<td class="goals" data-name="goals">{"".join(lines) or "–"}</td>'


def _accounts(accounts: list[dict[str, Any]]) -> str:
    rows = [
        _head(_text("", one.get("accountName")), _text("", one.get("domain")))
        + _bar(analytics.figure(one, "intentScore") / 100, "intent of 100", "td")
        + _cells(one, (*SCORES, "tier"))
        for one in accounts[:ACCOUNTS]
    ]
    words = f"The {len(rows)} of {len(accounts)} target accounts with the highest intent."
    table = _table(("account", "", *SCORES, "tier"), rows, "narrow")
    return _section("Accounts by intent", words, table)
