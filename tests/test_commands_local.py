"""What needs no network: the schema, completion for shells, the request log."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from commands.runners import parsing
from conftest import Run
from contract import OPERATIONS, SPEC

BASH = shutil.which("bash")


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_schema_of_an_operation_fits_a_small_context(lgp: Run, name: str) -> None:
    ran = lgp("schema", name)
    told = ran.json()
    method, path, operation = OPERATIONS[name]
    assert len(ran.out.encode()) < 8192
    assert (told["operation"], told["method"], told["path"]) == (name, method, path)
    assert told["effect"] == operation["x-effect"]
    assert told["answer"]
    if "requestBody" in operation:
        assert told["body"]["properties"]
        assert told["example"]
    rows = [row.name for row in parsing.all_rows() if row.operation == name]
    assert told["commands"] == rows


@pytest.mark.parametrize("name", SPEC["components"]["schemas"])
def test_the_schema_of_a_record(lgp: Run, name: str) -> None:
    ran = lgp("schema", name)
    assert ran.json()["schema"] == name
    assert len(ran.out.encode()) < 8192


def test_all_operations_in_a_line_each(lgp: Run) -> None:
    rows = [json.loads(line) for line in lgp("schema").out.splitlines()]
    assert [row["operation"] for row in rows] == list(OPERATIONS)
    ids = lgp("schema", "--format", "csv", "--fields", "operation,effect").out.splitlines()
    assert ids[0] == "operation,effect"
    assert len(ids) == 1 + len(OPERATIONS)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("POST /campaigns",), "campaigns.create"), (("POST", "/campaigns"), "campaigns.create"),
        (("get /api/agent/leads",), "leads.list"), (("GET /admin/users",), "admin.users"),
        (("GET /enrich-leads/list",), "enrich-leads.list"), (("POST /epsimo-auth",), "auth.login"),
        (("PUT /leads/lead_1/status",), "leads.status"), (("PUT /leads/{id}/status",), "leads.status"),
        (("leads", "enrich"), "enrichment.trigger"), (("generate-key",), "keys.create"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_an_operation_is_found_by_its_path_and_by_its_command(lgp: Run, words: tuple[str, ...], name: str) -> None:
    assert lgp("schema", *words).json()["operation"] == name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("campaigns.creat", "campaigns.create"),
        ("POST /campaign", "POST /campaigns"),
        ("Leed", "Lead"),
        ("zzzzzzzz", ""),
    ],
)
def test_a_wrong_name_is_exit_2_with_near_ones(lgp: Run, name: str, near: str) -> None:
    ran = lgp("schema", name)
    assert (ran.code, ran.out) == (2, "")
    assert near in ran.error["message"]
    assert ran.error["hint"] == "python3 scripts/lgp.py schema"


# Completion


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import contextlib
    import io

    from commands import program

    folder, found = tmp_path_factory.mktemp("completion"), {}
    for shell in ("bash", "zsh", "fish"):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert program.main(["completion", shell]) == 0
        found[shell] = folder / shell
        found[shell].write_text(out.getvalue(), "utf-8")
    return found


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_is_valid(scripts: dict[str, Path], shell: str) -> None:
    ran = subprocess.run([str(BASH), "-n", str(scripts[shell])], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def complete(script: Path, line: str) -> list[str]:
    """What bash offers at the end of `line`."""
    code = """source "$1"; read -ra COMP_WORDS <<< "$2"; [[ "$2" == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lgp; printf '%s\\n' "${COMPREPLY[@]}" """
    ran = subprocess.run([str(BASH), "-c", code, "bash", str(script), line], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.skipif(BASH is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lgp.py ", list(parsing.GROUPS)),
        ("lgp.py camp", ["campaigns"]),
        ("lgp.py leads e", ["enrich"]),
        ("lgp.py --quiet leads e", ["enrich"]),
        ("lgp.py maintenance bugs ", ["list", "report"]),
        ("lgp.py campaigns create --camp", ["--campaign-type"]),
        ("lgp.py campaigns get abc --dry", ["--dry-run"]),
        ("lgp.py leads enrich --ids lead_1 --enrich", ["--enrichment-type"]),
        ("lgp.py pipeline --st", ["--start", "--start-date"]),
    ],
)
def test_bash_completes(scripts: dict[str, Path], line: str, offered: list[str]) -> None:
    found = complete(scripts["bash"], line)
    assert sorted(found) == sorted(offered)


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_every_command_and_option_is_offered(scripts: dict[str, Path], shell: str) -> None:
    text = scripts[shell].read_text("utf-8")
    for row in parsing.all_rows():
        assert all(word in text for word in row.words)
        for field in row.spec.body_fields() if row.operation else ():
            if field != row.spec.id_field():
                assert all(flag.lstrip("-") in text for flag in parsing.flags_of(row, field)), (row.name, field)


# The request log


def test_limits_tell_what_was_counted(lgp: Run, sandboxed: Path) -> None:
    for _ in range(3):
        lgp("leads", "list")
    rows = lgp("limits").json()["data"]
    assert rows
    assert lgp("limits", "clear").code == 0


def test_limits_of_nothing_are_an_empty_list(lgp: Run) -> None:
    ran = lgp("limits")
    assert ran.code == 0
    assert ran.json()["data"] == []
