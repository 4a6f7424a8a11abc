"""leads import: each row sent once, whatever happens on the way; and what is said of it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cli import imports, leads
from contract.operations import Operation
from leadgenius.transport import Transport
from sandbox import leads as server_leads
from sandbox.faults import Fault
from sandbox.routes import HANDLERS

BATCH = ("POST", "/api/agent/leads/batch")


class Killed(BaseException):
    """A process that ends at once: nothing of ours catches it."""


class Clock:
    """The time of a run and of the server it talks to; sleeping moves it."""

    def __init__(self) -> None:
        self.ahead, self.slept = 0.0, [0.0]

    def __call__(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds
        self.slept.append(seconds)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for name, value in (("now", made), ("monotonic", made), ("sleep", made.sleep)):
        monkeypatch.setattr(imports, name, value)
    monkeypatch.setenv("LGP_RATE_LIMITS", "100000/60")
    return made


def sheet(count: int, name: str = "c.csv", change: Callable[[int], str] = lambda n: "") -> str:
    rows = [f"N{n},Last,n{n}@x.example,client_a,{change(n)}" for n in range(count)]
    Path(name).write_text("\n".join(["firstName,lastName,email,client_id,phone", *rows]) + "\n")
    return name


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """(method, path) of every request, as it leaves."""
    made: list[tuple[str, str]] = []
    send = Transport.send

    def noting(self: Transport, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        made.append((method, urlsplit(url).path))
        return send(self, method, url, *args, **kwargs)

    monkeypatch.setattr(Transport, "send", noting)
    return made


def stored(served: Any) -> list[str]:
    """The e-mails of the leads that imports made."""
    query = "SELECT email FROM leads WHERE email LIKE '%@x.example' ORDER BY email"
    return [row[0] for row in sqlite3.connect(served.app.database).execute(query)]


@pytest.fixture
def imported(lgp: Any, serve: Any, clock: Clock) -> Any:
    """`imported(faults=[…])` is (run, served): imports into a served sandbox that takes doubles."""

    def start(**options: Any) -> tuple[Callable[..., Any], Any]:
        served = serve(clock=clock, allow_duplicates=True, rate_limit=False, **options)

        def run(*words: str, **more: Any) -> Any:
            return lgp(
                "leads",
                "import",
                *words,
                "--yes",
                sandbox=False,
                environ={**served.environ, **more},
            )

        return run, served

    return start


def result(reply: Any) -> dict[str, int]:
    """The counts that are not 0."""
    names = ("rows", *imports.COUNTS, "doubles", "sent")
    found = {name: reply.json[name] for name in names if reply.json[name]}
    assert sum(found.get(name, 0) for name in names[1:-1]) == found["rows"]
    return found


def test_an_import_and_its_files(lgp: Any, state: Path) -> None:
    sheet(3)
    reply = lgp("leads", "import", "c.csv")
    assert (reply.code, result(reply)) == (0, {"rows": 3, "created": 3, "sent": 3})
    rows = list(csv.reader(Path("c.csv.ids.csv").read_text("utf-8-sig").splitlines()))
    assert rows == [
        ["line", "email", "id"],
        *([f"{n + 2}", f"n{n}@x.example", reply.json["ids"][n]] for n in range(3)),
    ]
    found = lgp("leads", "list", "--email", "n1@x.example").rows[0]
    assert (found["id"], found["firstName"], found["client_id"]) == (rows[2][2], "N1", "client_a")
    change = json.loads((state / "sandbox" / "changes.jsonl").read_text().splitlines()[-1])
    assert (change["command"], change["created"], change["ids"]) == (
        "leads import",
        3,
        reply.json["ids"],
    )
    assert "example" not in Path("c.csv.lgp-ledger").read_text()
    assert {path.stat().st_mode & 0o777 for path in Path().glob("c.csv.*")} == {0o600}
    enrolled = lgp(
        "sequences", "enroll", lgp("sequences", "list").rows[0]["id"], "--ids-from", "c.csv.ids.csv"
    )
    assert enrolled.json["applied"] == 3


def test_the_same_command_sends_only_what_is_not_done(
    imported: Any, sent: list[tuple[str, str]]
) -> None:
    run, served = imported()
    sheet(205)
    assert result(run("c.csv")) == {"rows": 205, "created": 205, "sent": 205}
    assert sent == [BATCH, ("GET", "/api/agent/leads"), BATCH, BATCH]
    sent.clear()
    assert result(run("c.csv")) == {"rows": 205, "created": 205}
    assert sent == []
    Path("c.csv").write_text(Path("c.csv").read_text() + "New,Row,n9999@x.example,client_a,\n")
    assert result(run("c.csv")) == {"rows": 206, "created": 206, "sent": 1}
    assert sent == [BATCH, ("GET", "/api/agent/leads")]
    assert len(stored(served)) == 206


def test_changed_values_of_a_lead_are_listed_and_not_sent(
    imported: Any, sent: list[tuple[str, str]]
) -> None:
    run, _ = imported()
    run(sheet(3))
    sent.clear()
    reply = run(sheet(3, change=lambda n: "+1 555 0100" if n == 1 else ""))
    assert result(reply) == {"rows": 3, "created": 2, "changed": 1}
    assert reply.json["problems"] == [
        {"line": 3, "email": "n1@x.example", "outcome": "changed",
         "message": "imported before with other values, and this API cannot update a lead"}
    ]  # fmt: skip
    assert (reply.code, sent) == (0, [])


def test_one_e_mail_of_two_clients_is_two_leads(imported: Any) -> None:
    run, served = imported()
    Path("c.csv").write_text("firstName,lastName,email\nA,B,n@x.example\n")
    assert result(run("c.csv", "--client-id", "client_a"))["sent"] == 1
    served.app.faults.append(Fault("POST /leads/batch=reset*1"))  # what is looked for is not it
    assert result(run("c.csv", "--client-id", "client_b"))["created"] == 1
    assert stored(served) == ["n@x.example"] * 2


def boundaries(monkeypatch: pytest.MonkeyPatch, at: int) -> list[int]:
    """Kill at the `at`-th moment: before and after each request and each write to the disk."""
    passed = [0]

    def around(function: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            for step in (lambda: None, lambda: function(*args, **kwargs)):
                made = step()
                passed[0] += 1
                if passed[0] == at:
                    raise Killed
            return made

        return wrapped

    monkeypatch.setattr(Transport, "send", around(Transport.send))
    monkeypatch.setattr(os, "fsync", around(lambda descriptor: None))
    return passed


@pytest.mark.parametrize("faults", [[], ["GET /leads=lag:2"]])
def test_killed_at_any_moment_and_run_again_each_lead_is_there_once(
    imported: Any, faults: list[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    run, served = imported(faults=faults)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(Operation, "ceiling", lambda self, field: 2)
    for at in range(1, 99):
        rows = [f"N,L,k{at}n{n}@x.example,client_a" for n in range(3)]
        Path(f"{at}.csv").write_text("\n".join(["firstName,lastName,email,client_id", *rows]))
        with monkeypatch.context() as patch:
            passed = boundaries(patch, at)
            with contextlib.suppress(Killed):
                run(f"{at}.csv")
        if passed[0] < at:
            break
        reply = run(f"{at}.csv")
        assert (reply.code, reply.json["created"] + reply.json["existing"]) == (0, 3), reply
    found = stored(served)
    assert len(found) == len(set(found)) == 3 * at
    assert at > 20  # moments
    assert max(clock.slept) <= 60


def test_an_answer_that_is_lost_is_looked_for_before_anything_is_sent_again(
    imported: Any, sent: list[tuple[str, str]], clock: Clock
) -> None:
    run, served = imported(
        faults=["POST /leads/batch=applied-reset*1", "POST /leads/batch=reset*1"]
    )
    assert result(run(sheet(250)))["created"] == 250
    assert len(stored(served)) == 250
    assert sent.count(BATCH) == 4
    assert sum(clock.slept) == pytest.approx(60, abs=5)


def test_a_server_that_never_answers_ends_the_run_with_exit_8(
    imported: Any, sent: list[tuple[str, str]]
) -> None:
    run, _ = imported(faults=["POST /leads/batch=reset"])
    reply = run(sheet(250))
    assert (reply.code, sent.count(BATCH)) == (8, 3)
    assert result(reply) == {"rows": 250, "unknown": 100, "not_sent": 150, "sent": 250}
    assert reply.error["hint"].endswith("leads import c.csv --yes")


@pytest.mark.parametrize("killed", [False, True])
def test_a_server_that_stores_nothing_is_found_after_the_first_batch(
    imported: Any,
    sent: list[tuple[str, str]],
    clock: Clock,
    killed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, served = imported(faults=["POST /leads/batch=stored-nothing"])
    monkeypatch.setattr(Operation, "ceiling", lambda self, field: 2)
    sheet(3)
    if killed:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(imports.Import, "look_up", lambda *args: (_ for _ in ()).throw(Killed))
            run("c.csv")
    reply = run("c.csv")
    assert (reply.code, sent.count(BATCH), round(sum(clock.slept))) == (8, 1, 30)
    assert "cannot be read back" in reply.error["message"]
    assert "--one-by-one" in reply.error["hint"]
    reply = run("c.csv", "--one-by-one")
    assert (reply.code, result(reply)) == (0, {"rows": 3, "created": 3, "sent": 3})
    assert len(stored(served)) == 3


def answering(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Batches answer with what `change` leaves of the body."""
    create = HANDLERS["leads.create-batch"]

    def changed(call: Any) -> Any:
        answer = create(call)
        body = json.loads(answer.body)
        change(body)
        return answer._replace(body=json.dumps(body).encode())

    monkeypatch.setitem(HANDLERS, "leads.create-batch", changed)


def test_an_answer_without_ids_or_reasons_is_resolved_by_looking(
    lgp: Any, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    lgp("leads", "import", sheet(2, "before.csv"))
    clock.ahead += 10
    answering(monkeypatch, lambda body: body.update(createdIds=None, skipped=len(body["skipped"])))
    reply = lgp("leads", "import", sheet(5))
    # Both looks find all five; two are older than what was sent.
    assert result(reply)["existing" if not clock.slept else "rows"] == 5
    assert set(result(reply)) <= {"rows", "created", "existing", "sent"}


def test_what_an_answer_claims_and_no_look_finds_is_unknown(
    lgp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, lambda body: body.update(createdIds=None, created=3, skipped=0))
    monkeypatch.setattr(server_leads, "_store", lambda call, fields: {"id": "nowhere"})
    reply = lgp("leads", "import", sheet(3))
    assert (reply.code, result(reply)) == (8, {"rows": 3, "unknown": 3, "sent": 3})
    assert "--resend-unknown" in reply.error["hint"]
    monkeypatch.undo()


@pytest.mark.parametrize("option", [[], ["--resend-unknown"]])
def test_what_lies_beyond_the_search_depth_is_the_users_decision(
    lgp: Any, monkeypatch: pytest.MonkeyPatch, option: list[str], sent: list[tuple[str, str]]
) -> None:
    sheet(3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Transport, "send", lambda *args, **kwargs: (_ for _ in ()).throw(Killed))
        lgp("leads", "import", "c.csv")
    monkeypatch.setattr(server_leads, "INDEX_DEPTH", 10)
    monkeypatch.setattr(leads, "SEARCH_DEPTH", 10)
    newer = [{"firstName": "A", "lastName": "B", "email": f"later{n}@y.example"} for n in range(12)]
    lgp("leads", "create", "--data", json.dumps(newer))
    sent.clear()
    reply = lgp("leads", "import", "c.csv", *option)
    assert (reply.code, sent.count(BATCH)) == ((0, 1) if option else (8, 0))
    assert (
        "--resend-unknown" in reply.error["hint"] if not option else result(reply)["created"] == 3
    )


def test_what_was_there_before_is_existing_in_batches_and_one_by_one(lgp: Any) -> None:
    lgp("leads", "import", sheet(3, "before.csv"))
    for name, words in (("c.csv", []), ("d.csv", ["--one-by-one"])):
        reply = lgp("leads", "import", sheet(3, name), *words)
        assert (reply.code, result(reply)) == (0, {"rows": 3, "existing": 3, "sent": 3})
        assert "Neither campaign nor fields of what was there before were changed." in reply.notes
        assert (
            Path(f"{name}.existing.csv").read_text("utf-8-sig").splitlines()[1] == "2,n0@x.example,"
        )
        assert not Path(f"{name}.ids.csv").exists()


def test_rejected_rows_are_sent_again_only_when_they_changed(
    lgp: Any, sent: list[tuple[str, str]]
) -> None:
    head, row = "firstName,lastName,email,client_id,campaignId\n", "A,B,a@x.example,client_a,"
    for words in ([], ["--one-by-one"]):
        name = f"c{len(words)}.csv"
        Path(name).write_text(head + row.replace("a@", f"a{len(words)}@") + "nosuch\n")
        reply = lgp("leads", "import", name, *words)
        assert (reply.code, result(reply)) == (4, {"rows": 1, "rejected": 1, "sent": 1})
        assert (
            "names no campaign of this company" in Path(f"{name}.rejects.csv").read_text() or words
        )
        sent.clear()
        assert (lgp("leads", "import", name, *words).code, sent) == (4, [])
        Path(name).write_text(head + row.replace("a@", f"a{len(words)}@") + "\n")
        assert result(lgp("leads", "import", name, *words)) == {"rows": 1, "created": 1, "sent": 1}


def test_a_batch_refused_as_a_whole_is_not_counted_as_sent(imported: Any) -> None:
    run, served = imported(faults=["POST /leads/batch=400*1"])
    reply = run(sheet(3))
    assert (reply.code, result(reply)) == (4, {"rows": 3, "not_sent": 3, "sent": 3})
    assert "--one-by-one" in reply.error["hint"]
    assert result(run("c.csv"))["created"] == 3
    assert len(stored(served)) == 3


def test_bad_rows_stop_everything_unless_skipped(lgp: Any, sent: list[tuple[str, str]]) -> None:
    Path("c.csv").write_text(
        "firstName,lastName,email\nA,B,a@x.example\nA,B,nothing\nA,B,a@x.example\n"
    )
    assert (lgp("leads", "import", "c.csv").code, sent) == (2, [])
    reply = lgp("leads", "import", "c.csv", "--skip-invalid")
    assert (reply.code, result(reply)) == (
        4,
        {"rows": 3, "created": 1, "rejected": 1, "doubles": 1, "sent": 1},
    )
    assert reply.json["problems"] == [
        {
            "line": 3,
            "email": "nothing",
            "outcome": "rejected",
            "message": "email must be an e-mail address",
        }
    ]
    assert [one for one in reply.notes if "hide leads without a client" in one] != []
    assert reply.error["message"] == "1 row was not imported: see c.csv.rejects.csv."
    reply = lgp("leads", "import", "c.csv", terminal=True)
    assert "email from email" in reply.err and "line 3: email must be" in reply.err


def test_many_rows_and_fences_are_asked_about_before_anything_is_sent(
    lgp: Any, sent: list[tuple[str, str]]
) -> None:
    sheet(126)
    reply = lgp("leads", "import", "c.csv")
    assert (reply.code, reply.error["code"]) == (2, "needs_yes")
    reply = lgp("leads", "import", "c.csv", "--yes", environ={"LGP_MAX_CHANGES": "125"})
    assert reply.error["code"] == "too_many_changes"
    assert lgp("leads", "import", "c.csv", "--yes", "--read-only").error["code"] == "read_only"
    reply = lgp("leads", "import", "c.csv", "--dry-run")
    assert (reply.code, reply.json["records"], reply.json["requests"]) == (0, 126, 2)
    assert len(reply.json["body"]["leads"]) == 2 and "yes" in reply.json
    reply = lgp("leads", "import", "c.csv", "--dry-run", terminal=True)
    assert reply.out == "126 rows would be imported, in 2 requests.\n"
    reply = lgp("leads", "import", "c.csv", terminal=True, stdin="n\n")
    shown = " ".join(reply.err.split())
    assert (reply.code, sent) == (2, [])
    assert "email from email" in shown and '{"firstName":"N1"' in shown
    assert lgp("leads", "import", sheet(25)).code == 0


def test_a_rehearsal_says_nothing_about_another_service(imported: Any, lgp: Any) -> None:
    run, _ = imported()
    assert result(lgp("leads", "import", sheet(3)))["sent"] == 3
    assert result(run("c.csv")) == {"rows": 3, "created": 3, "sent": 3}
    assert result(lgp("leads", "import", "c.csv")) == {"rows": 3, "created": 3}


def test_a_rotated_key_goes_on_and_another_company_does_not(
    imported: Any, lgp: Any, home: Path, sent: list[tuple[str, str]]
) -> None:
    served = imported()[1]
    path, first = home / ".leadgenius_auth.json", served.environ["LGP_API_KEY"]
    sheet(3)

    def run(key: str, **more: Any) -> tuple[int, int]:
        """(exit code, requests) with what the credential file holds."""
        path.write_text(
            json.dumps({"base_url": served.origin, "api_key": key, "layout": 2, **more})
        )
        path.chmod(0o600)
        sent.clear()
        environ = {"LGP_BASE_URL": served.origin}
        return lgp("leads", "import", "c.csv", sandbox=False, environ=environ).code, len(sent)

    other, third = "lgp_" + "0" * 64, "lgp_" + "1" * 64
    assert run(first) == (0, 2)
    assert run(other, previous_api_keys=[first]) == (0, 0)
    assert run(other, company_id="company-1") == (0, 0)
    assert run(third, company_id="company-1") == (0, 0)  # by the run before
    assert run(third.replace("1", "2")) == (3, 1)  # a stranger: everything is sent


def test_a_second_run_on_the_file_and_a_damaged_ledger_are_exit_9(imported: Any, lgp: Any) -> None:
    from leadgenius.files import locked

    run, served = imported()
    sheet(3)
    with locked(Path("c.csv.lgp-ledger"), suffix=""):
        assert (run("c.csv").error["code"], stored(served)) == ("locked", [])
    assert run("c.csv").code == 0
    ledger = Path("c.csv.lgp-ledger")
    ledger.write_text(ledger.read_text() + '{"row": "half a line' + 5000 * "x")
    for _ in range(2):
        assert result(run("c.csv")) == {"rows": 3, "created": 3}
    ledger.write_text("no ledger\n")
    reply = run("c.csv")
    assert (reply.code, reply.error["code"]) == (9, "checkpoint")


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    imported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _served = imported()
    sheet(250)
    sends: list[int] = []
    send = imports.Import.send

    def stopping(self: Any, keys: list[str]) -> None:
        sends.append(len(keys))
        if len(sends) == 3:
            raise KeyboardInterrupt
        send(self, keys)

    with monkeypatch.context() as patch:
        patch.setattr(imports.Import, "send", stopping)
        reply = run("c.csv")
    assert (reply.code, result(reply)["created"], result(reply)["not_sent"]) == (130, 200, 50)
    assert reply.error["hint"].endswith("leads import c.csv --yes")
    assert result(run("c.csv")) == {"rows": 250, "created": 250, "sent": 50}


def test_no_wait_goes_beyond_max_time(imported: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _ = imported(faults=["POST /leads/batch=reset*1"])
    with monkeypatch.context() as patch:
        patch.setattr(imports, "monotonic", time.monotonic)
        patch.setattr(imports, "sleep", lambda seconds: time.sleep(min(seconds, 1)))
        reply = run(sheet(3), "--max-time", "1s")
    assert (reply.code, reply.error["code"]) == (5, "out_of_time")
    assert result(run("c.csv"))["created"] == 3


def test_a_person_reads_a_sentence_and_a_program_ids(lgp: Any) -> None:
    lgp("leads", "import", sheet(2, "before.csv"))
    reply = lgp("leads", "import", sheet(5), terminal=True)
    assert reply.out == "3 leads created, 2 were there before.\n"
    assert "See c.csv.ids.csv, c.csv.existing.csv." in reply.err
    Path("c.csv").write_text(Path("c.csv").read_text() + "Bad,Row,nothing,client_a,\n")
    reply = lgp("leads", "import", "c.csv", "--skip-invalid", terminal=True)
    words = (
        "Nothing left to send: 3 leads were created before, 2 were there before; 1 rejected: see"
    )
    assert " ".join(reply.out.split()).startswith(f"{words} c.csv.rejects.csv.")
    sheet(5)
    assert len(lgp("leads", "import", "c.csv", "--format", "ids").out.split()) == 3
