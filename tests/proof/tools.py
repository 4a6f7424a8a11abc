"""What proof and bench share: real processes with a home of their own, and what each used."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parent.parent / "scripts"
LGP = (sys.executable, str(SCRIPTS / "lgp.py"))
SANDBOX = (sys.executable, str(SCRIPTS / "sandbox"), "--port", "0", "--no-rate-limit")
BULK = (sys.executable, str(HERE / "service.py"))


class Run(NamedTuple):
    """How a process ended and what it used: seconds, seconds of CPU, MiB at its peak."""

    code: int
    out: str
    err: str
    seconds: float
    cpu: float
    peak: float


def environ(home: Path, **more: str) -> dict[str, str]:
    """Nothing of whoever runs this but PATH; limits that nobody reaches."""
    base = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home)}
    return {**base, "PYTHONPATH": str(SCRIPTS), "LGP_RATE_LIMITS": "1000000/1", **more}


def run(command: Sequence[str], env: dict[str, str], **options: Any) -> Run:
    """Run to the end. The peak is never less than this process's own, so keep that small."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        options = {"stdin": subprocess.DEVNULL, **options}
        process = subprocess.Popen(command, env=env, stdout=out, stderr=err, **options)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        code = process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        peak = used.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
        return Run(code, out.read(), err.read(), seconds, used.ru_utime + used.ru_stime, peak)


@contextlib.contextmanager
def serving(command: Sequence[str], home: Path) -> Iterator[dict[str, str]]:
    """A sandbox or service.py as a process; yields the variables that point a command at it."""
    quiet, env = subprocess.DEVNULL, environ(home)
    pipe = {"stdout": subprocess.PIPE, "stderr": quiet, "text": True}
    with subprocess.Popen(command, env=env, **pipe) as process:
        try:
            while (line := process.stdout.readline()).startswith("export "):
                name, _, value = line.strip().removeprefix("export ").partition("=")
                env[name] = value
            yield env
        finally:
            process.terminate()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder of this user alone."""
    with tempfile.TemporaryDirectory(prefix="lgp-proof-") as made:
        yield Path(made)


def show(name: str, *facts: str, held: bool = True) -> bool:
    """Print a figure; returns whether it held."""
    print(f"  {name}: {', '.join(facts)}{'' if held else '  FAILED'}", flush=True)
    return held
