"""Changes of many records: one result whose numbers add up, whatever the server does."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.batches import settle
from leadgenius.scopes import PRODUCTION

AGENT = f"{PRODUCTION}/api/agent"
ENRICH, LEADS = f"{AGENT}/enrichment/trigger", f"{AGENT}/leads/batch"
IDS = [f"id-{number}" for number in range(1203)]
NUMBERS = ("requested", "applied", "skipped", "rejected", "unknown", "not_sent")
TODO = ("--todo-out", "left")


def plan(run, method, url, *answers):
    """Answers in their order: (status, body), or a body for 200."""
    for one in answers:
        status, body = one if isinstance(one, tuple) else (200, one)
        kind = {"body" if isinstance(body, str) else "json": body}
        run.planned.add(method, url, status=status, **kind)


@pytest.fixture
def enrich(real, home):
    """The enrichment of 1,203 leads in three batches, the first of which is taken."""
    Path("ids.txt").write_text("\n".join(IDS))

    def run(*answers):
        plan(real, "POST", ENRICH, (202, {"jobId": "job-1"}), *answers)
        reply = real("leads enrich --ids-from ids.txt --yes", *TODO)
        return reply, Path("left").read_text().split()

    return run


def numbers(reply):
    found = [reply.json[name] for name in NUMBERS]
    assert found[0] == sum(found[1:])
    return found


def people(count):
    return [{"firstName": "A", "lastName": "B", "email": f"{n}@b.example"} for n in range(count)]


def test_ids_answer_with_one_shape_and_a_line_in_the_record_of_changes(lgp, state):
    reply = lgp("leads status --ids lead_1,lead_2 lead_1 --status Contacted")
    assert (reply.code, reply.json) == (0, {
        "requested": 2, "applied": 2, "skipped": 0, "rejected": 0, "unknown": 0, "not_sent": 0,
        "ids": ["lead_1", "lead_2"], "ids_total": 2, "jobs": [], "problems": [],
        "problems_total": 0, "sandbox": True,
    })  # fmt: skip
    line = json.loads((state / "sandbox" / "changes.jsonl").read_text())
    assert (line["command"], line["ids"]) == ("leads status", ["lead_1", "lead_2"])
    assert (line["applied"], line["outcome"]) == (2, "applied")
    assert lgp("leads list --where id=lead_1").rows[0]["status"] == "contacted"


def test_one_positional_id_answers_with_the_server_s_body_and_several_with_the_shape(lgp):
    one, two, three = lgp("campaigns list --format ids").out.split()[:3]
    assert lgp("campaigns archive", one).json["data"]["status"] == "archived"
    assert " archived.\n" in lgp("campaigns archive", one, terminal=True).out
    assert numbers(lgp("campaigns archive", two, three)) == [2, 2, 0, 0, 0, 0]
    words = "leads status --ids lead_1 --status new --fields applied,rejected"
    assert lgp(words).json == {"applied": 1, "rejected": 0}


def test_a_name_in_half_a_list_is_no_record(real):
    rows = [{"id": f"c{at}", "name": f"Name {at}"} for at in range(100)]
    plan(real, "GET", f"{AGENT}/campaigns", {"data": rows, "pagination": {"totalItems": 150}})
    reply = real("campaigns archive", "name=Name 3")
    assert (reply.code, "one in all" in reply.error["message"]) == (2, True)


def test_ids_that_are_none_are_left_out(real):
    plan(real, "POST", LEADS, {"created": 3, "createdIds": ["a\nb", None, "c"]})
    reply = real("leads create --data", json.dumps(people(3)), "--ids-out", "made")
    assert (numbers(reply)[:2], reply.json["ids"]) == ([3, 3], ["c"])
    assert Path("made").read_text() == "c\n"
    same = real("leads create --data", json.dumps(people(3)), "--ids-out", "x", "--todo-out", "x")
    assert (same.code, "same file" in same.error["message"]) == (2, True)


def test_who_is_enrolled_already_is_skipped_with_the_server_s_reason(lgp):
    lgp("sequences create --name", "Fourth touch", "--channel", "email")
    words = ("sequences", "enroll", "name=Fourth touch", "--ids", "lead_1")
    assert lgp(*words, terminal=True).out.startswith("1 lead enrolled in Fourth touch.\n")
    reply = lgp(*words, "lead_2")
    assert (reply.code, numbers(reply), reply.json["ids"]) == (0, [2, 1, 1, 0, 0, 0], ["lead_2"])
    assert reply.json["problems"] == [
        {"id": "lead_1", "outcome": "skipped", "code": "duplicate", "message": "already enrolled"}
    ]
    person = lgp(*words, terminal=True).out
    assert (
        person.startswith("0 leads enrolled in Fourth touch; 1 skipped: already enrolled.\n")
        and "already enrolled" in person
    )


def test_files_hold_what_was_changed_and_what_failed_for_their_owner_alone(lgp):
    words = "leads delete --ids lead_1 nobody --yes --ids-out made"
    reply = lgp(words, *TODO)
    assert (reply.code, numbers(reply)) == (4, [2, 1, 0, 1, 0, 0])
    assert reply.json["problems"][0]["code"] == "not_found"
    for name, text in {"made": "lead_1\n", "left": "nobody\n"}.items():
        assert Path(name).read_text() == text
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600


def test_the_files_hold_a_single_record_too(lgp):
    words = ("leads create --ids-out made --data", json.dumps(people(1)[0]), *TODO)
    assert lgp(*words).json["ids"] == [Path("made").read_text().strip()]
    assert (numbers(lgp(*words))[:3], Path("left").read_text()) == ([1, 0, 1], "[]\n")
    assert numbers(lgp("campaigns archive nobody --todo-out left"))[3] == 1
    assert Path("left").read_text() == "nobody\n"


def test_rows_that_were_there_are_skipped_and_named_by_row_and_email(lgp):
    rows = people(120)
    first = lgp("leads create --data", json.dumps(rows[110:111]), "--format", "ids")
    assert lgp("leads list --email 110@b.example").rows[0]["id"] == first.out.strip()
    reply = lgp("leads create --data", json.dumps(rows))
    assert (reply.code, numbers(reply)) == (0, [120, 119, 1, 0, 0, 0])
    (problem,) = reply.json["problems"]
    assert (problem["row"], problem["email"]) == (111, "110@b.example")
    assert (len(reply.json["ids"]), reply.json["ids_total"]) == (50, 119)


def test_a_row_that_cannot_be_sent_is_named_and_nothing_is_sent(lgp):
    rows = people(2)
    rows[1] |= {"email": "no address", "title": 7}
    reply = lgp("leads create --data", json.dumps(rows))
    assert (reply.code, reply.error["code"]) == (2, "invalid_input")
    assert [one["field"] for one in reply.error["details"]] == ["row 2: email", "row 2: title"]
    assert lgp("leads list --where email=0@b.example --count").json["count"] == 0


@pytest.mark.parametrize("fault", [(500, {}), "<html>"])
def test_a_batch_without_a_known_outcome_ends_the_run(enrich, fault):
    reply, left = enrich(fault)
    assert (reply.code, reply.error["outcome"]) == (8, "unknown")
    assert numbers(reply) == [1203, 500, 0, 0, 500, 203]
    assert (reply.json["problems_total"], len(reply.json["problems"])) == (500, 50)
    assert [one["jobId"] for one in reply.json["jobs"]] == ["job-1"]
    assert left == IDS[1000:]  # again would be paid again


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [(400, 4, [1203, 703, 0, 500, 0, 0]), (401, 3, [1203, 500, 0, 500, 0, 203]),
     (429, 5, [1203, 500, 0, 500, 0, 203])],
)  # fmt: skip
def test_only_a_refusal_lets_the_others_go_on(enrich, answer, code, expected):
    reply, left = enrich((answer, {"error": "no"}), (202, {"jobId": "job-3"}))
    assert (reply.code, numbers(reply)) == (code, expected)
    assert reply.json["problems"][0]["message"] == "no"
    assert left == (IDS[500:1000] if code == 4 else IDS[500:])
    assert ("what was not done" in reply.error["hint"]) is (code != 3)


def test_a_change_in_flight_at_ctrl_c_is_counted_as_it_ended(lgp, interrupting):
    words = ("leads", "enrich", "--ids", *IDS, "--yes", *TODO)
    reply = lgp(*words, sandbox=False, environ=interrupting.environ)
    assert (reply.code, reply.error["outcome"]) == (130, "applied")
    assert numbers(reply) == [1203, 500, 0, 0, 0, 703]
    assert Path("left").read_text().split() == IDS[500:]
    assert "has what was not done" in reply.error["hint"]


def test_an_unreachable_server_leaves_stdout_empty_and_everything_to_do(real):
    reply = real("leads enrich --ids a b", *TODO)
    assert (reply.code, reply.out, reply.error["outcome"]) == (6, "", "not_sent")
    assert Path("left").read_text() == "a\nb\n"


def test_what_may_be_sent_again_without_harm_is_still_to_do(real):
    plan(real, "DELETE", LEADS, {"deleted": 100, "notFound": []}, *[(500, {})] * 3)
    reply = real("leads delete --ids", *IDS[:250], "--yes", *TODO)
    assert (reply.code, numbers(reply)) == (8, [250, 100, 0, 0, 100, 50])
    assert Path("left").read_text().split() == IDS[100:250]


def test_after_an_unanswered_delete_the_absent_ones_are_done(lgp, serve):
    served = serve(faults=["DELETE /leads/batch=applied-reset*1"])
    words = "leads delete --ids lead_1 lead_2 --yes"
    reply = lgp(words, sandbox=False, environ=served.environ)
    assert (reply.code, numbers(reply)) == (0, [2, 2, 0, 0, 0, 0])
    found = {(one["outcome"], one["code"]) for one in reply.json["problems"]}
    assert found == {("applied", "deleted_or_absent")}


def test_after_an_unanswered_delete_what_failed_is_not_done(real):
    second = {"deleted": 0, "notFound": ["a"], "errors": [{"leadId": "b", "reason": "locked"}]}
    plan(real, "DELETE", LEADS, (500, {}), second)
    reply = real("leads delete --ids a b --yes --max-wait 9")
    assert (reply.code, numbers(reply)) == (4, [2, 1, 0, 1, 0, 0])
    assert [one["code"] for one in reply.json["problems"]] == ["deleted_or_absent", "task_failed"]


def test_the_worst_outcome_is_the_exit_code(real):
    for one, status in {"a": 404, "b": 200, "c": 403}.items():
        plan(real, "PUT", f"{AGENT}/leads/{one}/status", (status, {"data": {"id": one}}))
    words = ("leads status --ids", *"abcd", "--status", "new")
    reply = real(*words)
    assert (reply.code, numbers(reply)) == (3, [4, 1, 0, 2, 0, 1])
    assert "; 1 not sent.\n" in real(*words, terminal=True).out


@pytest.mark.parametrize(
    ("path", "words", "hint"),
    [("leads/batch", ["leads", "create", "--data", json.dumps(people(1))],
      "leads list --email ADDRESS"),
     ("sequences/s1/enroll", ["sequences", "enroll", "s1", "--ids", "a"], "sequences list")],
)  # fmt: skip
def test_a_lost_answer_names_the_command_that_shows_what_is_there(real, path, words, hint):
    plan(real, "POST", f"{AGENT}/{path}", (500, {}))
    reply = real(*words)
    assert (reply.code, hint in reply.error["hint"]) == (8, True)


def test_rows_still_to_do_are_a_body_for_the_same_command(real):
    plan(real, "POST", LEADS, {"created": 100}, (503, {"error": "down"}), (400, {"error": "no"}))
    real("leads create --data", json.dumps(people(150)), *TODO)
    assert json.loads(Path("left").read_text()) == []  # unknown: never sent again by itself
    reply = real("leads create --data", json.dumps(people(1)), *TODO)
    assert (reply.code, json.loads(Path("left").read_text())) == (4, people(1))


@pytest.mark.parametrize(
    ("words", "count", "code"),
    [("leads delete", 1, 2), ("leads enrich", 25, 0), ("leads enrich", 26, 2),
     ("sequences enroll s1", 26, 2)],
)  # fmt: skip
def test_what_needs_yes_sends_nothing_without_it(real, words, count, code):
    plan(real, "POST", ENRICH, (202, {"jobId": "job-1"}))
    reply = real(words, "--ids", *IDS[:count])
    assert (reply.code, len(real.planned.calls)) == (code, code == 0)
    if code:
        assert reply.error["code"] == "needs_yes"
        assert PRODUCTION in reply.error["message"] and "id-0" in reply.error["message"]


@pytest.mark.parametrize(
    ("extra", "code", "error"),
    [([], 2, "too_many_changes"), (["--todo-out", "."], 9, "disk"),
     (["--fields", "aplied"], 2, "invalid_input")],
)  # fmt: skip
def test_what_cannot_go_well_is_found_before_anything_is_sent(lgp, extra, code, error):
    words = "leads status --ids lead_1 lead_2 --status converted"
    reply = lgp(words, *extra, environ={} if extra else {"LGP_MAX_CHANGES": "1"})
    assert (reply.code, reply.error["code"], reply.out) == (code, error, "")
    assert lgp("leads list --where id=lead_1").rows[0]["status"] != "converted"


def test_a_dry_run_shows_two_records_and_what_the_rest_takes(lgp):
    environ = {"LGP_RATE_LIMITS": "5/60,100/3600"}
    shown = lgp("leads delete --ids", *IDS, "--dry-run", environ=environ).json
    assert shown["body"] == {"ids": IDS[:2]}
    assert (shown["records"], shown["requests"], shown["least_seconds"]) == (1203, 13, 120.0)
    assert shown["yes"] == "the real run needs --yes"


def test_what_was_refused_is_said_in_words_and_kept_as_refused(lgp, state):
    refused = lgp("leads delete --ids nope --yes").error
    line = json.loads((state / "sandbox" / "changes.jsonl").read_text())
    assert (line["outcome"], line["applied"], line["ids"]) == ("rejected", 0, [])
    assert refused["message"] == "Refused: 1 of 1 record."
    assert refused["hint"].endswith("--todo-out FILE keeps what was not done.")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_change_whose_answer_cannot_be_written_was_applied(process):
    with Path("/dev/full").open("w") as full:
        words = ["leads", "status", "--ids", "lead_1", "--status", "new", "--sandbox"]
        run = process("lgp.py", *words, stdout=full)
        error = json.loads(run.communicate(timeout=20)[1].splitlines()[-1])["error"]
    assert (run.returncode, error["code"], error["outcome"]) == (9, "disk", "applied")


# ---- what a server says of each record

ENROLLED, DUPLICATE = "already enrolled", "a duplicate of a"


@pytest.mark.parametrize(
    ("body", "outcomes", "said"),
    [
        ({"created": 3, "skipped": []}, "applied applied applied", True),
        ({"created": 0, "skipped": 3}, "skipped skipped skipped", False),
        ({"created": 1, "skipped": [{"index": 1, "reason": DUPLICATE}]},
         "rejected? duplicate applied?", False),
        ({"created": 2, "skipped": [{"index": 2, "reason": "it does not exist"}]},
         "applied applied refused", True),
        ({"created": 3, "skipped": 2}, "applied applied applied", True),
        ({"created": 2, "skipped": 0}, "rejected? applied? applied?", False),
        (None, "applied applied applied", True),
        ({"data": {"deleted": 2, "notFound": ["c"]}}, "applied applied not_found", True),
        ({"deleted": 0}, "rejected rejected rejected", False),
        ({"enrolled": 2, "skipped": [{"leadId": "a", "reason": ENROLLED}]},
         "duplicate applied applied", True),
        ({"enrolled": 1, "skipped": [{"leadId": "c", "reason": ENROLLED}]},
         "rejected? applied? duplicate", False),  # either a or b
        ({"completedTasks": 2, "errors": [{"leadId": "b", "reason": ENROLLED}]},
         "applied task_failed applied", True),
        ({"skipped": [{"id": "B"}]}, "rejected? applied? applied?", False),  # none of these
        ({"deleted": 2, "notFound": [{"index": 1, "id": "c"}]}, "applied applied not_found", True),
    ],
)  # fmt: skip
def test_what_became_of_each_record_of_an_accepted_batch(body, outcomes, said):
    items = [{"row": one} if body and "created" in body else {"id": one} for one in "abc"]
    assert settle(items, body) is said
    unnamed = ["?" * item.keys().isdisjoint({"id", "row"}) for item in items]
    codes = [{"unexplained": None}.get(item.get("code"), item.get("code")) for item in items]
    found = [code or item["outcome"] for code, item in zip(codes, items, strict=True)]
    assert [*map("".join, zip(found, unnamed, strict=True))] == outcomes.split()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.sampled_from(["a", "b", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["leadId", "index", "reason"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(["created", "deleted", "enrolled"]), JSON, JSON, JSON)
def test_each_record_has_an_outcome_whatever_a_server_counts(name, done, skipped, absent):
    items = [{"id": one} for one in "abc"]
    settle(items, {name: done, "skipped": skipped, "notFound": absent})
    found = [item["outcome"] for item in items]
    assert {*found} <= {"applied", "skipped", "rejected"}
    named = sum("code" in item and "id" in item for item in items)
    if type(done) is int and 0 <= done <= 3 - named:
        assert found.count("applied") == done


# ---- reading several


def test_several_records_are_read_with_their_ids_and_the_problems(lgp):
    one, two = lgp("campaigns list --format ids").out.split()[:2]
    reply = lgp("campaigns get", one, "nobody", two)
    assert (reply.code, [row["id"] for row in reply.json["data"]]) == (4, [one, two])
    assert [(p["id"], p["code"]) for p in reply.json["problems"]] == [("nobody", "not_found")]
    metrics = ("campaigns", "metrics", one, two)
    lines = lgp(*metrics, "--fields", "id,leads", "--format", "csv").out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", one, two]
    assert one in lgp("campaigns metrics", one, terminal=True).out


def test_a_read_that_cannot_go_on_has_a_problem_for_all_that_follow(real):
    plan(real, "GET", f"{AGENT}/campaigns/a", {"data": {"id": "a"}})
    plan(real, "GET", f"{AGENT}/campaigns/b", (401, {"error": "no"}))
    reply = real("campaigns get a b c")
    assert (reply.code, reply.json["data"]) == (3, [{"id": "a"}])
    problems = [(one["id"], one["code"]) for one in reply.json["problems"]]
    assert problems == [("b", "unauthorized"), ("c", "unauthorized")]


def test_a_dry_run_looks_no_name_up(real):
    reply = real("campaigns get", "name=Spring ABM", "--dry-run")
    assert (reply.code, reply.json["url"]) == (0, f"{AGENT}/campaigns/ID")
