"""The operations of openapi.json as the rest of the program reads them."""

import subprocess
import sys
from pathlib import Path

import pytest

from contract import operations as contract
from contract.operations import at, document, expand, near, operations, resolve, schemas


def test_an_operation_states_what_it_is():
    found = operations()["leads.create-batch"]
    assert (found.method, found.path) == ("POST", "/api/agent/leads/batch")
    assert (found.scope, found.effect, found.paging, found.changing) == (
        "agent",
        "writes",
        None,
        True,
    )
    assert found.summary == "Create up to 100 leads at once"
    assert found.description.startswith("Valid rows are stored even when others are skipped.")


def test_only_reads_and_the_login_change_nothing():
    unchanging = {name for name, one in operations().items() if not one.changing}
    assert unchanging == {name for name, one in operations().items() if one.effect == "reads"}
    assert operations()["auth.login"].method == "POST"


def test_filters_are_the_query_without_paging():
    found = operations()["leads.list"]
    assert list(found.filters()) == ["status", "campaignId", "email", "companyName", "client_id"]
    assert list(found.parameters()) == [*found.filters(), "page", "pageSize"]
    assert found.parameters()["pageSize"]["schema"]["maximum"] == 100
    assert list(operations()["enrich-leads.list"].filters()) == ["companyId", "clientId"]


def test_fields_of_a_body_are_resolved():
    found = operations()["target-accounts.create"]
    assert found.required == ["accountName"]
    assert found.body_fields()["fitScore"]["maximum"] == 100
    assert found.body_fields()["fitScore"]["description"] == "How well it fits."


def test_an_operation_without_a_body_has_no_fields():
    found = operations()["leads.list"]
    assert (found.content, found.body, found.body_fields(), found.required) == ({}, {}, {}, [])


@pytest.mark.parametrize(
    ("name", "field"),
    [("leads.create-batch", None), ("leads.delete-batch", "ids"), ("sequences.enroll", "leadIds")],
)
def test_the_field_of_ids(name, field):
    assert operations()[name].id_field() == field


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("admin.companies", ["id", "name", "owner", "memberCount", "leadCount", "createdAt"]),
        ("enrichment.services", ["key", "name", "kind", "available"]),
        ("analytics.pipeline", ["period", "stages", "velocity", "totals"]),
        ("leads.delete-batch", ["success", "deleted", "notFound"]),
        ("maintenance.bugs.report", ["success", "bug"]),
    ],
)
def test_columns_are_the_fields_of_one_record(name, columns):
    assert operations()[name].columns() == columns


def test_columns_of_leads_are_the_same_in_both_lists():
    columns = operations()["leads.list"].columns()
    assert (
        columns
        == operations()["enrich-leads.list"].columns()
        == list(schemas()["Lead"]["properties"])
    )
    assert columns[:4] == ["id", "lead_id", "firstName", "lastName"]


def test_the_answer_is_the_success_schema():
    assert set(operations()["keys.create"].answer["properties"]) == {"success", "apiKey", "data"}
    assert operations()["campaigns.get"].record() == schemas()["Campaign"]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("PUT", "/api/agent/leads/lead_1/status", "leads.status"),
        ("GET", "/api/agent/campaigns/", "campaigns.list"),
        ("DELETE", "/api/agent/leads/batch", "leads.delete-batch"),
        ("PATCH", "/api/agent/campaigns", None),
        ("GET", "/campaigns", None),
        ("GET", "/api/agent/campaigns/x/y", None),
    ],
)
def test_an_operation_is_found_by_method_and_path(method, path, name):
    found = at(method, path)
    assert (found.id if found else None) == name


def test_references_are_resolved_and_words_beside_them_win():
    found = resolve({"$ref": "#/components/schemas/Score", "description": "Mine."})
    assert found == {"type": "integer", "minimum": 0, "maximum": 100, "description": "Mine."}


def test_expansion_ends_with_names():
    schema = {"items": {"$ref": "#/components/schemas/Sequence"}}
    assert expand(schema, 0) == {"items": {"$ref": "Sequence"}}
    steps = expand(schema, 1)["items"]["properties"]["steps"]
    assert steps["items"] == {"$ref": "SequenceStep"}
    assert "day" in expand(schema, 2)["items"]["properties"]["steps"]["items"]["properties"]


@pytest.mark.parametrize(
    ("word", "least", "found"),
    [
        ("phone", 0.5, "phoneNumber"),
        ("Stat", 0.5, "state, status"),
        ("qqq", 0.5, ""),
    ],
)
def test_near_names(word, least, found):
    assert near(word, ["phoneNumber", "status", "state"], least) == found


@pytest.fixture
def folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(contract, "FILE", tmp_path / "openapi.json")
    document.cache_clear()
    yield tmp_path
    document.cache_clear()




def test_reading_it_imports_little():
    code = "import sys, contract.operations as o; o.operations(); print(*sys.modules)"
    path = Path(contract.__file__).parents[1]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True
    )
    assert not {"requests", "dataclasses", "difflib", "inspect", "leadgenius"} & set(
        run.stdout.split()
    )
