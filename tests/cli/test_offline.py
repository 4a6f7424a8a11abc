"""What needs no network: help, the schema, the request log, completion, hints."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import hints, parser
from cli.commands import COMMANDS
from cli.hints import HINTS, spelled
from cli.offline import EXIT_CODES
from cli.options import SENDING
from contract.operations import operations, schemas
from sandbox.demo import CREDENTIALS

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PAGES = [
    (),
    ("options",),
    *((name,) for name in parser.following([])),
    *(tuple(one.words.split()) for one in COMMANDS),
]


# Help


@pytest.mark.parametrize("width", ["80", "200"])
@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_page_of_help_fits_a_screen(
    lgp: Any, words: tuple[str, ...], width: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    found = lgp(*words, "--help", sandbox=False)
    lines = found.out.splitlines()
    assert (found.code, found.err) == (0, "")
    assert max(map(len, lines)) <= int(width)
    assert len(lines) <= 50


def test_the_overview_names_every_group_and_exit_code(lgp: Any) -> None:
    found = lgp(sandbox=False)
    assert found.out == lgp("help", sandbox=False).out == lgp("--help", sandbox=False).out
    text = " ".join(found.out.split())
    assert all(f" {name} " in text for name in parser.following([]))
    assert all(f"{code} {words}" in text for code, words in EXIT_CODES.items())


def test_a_group_alone_prints_its_commands(lgp: Any) -> None:
    found = lgp("maintenance", sandbox=False)
    assert found.code == 0
    for words in ("bugs list", "bugs report", "enhancements list", "enhancements request"):
        assert f"maintenance {words}" in found.out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.words)
def test_the_help_of_a_command_has_its_example_before_its_options(lgp: Any, command: Any) -> None:
    text = lgp(*command.words.split(), "--help", sandbox=False).out
    example = " ".join(text.split()).index(spelled(command.example))
    assert example < 300
    own = [one for one in parser.takes(command) if one.group not in SENDING]
    flags = [flag for one in own for flag in one.flags]
    assert all(f"{flag} " in text or f"{flag}," in text or f"{flag}\n" in text for flag in flags)
    assert text.endswith("--help options\n")


# Schema


@pytest.mark.parametrize("name", [*operations(), *schemas()])
def test_a_schema_fits_a_small_context(lgp: Any, name: str) -> None:
    found = lgp("schema", name, sandbox=False)
    assert (found.code, found.err) == (0, "")
    assert len(found.out.encode()) < 6000
    if name in schemas():
        assert found.json["record"] == name
        return
    operation = operations()[name]
    assert (found.json["operation"], found.json["path"]) == (name, operation.path)
    assert found.json.get("body", {}).get("properties", {}).keys() == operation.body_fields().keys()
    assert found.json["commands"] == [one.words for one in COMMANDS if one.operation == name]


def test_the_schema_of_a_campaign_has_types_values_and_an_example(lgp: Any) -> None:
    found = lgp("schema", "campaigns.create", sandbox=False).json
    fields = found["body"]["properties"]
    assert fields["campaignType"]["enum"] == ["abm", "demand_gen", "nurture"]
    assert fields["goals"]["properties"]["targetPipeline"]["type"] == "number"
    assert "campaignType" in found["body"]["required"]
    assert found["example"]["name"] == "Q3 Expansion"
    assert found["answers"]["startDate"]["type"] == ["string", "null"]
    assert lgp("schema", "campaigns", "create", sandbox=False).json == found


def test_schema_alone_is_a_line_an_operation_and_a_group_gives_its_own(lgp: Any) -> None:
    assert [row["operation"] for row in lgp("schema", sandbox=False).rows] == list(operations())
    rows = lgp("schema", "leads", sandbox=False).rows
    assert [row["operation"] for row in rows] == [
        name for name in operations() if name.startswith("leads.")
    ]
    lines = lgp(
        "schema", "--format", "csv", "--fields", "operation,effect", sandbox=False
    ).out.splitlines()
    assert lines[:2] == ["operation,effect", "auth.login,reads"]


@pytest.mark.parametrize(
    ("name", "near"), [("campaigns.creat", "campaigns.create"), ("Leed", "Lead")]
)
def test_a_wrong_name_is_exit_2_with_near_ones(lgp: Any, name: str, near: str) -> None:
    found = lgp("schema", name, sandbox=False)
    assert (found.code, found.out, near in found.error["message"]) == (2, "", True)


# The request log


def test_limits_name_known_keys_by_prefix_and_count_what_was_sent(lgp: Any) -> None:
    lgp("campaigns", "list")
    row = lgp("limits").rows[0]
    key = CREDENTIALS["api_key"][:10]
    assert (row["key"], row["limit"], row["used"], row["left"]) == (key, 60, 1, 59)
    lgp("generate-key", "--name", "x")
    assert {row["key"] for row in lgp("limits").rows} == {key, "login of your@email.com"}
    lgp("auth", "logout", "--keys")
    assert {row["key"] for row in lgp("limits").rows} == {"another key"}


def test_limits_clear_lifts_a_pause(lgp: Any, serve: Any) -> None:
    served = serve(faults=["GET /campaigns=429:30"])
    run = lambda *words: lgp(*words, sandbox=False, environ=served.environ)  # noqa: E731
    assert run("campaigns", "list", "--max-wait", "0").code == 5
    assert all(row["blocked_until"] for row in run("limits").rows)
    assert run("limits", "clear").json == {"cleared": 1}
    assert not any(row["blocked_until"] for row in run("limits").rows)


# Completion


def candidates(lgp: Any, *words: str) -> list[str]:
    found = lgp("completion", "candidates", "--", *words, sandbox=False)
    assert (found.code, found.err) == (0, "")
    return found.out.split()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([""], parser.following([])),
        (["--quiet", "--format", "json", "leads", "e"], ["enrich"]),
        (["maintenance", "bugs", ""], ["list", "report"]),
        (["campaigns", "get", "abc", "--dry"], ["--dry-run"]),
        (["leads", "list", "--status", "q"], ["qualified"]),
        (["campaigns", "list", "--status", "a"], ["active", "archived"]),
        (["leads", "list", "--format", "=", "c"], ["csv"]),
        (["auth", "save-key", "--scope", ""], ["agent", "system"]),
        (["leads", "list", "--out", "a"], []),
        (["schema", "campaigns.c"], ["campaigns.create"]),
        (["completion", ""], ["bash", "zsh"]),
        (["nothing", "here", ""], []),
        (["pipeline", "--st"], ["--start", "--start-date"]),
    ],
    ids=lambda value: " ".join(value) or "none",
)
def test_candidates_are_those_of_the_command_typed(
    lgp: Any, words: list[str], offered: list[str]
) -> None:
    assert sorted(candidates(lgp, *words)) == sorted(offered)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_asks_the_program(tmp_path: Path) -> None:
    program = [sys.executable, str(SCRIPTS / "lgp.py"), "completion", "bash"]
    script = tmp_path / "completion"
    script.write_text(subprocess.run(program, capture_output=True, text=True, check=True).stdout)

    def complete(*words: str) -> list[str]:
        line = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lgp;'
        line += " complete -p lgp | grep -q -- '-o default' &&"  # files, where there is nothing
        line += ' printf "%s\\n" "${COMPREPLY[@]}"'
        command = ["bash", "-c", line, "bash", str(script), "lgp", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stderr == ""
        return done.stdout.splitlines()

    assert complete("leads", "list", "--status", "q") == ["qualified"]
    assert complete("leads", "list", "--out", "lea") == [""]


def test_completion_of_another_shell_is_exit_2(lgp: Any) -> None:
    assert lgp("completion", "fish", sandbox=False).code == 2


# Hints


def test_every_hint_key_of_the_helper_has_a_command() -> None:
    text = "".join(path.read_text() for path in (SCRIPTS / "leadgenius").glob("*.py"))
    assert set(re.findall(r'hint\w* ?= ?"([a-z]+(?:_[a-z]+)+)"', text)) <= set(HINTS)
    for template in HINTS.values():
        command = template.split("   ")[0]
        assert parser.find(command.removeprefix("{lgp} ").split())[0]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/agent/leads", "LGP_API_KEY"),
        ("/api/admin/users", "Master Admin"),
        ("/api/agent-api-keys", "auth --email"),
        ("/api/enrich-leads/list", "LGP_AMPLIFY_API_KEY"),
    ],
)
def test_a_refused_credential_is_answered_with_the_kind_that_the_path_takes(
    path: str, kind: str
) -> None:
    assert kind in spelled(hints.for_error("forbidden", path, "check_credentials"))


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/api/agent/leads/batch", "leads list --email ADDRESS"),
        ("/api/agent/workflows", "workflows list"),
        ("/api/agent/enrichment/trigger", "jobs list"),
    ],
)
def test_after_a_lost_answer_the_hint_is_the_list_that_shows_the_record(
    path: str, command: str
) -> None:
    hint = hints.for_error("outcome_unknown", path, "check_change")
    assert spelled(hint).startswith(f"python3 scripts/lgp.py {command}")


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["scripts/lgp.py", *words])
    return spelled("{lgp} leads list")


def test_a_hint_goes_where_this_run_went(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (["--base-url", "https://x.example:1"], ["--base-url=https://x.example"]):
        assert typed(monkeypatch, *words) == f"python3 scripts/lgp.py {' '.join(words)} leads list"
    assert typed(monkeypatch, "--sandbox") == "python3 scripts/lgp.py --sandbox leads list"
    assert (
        typed(monkeypatch, "--profile", "two") == "python3 scripts/lgp.py --profile two leads list"
    )


def test_a_password_in_the_base_url_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    typed_url = typed(monkeypatch, "--base-url=https://me:pass@x")
    assert typed_url == "python3 scripts/lgp.py leads list"


def test_a_hint_is_spelled_as_the_program_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/lgp"])
    assert spelled("{lgp} leads list") == "lgp leads list"


def test_hints_are_commands_that_work_where_the_run_stands(lgp: Any, serve: Any) -> None:
    absent = lgp("campaigns", "get", "nope").error["hint"]
    assert absent.endswith("lgp.py --sandbox campaigns list --all")
    served = serve()
    environ = {"LGP_BASE_URL": served.origin}
    nobody = lgp("leads", "list", sandbox=False, environ=environ).error
    assert re.search("lgp.py auth --email YOU .*--sandbox needs no account", nobody["hint"])
    wrong = lgp(
        "auth", "--email", "your@email.com", sandbox=False,
        environ={**environ, "LGP_PASSWORD": "not-the-one"},
    )  # fmt: skip
    assert (wrong.code, wrong.error["hint"].split("lgp.py ")[1]) == (3, "auth --email YOU")
    environ["LGP_AMPLIFY_API_KEY"] = CREDENTIALS["amplify_api_key"]
    company = lgp("enrich-leads", "list", sandbox=False, environ=environ).error["hint"]
    assert company.startswith("Give --company-id or LGP_COMPANY_ID")


def test_the_global_options_fit_a_terminal(lgp: Any) -> None:
    assert len(lgp("help", "options", environ={"COLUMNS": "80"}).out.splitlines()) <= 40
