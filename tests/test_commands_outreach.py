"""Sequences: enrolling contacts people, so the right leads, each once, and many only after a yes."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Run, Sent
from faults import FaultServer, answer


@pytest.fixture
def sequence(lgp: Run, sandboxed: Path) -> str:
    return str(lgp("sequences", "create", "--name", "Empty one").json()["id"])


def enrolled(lgp: Run, sequence: str) -> int:
    rows = lgp("sequences", "list", "--all").json()["data"]
    return int(next(row["enrolledCount"] for row in rows if row["id"] == sequence))


def test_the_leads_of_ids_are_enrolled_in_the_sequence_of_the_path(lgp: Run, sequence: str, sent: list[Sent]) -> None:
    told = lgp("sequences", "enroll", sequence, "--ids", "lead_1", "lead_2").json()
    assert (sent[0].target, sent[0].body) == (
        f"/api/agent/sequences/{sequence}/enroll",
        {"leadIds": ["lead_1", "lead_2"]},
    )
    assert (told["requested"], told["applied"]) == (2, 2)
    assert enrolled(lgp, sequence) == 2


def test_enrolling_twice_is_told_and_no_error(lgp: Run, sequence: str) -> None:
    lgp("sequences", "enroll", sequence, "--ids", "lead_1")
    ran = lgp("sequences", "enroll", sequence, "--ids", "lead_1", "lead_2")
    assert ran.code == 0
    told = ran.json()
    assert (told["applied"], told["rejected"]) == (1, 1)
    assert [(one["id"], one["code"]) for one in told["problems"]] == [("lead_1", "duplicate")]
    assert enrolled(lgp, sequence) == 2
    assert lgp("sequences", "enroll", sequence, "--ids", "lead_1").code == 0


def test_a_lead_that_is_not_there_is_counted_named_and_exit_4(lgp: Run, sequence: str) -> None:
    ran = lgp("sequences", "enroll", sequence, "--ids", "lead_1", "no-such-lead")
    assert (ran.code, ran.error["outcome"]) == (4, "rejected")
    told = ran.json()
    assert (told["applied"], told["rejected"]) == (1, 1)
    assert [(one["id"], one["code"]) for one in told["problems"]] == [("no-such-lead", "refused")]
    assert enrolled(lgp, sequence) == 1
    assert lgp("sequences", "enroll", sequence, "--ids", "no-such-lead").code == 4


@pytest.mark.parametrize("skipped", [None, 1, "x", [1], {}, [{"leadId": ["x"]}], [{"leadId": "another"}]])
def test_an_odd_answer_to_an_enrolment_is_no_crash(lgp: Run, monkeypatch: pytest.MonkeyPatch, skipped: object) -> None:
    with FaultServer([answer(body={"success": True, "enrolled": 2, "skipped": skipped})]) as found:
        monkeypatch.setenv("LGP_BASE_URL", found.origin)
        monkeypatch.setenv("LGP_API_KEY", "lgp_" + "5" * 64)
        ran = lgp("sequences", "enroll", "s1", "--ids", "a", "b")
    assert (ran.code, ran.json()["applied"]) == (0, 2)


def test_more_than_25_leads_want_a_yes(lgp: Run, sequence: str, sent: list[Sent]) -> None:
    ids = lgp("leads", "list", "--max-items", "26", "--format", "ids").out.split()
    sent.clear()
    ran = lgp("sequences", "enroll", sequence, "--ids", *ids)
    assert (ran.code, ran.error["code"], sent) == (2, "needs_yes", [])
    assert "26 records" in ran.error["message"]
    assert ids[0] in ran.error["message"]
    assert lgp("sequences", "enroll", sequence, "--ids", *ids[:25]).code == 0
    assert lgp("sequences", "enroll", sequence, "--ids", *ids, "--yes").code == 0
    assert enrolled(lgp, sequence) == 26


def test_a_raw_call_wants_the_same_yes(api_call: Run, lgp: Run, sequence: str, sent: list[Sent]) -> None:
    import json

    body = json.dumps({"leadIds": [f"lead_{number}" for number in range(26)]})
    sent.clear()
    ran = api_call("POST", f"/sequences/{sequence}/enroll", "--data", body)
    assert (ran.code, ran.error["code"], sent) == (2, "needs_yes", [])


def test_doubles_do_not_count_towards_the_yes(lgp: Run, sequence: str) -> None:
    assert lgp("sequences", "enroll", sequence, "--ids", *["lead_1"] * 40).code == 0
    assert enrolled(lgp, sequence) == 1


def test_without_leads_nothing_is_sent(lgp: Run, sequence: str, sent: list[Sent]) -> None:
    ran = lgp("sequences", "enroll", sequence)
    assert (ran.code, ran.error["message"], sent) == (2, "No ids were given.", [])


def test_an_unknown_sequence_is_exit_4(lgp: Run, sandboxed: Path) -> None:
    ran = lgp("sequences", "enroll", "no-such", "--ids", "lead_1")
    assert (ran.code, ran.error["server_code"]) == (4, "NOT_FOUND")
