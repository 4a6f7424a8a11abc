"""The scripts say what is missing on any Python 3, before anything else."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from conftest import SCRIPTS, Run
from console import guard

DOCUMENTED = ("lgp.py", "api_call.py", "auth.py")


@pytest.mark.parametrize("name", [*DOCUMENTED, "console/__init__.py", "console/guard.py"])
def test_what_runs_before_the_guard_has_the_oldest_syntax(name: str) -> None:
    ast.parse((SCRIPTS / name).read_text(), feature_version=(3, 4))
    assert "f'" not in (SCRIPTS / name).read_text()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_missing_package_is_told_in_one_line(name: str) -> None:
    ran = subprocess.run([sys.executable, "-S", SCRIPTS / name, "leads", "list"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (9, "")
    assert ran.stderr.count("\n") == 1
    assert "pip install requests" in ran.stderr


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(SystemExit) as stop:
        guard.check()
    assert stop.value.code == 9
    assert "Python 3.9 is too old" in capsys.readouterr().err


def test_an_old_urllib3_is_told(monkeypatch: pytest.MonkeyPatch, lgp: Run) -> None:
    monkeypatch.setattr("urllib3.__version__", "1.26.18")
    ran = lgp("--sandbox", "leads", "list")
    assert (ran.code, ran.out, ran.error["code"]) == (9, "", "setup")
    assert "pip install --upgrade" in ran.error["hint"]


def test_the_scripts_name_requests_alone_for_uv() -> None:
    for name in DOCUMENTED:
        text = (SCRIPTS / name).read_text()
        assert '# dependencies = ["requests"]' in text
        assert '# requires-python = ">=3.10"' in text


def test_only_the_three_documented_scripts_stand_in_the_folder() -> None:
    assert sorted(path.name for path in SCRIPTS.glob("*.py")) == sorted(DOCUMENTED)


def test_nothing_heavy_is_imported_for_offline_commands() -> None:
    code = "import sys; sys.argv = ['lgp.py', 'schema']; from commands import program; program.main(); "
    code += "assert 'requests' not in sys.modules, 'requests'; assert 'sandbox' not in sys.modules"
    ran = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_the_top_level_is_the_documented_one() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=SCRIPTS.parent, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout: what else lies in the folder is its owner's")
    known = {"SKILL.md", "README.md", "LICENSE.txt", "requirements.txt", "scripts", "references", "tests"}
    names = {name.split("/")[0] for name in listed.stdout.splitlines()}
    assert {name for name in names if not name.startswith(".")} == known
