"""README.md and SKILL.md say nothing that is not so: every command line in them is parsed and run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands import raw
from commands.runners import parsing
from conftest import Clock, Ran, Run
from console import catalog, checks, program
from contract import ROOT, SPEC, code_blocks, commands_in, demo_ids, serving
from sandbox import __main__ as sandbox_program
from sandbox.app import Sandbox
from sandbox.demo import CREDENTIALS

README, SKILL = ROOT / "README.md", ROOT / "SKILL.md"
SKILL_TEXT = SKILL.read_text(encoding="utf-8")
FRONTMATTER, BODY = re.fullmatch(r"---\n(.*?)\n---\n(.*)", SKILL_TEXT, re.DOTALL).groups()  # type: ignore[union-attr]

# Lines that run none of the three scripts, each for a reason.
OTHER_LINES = (
    r"python3 -m pip install requests( *#.*)?",  # set-up
    r"export LGP_API_KEY=lgp_your_key( *#.*)?",  # a variable alone
    r"\.venv/bin/python -m pytest( *#.*)?",  # the tests themselves
    r"python3 tests/proof( *#.*)?",  # minutes
    r"bash \.ci/run( *#.*)?",  # a virtual environment
    r"python3 scripts/sandbox --port 8787 > \S*sandbox\.env &( *#.*)?",  # parsed below
    r"sleep 1; \. \S*sandbox\.env( *#.*)?",
)
PLACES = [(page.name, line) for page in (README, SKILL) for line in code_blocks(page)]
OURS = [(page, line) for page, line in PLACES if not any(re.fullmatch(other, line) for other in OTHER_LINES)]
PLACEHOLDERS = {"NAME": "campaigns.create", "COMMAND": "schema", "KEY=VALUE": "page=1"}


@pytest.fixture(scope="session")
def ids(demo_state: Path) -> dict[str, str]:
    return {**demo_ids(demo_state / "sandbox" / "sandbox.sqlite3"), **PLACEHOLDERS}


def test_every_line_that_is_not_run_is_still_there() -> None:
    for other in OTHER_LINES:
        assert any(re.fullmatch(other, line) for _, line in PLACES), f"no line is like {other}: take it off the list"
    assert len(OURS) > 55


@pytest.mark.parametrize(("page", "line"), OURS)
def test_a_command_line_of_the_documents_runs(
    lgp: Run, api_call: Run, sandboxed: Path, clock: Clock, ids: dict[str, str], tmp_path: Path, monkeypatch: Any,
    page: str, line: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found = commands_in(line, ids)
    assert found, f"{page} shows a line that runs none of the scripts, and is not on the list of such lines: {line}"
    for script, argv in found:
        run: Callable[..., Ran] = api_call if script == "api_call" else lgp
        words = ["auth", *argv] if script == "auth" else argv
        parse(script, words)
        ran = run(*words)
        assert ran.code == 0, ran.err
        assert ran.out
        if '"problems_total"' in ran.out:
            assert ran.json()["problems_total"] == 0, "the line does nothing with the demo data"


def parse(script: str, words: list[str]) -> None:
    """By the real parser. UsageError when it does not know a word."""
    if script == "api_call":
        assert raw.parser().parse_known_args(words)[1] == []
    elif "--help" not in words:
        found = parsing.find(words)
        parsing.parse(found.row, found.rest)


def test_the_lines_about_the_served_sandbox_parse() -> None:
    text = README.read_text(encoding="utf-8")
    chapter = re.sub(r"\s+", " ", text[text.index("## The sandbox") : text.index("## Variables")])
    for option in re.findall(r"--(?:port 8787|reset|no-rate-limit|limits [^…`]+|fault \"[^\"]+\")", chapter):
        name, _, value = option.partition(" ")
        args = sandbox_program._parser().parse_args([name, value.strip('",')] if value else [name])
        assert vars(args)[name[2:].replace("-", "_")]
    words = re.findall(r"`([a-z-]+)`", chapter[chapter.index("rehearse failure") :])
    assert {"reset", "close", "stall", "truncate", "badjson", "html", "applied-reset"} <= set(words)
    for word in (*(one for one in words if one in sandbox_program.FAULT_HELP), "503:30"):
        Sandbox.__init__.__globals__["parse_all"]([f"POST /leads/batch={word}*2"])


def test_the_python_of_the_readme_runs(
    demo_state: Path, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    database = tmp_path / "sandbox.sqlite3"
    shutil.copy(demo_state / "sandbox" / "sandbox.sqlite3", database)
    with serving(Sandbox(database, rate_limit=False)) as origin:
        monkeypatch.setenv("LGP_BASE_URL", origin)
        monkeypatch.setenv("LGP_API_KEY", CREDENTIALS["api_key"])
        exec(source, {})
    assert "Spring ABM" in capsys.readouterr().out


# SKILL.md


def test_frontmatter() -> None:
    fields = dict(line.split(": ", 1) for line in FRONTMATTER.splitlines())
    assert fields["name"] == "leadgenius-api"
    assert 0 < len(fields["description"]) < 1024
    assert set(fields) <= {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}


def test_the_body_is_short_enough_to_be_read_at_once() -> None:
    assert len(BODY.splitlines()) < 300
    assert len(BODY) / 4 < 5000  # about four characters a token


def test_the_eight_workflows_have_one_line_each() -> None:
    chapter = BODY[BODY.index("## The eight workflows") : BODY.index("## Commands by task")]
    names = re.findall(r"^\d\. \*\*(.+?)\*\* - `python3 scripts/lgp\.py ", chapter, re.MULTILINE)
    documented = ["Leads", "Campaigns", "Targeted ABM", "Outreach", "Automation", "Analytics", "Maintenance"]
    assert names == [*documented, "Administration"]


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = BODY[BODY.index("## Exit codes") :]
    told = [int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(", ")]
    signals = {program.INTERRUPTED, program.TERMINATED, program.PIPE_CLOSED}
    assert sorted(told) == sorted({*program.EXIT_CODES, *signals})


def test_the_base_urls_are_those_of_the_document() -> None:
    assert f"`{SPEC['servers'][0]['url']}`" in BODY
    for path in SPEC["paths"]:
        if not path.startswith("/api/agent/"):
            assert f"`{path.removeprefix('/api')}`" in BODY


PAYLOADS = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", BODY, re.DOTALL)]


@pytest.mark.parametrize(
    ("payload", "operation", "argv"),
    [
        (PAYLOADS[0], "campaigns.create", ("campaigns", "create", "--data", "-")),
        (PAYLOADS[1], "enrichment.trigger", ("leads", "enrich", "--ids", "lead_1", "lead_2", "--priority", "normal")),
    ],
)
def test_a_payload_is_what_the_command_sends(
    lgp: Run, payload: dict[str, Any], operation: str, argv: tuple[str, ...]
) -> None:
    body = catalog.operations()[operation].body or {}
    assert [*checks.problems(payload, body), *checks.unknown_fields(payload, body)] == []
    ran = lgp(*argv, "--dry-run", stdin=json.dumps(payload))
    assert ran.json()["body"] == payload


def test_there_are_two_payloads() -> None:
    assert len(PAYLOADS) == 2


@pytest.mark.parametrize("page", [README, SKILL], ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:scripts|references|tests|\.ci)/[\w./-]+)", page.read_text(encoding="utf-8"))
    named += re.findall(r"(?<=python3 )((?:scripts|tests)/[\w./]+)", page.read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
