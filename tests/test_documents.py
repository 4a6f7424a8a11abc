"""README.md and SKILL.md: every command line in them runs, and every option they name exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli import parser
from cli.commands import COMMANDS

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


@pytest.fixture
def filled(lgp, quick_jobs):
    """What WORDS IN CAPITALS stand for in the demo data; and the files that lines name."""
    first = {group: lgp(group, "list").rows[0]["id"] for group in ("campaigns", "target-accounts")}
    lgp("campaigns", "create", "--name", "Q3 Expansion")
    lgp("target-accounts", "create", "--account-name", "Northwind Traders")
    lgp("sequences", "create", "--name", "Welcome")
    contacts = "First Name,Last Name,Work Email\nMara,Okafor,mara@okafor.example\n"
    Path("contacts.csv").write_text(contacts)
    for name in ("contacts.csv.ids.csv", "ids.csv"):
        Path(name).write_text("line,id\n2,lead_1\n")
    return {
        "CAMPAIGN": first["campaigns"],
        "ACCOUNT": first["target-accounts"],
        "CLIENT": "client_acme",
        "LEAD": "lead_1",
        "JOB": lgp("leads", "enrich", "--ids", "lead_1").json["jobs"][0]["jobId"],
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
    groups = {one.words.split()[0] for one in COMMANDS}
    told = {words_of(line)[1][0] for line in command_lines(SKILL) if line.startswith("lgp ")}
    others = "auth keys enrichment jobs completion limits api_call"
    assert groups - told <= {*others.split()}
    options = "--where --count-by --wait --ids-from --ids-out --todo-out --yes --profile --dry-run"
    assert all(name in SKILL for name in options.split())


def test_every_flag_that_the_documents_name_exists():
    known = {"--help", "--version", "--param", "--include", "--scope", "--key"}
    for command in COMMANDS:
        known |= {*parser.flags(parser.takes(command))}
    others = """--port --db --limits --no-rate-limit --reset --demo-leads --allow-duplicates
        --fault --quiet --appendonly --cursor --continue-old"""
    for text, more in ((SKILL, ""), (README, others)):
        without_setup = re.sub(r"pip install.*", "", text)
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", without_setup))
        assert named <= {*known, *more.split()}


def test_every_exit_code_is_in_the_skill():
    from cli.offline import EXIT_CODES

    rows = re.findall(r"^\| ([0-9, ]+) \|", SKILL, re.MULTILINE)
    documented = {one.strip() for row in rows for one in row.split(",")}
    assert documented == {*re.findall("[0-9]+", EXIT_CODES)}


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", SKILL + README, re.DOTALL))
def test_the_python_lines_run_as_they_stand(block, serve):
    environ = {**os.environ, **serve().environ}
    command = [sys.executable, "-c", block]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("@") >= 60
