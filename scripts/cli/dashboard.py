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
from cli.output import row_id
from cli.text import shown
from contract.operations import operations
from leadgenius import answers
from leadgenius.errors import UsageError
from leadgenius.files import replace_whole

CAMPAIGNS = 10  # requests for metrics; five more are for the rest of the page
ACCOUNTS = 15
METRICS = ("leads", "qualified", "contacted", "converted", "conversionRate", "spend")
TREND = METRICS[1:5]
SCORES = ("intentScore", "engagementScore", "fitScore")
WORDS = {
    "conversionRate": "conversion", "pipelineValue": "pipeline", "roi": "ROI",
    "targetAccounts": "accounts", "targetEngagement": "engagement", "periodStart": "week from",
    "intentScore": "intent", "engagementScore": "engagement", "fitScore": "fit",
}  # fmt: skip

STYLE = """
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#1b1f24;--soft:#5c6670;--line:#e3e4df;
--bar:#16705b;--mid:#57a892;--pale:#c9e2d9;--track:#edeeea}
@media(prefers-color-scheme:dark){:root{--page:#121517;--card:#1b1f22;--ink:#e9ebec;--soft:#9ba6ae;
--line:#2d3338;--bar:#5fd0b2;--mid:#34907a;--pale:#24473f;--track:#262b2f}}
*{box-sizing:border-box}
body{margin:0;padding:2.5rem clamp(1rem,4vw,3rem) 3rem;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main,header,footer{max-width:76rem;margin:0 auto}
h1{font-size:1.65rem;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:0 0 .35rem}
h2{font-size:1.02rem;font-weight:650;margin:0}
p{margin:.2rem 0 1.1rem;color:var(--soft)}header p{margin-bottom:1.6rem}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:1.35rem clamp(1rem,2.5vw,1.6rem) 1.5rem;margin:0 0 1.1rem;break-inside:avoid}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,28rem),1fr));gap:0 1.1rem}
dl.key{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1px;margin:0 0 1.1rem;
background:var(--line);border:1px solid var(--line);border-radius:12px;overflow:hidden}
dl.key div{background:var(--card);padding:1rem 1.2rem}
dt{color:var(--soft);font-size:.84rem}dd{margin:0;font-size:1.6rem;line-height:1.25;font-weight:600}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{padding:.42rem .55rem;text-align:right;border-top:1px solid var(--line);vertical-align:top}
thead th{border:0;color:var(--soft);font-weight:500;font-size:.82rem}
tbody th{font-weight:500;text-align:left}th:first-child{text-align:left;padding-left:0}
td:last-child,th:last-child{padding-right:0}td.wide{width:38%}
tr.sum>*{font-weight:650}small{display:block;color:var(--soft);font-weight:400;font-size:.8rem}
svg{display:block;width:100%;height:.7rem;border-radius:3px;background:var(--track);margin:.35rem 0}
svg.chart{height:9rem;background:none;border-bottom:1px solid var(--line);margin:.4rem 0 1rem}
.a{fill:var(--bar)}.b{fill:var(--mid)}.c{fill:var(--pale)}
i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin:0 .3em 0 .9em;
background:var(--bar)}i.b{background:var(--mid)}i.c{background:var(--pale)}i:first-child{margin-left:0}
footer{color:var(--soft);font-size:.82rem}
@media(max-width:760px){table.cards thead{display:none}
table.cards tr{display:grid;grid-template-columns:1fr 1fr;gap:.3rem 1rem;padding:.8rem 0;
border-top:1px solid var(--line)}
table.cards :is(th,td){display:block;border:0;padding:0;text-align:left}
table.cards th,table.cards td.goals{grid-column:1/-1}
table.cards td[data-name]::before{content:attr(data-name);display:block;color:var(--soft);
font-size:.8rem}td.wide{width:26%}.hide{display:none}}
@media print{body{background:#fff;padding:0;-webkit-print-color-adjust:exact;
print-color-adjust:exact}}
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
    active = [one for one in answers.items(found, "campaigns") if isinstance(one, dict)]
    active.sort(key=lambda one: str(one.get("createdAt")), reverse=True)
    campaigns = []
    for one in active[:CAMPAIGNS]:
        path = request.path_of(known["campaigns.metrics"], row_id(one))
        campaigns.append({**one, **answers.record(client.get(path))})
        context.notes.progress("Reading campaigns", len(campaigns), len(active[:CAMPAIGNS]))
    pages = islice(client.pages(known["target-accounts.list"].path, size=100), 2)
    accounts = [one for page in pages for one in page.items if isinstance(one, dict)]
    accounts.sort(key=lambda one: analytics.figure(one, "intentScore"), reverse=True)
    parts = [
        _funnel(answers.record(funnel)),
        _trend(answers.dig(trend, "data.series", "series") or []),
        _campaigns(campaigns, len(active)),
        _accounts(accounts),
    ]
    facts = [f"{params['startDate']} to {params['endDate']}, whole days UTC", client.origin]
    facts += ["invented data of the sandbox"] if client.sandbox else []
    with replace_whole(out) as file:
        file.write(context.output.masked(_page(" · ".join(facts), parts)))
    context.output.receipt(len(campaigns) + len(accounts), client.requests, True)
    return 0


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


def _bar(share: float, words: str) -> str:
    width = max(0.0, min(1.0, share)) * 100
    rect = f'<rect class="a" width="{width:.1f}" height="10"/>'
    box = 'viewBox="0 0 100 10" preserveAspectRatio="none"'
    return f'<svg {box} role="img" aria-label="{escape(words)}">{rect}</svg>'


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


def _funnel(record: Any) -> str:
    stages = answers.dig(record, "stages") or []
    most = max((analytics.figure(one, "count") for one in stages), default=0) or 1
    rows = [
        _head(_text("", one.get("stage")))
        + f'<td class="wide">{_bar(analytics.figure(one, "count") / most, "share of the first")}</td>'
        + _cells(one, ("count", "conversionRate"))
        for one in stages
    ]
    table = _table(("stage", "", "leads", "of the stage before"), rows)
    return _section("Funnel", escape(analytics.funnel_words(record)), table)


def _trend(series: list[Any]) -> str:
    most = max((analytics.figure(one, "new") for one in series), default=0) or 1
    bars = "".join(
        f'<rect class="{kind}" x="{at * 10 + 1.5}" y="{100 - high:.1f}" width="7" height="{high:.1f}"/>'
        for at, one in enumerate(series)
        for name, kind in (("new", "c"), ("qualified", "b"), ("converted", "a"))
        for high in [analytics.figure(one, name) / most * 100]
    )
    box = f'viewBox="0 0 {len(series) * 10} 100" preserveAspectRatio="none"'
    chart = f'<svg class="chart" {box} role="img" aria-label="leads of each week">{bars}</svg>'
    names = ("new", *TREND)
    rows = [
        _head(_text("", one.get("periodStart")), "not over yet" * analytics.is_running(one, "week"))
        + _cells(one, names)
        for one in series
    ]
    rows.append(_head("total") + _cells(analytics.total(series), names))
    legend = '<i class="c"></i>new<i class="b"></i>qualified<i></i>converted'
    return _section("Weekly trend", legend, chart + _table(("periodStart", *names), rows))


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
        words = WORDS.get(name, escape(name))
        if name == "targetPipeline" and analytics.figure(goals, name):
            share = analytics.figure(one, "pipelineValue") / goal
            lines.append(f"<small>pipeline: {_text(name, one.get('pipelineValue'))} of "
                         f"{_text(name, goal)} ({share:.0%})</small>{_bar(share, 'of the goal')}")
        elif goal is not None:
            lines.append(f"<small>{words}: {_text(name, goal)} (no actual in the API)</small>")
    return f'<td class="goals" data-name="goals">{"".join(lines) or "–"}</td>'


def _accounts(accounts: list[dict[str, Any]]) -> str:
    rows = [
        _head(_text("", one.get("accountName")), _text("", one.get("domain")))
        + f'<td class="wide">{_bar(analytics.figure(one, "intentScore") / 100, "intent of 100")}</td>'
        + _cells(one, (*SCORES, "tier"))
        for one in accounts[:ACCOUNTS]
    ]
    words = f"The {len(rows)} of {len(accounts)} target accounts with the highest intent."
    return _section("Accounts by intent", words, _table(("account", "", *SCORES, "tier"), rows))
