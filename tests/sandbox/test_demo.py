"""The demo data: what the documents name, the periods that show something, the same each time."""

import pytest


@pytest.mark.parametrize("number", [60, 1500])
def test_the_documented_period_and_the_default_one_show_a_funnel(make, number):
    service = make(demo_leads=number)
    assert service.sql("SELECT count(DISTINCT email), count(*) FROM leads") == [(number + 40,) * 2]
    for query in ("?startDate=2026-01-01&endDate=2026-02-08", ""):
        stages = service.get(f"/analytics/pipeline{query}").data["stages"]
        counts = [stage["count"] for stage in stages]
        assert counts == sorted(counts, reverse=True)
        assert counts[0] > number / 20
    assert counts[0] > number / 3, "the last 30 days are denser"


def test_it_is_the_same_on_every_machine_and_day(make):
    ids = "SELECT id FROM leads UNION ALL SELECT id FROM records"
    docs = "SELECT doc FROM leads UNION ALL SELECT doc FROM records"
    one, other = make(demo_leads=60), make(demo_leads=60)
    later = make(demo_leads=60, clock=lambda: one.now + 86400.0)
    assert one.sql(docs) == other.sql(docs)
    assert one.sql(ids) == later.sql(ids)
