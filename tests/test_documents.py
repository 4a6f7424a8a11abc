"""README.md and SKILL.md: every command line in them parses, runs, and shows what its operation requires."""

import re
import shlex
from pathlib import Path

import pytest

from cli import options, parser
from cli.commands import COMMANDS
from contract.operations import operations

ROOT = Path(__file__).resolve().parents[1]
SKILL = (ROOT / "SKILL.md").read_text()
README = (ROOT / "README.md").read_text()
# Lines that every reader of the vendor's documents knows: they must run as they stand.
DOCUMENTED = """
lgp auth --email your@email.com
lgp leads list
lgp leads enrich --ids lead_1 lead_2
lgp campaigns list
lgp campaigns create --name "Q3 Expansion"
lgp pipeline --start 2026-01-01 --end 2026-02-08
lgp maintenance bugs list
lgp maintenance bugs report --desc "Enrichment fails on LinkedIn URLs"
lgp maintenance enhancements list
lgp maintenance enhancements request --desc "Add support for Google Maps leads"
lgp admin companies
lgp admin users
lgp generate-key --name "Production Agent" --desc "Key for main auto-agent"
python3 scripts/api_call.py GET /campaigns
python3 scripts/auth.py --email your@email.com
""".strip().splitlines()


def command_lines(text):
    """Every `lgp …`, `python3 scripts/…` line of the bash blocks, without its comment."""
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            line = line.split(" #")[0].strip()
            if line.startswith(("lgp ", "python3 scripts/api_call", "python3 scripts/auth")):
                yield line


LINES = list(dict.fromkeys([*command_lines(SKILL), *command_lines(README), *DOCUMENTED]))


def words_of(line):
    """(script, its words) of a line."""
    words = shlex.split(line)
    return ("lgp", words[1:]) if words[0] == "lgp" else (Path(words[1]).stem, words[2:])


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("lgp ")])
def test_a_line_parses_and_gives_what_its_operation_requires(line):
    _, words = words_of(line)
    found, rest = options.split(words, {})
    command, rest = parser.find(rest)
    arguments = parser.parse(command, found, rest)
    if command.run == "request.run" and command.words.split()[-1] in (
        "create",
        "report",
        "request",
    ):
        missing = [
            name
            for name in operations()[command.operation].required
            if getattr(arguments, f"body_{name}", None) is None and name not in command.defaults
        ]
        assert not missing, line


@pytest.fixture
def filled(lgp, home, quick_jobs):
    """What WORDS IN CAPITALS stand for in the demo data; and the files that lines name."""
    campaign = lgp("campaigns", "list").rows[0]
    lead = lgp("leads", "list").rows[0]
    account = lgp("target-accounts", "list").rows[0]
    lgp("campaigns", "create", "--name", "Q3 Expansion")
    lgp("target-accounts", "create", "--account-name", "Northwind Traders")
    lgp("sequences", "create", "--name", "Welcome")
    (home / "contacts.csv").write_text(
        "First Name,Last Name,Work Email\nMara,Okafor,mara@okafor.example\n"
    )
    (home / "contacts.csv.ids.csv").write_text(f"line,email,id\n2,x,{lead['id']}\n")
    (home / "ids.csv").write_text(f"id\n{lead['id']}\n")
    job = lgp("leads", "enrich", "--ids", "lead_1").json["jobs"][0]["jobId"]
    return {
        "CAMPAIGN": campaign["id"],
        "CLIENT": "client_acme",
        "LEAD": lead["id"],
        "ACCOUNT": account["id"],
        "JOB": job,
    }


@pytest.mark.parametrize("line", LINES)
def test_a_line_runs_in_the_sandbox_as_it_stands(lgp, filled, line):
    script, words = words_of(line)
    words = [filled.get(word, word) for word in words]
    words = [re.sub(r"=CAMPAIGN$", f"={filled['CAMPAIGN']}", word) for word in words]
    if "contacts.csv" in words and "--map" not in words:
        words += ["--map", "Work Email=email"]
    reply = lgp(*words, script=script, environ={"LGP_PASSWORD": "", "LGP_EMAIL": ""})
    assert reply.code == 0, reply


def test_no_command_stands_twice_in_the_skill():
    lines = list(command_lines(SKILL))
    assert len(lines) == len(set(lines))


def test_the_skill_is_short_and_names_every_command_and_safety_option():
    assert len(SKILL.encode()) <= 20_000 and SKILL.count("\n") <= 300
    named = {
        parser.find(options.split(words_of(line)[1], {})[1])[0].words
        for line in command_lines(SKILL)
        if line.startswith("lgp ")
    }
    groups = {one.words.split()[0] for one in COMMANDS}
    told = {words.split()[0] for words in named}
    assert groups - told <= {"auth", "keys", "enrichment", "jobs", "completion", "limits"}
    for name in (
        "--where",
        "--count-by",
        "--wait",
        "--ids-from",
        "--ids-out",
        "--todo-out",
        "--yes",
        "--profile",
        "--dry-run",
    ):
        assert name in SKILL


def test_every_flag_that_the_documents_name_exists():
    known = {"--help", "--version", "--param", "--include", "--scope", "--key"}
    for command in COMMANDS:
        known |= {flag for one in parser.takes(command) for flag in one.flags}
    sandbox = {
        "--port",
        "--db",
        "--limits",
        "--no-rate-limit",
        "--reset",
        "--demo-leads",
        "--allow-duplicates",
        "--fault",
    }
    for text, others in (
        (SKILL, set()),
        (README, sandbox | {"--quiet", "--appendonly", "--cursor", "--continue-old"}),
    ):
        without_setup = re.sub(r"pip install.*", "", text)
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", without_setup))
        assert named - known - others == set()


def test_every_exit_code_is_in_the_skill():
    from cli.offline import EXIT_CODES

    rows = re.findall(r"^\| ([0-9, ]+) \|", SKILL, re.MULTILINE)
    assert {int(one) for row in rows for one in row.split(",")} == {*EXIT_CODES, 143, 141}


def python_blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("block", [*python_blocks(SKILL), *python_blocks(README)])
def test_the_python_lines_run_as_they_stand(block, process, serve, tmp_path):
    import subprocess
    import sys

    served = serve()
    import os

    done = subprocess.run(
        [sys.executable, "-c", block],
        cwd=ROOT,
        env={**os.environ, **served.environ},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("@") >= 60
