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
    "begin": "{lgp} auth --email YOU   (then generate-key; --sandbox needs no account)",
    "check_change": "{lgp} jobs list   (and changes.jsonl in the state directory)",
}
# The options that say which service is meant: a hint without them would go elsewhere. A value with
# other characters, such as a password in a URL, is not repeated.
_WHERE = r"(?<![^\0])(--sandbox|--(?:profile|base-url)[\0=][\w./:-]+)(?![^\0])"


def for_error(code: str, path: str, hint: str) -> str:
    """The hint of an error: by its path for a refused key, an id that is not there, and a change
    that may have been applied."""
    absent, refused = code == "not_found", code in ("unauthorized", "forbidden")
    if "{" in hint or path.endswith("/epsimo-auth"):
        return hint
    if refused and path.endswith("/agent-api-keys"):
        return "log_in"
    if refused:
        return "get_key" if path.startswith(("/api/agent/", "/api/admin/")) else "save_amplify_key"
    if not absent and hint != "check_change":
        return hint
    from cli.commands import COMMANDS
    from contract.operations import operations

    for command in COMMANDS:
        operation = operations().get(command.operation_id)
        if operation and operation.paging and path.startswith(operation.path + "/" * absent):
            which = " --email ADDRESS" if command.words == "leads list" else " --all" * absent
            return f"{{lgp}} {command.words}{which}"
    return hint


def spelled(text: str) -> str:
    """`text`, or the hint of that key, with `{lgp}` replaced by how one types it here.
    What is filled in is not looked at again: no text of a server can become a command."""
    text = HINTS.get(text, text)
    typed = re.findall(_WHERE, "\0".join(sys.argv[1:]))
    command = text.partition("   (")[0]
    where = [word for word in typed if re.split("[\0=]", word)[0] not in command]
    options = "".join(f" {word}" for word in where).replace("\0", " ")
    return text.replace("{lgp}", _program() + options)


def _program() -> str:
    called = Path(sys.argv[0])
    if called.name == "lgp":  # a link of that name on the path
        return "lgp"
    if called.name not in ("lgp.py", "api_call.py", "auth.py"):
        called = Path("scripts/lgp.py")
    return "python3 " + shlex.quote(str(called.with_name("lgp.py")))
