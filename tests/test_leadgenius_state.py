"""Where state is kept, and where never."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadgenius import state
from leadgenius.errors import UsageError


def test_the_order_of_places(tmp_path: Path) -> None:
    home, own, shared = tmp_path / "home", tmp_path / "own", tmp_path / "xdg"
    environ = {"LGP_STATE_DIR": str(own), "XDG_STATE_HOME": str(shared), "HOME": str(home)}
    assert state.directory(environ) == own
    assert state.directory({**environ, "LGP_STATE_DIR": "~/mine"}) == home / "mine"
    del environ["LGP_STATE_DIR"]
    assert state.directory(environ) == shared / "leadgenius"
    del environ["XDG_STATE_HOME"]
    assert state.directory(environ) == home / ".local" / "state" / "leadgenius"
    assert own.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("given", ["state", "./state", "~", "~other/state", "\udcff"])
def test_never_in_the_current_directory(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UsageError):
        state.directory({"LGP_STATE_DIR": given, "HOME": str(tmp_path / "home")})
    assert state.directory({"HOME": "home", "TMPDIR": str(tmp_path)}) == next(tmp_path.glob("leadgenius-*"))
    assert [path for path in sorted(tmp_path.iterdir()) if path not in before] == [next(tmp_path.glob("leadgenius-*"))]


def test_the_private_temporary_directory_must_be_ours_alone(tmp_path: Path) -> None:
    environ = {"TMPDIR": str(tmp_path)}
    made = state.directory(environ)
    assert made is not None
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o755)
    assert state.directory(environ) is None
    made.rmdir()
    made.symlink_to(tmp_path)
    assert state.directory(environ) is None


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path / "nobody"), "TMPDIR": str(tmp_path)}
    assert state.directory(environ) == next(tmp_path.glob("leadgenius-*"))
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize("name", ["HOME", "XDG_STATE_HOME", "LGP_STATE_DIR", "TMPDIR"])
def test_a_name_too_long_is_a_place_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    environ = {"TMPDIR": str(tmp_path), name: str(tmp_path / ("a" * 300))}
    found = state.directory(environ)
    assert found == (next(tmp_path.glob("leadgenius-*")) if name in ("HOME", "XDG_STATE_HOME") else None)
