"""Hints are the next thing to type, so they name the programs as this one was called, and go where this run went."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

_SCRIPTS = ("lgp.py", "api_call.py", "auth.py")


def called(text: str) -> str:
    """`text` with `{lgp}` and `{api_call}` replaced by how one types them here.

    `text` is a template of ours: what a server named goes in through `text.plain_id` only, which lets no brace pass.
    What is filled in is not looked at again.
    """
    where = _where(text)
    return re.sub(r"\{(lgp|api_call)\}", lambda found: _typed(f"{found[1]}.py") + where, text)


def _typed(name: str) -> str:
    script = Path(sys.argv[0] or "lgp.py")
    if script.name not in _SCRIPTS:
        script = Path("scripts/lgp.py")
    return "python3 " + shlex.quote(str(script.with_name(name)))


def _where(text: str) -> str:
    """The options of this run that say which service is meant: a hint typed without them would go elsewhere.

    A base URL with a password in it is refused anyway, and not repeated.
    """
    words = sys.argv[1:]
    if "--sandbox" in words:
        return " --sandbox"
    if "--base-url" in text:
        return ""
    for position, word in enumerate(words):
        name, _, value = word.partition("=")
        if name == "--base-url":
            value = value or "".join(words[position + 1 : position + 2])
            return f" --base-url {shlex.quote(value)}" if value and "@" not in value else ""
    return ""
