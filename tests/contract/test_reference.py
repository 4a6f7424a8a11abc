"""The written reference: its generated parts are up to date, its links lead somewhere."""

import re

import pytest
import reference

from contract.operations import operations
from leadgenius.retry import RULES

PAGE = reference.PAGE.read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
ANCHORS = [
    re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    for heading in re.findall(r"^#+ (.+)$", PROSE, re.MULTILINE)
]


def test_the_generated_parts_are_up_to_date():
    assert reference.generate(PAGE) == PAGE, "run python3 tests/contract/reference.py"


def test_the_page_has_markers_of_the_generated_parts_only():
    assert re.findall(r"<!-- generated: (.+) -->", PAGE) == list(reference.parts())


@pytest.mark.parametrize("page", ["", "<!-- generated: a -->\n<!-- end: a -->\n" * 2])
def test_markers_must_stand_there_once(page):
    with pytest.raises(ValueError, match="'a'"):
        reference.fill(page, "a", "text")


def test_every_operation_has_its_row():
    rows = list(reference.operation_table())
    assert len(rows) == 2 + len(operations())
    webhook, bulk = rows[2 + list(operations()).index("webhooks.create")], rows[5]
    assert webhook.endswith("| writes | url*, events*, active | id, data: Webhook |")
    assert bulk.startswith("| `enrich-leads.list` | `GET /api/enrich-leads/list` | reads, cursor |")
    assert bulk.endswith("| companyId*, clientId | data: [Lead], nextToken, meta: BulkMeta |")


def test_every_rule_of_failure_has_its_row():
    rows = list(reference.failures())
    assert len(rows) == 2 + len(RULES)
    assert "| other 5xx; 303 after a POST | retried, 7 | retried, 8 | 8 |" in rows
    assert "| 2xx with broken JSON | retried once, 7 | retried once, 8 | 8 |" in rows
    assert "| 429 | waits, retried, 5 | waits, retried, 5 | waits, retried, 5 |" in rows
    assert "| 404 | 4 | 4 | 4 |" in rows


def test_records_in_a_line():
    lines = list(reference.records())
    assert "- **Trends**: granularity, period: Period, series: [TrendPoint]" in lines
    assert "- **CampaignType**: one of abm, demand_gen, nurture" in lines
    assert any(line.startswith("- **Lead**: id, lead_id, firstName?, ") for line in lines)


def test_assumptions_name_every_kind_of_mark():
    text = "\n".join(reference.assumptions())
    for part in (
        "`LeadIds.ids` maxItems 100",
        "`StatusChange` required status",
        "`CampaignInput.spend`",
        "`JobError`",
    ):
        assert part in text
    assert "- The answer 409: `leads.create`" in text


def test_the_page_is_short_and_its_anchors_are_unique():
    assert PAGE.count("\n") <= 450
    assert len(ANCHORS) == len(set(ANCHORS))


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(links) > 20
    for link in links:
        file, _, anchor = link.partition("#")
        assert not file or (reference.PAGE.parent / file).is_file(), link
        assert not anchor or anchor in ANCHORS, link


def test_what_code_and_documents_point_at_is_there():
    files = [*reference.ROOT.glob("*.md"), *(reference.ROOT / "scripts").rglob("*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    pointed = set(re.findall(r"api_reference\.md#([\w-]+)", text)) | {
        "search-depth",
        "paging",
        "failures",
    }
    assert pointed <= set(ANCHORS)


def test_every_error_code_is_explained():
    assert set(reference.SCHEMAS["ErrorCode"]["enum"]) == set(
        re.findall(r"^\| \d{3} \| `(\w+)`", PAGE, re.MULTILINE)
    )
