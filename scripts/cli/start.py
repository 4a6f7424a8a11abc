"""Runs before everything else, on any Python 3: says in one line when that is too old."""

import gc
import sys

gc.disable()  # nothing of a start is garbage; collecting would cost a tenth of it
OLDEST = (3, 10)


def run(script: str) -> int:
    """One run of a script, by its name: its exit code."""
    if sys.version_info >= OLDEST:
        from cli import main

        return main.run(script, sys.argv[1:])
    import json

    message = "Python %d.%d or newer is needed; this is %d.%d." % (OLDEST + sys.version_info[:2])
    hint = "uv run scripts/lgp.py --help   (or run it with a newer python3)"
    error = {"code": "setup", "message": message, "hint": hint, "exit_code": 9}
    sys.stderr.write(json.dumps({"error": error}) + "\n")
    return 9
