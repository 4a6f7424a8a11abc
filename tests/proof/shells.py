"""Completion in real shells, each on a terminal of its own."""

import os
import pty
import select
import shlex
import shutil
import time

from tools import LGP, environ, folder, show

SHELLS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"]}
# What is typed before the tab, and the command line after it.
CASES = {
    "campai": "campaigns",
    "enrich-leads li": "enrich-leads list",
    "campaigns create --campaign-ty": "campaigns create --campaign-type",
    "campaigns create --campaign-type dem": "campaigns create --campaign-type demand_gen",
    "leads list --format js": "leads list --format json",  # jsonl too: as far as they agree
    "leads list --out conta": "leads list --out contacts.csv",
    "leads import conta": "leads import contacts.csv",
    "--quiet leads impo": "--quiet leads import",
}


def prove() -> bool | None:
    """Completion gives commands, options, values and files in real bash and zsh."""
    held = []
    for shell, options in SHELLS.items():
        if shutil.which(shell):
            held.append(complete([shell, *options]))
        else:
            print(f"  {shell}: skipped, it is not on the path")
    return all(held) if held else None


def complete(command: list[str]) -> bool:
    made = f'eval "$({shlex.join([*LGP, "completion", command[0]])})"'
    with folder() as home:
        (home / "contacts.csv").touch()
        pid, terminal = pty.fork()
        if not pid:
            os.chdir(home)
            os.execvpe(command[0], command, environ(home, TERM="vt100"))
        typed(terminal, "lgp() { printf '<%s>' $*; }; PS1=; " + made + "\n")
        wrong = []
        for begun, words in CASES.items():
            os.write(terminal, f"lgp {begun}\t".encode())
            time.sleep(1.5)  # a shell that is still completing takes the line as it is
            shown = "".join(f"<{word}>" for word in words.split())
            wrong += [] if shown in typed(terminal, "\n") else [f"not {begun}"]
        os.write(terminal, b"exit\n")
        os.waitpid(pid, 0)
        os.close(terminal)
    facts = f"{len(CASES) - len(wrong)} of {len(CASES)}"
    return show(command[0], facts, *wrong, held=not wrong)


def typed(terminal: int, text: str) -> str:
    """Type it, then what prints a mark; all that is shown up to the mark, or in 10 s."""
    os.write(terminal, f"{text}printf '%s-more\\n' ready-for\n".encode())
    shown, end = b"", time.monotonic() + 10
    while b"ready-for-more\r\n" not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536)
    return shown.decode(errors="replace")
