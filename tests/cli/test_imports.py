"""leads import: each row sent once, whatever happens on the way; and what is said of it."""

import contextlib
import itertools
import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import imports, lists
from cli.spreadsheet import Row
from leadgenius.files import locked
from leadgenius.ratelimit import RateLimiter
from leadgenius.settings import iso
from leadgenius.transport import Transport
from sandbox import leads as server_leads
from sandbox.answers import Answer, reply
from sandbox.faults import Fault
from sandbox.routes import HANDLERS

BATCH, LIST = ("POST", "/api/agent/leads/batch"), ("GET", "/api/agent/leads")
HEAD = "firstName,lastName,email,client_id,campaignId\n"


class Killed(BaseException):
    """A process that ends at once: nothing of ours catches it."""


def kill(*args, **kwargs):
    raise Killed


class Clock:
    """The time of a run and of the server it talks to; sleeping moves it."""

    def __init__(self):
        self.ahead, self.slept = 0.0, [0.0]

    def time(self):
        return time.time() + self.ahead

    monotonic = time

    def sleep(self, seconds):
        self.ahead += seconds
        self.slept.append(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(imports, "time", made)
    monkeypatch.setenv("LGP_RATE_LIMITS", "100000/60")
    return made


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(imports.Import, "size", 2)


@pytest.fixture
def sent(monkeypatch):
    """(method, path) of every request, as it leaves."""
    made = []
    send = Transport.send

    def noting(self, request, timeout):
        made.append((request.method, request.path))
        return send(self, request, timeout)

    monkeypatch.setattr(Transport, "send", noting)
    return made


@pytest.fixture
def imported(lgp, serve, clock):
    """`imported(faults=[…])` is (run, served): imports into a served sandbox that takes doubles."""

    def start(**options):
        served = serve(**{"allow_duplicates": True, **options}, clock=clock.time, rate_limit=False)

        def run(*words):
            line = ("leads", "import", *words, "--yes")
            return lgp(*line, sandbox=False, environ=served.environ)

        return run, served

    return start


def sheet(count, name="c.csv", email="n", step=1):
    rows = [f"N{n},Last,{email}{n}@x.example,client_a,\n" for n in range(count)[::step]]
    Path(name).write_text(HEAD + "".join(rows))
    return name


def stored(served):
    """The e-mails of the leads that imports made."""
    query = "SELECT email FROM leads WHERE email LIKE '%@x.example' ORDER BY email"
    return [row[0] for row in sqlite3.connect(served.app.database).execute(query)]


def result(reply):
    """(exit code, the counts of rows that are not 0); they add up."""
    found = {name: reply.json[name] for name in imports.OUTCOMES if reply.json[name]}
    assert sum(found.values()) == reply.json["rows"]
    return reply.code, found | {"sent": reply.json["sent"]}


def test_an_import_and_its_files(lgp, state):
    reply = lgp("leads import", sheet(3))
    assert result(reply) == (0, {"created": 3, "sent": 3})
    ids = reply.json["ids"]
    made = [f"{n + 2},n{n}@x.example,{one}" for n, one in enumerate(ids)]
    lines = Path("c.csv.ids.csv").read_text("utf-8-sig").splitlines()
    assert lines == ["line,email,id", *made]
    (found,) = lgp("leads list --email n1@x.example").rows
    assert (found["id"], found["firstName"], found["client_id"]) == (ids[1], "N1", "client_a")
    change = json.loads((state / "sandbox" / "changes.jsonl").read_text().splitlines()[-1])
    assert (change["created"], change["ids"]) == (3, ids)
    kept = Path("c.csv.lgp-ledger").read_text()
    assert "example" not in kept
    at = {json.loads(line)["at"] for line in kept.splitlines()[1:]}
    assert len(at) == 1  # no row of a batch counts as older than the others
    assert {path.stat().st_mode & 0o777 for path in Path().glob("c.csv.*")} == {0o600}
    rest = lgp("leads import c.csv --dry-run").json
    assert (rest["records"], rest["least_seconds"]) == (0, 0)
    words = ("sequences", "enroll", lgp("sequences list").rows[0]["id"], "--ids-from")
    assert lgp(*words, "c.csv.ids.csv").json["applied"] == 3
    assert lgp("leads import c.csv --format ids").out.split() == ids
    assert lgp("leads import c.csv --format csv").out.startswith("rows,created,existing,")


def test_the_same_command_sends_only_what_is_not_done_and_no_changed_values(imported, sent):
    run, served = imported()
    assert result(run(sheet(205))) == (0, {"created": 205, "sent": 205})
    assert sent == [BATCH, LIST, BATCH, BATCH]
    sent.clear()
    assert result(run("c.csv")) == (0, {"created": 205, "sent": 0})
    text = Path("c.csv").read_text().replace("N1,", "Anna,")
    Path("c.csv").write_text(text)
    reply = run("c.csv")
    assert result(reply) == (0, {"created": 204, "changed": 1, "sent": 0})
    assert reply.json["problems"] == [
        {"line": 3, "email": "n1@x.example", "outcome": "changed",
         "message": "imported before with other values, and this API cannot update a lead"}
    ]  # fmt: skip
    assert sent == []
    Path("c.csv").write_text(text + "New,Row,n9999@x.example,client_a,\n")
    assert run("c.csv").json["sent"] == 1
    assert sent == [BATCH, LIST]
    assert len(stored(served)) == 206


def test_one_e_mail_of_two_clients_is_two_leads(imported):
    run, served = imported()
    Path("c.csv").write_text("firstName,lastName,email\nA,B,n@x.example\n")
    assert run("c.csv", "--client-id", "client_a").json["sent"] == 1
    served.app.faults.append(Fault("POST /leads/batch=reset*1"))  # what is looked for is not it
    assert run("c.csv", "--client-id", "client_b").json["created"] == 1
    assert stored(served) == ["n@x.example"] * 2


@pytest.mark.parametrize("faults", [[], ["GET /leads=lag:2"]])
def test_killed_at_any_moment_and_run_again_each_lead_is_there_once(
    imported, faults, monkeypatch, clock,
    small_batches,
):  # fmt: skip
    run, served = imported(faults=faults)

    def killed(at):
        """Whether a run was killed before its `at`-th request or write to the disk."""
        passed = itertools.count(1)

        def before(function):
            return lambda *args, **options: (
                kill() if next(passed) == at else function(*args, **options)
            )

        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            patch.setattr(Transport, "send", before(Transport.send))
            patch.setattr(os, "fsync", before(lambda descriptor: None))
            run(f"{at}.csv")
            return False
        return True

    for at in range(1, 99):
        sheet(3, f"{at}.csv", f"k{at}n")
        if not killed(at):
            break
        reply = run(f"{at}.csv")
        assert (reply.code, reply.json["created"] + reply.json["existing"]) == (0, 3), reply
    found = stored(served)
    assert len(found) == len(set(found)) == 3 * at
    assert at > 10  # moments
    assert max(clock.slept) <= 60


@pytest.mark.parametrize(
    ("faults", "code", "counts", "batches", "hint"),
    [
        (["applied-reset*1", "reset*1"], 0, {"created": 250, "sent": 250}, 4, ""),
        (["reset"], 8, {"unknown": 100, "not_sent": 150, "sent": 100}, 2, "same command again"),
        (["400*1"], 4, {"not_sent": 250, "sent": 100}, 1, "--one-by-one"),
    ],
)
def test_what_is_not_answered_or_refused_is_looked_for_counted_and_sent_again(
    imported, sent, clock,
    faults, code, counts, batches, hint,
):  # fmt: skip
    run, served = imported(faults=[f"POST /leads/batch={one}" for one in faults])
    reply = run(sheet(250))
    assert (result(reply), sent.count(BATCH)) == ((code, counts), batches)
    assert hint in (reply.error["hint"] if code else "")
    served.app.faults.clear()
    assert run("c.csv").json["created"] == 250
    assert len(stored(served)) == 250


@pytest.mark.parametrize("killed", [False, True])
def test_a_server_that_stores_nothing_is_found_after_the_first_batch(
    imported, sent, clock, killed, small_batches,
    monkeypatch,
):  # fmt: skip
    run, served = imported(faults=["POST /leads/batch=stored-nothing"])
    sheet(3)
    if killed:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(imports.Import, "look", kill)
            run("c.csv")
    reply = run("c.csv")
    assert (reply.code, sent.count(BATCH), round(sum(clock.slept))) == (8, 1, 60)
    assert reply.json["unknown"] == 2
    assert "--one-by-one" in reply.error["hint"]
    sent.clear()
    reply = run("c.csv", "--one-by-one")
    assert result(reply) == (0, {"created": 3, "sent": 3})
    assert sent.count(LIST) == 2
    assert len(stored(served)) == 3


@pytest.mark.parametrize("kept", [True, False])
def test_an_answer_without_ids_or_reasons_is_resolved_by_looking_or_unknown(
    imported, monkeypatch, clock, kept
):
    run, _ = imported(allow_duplicates=False)
    run(sheet(2, "before.csv"))
    clock.ahead += 10
    create = HANDLERS["leads.create-batch"]

    def unclear(call):
        body = json.loads(create(call).body)
        return reply(201, **body | {"skipped": 2} | ({} if kept else {"createdIds": None}))

    monkeypatch.setitem(HANDLERS, "leads.create-batch", unclear)
    if not kept:
        monkeypatch.setattr(server_leads, "_store", lambda call, fields: {"id": "nowhere"})
    found = run(sheet(5, step=-1))
    counts = {"created" if kept else "unknown": 3, "existing": 2, "sent": 5}
    assert result(found) == (0 if kept else 8, counts)
    assert Path("c.csv.existing.csv").read_text().splitlines()[1].startswith("5,n1@x.example,")
    assert kept or "--resend-unknown" in found.error["hint"]


def test_one_lead_that_is_seen_proves_those_that_have_an_id(lgp, monkeypatch):
    monkeypatch.setattr(server_leads, "INDEX_DEPTH", 2)
    assert result(lgp("leads import", sheet(3))) == (0, {"created": 3, "sent": 3})


@pytest.mark.parametrize("option", [[], ["--resend-unknown"]])
def test_what_lies_beyond_the_search_depth_is_looked_for_once_and_the_users_decision(
    lgp, monkeypatch, option, sent, clock
):
    sheet(3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Transport, "send", kill)
        lgp("leads import c.csv")
    monkeypatch.setattr(server_leads, "INDEX_DEPTH", 10)
    monkeypatch.setattr(lists, "SEARCH_DEPTH", 10)
    lgp("leads import", sheet(12, "later.csv", "later"))
    sent.clear()
    clock.ahead = 3600
    reply = lgp("leads import c.csv", *option)
    found = (reply.code, sent.count(LIST), sent.count(BATCH))
    assert found == ((0, 2, 1) if option else (8, 1, 0))
    assert reply.json["created" if option else "unknown"] == 3
    assert option or "--resend-unknown" in reply.error["hint"]


@pytest.mark.parametrize(
    ("name", "email", "age", "said", "expected"),
    [
        ("new", "other@x.example", 0, "", (False, "unknown")),  # it may lie beyond the depth
        ("new", "other@x.example", 3600, "", (True, "unknown")),
        ("", "", 0, "", (True, "unknown")),  # there are no leads
        ("before", "other@x.example", 0, "", (True, "unknown")),  # sent before, by this import
        ("new", "A@x.example", 0, "", (True, "created")),
        ("new", "a@x.example", 60, "", (True, "existing")),
        ("new", "a@x.example", 60, "new", (True, "created")),
        ("new", "a@x.example", 60, "promised", (False, "unknown")),  # that of an older double
    ],
)
def test_what_one_of_the_newest_leads_says_of_a_row(monkeypatch, name, email, age, said, expected):
    monkeypatch.setattr(lists, "SEARCH_DEPTH", 1)
    row, before = (Row(line, [], {"email": "a@x.example"}) for line in (3, 2))
    row.state, row.at, row.id, before.id, before.at = "unknown", 1e9, said, "before", 1e9 - 1
    lead = {"id": name, "email": email, "createdAt": iso(1e9 - age)}
    client = SimpleNamespace(pages=lambda path: [SimpleNamespace(items=[lead] * bool(name))])
    work = SimpleNamespace(rows=[before, row], client=client)
    assert (imports.Import.look(work, [row]), row.state) == expected


def test_leads_of_one_page_may_stand_in_any_order():
    row, before = (Row(line, [], {"email": f"{line}@x.example"}) for line in (3, 2))
    row.state, row.at, before.id, before.at = "unknown", 1e9, "before", 1e9 - 1
    leads = [
        {"id": name, "email": email, "createdAt": iso(1e9)}
        for name, email in (("before", before.email), ("new", row.email))
    ]
    client = SimpleNamespace(pages=lambda path: [SimpleNamespace(items=leads)])
    work = SimpleNamespace(rows=[before, row], client=client)
    assert (imports.Import.look(work, [row]), row.state) == (True, "created")


def test_a_lead_of_an_earlier_run_proves_nothing_of_what_this_one_sends(imported):
    run, served = imported()
    ledger = Path(f"{sheet(3)}.lgp-ledger")
    run("c.csv")
    ledger.write_text(ledger.read_text().replace('"created"', '"unknown"'))  # as before a look
    sheet(5)

    def stores_nothing(environ, ask):
        made = {"success": True, "created": 2, "createdIds": ["x1", "x2"]}
        post = environ["REQUEST_METHOD"] == "POST"
        return Answer(201, json.dumps(made).encode()) if post else ask(environ)

    served.around(stores_nothing)
    assert result(run("c.csv")) == (8, {"created": 3, "unknown": 2, "sent": 2})
    assert len(stored(served)) == 3


def test_the_id_of_a_batch_is_no_leads_id(imported):
    run, served = imported()
    body, posts = {"success": True, "created": 1, "id": "batch_7"}, []

    def answer(environ, ask):
        posts.extend([1] * (environ["REQUEST_METHOD"] == "POST"))
        second = posts == [1, 1] and environ["REQUEST_METHOD"] == "POST"
        return Answer(201, json.dumps(body).encode()) if second else ask(environ)

    served.around(answer)
    assert result(run(sheet(101))) == (8, {"created": 100, "unknown": 1, "sent": 101})


def test_rows_that_this_program_refuses_to_send_again_are_not_sent(imported, monkeypatch):
    monkeypatch.setenv("LGP_MAX_CHANGES", "3")
    run, _ = imported(faults=["POST /leads/batch=close*1"])
    reply = run(sheet(3))
    assert (reply.error["code"], reply.json["not_sent"]) == ("too_many_changes", 3)


@pytest.mark.parametrize("words", [[], ["--one-by-one"]])
def test_existing_rows_are_no_error_and_rejected_ones_are_sent_again_only_when_changed(
    lgp, sent, words
):
    lgp("leads import", sheet(2, "before.csv"))
    text = Path(sheet(2)).read_text() + "A,B,new@x.example,client_a,"
    Path("c.csv").write_text(f"{text}nosuch\n")
    reply = lgp("leads import c.csv", *words)
    assert result(reply) == (4, {"existing": 2, "rejected": 1, "sent": 3})
    assert Path("c.csv.existing.csv").read_text().splitlines()[2] == "3,n1@x.example,"
    assert "1 row rejected: see c.csv.rejects.csv." in reply.error["message"]
    assert "campaign" in Path("c.csv.rejects.csv").read_text().splitlines()[1] or words
    sent.clear()
    reply = lgp("leads import c.csv", *words)
    assert (result(reply)[1]["rejected"], sent) == (1, [])
    Path("c.csv").write_text(f"{text}\n")
    reply = lgp("leads import c.csv", *words)
    assert result(reply) == (0, {"created": 1, "existing": 2, "sent": 1})


def test_bad_rows_stop_everything_unless_skipped(lgp, sent):
    rows = "A,B,a@x.example\nA,B,nothing\nA,B,A@X.example\n"
    Path("c.csv").write_text("firstName,lastName,email\n" + rows)
    reply = lgp("leads import c.csv", terminal=True)
    assert (reply.code, sent) == (2, [])
    assert "line 3" in reply.err and "email must be" in reply.err
    plan = lgp("leads import c.csv --skip-invalid --dry-run").json
    assert (plan["records"], plan["rejected"]) == (1, 1)
    reply = lgp("leads import c.csv --skip-invalid")
    counts = {"created": 1, "rejected": 1, "doubles": 1, "sent": 1}
    assert result(reply) == (4, counts)
    assert reply.json["problems"] == [
        {"line": 3, "email": "nothing", "outcome": "rejected",
         "message": "email must be an e-mail address"}
    ]  # fmt: skip
    assert any("hide leads without a client" in one for one in reply.notes)
    assert any(one.endswith("says the same: line 4.") for one in reply.notes)
    assert "line 3: email must be" in Path("c.csv.rejects.csv").read_text()
    reply = lgp("leads import c.csv --skip-invalid", terminal=True)
    files = "Files: c.csv.ids.csv, c.csv.rejects.csv."
    assert reply.out.startswith(f"Rows: created 1, rejected 1, doubles 1. {files}\n")


def test_a_person_reads_what_was_made_and_where_it_stands(lgp):
    reply = lgp("leads import", sheet(30), "--yes", terminal=True)
    assert reply.out == "Rows: created 30, sent 30. Files: c.csv.ids.csv.\n  c.csv.ids.csv\n"


def test_rows_that_wait_for_their_turn_when_it_is_stopped_are_not_sent(lgp, monkeypatch):
    acquire, turns = RateLimiter.acquire, iter(["batch", "look", ""])

    def waiting(*words, **more):
        if not next(turns):
            raise KeyboardInterrupt
        return acquire(*words, **more)

    monkeypatch.setattr(RateLimiter, "acquire", waiting)
    reply = lgp("leads import", sheet(150), "--yes")
    assert (reply.code, "flight" in reply.error["message"]) == (130, False)
    assert [reply.json[name] for name in ("created", "unknown", "not_sent")] == [100, 0, 50]


def test_many_rows_and_fences_are_asked_about_before_anything_is_sent(lgp, sent):
    line, few = ("leads", "import", sheet(126)), {"LGP_MAX_CHANGES": "125"}
    assert lgp(*line).error["code"] == "needs_yes"
    assert lgp(*line, "--yes", environ=few).error["code"] == "too_many_changes"
    assert lgp(*line, "--yes", "--read-only").error["code"] == "read_only"
    plan = lgp(*line, "--dry-run").json
    assert (plan["records"], plan["requests"], len(plan["body"]["leads"])) == (126, 2, 2)
    assert (plan["columns"]["email"], "yes" in plan) == ("email", True)
    reply = lgp(*line, terminal=True, stdin="n\n")
    assert (reply.code, sent) == (2, [])
    assert '"client_id":"client_id"' in reply.err
    assert not Path("c.csv.lgp-ledger").exists()
    assert lgp("leads import", sheet(25)).code == 0


def test_a_rehearsal_says_nothing_about_another_service(imported, lgp):
    run, _ = imported()
    assert lgp("leads import", sheet(3)).json["sent"] == 3
    assert run("c.csv").json["sent"] == 3
    assert lgp("leads import c.csv").json["sent"] == 0


@pytest.mark.parametrize("amplify", ["", "da2-given"])
def test_a_rotated_key_goes_on_and_another_company_does_not(imported, lgp, home, sent, amplify):
    served, path = imported()[1], home / ".leadgenius_auth.json"
    first, other, strange = served.environ["LGP_API_KEY"], f"lgp_{1:064}", f"lgp_{2:064}"
    sheet(3)

    for key, more, expected in (
        (first, {}, (0, 2)),
        (other, {"previous_api_keys": [first]}, (0, 0)),
        (first, {"company_id": "company-1"}, (0, 0)),
        (strange, {}, (3, 1)),  # everything is sent
    ):
        path.write_text(json.dumps({"base_url": served.origin, "api_key": key, **more}))
        path.chmod(0o600)
        sent.clear()
        environ = {"LGP_BASE_URL": served.origin, "LGP_AMPLIFY_API_KEY": amplify}
        reply = lgp("leads import c.csv", sandbox=False, environ=environ)
        assert (reply.code, len(sent)) == expected


def test_a_second_run_on_the_file_and_a_damaged_ledger_are_exit_9(imported):
    run, served = imported()
    ledger = Path(f"{sheet(3)}.lgp-ledger")
    with locked(ledger):
        assert (run("c.csv").error["code"], stored(served)) == ("locked", [])
    assert run("c.csv").code == 0
    ledger.write_text(ledger.read_text() + '{"key": "half a line' + 5000 * "x")
    for _ in range(2):
        assert result(run("c.csv")) == (0, {"created": 3, "sent": 0})
    for damaged in ("no ledger\n", ledger.read_text().partition("\n")[2]):
        ledger.write_text(damaged)
        assert (run("c.csv").error["code"], len(stored(served))) == ("checkpoint", 3)


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(imported, monkeypatch):
    run, _ = imported()
    with monkeypatch.context() as patch:
        patch.setattr(imports.Import, "record", lambda *_: signal.raise_signal(signal.SIGINT))
        reply = run(sheet(250))
    counts = {"unknown": 100, "not_sent": 150, "sent": 100}
    assert result(reply) == (130, counts)
    assert "same command again" in reply.error["hint"]
    assert result(run("c.csv")) == (0, {"created": 250, "sent": 150})


def test_no_wait_goes_beyond_max_time(imported, clock, monkeypatch):
    run, _ = imported(faults=["POST /leads/batch=reset*1"])
    with monkeypatch.context() as patch:
        patch.setattr(imports, "time", time)
        began = time.monotonic()
        reply = run(sheet(3), "--max-time", "1s")
    assert (reply.code, reply.error["code"]) == (5, "out_of_time")
    assert time.monotonic() - began < 3
    assert run("c.csv").json["created"] == 3
