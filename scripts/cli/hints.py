"""Hints: one command to type next, with the program named as it was called and pointed where this
run pointed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

# The keys that errors of the helper carry, and the command for each.
HINTS = {
    "get_key": "{lgp} generate-key --name NAME   (an agent key of the right company, lgp_…: stored,"
    " or in LGP_API_KEY; admin calls take one of a Master Admin)",
    "save_amplify_key": "{lgp} auth save-key --scope system   (the Amplify key of that company,"
    " da2-…: stored, or in LGP_AMPLIFY_API_KEY)",
    "log_in": "{lgp} auth --email YOU",
    "check_credentials": "{lgp} auth status --check",
    "check_change": "{lgp} jobs list   (and changes.jsonl in the state directory)",
}


def for_error(code: str, path: str, hint: str) -> str:
    """The hint of an error: by its path for a refused key and for a change that may have been
    applied."""
    refused = code in ("unauthorized", "forbidden") and "{" not in hint
    if refused and not path.endswith("/epsimo-auth"):
        if path.endswith("/agent-api-keys"):
            return "log_in"
        return "get_key" if path.startswith(("/api/agent/", "/api/admin/")) else "save_amplify_key"
    if hint != "check_change":
        return hint
    from cli.commands import COMMANDS
    from contract.operations import operations

    lists = [one for one in COMMANDS if one.operation and operations()[one.operation].paging]
    found = [one.words for one in lists if path.startswith(operations()[one.operation].path)]
    email = " --email ADDRESS" if found[:1] == ["leads list"] else ""
    return f"{{lgp}} {found[0]}{email}" if found else hint


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
