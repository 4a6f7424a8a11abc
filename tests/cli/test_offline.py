"""What needs no network: help, the schema, the request log, completion, stderr."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli import parser, stderr
from cli.commands import COMMANDS
from cli.offline import EXIT_CODES
from cli.options import SENDING
from cli.stderr import HINTS, spelled
from contract.operations import operations
from sandbox.demo import CREDENTIALS

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PAGES = ["", "options", *parser.following([]), *(one.words for one in COMMANDS)]


@pytest.mark.parametrize("words", PAGES)
def test_every_page_of_help_fits_a_screen(lgp, words):
    found = lgp(*words.split(), "--help", sandbox=False)
    example, *lines = found.out.splitlines()
    assert (found.code, found.err, example[:14]) == (0, "", "usage: python3")
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 50


def test_the_overview_names_every_group_and_exit_code(lgp):
    found = lgp(sandbox=False)
    assert found.out == lgp("--help", sandbox=False).out
    assert all(f"  {name} " in found.out for name in parser.following([]))
    assert "  sequences        list; create; enroll\n" in found.out
    assert EXIT_CODES.partition("\n\n")[0] in found.out


@pytest.mark.parametrize("group", ["leads", "enrich-leads", "maintenance", "maintenance bugs"])
def test_a_group_alone_and_its_help_print_its_commands(lgp, group):
    found = lgp(*group.split(), sandbox=False)
    assert (found.code, found.out) == (0, lgp("-h", *group.split(), sandbox=False).out)
    assert all(f"\n  {one} " in found.out for one in parser.following(group.split()))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.words)
def test_the_help_of_a_command_has_its_example_before_its_options(lgp, command):
    text = lgp(*command.words.split(), "--help", sandbox=False).out
    assert text.partition("\n")[0].endswith(command.example.removeprefix("{lgp}"))
    own = [one for one in parser.takes(command) if one.group not in SENDING]
    assert {*re.findall(r"(?m)(?:^  |, )(--?[a-z][\w-]*)", text)} == {*parser.flags(own)}
    assert text.endswith("--help options\n")


# Schema


@pytest.mark.parametrize("name", operations())
def test_a_schema_fits_a_small_context(lgp, name):
    found = lgp("schema", name, sandbox=False)
    assert (found.code, found.err) == (0, "")
    assert len(found.out.encode()) < 6000
    assert found.json["operation"] == name
    fields = operations()[name].body_fields().keys()
    assert found.json.get("body", {}).get("properties", {}).keys() == fields
    assert found.json["commands"] == [one.words for one in COMMANDS if one.id == name]


def test_the_schema_of_a_campaign_has_types_values_and_an_example(lgp):
    found = lgp("schema", "campaigns.create", sandbox=False).json
    fields = found["body"]["properties"]
    assert fields["campaignType"]["enum"] == ["abm", "demand_gen", "nurture"]
    assert fields["goals"]["properties"]["targetPipeline"]["type"] == "number"
    assert (found["example"]["name"], found["body"]["required"][0]) == ("Q3 Expansion", "name")
    assert found["answers"]["startDate"]["type"] == ["string", "null"]
    assert lgp("schema", "campaigns", "create", sandbox=False).json == found


def test_schema_alone_is_a_line_an_operation(lgp):
    assert [row["operation"] for row in lgp("schema", sandbox=False).rows] == list(operations())


@pytest.mark.parametrize(
    ("line", "near"),
    [("schema campaigns.creat", "campaigns.create"), ("completion fish", "bash, zsh")],
)
def test_a_wrong_name_is_exit_2_with_what_there_is(lgp, line, near):
    found = lgp(*line.split(), sandbox=False)
    assert (found.code, near in found.error["message"]) == (2, True)


# The request log


def test_limits_name_known_keys_by_prefix_and_count_what_was_sent(lgp):
    lgp("campaigns", "list")
    row = lgp("limits").rows[0]
    key = CREDENTIALS["api_key"][:10]
    assert (row["key"], row["limit"], row["used"], row["left"]) == (key, 60, 1, 59)
    lgp("generate-key", "--name", "x")
    assert {row["key"] for row in lgp("limits").rows} == {"another key", "login"}
    lgp("auth", "logout", "--keys")
    assert {row["key"] for row in lgp("limits").rows} == {"another key"}


def test_limits_clear_lifts_a_pause(lgp, serve):
    served = serve(faults=["GET /campaigns=429:30"])
    run = lambda *words: lgp(*words, sandbox=False, environ=served.environ)  # noqa: E731
    assert run("campaigns", "list", "--max-wait", "0").code == 5
    assert all(row["blocked_until"] for row in run("limits").rows)
    assert run("limits", "clear").json == {"cleared": 1}
    assert not any(row["blocked_until"] for row in run("limits").rows)


# Completion


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("", " ".join(parser.following([]))),
        ("--quiet --format json leads e", "enrich"),
        ("--quiet lea", "leads"),
        ("maintenance bugs ", "list report"),
        ("campaigns get abc --dry", "--dry-run"),
        ("leads list --status q", "qualified"),
        ("campaigns list --status a", "active archived"),
        ("leads list --format c", "csv"),
        ("auth save-key --scope ", "agent system"),
        ("leads list --out a", ""),
        ("nothing here ", ""),
        ("pipeline --st", "--start --start-date"),
        ("leads list --verb", "--verbose"),
    ],
)
def test_candidates_are_those_of_the_command_typed(lgp, line, offered):
    found = lgp("completion", "candidates", "--", *line.split(" "), sandbox=False)
    assert (found.code, found.err) == (0, "")
    assert sorted(found.out.split()) == sorted(offered.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_asks_the_program(tmp_path):
    line = f'eval "$({sys.executable} {SCRIPTS / "lgp.py"} completion bash)";'
    line += ' COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lgp;'
    line += " complete -p lgp | grep -q -- '-o default' &&"  # files, where there is nothing
    line += ' printf "%s\\n" "${COMPREPLY[@]}"'
    for words, offered in (("--status q", "qualified\n"), ("--out lea", "\n")):
        command = ["bash", "-c", line, "bash", "lgp", "leads", "list", *words.split()]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert (done.stdout, done.stderr) == (offered, "")


# Hints


def test_every_hint_key_of_the_helper_has_a_command():
    text = "".join(path.read_text() for path in (SCRIPTS / "leadgenius").glob("*.py"))
    assert set(re.findall(r'hint\w* ?= ?"([a-z]+(?:_[a-z]+)+)"', text)) <= set(HINTS)
    for template in HINTS.values():
        assert parser.find(template.split("   ")[0].removeprefix("{lgp} ").split())[0]


@pytest.mark.parametrize(
    ("code", "path", "hint", "said"),
    [
        ("forbidden", "/api/agent/leads", "", "LGP_API_KEY"),
        ("forbidden", "/api/admin/users", "", "Master Admin"),
        ("forbidden", "/api/agent-api-keys", "", "auth --email"),
        ("forbidden", "/api/enrich-leads/list", "", "LGP_AMPLIFY_API_KEY"),
        (
            "outcome_unknown",
            "/api/agent/leads/batch",
            "check_change",
            " leads list --email ADDRESS",
        ),
        ("outcome_unknown", "/api/agent/workflows", "check_change", "lgp.py workflows list"),
        ("outcome_unknown", "/api/agent/enrichment/trigger", "check_change", "lgp.py jobs list"),
        ("refused", "/api/agent/leads", "kept", "kept"),
    ],
)
def test_a_hint_follows_from_what_was_refused_or_lost(code, path, hint, said):
    assert said in spelled(stderr.for_error(code, path, hint))


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("scripts/lgp.py --base-url https://x.example:1", "--base-url https://x.example:1 "),
        ("scripts/lgp.py --base-url=https://x.example", "--base-url=https://x.example "),
        ("scripts/lgp.py --sandbox", "--sandbox "),
        ("scripts/lgp.py --profile two", "--profile two "),
        ("scripts/lgp.py --base-url=https://me:pass@x", ""),  # a password is not repeated
        ("/usr/local/bin/lgp", None),
    ],
)
def test_a_hint_goes_where_this_run_went_as_it_was_called(monkeypatch, line, hint):
    monkeypatch.setattr(sys, "argv", line.split())
    program = "lgp " if hint is None else f"python3 scripts/lgp.py {hint}"
    assert spelled("{lgp} auth   (or --sandbox)") == f"{program}auth   (or --sandbox)"


def test_hints_are_commands_that_work_where_the_run_stands(lgp, serve):
    absent = lgp("campaigns", "get", "nope").error["hint"]
    assert absent.endswith("lgp.py --sandbox campaigns list --all")
    environ = {"LGP_BASE_URL": serve().origin}
    nobody = lgp("leads", "list", sandbox=False, environ=environ).error
    assert re.search("lgp.py auth --email YOU .*--sandbox needs no account", nobody["hint"])
    environ["LGP_PASSWORD"] = "not-the-one"
    wrong = lgp("auth", "--email", "your@email.com", sandbox=False, environ=environ)
    assert (wrong.code, wrong.error["hint"].split("lgp.py ")[1]) == (3, "auth --email YOU")
    environ["LGP_AMPLIFY_API_KEY"] = CREDENTIALS["amplify_api_key"]
    company = lgp("enrich-leads", "list", sandbox=False, environ=environ).error["hint"]
    assert company.startswith("Give --company-id or LGP_COMPANY_ID")
