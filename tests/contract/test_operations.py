"""The operations of openapi.json as the rest of the program reads them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contract import operations as contract
from contract.operations import at, document, expand, near, operations

ALL, SCHEMAS = operations(), document()["components"]["schemas"]


def test_an_operation_states_what_it_is():
    found = ALL["leads.create-batch"]
    assert (found.method, found.path) == ("POST", "/api/agent/leads/batch")
    facts = (found.scope, found.effect, found.paging, found.changing, found.summary)
    assert facts == ("agent", "writes", None, True, "Create up to 100 leads at once")
    assert found.description.startswith("Valid rows are stored even when others are skipped.")
    assert found.content["example"]["leads"]


def test_only_reads_and_the_login_change_nothing():
    assert all(one.changing == (one.effect != "reads") for one in ALL.values())
    assert not ALL["auth.login"].changing


def test_filters_are_the_query_without_paging():
    found = ALL["leads.list"]
    assert list(found.filters()) == ["status", "campaignId", "email", "companyName", "client_id"]
    status = {**SCHEMAS["LeadStatus"], "description": "Only leads of this status."}
    assert found.filters()["status"] == status
    assert list(found.parameters()) == [*found.filters(), "page", "pageSize"]
    assert (list(ALL["campaigns.get"].parameters()), ALL["campaigns.get"].filters()) == (["id"], {})


def test_fields_of_a_body_are_resolved():
    found = ALL["target-accounts.create"]
    assert found.body["required"] == ["accountName"]
    score = {**SCHEMAS["Score"], "description": "How well it fits."}
    assert found.body_fields()["fitScore"].items() >= score.items()
    none = ALL["leads.list"]
    assert (none.content, none.body, none.body_fields()) == ({}, {}, {})


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("leads.create", None),
        ("leads.create-batch", "leads"),
        ("leads.delete-batch", "ids"),
        ("sequences.enroll", "leadIds"),
    ],
)
def test_the_field_of_ids(name, field):
    assert ALL[name].id_field() == field


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("leads.list", list(SCHEMAS["Lead"]["properties"])),
        ("enrich-leads.list", list(SCHEMAS["Lead"]["properties"])),
        ("enrichment.services", ["key", "name", "kind", "available"]),
        ("analytics.pipeline", ["period", "stages", "velocity", "totals"]),
        ("leads.delete-batch", ["success", "deleted", "notFound"]),
        ("maintenance.bugs.report", ["success", "bug"]),
    ],
)
def test_columns_are_the_fields_of_one_record(name, columns):
    assert ALL[name].columns() == columns


def test_the_answer_is_the_success_schema():
    assert set(ALL["keys.create"].answer["properties"]) == {"success", "apiKey", "data"}
    assert ALL["campaigns.get"].record() == expand(SCHEMAS["Campaign"])


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
    assert at(method, path) == ALL.get(name)


def test_references_are_resolved_and_words_beside_them_win():
    found = expand({"$ref": "#/components/schemas/Score", "description": "Mine."})
    assert found == {"type": "integer", "minimum": 0, "maximum": 100, "description": "Mine."}


def test_no_reference_is_left_at_any_depth():
    (found,) = expand([{"$ref": "#/components/schemas/Sequence"}])
    assert "day" in found["properties"]["steps"]["items"]["properties"]
    assert "$ref" not in json.dumps(
        [[one.body, one.answer, one.parameters()] for one in ALL.values()]
    )


@pytest.mark.parametrize(
    ("word", "found"), [("phone", "phoneNumber"), ("Stat", "state, status"), ("qqq", "")]
)
def test_near_names(word, found):
    assert near(word, ["phoneNumber", "status", "state"]) == found


def test_reading_it_imports_little():
    code = "import sys, contract.operations as o; o.operations(); print(*sys.modules)"
    command, folder = [sys.executable, "-c", code], Path(contract.__file__).parents[1]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    heavy = {"requests", "dataclasses", "difflib", "inspect", "leadgenius"}
    assert not heavy & set(run.stdout.split())
