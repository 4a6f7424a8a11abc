"""Completion in real shells, each on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import time
from pathlib import Path

from tools import LGP, environ, folder, show

MARK = "ready-for-more"
SHELLS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
# What is typed before the tab, and the words of the command line after it.
CASES = {
    "lgp campai": ["campaigns"],
    "lgp enrich-leads li": ["enrich-leads", "list"],
    "lgp campaigns create --campaign-ty": ["campaigns", "create", "--campaign-type"],
    "lgp campaigns create --campaign-type dem": ["campaigns", "create", "--campaign-type", "demand_gen"],
    "lgp leads list --format js": ["leads", "list", "--format", "json"],  # jsonl too: as far as they agree
    "lgp leads list --out conta": ["leads", "list", "--out", "contacts.csv"],
    "lgp leads import conta": ["leads", "import", "contacts.csv"],
    "lgp schema campaigns.met": ["schema", "campaigns.metrics"],
    "lgp --quiet leads impo": ["--quiet", "leads", "import"],
}


def prove() -> bool | None:
    """Completion gives commands, options, values and files in real bash and zsh."""
    held = []
    for shell, options in SHELLS.items():
        if shutil.which(shell):
            held.append(complete(shell, options))
        else:
            print(f"  {shell}: skipped, it is not on the path")
    return all(held) if held else None


def complete(shell: str, options: list[str]) -> bool:
    with folder() as home:
        (home / "contacts.csv").touch()
        terminal = Terminal([shell, *options], home)
        made = f'eval "$({shlex.join([*LGP, "completion", shell])})"'
        terminal.type("lgp() { printf '<%s>' \"$@\"; }; PS1=; cd; " + made + "\n", 10)
        wrong = [typed for typed, words in CASES.items() if not terminal.completes(typed, words)]
        terminal.close()
    facts = f"{len(CASES) - len(wrong)} of {len(CASES)}"
    return show(shell, facts, *(f"not {typed}" for typed in wrong), held=not wrong)


class Terminal:
    """A program on a terminal; it is sent what a person would type."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(command[0], command, environ(home, TERM="vt100"))

    def type(self, text: str, seconds: float) -> str:
        """Type it, then print a mark; what the terminal shows up to that, or in so many seconds."""
        os.write(self.fd, text.encode())
        os.write(self.fd, f"printf '%s-for-more\\n' ready\n".encode())
        shown, end = b"", time.monotonic() + seconds
        while f"{MARK}\r\n".encode() not in shown and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                shown += os.read(self.fd, 65536)
        return shown.decode(errors="replace")

    def completes(self, typed: str, words: list[str]) -> bool:
        os.write(self.fd, f"{typed}\t".encode())
        time.sleep(1.5)  # a shell that is still completing takes the line as it is
        return "".join(f"<{word}>" for word in words) in self.type("\n", 10)

    def close(self) -> None:
        os.write(self.fd, b"\x15exit\n")
        os.close(self.fd)
        os.waitpid(self.pid, 0)


if __name__ == "__main__":
    raise SystemExit(not prove())
