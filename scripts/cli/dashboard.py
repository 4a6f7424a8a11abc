"""`dashboard`: one HTML page of a period. Nothing on it comes from elsewhere and every text of the
server is escaped; at most 14 requests are made, retries apart."""

from html import escape
from typing import Any

from cli.analytics import drawing, set_period, with_shares
from cli.context import Context
from cli.text import in_words, shown
from leadgenius import answers
from leadgenius.errors import UsageError
from leadgenius.files import replace_whole
from leadgenius.scopes import segment

CAMPAIGN = "name leads qualified contacted converted conversionRate spend pipelineValue roi goals"
ACCOUNT = "accountName intentScore engagementScore fitScore tier"
STYLE = """
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#1b1f24;--soft:#5c6670;
--line:#e3e4df;--bar:#16705b;--track:#edeeea}
@media(prefers-color-scheme:dark){:root{--page:#121517;--card:#1b1f22;--ink:#e9ebec;--soft:#9ba6ae;
--line:#2d3338;--bar:#5fd0b2;--track:#262b2f}}
*{box-sizing:border-box}
body{margin:0;padding:2.5rem clamp(1rem,4vw,3rem) 3rem;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
font-variant-numeric:tabular-nums}
main,header{max-width:76rem;margin:0 auto}
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
.bars th:first-child{width:60%}[data-name=goals]{text-align:left;white-space:normal;min-width:11rem}
.cards thead th:last-child{text-align:left}
svg{display:block;width:100%;height:.7rem;border-radius:3px;background:var(--track);margin:.35rem 0}
rect{fill:var(--bar)}
@media(max-width:760px){th,td{padding:.4rem .3rem}
.bars{font-size:.8rem}.bars thead th{font-size:.58rem;white-space:normal}
.bars :is(th,td){padding:.4rem .15rem}
.cards thead{display:none}.cards tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.5rem 1rem;
padding:.9rem 0;border-top:1px solid var(--line)}
.cards th,.cards td{display:block;border:0;padding:0;text-align:left}
.cards th,[data-name=goals]{grid-column:1/-1}
.cards td::before{content:attr(data-name);display:block;
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
    funnel = client.get("/analytics/pipeline", params)
    trend = client.get("/analytics/trends", {**params, "granularity": "week"})
    found = next(client.pages("/campaigns", {"status": "active"})).items
    active = [one for one in found if answers.dig(one, "id")]
    active.sort(key=lambda one: str(one.get("createdAt")), reverse=True)
    campaigns = [
        one | answers.record(client.get(f"/campaigns/{segment(str(one['id']))}/metrics"))
        for one in active[:10]  # a request each; there are four more
    ]
    accounts = with_shares(next(client.pages("/target-accounts")).items, "intentScore")
    accounts.sort(key=lambda one: one["share"], reverse=True)

    newest = f"The newest {len(campaigns)} of {len(active)} active. Leads ever in each stage."
    main = _section("Funnel", *drawing(answers.record(funnel)))
    main += _section("Weekly trend", *drawing(answers.record(trend)))
    main += _section("Campaigns", CAMPAIGN.split(), campaigns, newest, "cards")
    main += _section(
        "Accounts by intent",
        ACCOUNT.split(),
        accounts[:15],
        f"The highest of the first {len(accounts)} target accounts.",
    )
    source = "invented data of the sandbox" if client.sandbox else client.origin
    facts = f"{' to '.join(params.values())}, whole days UTC · {source}"
    with replace_whole(out) as file:
        file.write(
            context.output.masked(f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>LeadGenius dashboard</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>
<header><h1>LeadGenius dashboard</h1><p>{escape(facts)}</p></header>
<main>{main}</main></body></html>
""")
        )
    context.output.receipt(len(campaigns) + len(accounts))


def _section(
    title: str, names: list[str], rows: list[dict[str, Any]], words: str, kind: str = "bars"
) -> str:
    """A table of these fields of the rows, headed by the first, with a bar for a row's share."""
    heads = [in_words(name) for name in names]
    line, lines = "".join(f'<th scope="col">{head}</th>' for head in heads), ""
    for row in rows:
        texts = [escape(shown(name, row.get(name))) or "–" for name in names]
        if kind == "bars":
            texts[0] += (
                '<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img"'
                ' aria-label="share of the most">'
                f'<rect width="{row["share"] * 100:.1f}" height="10"/></svg>'
            )
        lines += f'<tr><th scope="row">{texts[0]}</th>'
        for head, text in zip(heads[1:], texts[1:], strict=True):
            lines += f'<td data-name="{head}">{text}</td>'
        lines += "</tr>"
    table = f"<thead><tr>{line}</tr></thead><tbody>{lines}</tbody>"
    words = f"<h2>{title}</h2><p>{escape(words)}</p>"
    return f'<section>{words}<table class="{kind}">{table}</table></section>'
