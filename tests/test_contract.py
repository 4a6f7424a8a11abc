"""An operation is an entry in openapi.json, a row, a sandbox handler, a section of the reference: all of them, alike.

Every command and every operation is run against the sandbox, and what comes back is what the document promises.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from commands import program as lgp_program
from commands import raw
from commands.runners import parsing
from commands.runners.rows import Row
from conftest import Clock, Ran, Run
from console import catalog, options
from console import program as console_program
from contract import (
    BULK,
    OPERATIONS,
    ROOT,
    SPEC,
    Desk,
    breaches,
    commands_in,
    demo_ids,
    example,
    filled,
    path_id,
    real_body,
    record_breaches,
)
from sandbox.app import HANDLERS, ROUTES
from sandbox.demo import CREDENTIALS

ROWS = parsing.all_rows()
each_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
each_operation = pytest.mark.parametrize("name", OPERATIONS)
REFERENCE = (ROOT / "references" / "api_reference.md").read_text(encoding="utf-8")

# A batch of leads has no command of its own: it is what a list in --data becomes.
INSIDE_ANOTHER = {"leads.create-batch": ("leads", "create", "--data", "[…]")}
# What these print is made from an answer, and is not the answer: a login and new keys must not show their secrets.
SPEAK_FOR_THEMSELVES = ("auth.login", "keys.create")


# The commands that documents, habits and scripts of users rely on.
SURFACE = """
auth; auth login; auth status; auth logout; auth save-key; generate-key; keys create; keys list; keys rotate
leads list; leads create; leads status; leads delete; leads enrich; enrich-leads list; source-leads list
campaigns list; campaigns create; campaigns get; campaigns update; campaigns archive; campaigns metrics
target-accounts list; target-accounts create; target-accounts score; sequences list; sequences create; sequences enroll
workflows list; workflows create; integrations list; integrations create; webhooks list; webhooks create
enrichment status; enrichment services; pipeline; analytics trends; analytics report; admin companies; admin users
maintenance bugs list; maintenance bugs report; maintenance enhancements list; maintenance enhancements request
schema; limits; limits clear; completion"""


# Nothing is missing anywhere


def test_no_command_has_gone() -> None:
    assert {name.strip() for name in re.split("[;\n]", SURFACE.strip())} - {row.name for row in ROWS} == set()


@each_row
def test_a_row_names_an_operation_that_exists(row: Row) -> None:
    assert row.operation is None or row.operation in OPERATIONS


@each_operation
def test_an_operation_has_a_command(name: str) -> None:
    assert name in {row.operation for row in ROWS} | set(INSIDE_ANOTHER)


def test_no_command_stands_twice_and_every_one_is_found() -> None:
    assert len({row.words for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert parsing.find(row.words).row is row


def test_every_module_of_commands_is_reached() -> None:
    """A row of a group that parsing does not know could never be typed."""
    for module in (ROOT / "scripts" / "commands").glob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROWS" for node in tree.body):
            groups = {group for group, (name, _) in parsing.GROUPS.items() if name == module.stem}
            found = next(iter(groups), None)
            assert found is not None, f"{module.name} has rows and no group"
            assert {row.words[0] for row in parsing.module_of(found).ROWS} == groups


@each_operation
def test_an_operation_has_one_sandbox_route(name: str) -> None:
    method, path, _ = OPERATIONS[name]
    assert [(route.method, route.path) for route in ROUTES if route.operation == name] == [(method, path)]


def test_the_sandbox_has_no_route_beside_the_document() -> None:
    assert {route.operation for route in ROUTES} == set(OPERATIONS)
    assert len(ROUTES) == len(OPERATIONS)
    assert len(HANDLERS) == len({route.handler.__module__ for route in ROUTES})


@each_operation
def test_a_route_wants_the_credential_and_the_body_of_the_document(name: str) -> None:
    (route,) = [route for route in ROUTES if route.operation == name]
    _, _, operation = OPERATIONS[name]
    needs = {"agent": "agent", "system": "system", "admin": "admin", "root": "jwt"}[operation["x-scope"]]
    assert route.needs == ("nothing" if operation["security"] == [] else needs)
    assert route.takes_body == ("requestBody" in operation)


@each_operation
def test_an_operation_has_one_section_of_the_reference(name: str) -> None:
    method, path, _ = OPERATIONS[name]
    (section,) = re.findall(rf"^### {re.escape(name)}\n(.*?)(?=^##|\Z)", REFERENCE, re.DOTALL | re.MULTILINE)
    assert f"`{method} {path}`" in section


def test_the_reference_has_no_section_beside_the_document() -> None:
    sections = re.findall(r"^### ([a-z-]+(?:\.[a-z-]+)+)$", REFERENCE, re.MULTILINE)
    assert sorted(sections) == sorted(OPERATIONS)


@each_operation
def test_the_catalog_reads_what_the_document_says(name: str) -> None:
    method, path, operation = OPERATIONS[name]
    found = catalog.operations()[name]
    assert (found.method, found.path, found.scope) == (method, path, operation["x-scope"])
    assert catalog.at(method, re.sub(r"\{\w+\}", "x", path)) is found


# Every command runs as its example says


@pytest.fixture(scope="session")
def ids(demo_state: Path) -> dict[str, str]:
    return demo_ids(demo_state / "sandbox" / "sandbox.sqlite3")


@each_row
def test_the_example_of_a_command_runs(
    lgp: Run, sandboxed: Path, clock: Clock, ids: dict[str, str], row: Row, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    ((script, argv),) = commands_in(row.example, ids)
    assert script == "lgp"
    assert parsing.find(argv).row is row
    parsing.parse(row, parsing.find(argv).rest)
    ran = lgp(*argv, stdin=f"{CREDENTIALS['api_key']}\n" if "save-key" in argv else "")
    assert ran.code == 0, ran.err
    if row.operation and row.operation not in SPEAK_FOR_THEMSELVES:
        assert answers_of(ran, row, argv, tmp_path), "the command printed nothing that could be checked"


def answers_of(ran: Ran, row: Row, argv: list[str], folder: Path) -> int:
    """Check every answer that a command printed or wrote against the document; returns how many there were."""
    name = str(row.operation)
    if "--out" in argv:
        rows = [json.loads(line) for line in (folder / argv[argv.index("--out") + 1]).read_text("utf-8").splitlines()]
        assert [one for line in rows for one in record_breaches(name, line)] == []
        return len(rows)
    told = ran.json()
    status = next(int(code) for code in OPERATIONS[name][2]["responses"] if code < "300")
    assert told.get("problems_total", 0) == 0
    if "parts" in told and not any("answer" in part for part in told["parts"]):  # changes of one record each: counted
        return int(told["requested"] == told["applied"] == len(told["parts"]))
    found = [part["answer"] for part in told["parts"]] if "parts" in told else [told]
    for answer in found:
        # A started job that was followed to its end answers with its status.
        followed = row.waits and "--wait" in argv
        assert breaches("enrichment.status" if followed else name, 200 if followed else status, answer) == []
    return len(found)


@each_row
def test_help_shows_a_line_that_can_be_typed(lgp: Run, row: Row) -> None:
    ran = lgp(*row.words, "--help")
    assert ran.code == 0
    shown = ran.out.partition("example:\n")[2].strip()
    assert len(commands_in(shown, {"CAMPAIGN_ID": "x"})) == 1
    assert shown == console_program.called(row.example)
    assert row.summary in ran.out


@pytest.mark.parametrize("group", parsing.GROUPS)
def test_help_of_a_group_names_its_commands(lgp: Run, group: str) -> None:
    ran = lgp(group, "--help")
    assert ran.code == 0
    rows = parsing.rows_of(group)
    if len(rows) > 1:
        assert [row.name for row in rows if row.name not in ran.out] == []


# Every operation by api_call.py


@each_operation
def test_an_operation_answers_as_documented(api_call: Run, sandboxed: Path, ids: dict[str, str], name: str) -> None:
    method, _, operation = OPERATIONS[name]
    argv = [method, filled(name, ids)]
    argv += ["--data", json.dumps(real_body(name, ids))] if "requestBody" in operation else []
    argv += ["-p", f"companyId={ids['COMPANY_ID']}"] if name in BULK else []
    ran = api_call(*argv, *(["--yes"] if method == "DELETE" else []))
    assert ran.code == 0, ran.err
    status = next(int(code) for code in operation["responses"] if code < "300")
    assert breaches(name, status, ran.json()) == []


@each_operation
def test_the_short_path_goes_to_the_same_operation(api_call: Run, ids: dict[str, str], name: str) -> None:
    method, _, operation = OPERATIONS[name]
    short = re.sub("^/api(/agent)?(?=/)", "", filled(name, ids))
    data = ["--data", json.dumps(example(name))] if "requestBody" in operation else []
    ran = api_call(method, short, *data, "--dry-run", *(["--yes"] if method == "DELETE" else []))
    assert ran.code == 0, ran.err
    assert ran.json()["url"] == SPEC["servers"][0]["url"] + filled(name, ids)
    assert ran.json()["effect"] == operation["x-effect"]


def test_each_path_id_is_that_of_its_own_kind(ids: dict[str, str]) -> None:
    """Or the tests above would ask for a campaign by a lead's id, and a 404 is documented too."""
    assert {path_id(name, ids) for name in OPERATIONS} == {"", *ids.values()} - {ids["COMPANY_ID"]}


# Every option stands in the documents, and every option of the documents exists


def flags_of(row: Row) -> set[str]:
    return {flag for action in parsing.parser(row)._actions for flag in action.option_strings if flag.startswith("--")}


def own_flags(row: Row) -> set[str]:
    return flags_of(row) - {f"--{option.name}" for option in options.OPTIONS}


RAW_FLAGS = {flag for action in raw.parser()._actions for flag in action.option_strings if flag.startswith("--")}
ALL_FLAGS = RAW_FLAGS.union(*map(flags_of, ROWS)) | {"--version"}
ELSEWHERE_IN_DOCUMENTS = {  # options of other programs that the documents show
    "--quiet", "--upgrade",  # pip
    "--port", "--reset", "--no-rate-limit", "--limits", "--fault",  # the served sandbox
}  # fmt: skip


def test_every_global_option_stands_in_the_overview(lgp: Run) -> None:
    overview = lgp("--help").out
    for option in options.OPTIONS:
        assert re.search(rf"^  --{option.name}( {re.escape(option.metavar)})? +\S", overview, re.MULTILINE), option.name
    for group in parsing.GROUPS:
        assert re.search(rf"^  {group} +\S", overview, re.MULTILINE), group
    for code in console_program.EXIT_CODES:
        assert re.search(rf"^ +{code}  \S", overview, re.MULTILINE), code


def test_the_parser_has_every_global_option_for_every_command() -> None:
    for row in ROWS:
        assert {f"--{option.name}" for option in options.OPTIONS} <= flags_of(row)


@each_row
def test_every_field_of_an_operation_has_a_flag(row: Row) -> None:
    """What the document lists can be typed: path ids, filters, body fields; what is typed is told in --help."""
    shown = parsing.parser(row).format_help()
    assert [flag for flag in own_flags(row) if flag not in shown] == []
    if row.operation is None:
        return
    operation = OPERATIONS[row.operation][2]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    fields = list(catalog.resolve(body).get("properties", {})) if body else []
    fields += [one["name"] for one in map(catalog.resolve, operation.get("parameters", [])) if one["in"] == "query"]
    told = {"ids": "--ids", "leadIds": "--ids", "page": "--page", "pageSize": "--page-size"}
    told |= {"limit": "--page-size", "nextToken": "--cursor", "fields": "--fields"}
    for field in fields:
        flag = told.get(field) or parsing.flags_of(row, field)[0]
        assert flag in flags_of(row), f"{field} cannot be typed"


@each_row
def test_every_own_flag_comes_from_the_document_or_the_row(row: Row) -> None:
    """A misspelt key in a row's `flags` would silently do nothing."""
    known: set[str] = set()
    if row.operation:
        spec = row.spec
        known = {*spec.body_fields(), *spec.filters(), *spec.parameters("path")}
    assert set(row.flags) <= known
    assert set(row.defaults) <= known
    assert set(row.table) <= set(row.spec.columns() if row.operation else ())


@pytest.mark.parametrize("page", ["README.md", "SKILL.md", "references/api_reference.md"])
def test_the_documents_name_no_option_that_does_not_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text))
    assert named - ALL_FLAGS - ELSEWHERE_IN_DOCUMENTS == set()


@pytest.mark.parametrize("page", ["README.md", "SKILL.md", "references/api_reference.md"])
def test_the_documents_name_no_variable_that_does_not_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "scripts").rglob("*.py"))
    known = {option.variable for option in options.OPTIONS} | set(re.findall(r"LGP_[A-Z_]+[A-Z]", sources))
    named = set(re.findall(r"\bLGP_[A-Z_]*[A-Z]\b", text)) - {"LGP_VERSION"}  # named to say that it means nothing
    assert named - known == set()


def test_every_group_stands_in_the_skill() -> None:
    skill = (ROOT / "SKILL.md").read_text(encoding="utf-8")
    assert [group for group in parsing.GROUPS if group not in skill and group != "completion"] == []


def test_help_and_version_come_whatever_stands_before_them(lgp: Run) -> None:
    assert lgp("help").out == lgp("--help").out == lgp().out
    assert lgp("campaigns", "create", "--help").out == lgp("--quiet", "campaigns", "create", "-h").out
    assert lgp("--version").out.startswith("leadgenius-skill ")
    assert lgp_program.overview() == lgp("--help").out


# The sandbox answers every operation as documented, without any of our client between


@each_operation
def test_the_sandbox_answers_as_documented(sandboxed: Path, ids: dict[str, str], name: str) -> None:
    desk = Desk(sandboxed / "sandbox.sqlite3")
    method, _, operation = OPERATIONS[name]
    query = f"?companyId={ids['COMPANY_ID']}" if name in BULK else ""
    reply = desk.ask(method, filled(name, ids) + query, real_body(name, ids), who=desk.credential_of(name))
    assert 200 <= reply.status < 300, reply.raw
    assert breaches(name, reply.status, reply.body) == []
    for header in resolved_headers(operation, reply.status):
        assert header in reply.headers, f"{header} is documented and not sent"


def resolved_headers(operation: dict[str, Any], status: int) -> list[str]:
    return list(operation["responses"][str(status)].get("headers", ()))
