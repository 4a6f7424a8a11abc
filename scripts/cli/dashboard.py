"""`dashboard`: one HTML page of a period. Nothing on it comes from elsewhere and every text of the
server is escaped; at most 15 requests are made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from typing import Any

from cli.analytics import (
    FUNNEL,
    TREND,
    figure,
    funnel_words,
    highest,
    marked,
    set_period,
    trend_words,
)
from cli.context import Context
from cli.text import in_words, shown
from leadgenius import answers
from leadgenius.errors import UsageError
from leadgenius.files import replace_whole
from leadgenius.scopes import segment

CAMPAIGNS = 10  # a request for the metrics of each; four more are for the rest of the page
ACCOUNTS = 15
_CAMPAIGN = "name leads qualified contacted converted conversionRate spend pipelineValue roi goals"
_ACCOUNT = "accountName intentScore engagementScore fitScore tier"
CAMPAIGN, ACCOUNT = (
    {name: in_words(name) for name in names.split()} for names in (_CAMPAIGN, _ACCOUNT)
)
BAR = 'viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="share of the most"'

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
th:has(svg){width:60%}.goals{text-align:left;white-space:normal;min-width:11rem}
.cards thead th:last-child{text-align:left}
svg{display:block;width:100%;height:.7rem;border-radius:3px;background:var(--track);margin:.35rem 0}
svg.chart{height:9rem;background:none;border-bottom:1px solid var(--line);margin:.4rem 0 1rem}
.a{fill:var(--bar)}.b{fill:var(--mid)}.c{fill:var(--pale)}
i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin:0 .35em 0 1em;
background:var(--bar)}i.b{background:var(--mid)}i.c{background:var(--pale)}
i:first-child{margin-left:0}footer{color:var(--soft);font-size:.82rem}
@media(max-width:760px){th,td{padding:.4rem .3rem}
.narrow{font-size:.8rem}.narrow thead th{font-size:.65rem;white-space:normal}
.narrow :is(th,td){padding:.4rem .15rem}
.cards thead{display:none}.cards tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.5rem 1rem;
padding:.9rem 0;border-top:1px solid var(--line)}
.cards th,.cards td{display:block;border:0;padding:0;text-align:left}
.cards th,.cards .goals{grid-column:1/-1}.cards td::before{content:attr(data-name);display:block;
color:var(--soft);font-size:.8rem}}
@media print{body{background:#fff;padding:0}*{print-color-adjust:exact}}
"""


def run(context: Context) -> None:
    """Ask for the figures of a period and write the page to --out."""
    out, client = context.options.out, context.client
    if not out or out.suffix != ".html":
        raise UsageError("dashboard needs --out FILE.html.")
    params = set_period(context)
    if context.options.dry_run:
        context.preview("GET", "/analytics/pipeline", params)
        return
    funnel = answers.record(client.get("/analytics/pipeline", params))
    trend = answers.record(client.get("/analytics/trends", {**params, "granularity": "week"}))
    found = next(client.pages("/campaigns", {"status": "active"})).items
    active = [one for one in found if answers.dig(one, "id")]
    active.sort(key=lambda one: str(one.get("createdAt")), reverse=True)
    campaigns = []
    for one in active[:CAMPAIGNS]:
        metrics = client.get(f"/campaigns/{segment(str(one['id']))}/metrics")
        campaigns.append({**one, **answers.record(metrics)})
    accounts = next(client.pages("/target-accounts")).items
    accounts.sort(key=lambda one: figure(one, "intentScore"), reverse=True)

    stages, weeks = answers.dig(funnel, "stages") or [], answers.dig(trend, "series") or []
    main = _section("Funnel", funnel_words(funnel), stages, FUNNEL, bar="count")
    points = marked(weeks, "week")
    main += _section("Weekly trend", trend_words(trend), points, TREND, "narrow", _chart(weeks))
    words = f"The newest {len(campaigns)} of {len(active)} active. Leads ever in each stage."
    main += _section("Campaigns", words, campaigns, CAMPAIGN, "cards")
    words = f"The highest of the first {len(accounts)} target accounts."
    main += _section(
        "Accounts by intent", words, accounts[:ACCOUNTS], ACCOUNT, "narrow", bar="intentScore"
    )
    source = "invented data of the sandbox" if client.sandbox else client.origin
    facts = f"{' to '.join(params.values())}, whole days UTC · {source}"
    with replace_whole(out) as file:
        file.write(context.output.masked(_page(facts, main)))
    context.output.receipt(len(campaigns) + len(accounts))


def _page(facts: str, main: str) -> str:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>LeadGenius dashboard</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>
<header><h1>LeadGenius dashboard</h1><p>{escape(facts)}</p></header>
<main>{main}</main><footer>Made {now} by leadgenius-api.</footer></body></html>
"""


def _section(
    title: str,
    words: str,
    rows: list[Any],
    heads: Mapping[str, str],
    kind: str = "",
    chart: str = "",
    bar: str = "",
) -> str:
    """A table with a row for each record, headed by its first field; `bar` is the one drawn too."""
    most, lines = highest(rows, bar), ""
    for row in rows:
        texts = [escape(shown(name, answers.dig(row, name))) or "–" for name in heads]
        if bar:
            rect = f'<rect class="a" width="{figure(row, bar) / most * 100:.1f}" height="10"/>'
            texts[0] += f"<svg {BAR}>{rect}</svg>"
        lines += f'<tr><th scope="row">{texts[0]}</th>'
        for head, text in zip([*heads.values()][1:], texts[1:], strict=True):
            lines += f'<td class="{head}" data-name="{head}">{text}</td>'
        lines += "</tr>"
    line = "".join(f'<th scope="col">{head}</th>' for head in heads.values())
    table = f"<thead><tr>{line}</tr></thead><tbody>{lines}</tbody>"
    words = f"<h2>{title}</h2><p>{escape(words)}</p>"
    return f'<section>{words}{chart}<table class="{kind}">{table}</table></section>'


def _chart(weeks: list[Any]) -> str:
    """Three bars before each other for each week."""
    most, bars = highest(weeks, "new"), ""
    for name, kind in (("new", "c"), ("qualified", "b"), ("converted", "a")):
        for at, one in enumerate(weeks):
            high = figure(one, name) / most * 100
            place = f'x="{at * 10 + 1.5}" y="{100 - high:.1f}" width="7" height="100"'
            bars += f'<rect class="{kind}" {place}/>'
    box = f'viewBox="0 0 {len(weeks) * 10} 100" preserveAspectRatio="none"'
    legend = '<p><i class="c"></i>new<i class="b"></i>qualified<i></i>converted</p>'
    return (
        f'<svg class="chart" {box} role="img" aria-label="leads of each week">{bars}</svg>{legend}'
    )
