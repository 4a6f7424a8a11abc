"""Hints: one command to type next, with the program named as it was called and pointed where this
run pointed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

# The keys that errors of the helper carry, and the command for each.
HINTS: dict[str, str] = {}


def spelled(text: str) -> str:
    """`text`, or the hint of that key, with `{lgp}` and `{api_call}` replaced by how one types them
    here.

    What is filled in is not looked at again: no text of a server can become a command.
    """
    text = HINTS.get(text, text)
    where = _where(text)
    return re.sub(r"\{(lgp|api_call)\}", lambda found: _typed(found[1]) + where, text)


def _typed(name: str) -> str:
    called = Path(sys.argv[0] or "lgp.py")
    if called.name == name:  # a link of that name on the path
        return name
    if called.name not in ("lgp.py", "api_call.py", "auth.py"):
        called = Path("scripts/lgp.py")
    return "python3 " + shlex.quote(str(called.with_name(f"{name}.py")))


def _where(text: str) -> str:
    """The options of this run that say which service is meant: a hint without them would go
    elsewhere."""
    words = sys.argv[1:]
    if "--sandbox" in words:
        return " --sandbox"
    for flag in ("--profile", "--base-url"):
        for position, word in enumerate(words):
            name, equals, value = word.partition("=")
            value = value if equals else "".join(words[position + 1 : position + 2])
            if name == flag and value and flag not in text and "@" not in value:
                return f" {flag} {shlex.quote(value)}"
    return ""
