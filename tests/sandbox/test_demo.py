"""The demo data: what the documents name, the periods that show something, the same each time."""

import pytest

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS


def test_what_the_documents_name_is_there(shared):
    assert [one["id"] for one in shared.get("/leads?pageSize=2").data] == ["lead_1", "lead_2"]
    statuses = {one["status"] for one in shared.get("/campaigns").data}
    assert statuses == {"draft", "active", "paused", "completed", "archived"}
    enrolled = [one["enrolledCount"] > 0 for one in shared.get("/sequences").data]
    assert enrolled == [False, True, True]
    emails = CREDENTIALS["email"], CREDENTIALS["other_email"]
    assert emails == ("your@email.com", "owner@kestrel.example")


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


def test_it_is_the_same_on_every_machine_and_day(make, tmp_path):
    ids = "SELECT id FROM leads UNION ALL SELECT id FROM records"
    tables = ("leads", "records", "source_leads")
    docs = " UNION ALL ".join(f"SELECT doc FROM {table}" for table in tables)
    one, other = make(demo_leads=60), make(demo_leads=60)
    assert one.sql(docs) == other.sql(docs)
    other.app.database = tmp_path / "later.sqlite3"
    Sandbox(other.app.database, demo_leads=60, clock=lambda: one.now + 86400.0)
    assert one.sql(ids) == other.sql(ids)
