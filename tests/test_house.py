"""The house itself: arrows between rooms go down only, and what runs without requests does."""

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from cli.commands import COMMANDS

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
MAY_IMPORT = {
    "cli": {"cli", "contract", "leadgenius"},
    "contract": {"contract"},
    "leadgenius": {"leadgenius", "sandbox"},
    "sandbox": {"sandbox", "contract", "leadgenius"},
}


def modules():
    """Dotted name → file, of every module of the rooms."""
    found = {}
    for room in MAY_IMPORT:
        for path in (SCRIPTS / room).glob("*.py"):
            name = f"{room}.{path.stem}" if path.stem != "__init__" else room
            found[name] = path
    return found


def imports(name, path, known):
    """Every module of ours that a module imports, inside functions too, and through the table of commands."""
    found = set()
    tree = ast.parse(path.read_text())
    for node in [one for one in tree.body if isinstance(one, ast.If)]:
        if ast.unparse(node.test) == "TYPE_CHECKING":
            tree.body.remove(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{one.name}" for one in node.names} | {node.module}
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    if name == "cli.main":
        found |= {f"cli.{one.run.split('.')[0]}" for one in COMMANDS}
    packages = {"cli", "leadgenius", "sandbox", "contract"}
    submodules = {one.rpartition(".")[0] for one in found if one in known and one not in packages}
    return {one for one in found if one in known and one != name and one not in submodules - {name}}


def test_the_imports_can_be_sorted():
    known = modules()
    graph = {name: imports(name, path, known) for name, path in known.items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert order.index("leadgenius.settings") < order.index("sandbox.app") < order.index("cli.main")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_lies_below_it(room):
    known = modules()
    for name, path in known.items():
        if name.split(".")[0] == room:
            rooms = {one.split(".")[0] for one in imports(name, path, known)}
            assert rooms <= MAY_IMPORT[room], name
            if room == "sandbox":
                ours = {one for one in imports(name, path, known) if one.startswith("leadgenius")}
                assert ours <= {"leadgenius.settings", "leadgenius"}, name
            if room == "leadgenius" and name != "leadgenius":
                assert "sandbox" not in rooms, name


def test_only_one_module_reads_openapi_json():
    readers = [name for name, path in modules().items() if '"openapi.json"' in path.read_text()]
    assert readers == ["contract.operations"]


def without_requests(tmp_path, words):
    """What a script leaves where requests is not installed."""
    (tmp_path / "requests.py").write_text("raise ImportError('not installed', name='requests')")
    script, *rest = words.split()
    command = [sys.executable, str(SCRIPTS / script), *rest]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    return subprocess.run(command, env=environ, capture_output=True, text=True)


@pytest.mark.parametrize(
    "words",
    ["lgp.py --help", "lgp.py schema leads.create", "lgp.py leads list --help", "sandbox --help"],
)
def test_help_schema_and_the_sandbox_run_without_requests(words, tmp_path):
    done = without_requests(tmp_path, words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("words", ["leads list", "auth status --check"])
def test_without_requests_one_line_says_what_to_type(words, tmp_path):
    done = without_requests(tmp_path, f"lgp.py {words} --sandbox")
    assert (done.returncode, done.stdout) == (9, "")
    assert "uv run" in done.stderr and "requirements.txt" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["lgp.py", "api_call.py", "auth.py"])
def test_the_scripts_parse_on_old_pythons_far_enough_to_say_so(script):
    for path in (SCRIPTS / script, SCRIPTS / "cli" / "start.py", SCRIPTS / "cli" / "__init__.py"):
        ast.parse(path.read_text(), feature_version=(3, 4))
