"""Changes of many records: one result whose numbers add up, whatever the server does."""

from __future__ import annotations

import _thread
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from cli import batches
from contract.operations import operations
from leadgenius.retry import Answer
from leadgenius.scopes import PRODUCTION

KEY = "lgp_" + "5" * 64
AGENT = f"{PRODUCTION}/api/agent"
ENRICH, LEADS = f"{AGENT}/enrichment/trigger", f"{AGENT}/leads/batch"
IDS = [f"id-{number}" for number in range(1203)]
NUMBERS = ("requested", "applied", "skipped", "rejected", "unknown", "not_sent")
BATCH, DELETE, ENROLL = "leads.create-batch", "leads.delete-batch", "sequences.enroll"


@pytest.fixture
def real(lgp: Any) -> Iterator[Callable[..., Any]]:
    """A run against planned answers; no sleep between attempts."""
    environ = {"LGP_API_KEY": KEY, "LGP_MAX_WAIT": "0"}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as planned:

        def run(*words: str) -> Any:
            return lgp(*words, sandbox=False, environ=environ)

        run.planned = planned  # type: ignore[attr-defined]
        yield run


@pytest.fixture
def listed(home: Path) -> str:
    path = home / "ids.txt"
    path.write_text("".join(f"{one}\n" for one in IDS))
    return str(path)


def plan(run: Any, method: str, url: str, *answers: Any) -> None:
    """Answers in their order: (status, body), or a body for 200."""
    for one in answers:
        status, body = one if isinstance(one, tuple) else (200, one)
        kind = {"body" if isinstance(body, str) else "json": body}
        run.planned.add(method, url, status=status, **kind)


def job(number: int) -> tuple[int, Any]:
    return 202, {"success": True, "jobId": f"job-{number}"}


def numbers(reply: Any) -> list[int]:
    found = [reply.json[name] for name in NUMBERS]
    assert found[0] == sum(found[1:])
    return found


def changes(state: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (state / "changes.jsonl").read_text().splitlines()]


def test_ids_answer_with_one_shape_and_a_line_in_the_record_of_changes(
    lgp: Any, state: Path
) -> None:
    reply = lgp("leads", "status", "--ids", "lead_1,lead_2", "lead_1", "--status", "Contacted")
    assert reply.code == 0
    assert reply.json == {
        "requested": 2, "applied": 2, "skipped": 0, "rejected": 0, "unknown": 0, "not_sent": 0,
        "ids": ["lead_1", "lead_2"], "ids_total": 2, "jobs": [], "problems": [],
        "problems_total": 0, "sandbox": True,
    }  # fmt: skip
    (line,) = changes(state / "sandbox")
    assert (line["command"], line["ids"]) == ("leads status", ["lead_1", "lead_2"])
    assert (line["applied"], line["outcome"]) == (2, "applied")
    shown = lgp("leads", "list", "--where", "id=lead_1").rows[0]
    assert shown["status"] == "contacted"


def test_one_positional_id_answers_with_the_server_s_body_and_several_with_the_shape(
    lgp: Any,
) -> None:
    one, two, three = lgp("campaigns", "list", "--format", "ids").out.split()[:3]
    assert lgp("campaigns", "archive", one).json["data"]["status"] == "archived"
    assert (
        lgp("campaigns", "archive", one, terminal=True).out.splitlines()[0].endswith(" archived.")
    )
    assert numbers(lgp("campaigns", "archive", two, three)) == [2, 2, 0, 0, 0, 0]
    assert numbers(lgp("leads", "status", "--ids", "lead_1", "--status", "new"))[0] == 1


def test_who_is_enrolled_already_is_skipped_with_the_server_s_reason(lgp: Any) -> None:
    lgp("sequences", "create", "--name", "Fourth touch", "--channel", "email")
    words = ("sequences", "enroll", "name=Fourth touch", "--ids")
    assert lgp(*words, "lead_1", terminal=True).out.startswith("1 lead enrolled in Fourth touch.\n")
    reply = lgp(*words, "lead_1", "lead_2")
    assert (reply.code, numbers(reply)) == (0, [2, 1, 1, 0, 0, 0])
    assert reply.json["problems"] == [
        {"id": "lead_1", "outcome": "skipped", "code": "duplicate", "message": "already enrolled"}
    ]
    assert reply.json["ids"] == ["lead_2"]
    sentence = lgp(*words, "lead_1", "lead_2", terminal=True).out
    assert sentence.startswith("0 leads enrolled in Fourth touch; 2 skipped: already enrolled.\n")


def test_files_hold_what_was_changed_and_what_failed_for_their_owner_alone(
    lgp: Any, home: Path
) -> None:
    files = ("--ids-out", "made.txt", "--todo-out", "left.txt")
    reply = lgp("leads", "delete", "--ids", "lead_1", "nobody", "--yes", *files)
    assert (reply.code, numbers(reply)) == (4, [2, 1, 0, 1, 0, 0])
    assert reply.json["problems"][0]["code"] == "not_found"
    assert "--ids-from FILE" in reply.error["hint"]
    assert "--yes" not in reply.error["hint"]
    assert [(home / name).read_text() for name in files[1::2]] == ["lead_1\n", "nobody\n"]
    assert {stat.S_IMODE((home / name).stat().st_mode) for name in files[1::2]} == {0o600}


def test_rows_that_were_there_are_skipped_and_named_by_row_and_email(lgp: Any) -> None:
    rows = [{"firstName": "A", "lastName": "B", "email": f"{n}@b.example"} for n in range(120)]
    first = lgp("leads", "create", "--data", json.dumps(rows[110:111]), "--format", "ids")
    assert lgp("leads", "list", "--email", "110@b.example").rows[0]["id"] == first.out.strip()
    reply = lgp("leads", "create", "--data", json.dumps(rows))
    assert (reply.code, numbers(reply)) == (0, [120, 119, 1, 0, 0, 0])
    (problem,) = reply.json["problems"]
    assert (problem["row"], problem["email"]) == (111, "110@b.example")
    assert (len(reply.json["ids"]), reply.json["ids_total"]) == (50, 119)


@pytest.mark.parametrize("fault", [(500, {}), "<html>"])
def test_a_batch_without_a_known_outcome_ends_the_run(
    real: Any, listed: str, home: Path, fault: Any
) -> None:
    plan(real, "POST", ENRICH, job(1), fault, job(3))
    reply = real("leads", "enrich", "--ids-from", listed, "--yes", "--todo-out", "left")
    assert (reply.code, reply.error["outcome"]) == (8, "unknown")
    assert numbers(reply) == [1203, 500, 0, 0, 500, 203]
    assert (reply.json["problems_total"], len(reply.json["problems"])) == (500, 50)
    assert [one["jobId"] for one in reply.json["jobs"]] == ["job-1"]
    assert (home / "left").read_text().split() == IDS[1000:]  # again would be paid again


def test_what_may_be_sent_again_without_harm_is_still_to_do(
    real: Any, listed: str, home: Path
) -> None:
    gone = {"success": True, "deleted": 100, "notFound": []}
    plan(real, "DELETE", LEADS, gone, *[(500, {})] * 3)
    reply = real("leads", "delete", "--ids-from", listed, "--yes", "--todo-out", "left")
    assert (reply.code, numbers(reply)) == (8, [1203, 100, 0, 0, 100, 1003])
    assert (home / "left").read_text().split() == IDS[100:]


def test_after_an_unanswered_delete_the_absent_ones_are_done(lgp: Any, serve: Any) -> None:
    served = serve(faults=["DELETE /leads/batch=applied-reset*1"])
    words = ("leads", "delete", "--ids", "lead_1", "lead_2", "--yes")
    reply = lgp(*words, sandbox=False, environ=served.environ)
    assert (reply.code, numbers(reply)) == (0, [2, 2, 0, 0, 0, 0])
    assert {one["code"] for one in reply.json["problems"]} == {"deleted_or_absent"}


def test_an_unreachable_server_leaves_stdout_empty_and_everything_to_do(
    real: Any, listed: str, home: Path
) -> None:
    reply = real("leads", "enrich", "--ids-from", listed, "--yes", "--todo-out", "left")
    assert (reply.code, reply.out, reply.error["outcome"]) == (6, "", "not_sent")
    assert (home / "left").read_text().split() == IDS


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        ((400, {"error": "no"}), 4, [1203, 703, 0, 500, 0, 0]),
        ((401, {"error": "no"}), 3, [1203, 500, 0, 500, 0, 203]),
        ((429, {"error": "no"}), 5, [1203, 500, 0, 500, 0, 203]),
    ],
)
def test_only_a_refusal_lets_the_others_go_on(
    real: Any, listed: str, home: Path, answer: Any, code: int, expected: list[int]
) -> None:
    plan(real, "POST", ENRICH, job(1), answer, job(3))
    reply = real("leads", "enrich", "--ids-from", listed, "--yes", "--todo-out", "left")
    assert (reply.code, numbers(reply)) == (code, expected)
    assert reply.json["problems"][0]["message"] == "no"
    left = IDS[500:1000] if code == 4 else IDS[500:]
    assert (home / "left").read_text().split() == left


def test_the_worst_outcome_is_the_exit_code(real: Any) -> None:
    for one, status in zip("abcd", (404, 200, 403, 200), strict=True):
        plan(real, "PUT", f"{AGENT}/leads/{one}/status", (status, {"data": {"id": one}}))
    reply = real("leads", "status", "--ids", *"abcd", "--status", "new")
    assert (reply.code, numbers(reply)) == (3, [4, 1, 0, 2, 0, 1])


def test_a_change_in_flight_at_ctrl_c_is_counted_as_it_ended(
    real: Any, listed: str, home: Path
) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        _thread.interrupt_main()
        return 202, {}, json.dumps(job(1)[1])

    real.planned.add_callback("POST", ENRICH, callback=answer)
    reply = real("leads", "enrich", "--ids-from", listed, "--yes", "--todo-out", "left")
    assert (reply.code, reply.error["outcome"]) == (130, "applied")
    assert numbers(reply) == [1203, 500, 0, 0, 0, 703]
    assert "leads enrich --ids-from FILE" in reply.error["hint"]
    assert (home / "left").read_text().split() == IDS[500:]


def test_a_lost_answer_names_the_command_that_finds_the_record(real: Any) -> None:
    rows = json.dumps([{"firstName": "A", "lastName": "B", "email": "a@b.example"}])
    plan(real, "POST", LEADS, (500, {}))
    created = real("leads", "create", "--data", rows, "--todo-out", "left.json")
    assert created.code == 8
    assert created.error["hint"].endswith("leads list --email a@b.example")
    plan(real, "POST", f"{AGENT}/sequences/s1/enroll", (500, {}))
    enrolled = real("sequences", "enroll", "s1", "--ids", "a")
    assert "sequences list" in enrolled.error["hint"]


def test_rows_still_to_do_are_a_body_for_the_same_command(real: Any, home: Path) -> None:
    rows = [{"firstName": "A", "lastName": "B", "email": f"{n}@b.example"} for n in range(150)]
    plan(real, "POST", LEADS, {"created": 100}, (503, {"error": "down"}), (400, {"error": "no"}))
    real("leads", "create", "--data", json.dumps(rows), "--todo-out", "left.json")
    assert (home / "left.json").read_text() == ""  # unknown: never sent again by itself
    refused = real("leads", "create", "--data", json.dumps(rows[:1]), "--todo-out", "left.json")
    assert (refused.code, json.loads((home / "left.json").read_text())) == (4, rows[:1])
    assert "--data @FILE" in refused.error["hint"]


@pytest.mark.parametrize(
    ("words", "count", "code"),
    [("leads delete", 1, 2), ("leads enrich", 25, 0), ("leads enrich", 26, 2),
     ("sequences enroll s1", 26, 2)],
)  # fmt: skip
def test_what_needs_yes_sends_nothing_without_it(
    real: Any, words: str, count: int, code: int
) -> None:
    plan(real, "POST", ENRICH, job(1))
    reply = real(*words.split(), "--ids", *IDS[:count])
    assert reply.code == code
    assert len(real.planned.calls) == (code == 0)
    if code:
        assert reply.error["code"] == "needs_yes"
        assert PRODUCTION in reply.error["message"] and "id-0" in reply.error["message"]


def test_more_changes_than_allowed_send_nothing(lgp: Any, listed: str) -> None:
    environ = {"LGP_MAX_CHANGES": "1202"}
    reply = lgp("leads", "delete", "--ids-from", listed, "--yes", environ=environ)
    assert (reply.code, reply.error["code"], reply.out) == (2, "too_many_changes", "")


def test_a_place_that_cannot_be_written_is_found_before_anything_is_sent(lgp: Any) -> None:
    reply = lgp("leads", "delete", "--ids", "lead_1", "--yes", "--todo-out", ".")
    assert reply.code == 9
    assert lgp("leads", "list", "--where", "id=lead_1", "--count").json["count"] == 1


def test_a_dry_run_shows_two_records_and_what_the_rest_takes(lgp: Any, listed: str) -> None:
    shown = lgp("leads", "delete", "--ids-from", listed, "--dry-run").json
    assert shown["body"] == {"ids": IDS[:2]}
    assert (shown["records"], shown["requests"]) == (1203, 13)
    assert shown["yes"] == "the real run needs --yes"
    environ = {"LGP_RATE_LIMITS": "5/60,100/3600"}
    slow = lgp("leads", "delete", "--ids-from", listed, "--dry-run", environ=environ).json
    assert slow["least_seconds"] == 120.0


def test_fields_of_the_result_are_checked(lgp: Any) -> None:
    words = ("leads", "status", "--ids", "lead_1", "--status", "new", "--fields")
    assert lgp(*words, "applied,rejected").json == {"applied": 1, "rejected": 0}
    assert lgp(*words, "aplied").error["code"] == "invalid_input"


def test_several_records_are_read_with_their_ids_and_the_problems(lgp: Any) -> None:
    one, two = lgp("campaigns", "list", "--format", "ids").out.split()[:2]
    reply = lgp("campaigns", "get", one, "nobody", two)
    assert reply.code == 4
    assert [row["id"] for row in reply.json["data"]] == [one, two]
    assert [(p["id"], p["code"]) for p in reply.json["problems"]] == [("nobody", "not_found")]
    metrics = lgp("campaigns", "metrics", one, two, "--fields", "id,leads").json
    assert [row["id"] for row in metrics["data"]] == [one, two]
    lines = lgp("campaigns", "metrics", one, two, "--format", "csv").out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", one, two]
    assert "data" in lgp("campaigns", "metrics", one).json


def test_a_read_that_cannot_go_on_says_what_was_not_asked_for(real: Any) -> None:
    plan(real, "GET", f"{AGENT}/campaigns/a", {"data": {"id": "a"}})
    plan(real, "GET", f"{AGENT}/campaigns/b", (401, {"error": "no"}))
    reply = real("campaigns", "get", "a", "b", "c")
    assert (reply.code, reply.json["data"]) == (3, [{"id": "a"}])
    problems = [(one["id"], one["code"]) for one in reply.json["problems"]]
    assert problems == [("b", "unauthorized"), ("c", "not_sent")]


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        (BATCH, {"created": 3, "skipped": []}, []),
        (BATCH, {"created": 0, "skipped": 3}, [(None, "skipped")] * 3),
        (BATCH, {"created": 1, "skipped": [{"index": 1, "reason": "duplicate of a"}]},
         [("b", "duplicate"), (None, "unexplained")]),
        (BATCH, {"created": 2, "skipped": [{"index": 2, "reason": "it does not exist"}]},
         [("c", "refused")]),
        (BATCH, {"created": 3, "skipped": 2}, []),
        (BATCH, None, []),
        (DELETE, {"data": {"deleted": 2, "notFound": ["c"]}}, [("c", "not_found")]),
        (DELETE, {"deleted": 0}, [(None, "unexplained")] * 3),
        (ENROLL, {"enrolled": 2, "skipped": [{"leadId": "a", "reason": "already enrolled"}]},
         [("a", "duplicate")]),
        ("leads.status", {"success": True}, []),
    ],
)  # fmt: skip
def test_what_an_accepted_batch_left_undone(operation: str, body: Any, expected: Any) -> None:
    left = batches.left_undone(operations()[operation], ["a", "b", "c"], Answer(200, {}, body))
    assert [(one.key, one.code) for one in left] == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["a", "b", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["leadId", "index", "reason"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def settled(operation: str, body: Any) -> tuple[dict[str, Any], list[batches.Left]]:
    """The result of one batch of three that was answered with `body`, and what it left undone."""
    found, context = operations()[operation], SimpleNamespace(client=SimpleNamespace(sandbox=True))
    work: Any = batches.Changes(context, found, ["a", "b", "c"], 3, lambda keys: ("", keys))  # type: ignore[arg-type]
    left = batches.left_undone(found, ["a", "b", "c"], Answer(200, {}, body))
    work.settle(["a", "b", "c"], left)
    return work.as_dict(), left


@given(st.sampled_from([BATCH, DELETE, ENROLL]), JSON, JSON, JSON)
def test_the_numbers_add_up_whatever_a_server_counts(
    operation: str, done: Any, skipped: Any, absent: Any
) -> None:
    body = {"created": done, "deleted": done, "enrolled": done, "skipped": skipped}
    found, left = settled(operation, {**body, "notFound": absent})
    assert sum(found[name] for name in NUMBERS[1:]) == found["requested"] == 3
    named = [one.key for one in left if one.key]
    if type(done) is int and 0 <= done <= 3 and len(named) == len(set(named)):
        assert found["applied"] == done
    assert not {*found["ids"]} & {*named} and len(found["ids"]) <= found["applied"]


def test_a_record_that_is_not_named_is_another_one_than_those_that_are() -> None:
    body = {"enrolled": 1, "skipped": [{"leadId": "c", "reason": "already enrolled"}]}
    found, _ = settled(ENROLL, body)
    assert [found[name] for name in NUMBERS] == [3, 1, 1, 1, 0, 0]
    assert found["ids"] == []  # either a or b


def test_a_dry_run_looks_no_name_up(real: Any) -> None:
    reply = real("campaigns", "get", "name=Spring ABM", "--dry-run")
    assert (reply.code, reply.json["url"]) == (0, f"{AGENT}/campaigns/ID")
    assert reply.notes == ["name=… is looked up in the real run."]


def test_what_failed_is_said_in_words_and_never_by_a_command_that_bills_again(lgp: Any) -> None:
    refused = lgp("leads", "delete", "--ids", "nope", "--yes").error
    assert refused["message"] == "1 of 1 lead was refused."
    assert refused["hint"] == "The result gives each reason; --todo-out FILE keeps the ids."
    words = ("leads", "enrich", "--ids", "lead_1", "nope", "--wait", "--todo-out", "left")
    failed = lgp(*words).error
    assert (failed["code"], "lgp" in failed["hint"]) == ("job_failed", False)
    assert "--todo-out FILE keeps the ids" in failed["hint"]
