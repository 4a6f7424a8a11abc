"""Runs before everything else, on any Python 3: says in one line what is missing and what to
type."""

import sys

OLDEST = (3, 10)


def run(script: str) -> int:
    """One run of a script, by its name: its exit code; 9 when Python is too old to read the rest or
    requests is not installed, with the line to type."""
    message = "Python %d.%d or newer is needed; this is %d.%d." % (OLDEST + sys.version_info[:2])
    hint = "uv run scripts/lgp.py --help   (or run it with a newer python3)"
    if sys.version_info >= OLDEST:
        try:
            from cli import main

            return main.run(script, sys.argv[1:])
        except ImportError as error:
            if (error.name or "").split(".")[0] not in ("requests", "urllib3"):
                raise
        message = "The package requests is not installed for this Python."
        hint = (
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt, then"
            " .venv/bin/python scripts/lgp.py …   (or: uv run scripts/lgp.py …)"
        )
    text = "Error: " + message + "\nNext: " + hint
    if not sys.stderr.isatty():
        import json

        error = {"code": "setup", "message": message, "hint": hint, "exit_code": 9}
        text = json.dumps({"error": error})
    sys.stderr.write(text + "\n")
    return 9
