"""--out: the file is the old one or the new one, nobody else's, and never wider open than it was."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from conftest import Run
from console.output import check_place, whole_file
from leadgenius.errors import LocalError

OTHER = 54_321  # a user id that is not ours
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


def write(path: Path, text: str = "new\n") -> None:
    with whole_file(path) as stream:
        stream.write(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_link_under_the_guessed_name_of_the_part_is_not_followed(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", tmp_path / "out.json"
    victim.write_text("precious")
    (tmp_path / f"out.json.{os.getpid()}.part").symlink_to(victim)
    write(target)
    assert (victim.read_text(), target.read_text()) == ("precious", "new\n")
    assert not target.is_symlink()


@as_root
def test_a_link_of_another_user_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    victim, target = tmp_path / "victim", tmp_path / "out.json"
    victim.write_text("precious")
    target.symlink_to(victim)
    write(target)
    assert (victim.read_text(), target.is_symlink()) == ("new\n", True)  # our own link is followed
    os.lchown(target, OTHER, OTHER)
    for attempt in (lambda: write(target, "worse"), lambda: check_place(target, "--out")):
        with pytest.raises(LocalError) as raised:
            attempt()
        assert (raised.value.code, "symbolic link" in raised.value.message) == ("permission", True)
    assert victim.read_text() == "new\n"


def test_a_file_keeps_its_mode_and_a_new_one_has_that_of_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    before = os.umask(0o027)
    try:
        write(target)
        assert mode(target) == 0o640
        for kept in (0o600, 0o666):
            target.chmod(kept)
            write(target)
            assert mode(target) == kept
    finally:
        os.umask(before)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.json"]


@as_root
def test_a_device_stays_a_device(tmp_path: Path, lgp: Run, sandboxed: Path) -> None:
    """With one made for the test: it was the machine's own /dev/null that root once lost."""
    null = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        null.write_text("")
    except PermissionError:
        pytest.skip("no device can be made here")
    ran = lgp("leads", "list", "--format", "json", "--out", str(null))
    assert (ran.code, ran.json()["file"]) == (0, str(null))
    assert stat.S_ISCHR(null.stat().st_mode)


def test_a_pipe_is_written_to_when_somebody_reads(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    with pytest.raises(LocalError) as raised:
        write(pipe)
    assert raised.value.exit_code == 9
    with os.fdopen(
        os.open(pipe, os.O_RDWR), "rb"
    ) as both:  # both ends: else its reader would be told of an end at once
        reader = threading.Thread(target=lambda: read.append(both.read(200_000)), daemon=True)
        reader.start()
        write(pipe, "x" * 200_000)
        reader.join(10)
    assert read == [b"x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["x" * 300 + ".json", "x" * 255 + ".json", "/".join(["d" * 200] * 30) + ".json"])
def test_a_name_too_long_is_an_error_before_anything_is_sent(
    name: str, tmp_path: Path, lgp: Run, sandboxed: Path
) -> None:
    ran = lgp("leads", "list", "--out", str(tmp_path / name))
    assert (ran.code, ran.error["exit_code"]) == (9, 9)


def test_the_longest_name_of_all_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("ä" * 125 + ".json")
    write(target)
    assert target.read_text() == "new\n"
