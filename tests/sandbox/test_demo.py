"""The demo data: what the documents name, the periods that show something, the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS, SEED


def test_what_the_documents_name_is_there(shared: Any) -> None:
    newest = shared.get("/leads?pageSize=2").data
    assert [one["id"] for one in newest] == ["lead_1", "lead_2"]
    assert all("technologies" not in one for one in newest)
    assert {one["status"] for one in shared.get("/campaigns").data} == {
        "draft",
        "active",
        "paused",
        "completed",
        "archived",
    }
    assert [one["enrolledCount"] > 0 for one in shared.get("/sequences").data] == [False, True, True]


@pytest.mark.parametrize("number", [60, 1500])
def test_the_documented_period_and_the_default_one_show_a_funnel(make: Callable[..., Any], number: int) -> None:
    service = make(demo_leads=number)
    for query in ("?startDate=2026-01-01&endDate=2026-02-08", ""):
        counts = [stage["count"] for stage in service.get(f"/analytics/pipeline{query}").data["stages"]]
        assert counts == sorted(counts, reverse=True)
        assert counts[0] > number / 20
    months = Counter(month for (month,) in service.sql("SELECT substr(created_at, 1, 7) FROM leads WHERE seq > 40"))
    assert months["2026-06"] + months["2026-05"] > number / 3


def test_a_large_company_is_as_large_as_asked_and_every_address_its_own(make: Callable[..., Any]) -> None:
    service = make(demo_leads=3000)
    counts = dict(service.sql("SELECT company_id, count(*) FROM leads GROUP BY 1"))
    assert counts == {CREDENTIALS["company_id"]: 3000, CREDENTIALS["other_company_id"]: 40}
    assert service.sql("SELECT count(*) - count(DISTINCT email) FROM leads") == [(0,)]
    assert service.sql("SELECT count(*) FROM leads WHERE email GLOB '*[^a-z0-9.@-]*'") == [(0,)]


def test_it_is_the_same_on_every_machine_and_day(make: Callable[..., Any], tmp_path: Path) -> None:
    query = "SELECT doc FROM leads UNION ALL SELECT doc FROM records UNION ALL SELECT doc FROM source_leads"
    one, other = make(demo_leads=60), make(demo_leads=60)
    assert one.sql(query) == other.sql(query)
    later = Sandbox(tmp_path / "later.sqlite3", demo_leads=60, clock=lambda: one.now + 86400.0)
    other.app.database = later.database
    ids = "SELECT id FROM leads UNION ALL SELECT id FROM records"
    assert one.sql(ids) == other.sql(ids)


def test_the_seed_stands_for_the_credentials() -> None:
    assert SEED == "leadgenius sandbox 1"
    assert CREDENTIALS["email"] == "your@email.com"
    assert CREDENTIALS["other_email"] == "owner@kestrel.example"
    assert CREDENTIALS["api_key"].startswith("lgp_")
    assert len(CREDENTIALS["api_key"]) == 68
    assert len(CREDENTIALS["amplify_api_key"]) == 30
